"""The index of the models that a sweep kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manyfit.contracts.store import Store
from manyfit.model.keys import TaskKey

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """
    A model that a result names. `id` is the SHA-256 of its file, `scores` are by set and metric.

    `fold_scores` are those of the same candidate on its split: means over folds and seeds of the rows that folds
    held out, by metric. Empty for a model of one fold, and where the split has no folds.
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
    fold_scores: Mapping[str, float]
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
    means = _fold_means(lazy, frame, scores)
    return [
        found
        for row in frame.iter_rows(named=True)
        if (found := _kept(row, scores, present, means.get(tuple(row[name] for name in _GROUP), {})))
    ]


_GROUP = ("candidate_key", "variant", "split")
_USED = ("key", *_GROUP, "pipeline", "params", "fold", "seed", "artifacts")
_FOLDS = "cv_"


def _fold_means(
    lazy: "pl.LazyFrame", kept: "pl.DataFrame", scores: Sequence[str]
) -> Mapping[tuple[str, ...], Mapping[str, float]]:
    """Return the mean of each metric over the folds of the candidates that are in *kept*."""
    import polars as pl

    named = [name for name in scores if name.startswith(_FOLDS)]
    if kept.is_empty() or not named:
        return {}
    wanted = kept.lazy().select(_GROUP).unique()
    folds = lazy.filter(pl.col("fold").is_not_null()).join(wanted, on=_GROUP, how="semi")
    found = folds.group_by(_GROUP).agg(pl.col(named).mean()).collect()
    return {
        tuple(row[name] for name in _GROUP): {
            name.removeprefix(_FOLDS): row[name] for name in named if row[name] is not None
        }
        for row in found.iter_rows(named=True)
    }


def _columns() -> frozenset[str]:
    from manyfit.report.lines import COLUMNS

    return frozenset(COLUMNS)


def _kept(
    row: Mapping[str, Any], scores: Sequence[str], present: "set[str]", fold_scores: Mapping[str, float]
) -> KeptModel | None:
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
        fold_scores={} if row["fold"] is not None else fold_scores,
        n_bytes=int(model["length"]),
        format=str(model["model"]) if bundled else f"plain {model.get('format', 'skops')}",
        trusted=is_trusted(model),
        foreign_types=tuple(model.get("foreign_types") or ()),
        file=str(model["file"]),
        present=model["file"] in present,
    )
