"""Manifests: what a fitted model is and where it comes from, as JSON values."""

from collections.abc import Mapping
from typing import Any

from manyfit.fit.rows import Rows
from manyfit.fit.trained import Trained
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.encoding import encoding_of_json
from manyfit.model.errors import Refused
from manyfit.model.keys import task_key
from manyfit.model.schema import FeatureSchema, schema_of_json
from manyfit.model.sweep import Problem, SweepSpec
from manyfit.model.wire import candidate_to_json, cell_to_json

FORMAT = 1
"""The version of the manifest and of the bundle around it."""

Scores = Mapping[str, Mapping[str, float | None]]


def manifest_of(
    *,
    spec: SweepSpec,
    data: Rows,
    candidate: Candidate,
    cell: Cell,
    classes: tuple[str, ...],
    problem: Problem,
    fingerprint: str,
    environment: Mapping[str, Any],
    scores: Scores,
) -> dict[str, Any]:
    """
    Return what describes the fit of *candidate* on *cell*; *fingerprint* is the content key of the data.

    Nothing in it is of one moment, process or host, so that the same fit has the same manifest.
    """
    from manyfit.declare import to_json

    declared = to_json(spec)
    encoding = data.encoding().as_json()
    return {
        "format": FORMAT,
        "task": task_key(candidate.key, cell.key),
        "sweep": spec.name,
        "candidate": candidate_to_json(candidate),
        "cell": cell_to_json(cell),
        "problem": problem.value,
        "classes": list(classes),
        "labels": dict(spec.data.labels),
        "categories": {name: list(of) for name, of in spec.data.categories.items()},
        "schema": data.schema(candidate.features).as_json(),
        "table": _table(spec, data, candidate.features),
        "data": declared["data"],
        "fingerprint": fingerprint,
        "threads": spec.workers.threads,
        "scores": {name: dict(metrics) for name, metrics in scores.items()},
        "environment": dict(environment),
        **({"encoding": encoding} if encoding else {}),
    }


def _table(spec: SweepSpec, data: Rows, features: str) -> dict[str, Any]:
    """Return how the features are chosen from a table: patterns, and columns that have another role."""
    found = next(one for one in spec.features if one.name == features)
    return {"include": list(found.include), "exclude": list(found.exclude), "others": list(data.others())}


def trained_from(manifest: Mapping[str, Any], estimator: Any) -> Trained:
    """Return *estimator* with what *manifest* says of it. Raises `Refused` for a manifest that is not whole."""
    try:
        _check_tables(manifest)
        return Trained(
            estimator=estimator,
            problem=Problem(manifest["problem"]),
            classes=_texts(manifest["classes"]),
            labels={str(name): str(shown) for name, shown in manifest["labels"].items()},
            categories={str(name): _texts(of) for name, of in manifest["categories"].items()},
            schema=schema_in(manifest),
            manifest=manifest,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"the manifest of the model is not whole: {type(error).__name__}: {error}") from error


def _check_tables(manifest: Mapping[str, Any]) -> None:
    for name in ("candidate", "cell", "data", "encoding", "environment", "scores", "table"):
        if not isinstance(manifest.get(name, {}), Mapping):
            raise ValueError(f'"{name}" is no table')
    encoding_of_json(manifest.get("encoding", {}))
    for patterns in manifest.get("table", {}).values():
        _texts(patterns)
    candidate = manifest.get("candidate", {})
    _texts([candidate.get(name, "") for name in ("pipeline", "features", "variant")])
    steps = candidate.get("steps", [])
    if not isinstance(steps, list) or not all(
        isinstance(part, Mapping) for part in (*steps, candidate.get("shown", {}))
    ):
        raise ValueError("the steps or the parameters of the candidate are none")


def schema_in(manifest: Mapping[str, Any]) -> FeatureSchema:
    """Return the feature schema of a manifest. Raises ValueError when it was changed, KeyError without one."""
    return schema_of_json(manifest["schema"])


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of texts is wanted")
    return tuple(values)
