"""The index of the models that a sweep kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.keys import TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """
    A model that a result names. `id` is the SHA-256 of its file, `scores` are by set and metric.

    `format` is skops, joblib, or "plain skops" for a file of an earlier version, which has no manifest.
    `present` says whether the store still has the file.
    """

    id: str
    task: TaskKey
    pipeline: str
    params: str
    split: str
    fold: int | None
    seed: int
    scores: Mapping[str, float | None]
    n_bytes: int
    format: str
    trusted: bool
    foreign_types: tuple[str, ...]
    file: str
    present: bool


def kept_models(store: Store) -> Sequence[KeptModel]:
    """Return the models of all results, by split, pipeline and the order of results."""
    import polars as pl

    from manyfit.report.results import raw_results

    lazy = raw_results(store)
    scores = [name for name in lazy.collect_schema().names() if name not in _columns()]
    has_model = pl.col("artifacts").str.contains('"model"', literal=True)
    frame = lazy.filter(has_model).select(*_USED, *scores).collect()
    present = {file.name for file in store.artifacts.files()} if frame.height else set()
    return [found for row in frame.iter_rows(named=True) if (found := _kept(row, scores, present))]


_USED = ("key", "pipeline", "params", "split", "fold", "seed", "artifacts")


def _columns() -> frozenset[str]:
    from manyfit.report.lines import COLUMNS

    return frozenset(COLUMNS)


def _kept(row: Mapping[str, Any], scores: Sequence[str], present: "set[str]") -> KeptModel | None:
    from manyfit.fit.kept import BUNDLE, is_trusted
    from manyfit.report.planned import label_of

    model = json.loads(row["artifacts"]).get("model")
    if not isinstance(model, dict):
        return None
    bundled = model.get("format") == BUNDLE
    return KeptModel(
        id=str(model["sha256"]),
        task=TaskKey(row["key"]),
        pipeline=row["pipeline"],
        params=label_of(row["params"]),
        split=row["split"],
        fold=row["fold"],
        seed=row["seed"],
        scores={name: row[name] for name in scores if not name.startswith("n_") and row[name] is not None},
        n_bytes=int(model["length"]),
        format=str(model["model"]) if bundled else f"plain {model.get('format', 'skops')}",
        trusted=is_trusted(model),
        foreign_types=tuple(model.get("foreign_types") or ()),
        file=str(model["file"]),
        present=model["file"] in present,
    )
