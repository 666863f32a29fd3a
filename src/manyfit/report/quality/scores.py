"""Rules about scores: the same whatever was searched, too good, no better than guessing."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from manyfit.report.quality.material import CELL, Material
from manyfit.report.quality.presence import by_pipeline
from manyfit.report.quality.remark import Found
from manyfit.report.texts import plural

PERFECT: Mapping[str, float] = {
    **dict.fromkeys(("mae", "mse", "rmse", "mape", "median_ae", "max_error", "log_loss"), 0.0),
    **dict.fromkeys(("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "roc_auc", "roc_auc_ovr"), 1.0),
    **dict.fromkeys(("average_precision", "r2", "explained_variance"), 1.0),
}
"""Scores that leave nothing to improve."""

LEAST_ROWS = 100
"""Held-out rows in all, below which a perfect score may be luck."""
NEAR = 1e-9
MARGIN = 0.02
"""By so much the best candidate has to beat guessing."""
FEWEST_CANDIDATES = 3
GUESSED = ("balanced_accuracy", "accuracy", "roc_auc", "roc_auc_ovr", "r2", "explained_variance")
"""Metrics of which it is known what guessing gives."""


def constant_scores(material: Material) -> Iterator[Found]:
    """Pipelines all candidates of which have the same scores."""
    for name, frame in _signed(material):
        n = frame["candidate_key"].n_unique()
        if n >= FEWEST_CANDIDATES and frame["_marks"].n_unique() == 1:
            yield Found(
                text=f"all {n:,} candidates of {name} have the same scores",
                n_found=n,
                n_looked_at=n,
                pipeline=name,
            )


def constant_parameter(material: Material) -> Iterator[Found]:
    """Searched parameters that change no score, whatever the others are."""
    for name, frame in _signed(material):
        if frame["_marks"].n_unique() == 1:
            continue
        for param, n_values in _without_effect(frame):
            yield Found(
                text=f"{param} of {name} has no effect: all scores are the same for its {n_values} values",
                n_found=n_values,
                n_looked_at=n_values,
                pipeline=name,
            )


def _signed(material: Material) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each pipeline with its candidates on each variant: params, and `_marks` of all their scores."""
    columns = [f"{name}_{metric}" for name, metric in material.scores]
    if not columns:
        return
    cells = material.done.sort(CELL, nulls_last=True)
    # Equal scores have equal bits, unless sums were made in another order: what is behind that is cut off.
    rounded = cells.with_columns(pl.col(columns).round(10))
    marks = rounded.with_columns(pl.struct(*CELL, *columns).hash().alias("_mark"))
    by = ["pipeline", "candidate_key", "variant", "features", "params"]
    candidates = marks.group_by(by, maintain_order=True).agg(pl.col("_mark").implode().first().alias("_list"))
    signed = candidates.with_columns(pl.col("_list").cast(pl.List(pl.String)).list.join(" ").alias("_marks"))
    yield from by_pipeline(signed.drop("_list"))


def _without_effect(frame: pl.DataFrame) -> Iterator[tuple[str, int]]:
    """Yield the parameters whose values never mattered, with how many values there are."""
    rows = frame.select("params", "variant", "features", "_marks").rows()
    parsed = [(json.loads(params), variant, features, marks) for params, variant, features, marks in rows]
    for param in sorted({name for params, *_ in parsed for name in params}):
        groups: dict[str, dict[str, str]] = {}
        for params, variant, features, marks in parsed:
            if param in params:
                others = {name: value for name, value in params.items() if name != param}
                place = json.dumps([others, variant, features], sort_keys=True)
                groups.setdefault(place, {})[json.dumps(params[param], sort_keys=True)] = marks
        compared = [group for group in groups.values() if len(group) > 1]
        if compared and all(len(set(group.values())) == 1 for group in compared):
            yield param, max(len(group) for group in compared)


def perfect_scores(material: Material) -> Iterator[Found]:
    """Candidates that are right everywhere on rows that they have not seen."""
    best = PERFECT.get(material.rank_by)
    for part in material.held_out if best is not None else ():
        column, rows = f"{part}_{material.rank_by}", f"n_{part}"
        if column not in material.done.columns or rows not in material.done.columns:
            continue
        by = ["pipeline", "candidate_key", "variant", "split"]
        found = material.done.filter(pl.col(column).is_not_null()).group_by(by)
        means = found.agg(pl.col(column).mean(), pl.col(rows).sum())
        perfect = ((pl.col(column) - best).abs() <= NEAR) & (pl.col(rows) >= LEAST_ROWS)
        for name, frame in by_pipeline(means):
            n = frame.filter(perfect).height
            if n:
                yield Found(
                    text=f"{n:,} of {plural(frame.height, 'candidate')} of {name} have a perfect"
                    f" {material.rank_by} on {part}",
                    n_found=n,
                    n_looked_at=frame.height,
                    pipeline=name,
                )


def chance_scores(material: Material) -> Iterator[Found]:
    """Pipelines whose best candidate is no better than guessing, but for those that are meant to guess."""
    metrics = {metric for _, metric in material.scores}
    asked = (*(one for one in GUESSED if one == material.rank_by), *GUESSED)
    metric = next((one for one in asked if one in metrics), "")
    for part in material.held_out:
        column = f"{part}_{metric}"
        if column not in material.done.columns or not material.done[column].is_not_null().any():
            continue
        for name, frame in by_pipeline(material.done.filter(pl.col(column).is_not_null())):
            if name in material.guessing:
                continue
            chance = _chance(material, metric, part, name)
            best = frame.group_by("candidate_key", "variant", "split").agg(pl.col(column).mean())[column].max()
            if chance is not None and isinstance(best, float) and best <= chance + MARGIN:
                n = frame["candidate_key"].n_unique()
                yield Found(
                    text=f"the best {metric} of {name} on {part}, {best:.3f}, is about what guessing gives"
                    f" ({chance:.3f})",
                    n_found=n,
                    n_looked_at=n,
                    pipeline=name,
                )


def _chance(material: Material, metric: str, part: str, pipeline: str) -> float | None:
    """Return what a guess scores that knows no features; None where that is not known."""
    if metric in ("r2", "explained_variance"):
        return 0.0
    if metric in ("roc_auc", "roc_auc_ovr"):
        return 0.5
    if metric not in ("accuracy", "balanced_accuracy"):
        return None
    sizes = _class_sizes(material, part, pipeline)
    if len(sizes) < 2:
        return None
    return max(sizes) / sum(sizes) if metric == "accuracy" else 1 / len(sizes)


def _class_sizes(material: Material, part: str, pipeline: str) -> list[int]:
    """Return how many rows of each class one result of *pipeline* was scored on."""
    texts = material.details.filter(pl.col("pipeline") == pipeline)["details"]
    having = texts.filter(texts.str.contains("confusion_matrix", literal=True))
    for text in having.head(20):
        details: Any = json.loads(text).get(part) or {}
        if matrix := details.get("confusion_matrix"):
            return [size for size in (sum(row) for row in matrix) if size]
    return []
