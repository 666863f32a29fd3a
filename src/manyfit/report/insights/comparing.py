"""Scores beside other things: fit time, and the same metric on other sets."""

import math
from dataclasses import dataclass

import polars as pl

from manyfit.report.insights.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One candidate beside its mean fit time in seconds; `best` where nothing quicker is as good."""

    pipeline: str
    params: str
    score: float
    seconds: float
    best: bool = False


def front(standing: Standing) -> list[Point]:
    """Return every scored candidate by fit time, with those that nothing beats in both marked as `best`."""
    table = standing.scored.filter(pl.col("time_fit").is_not_null()).sort(
        "time_fit", "score", "candidate_key", descending=[False, standing.greater, False]
    )
    sign = 1.0 if standing.greater else -1.0
    reached, points = -math.inf, []
    for row in table.select("pipeline", "params", "score", "time_fit").iter_rows():
        pipeline, params, score, seconds = row
        best = sign * score > reached
        reached = max(reached, sign * score)
        points.append(Point(pipeline=pipeline, params=params, score=score, seconds=seconds, best=best))
    return points


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The same metric on the set that ranks and on another one, candidate by candidate, best first."""

    ranked: str
    other: str
    pipelines: tuple[str, ...]
    scores: tuple[float, ...]
    others: tuple[float, ...]


def gaps(standing: Standing) -> list[Gap]:
    """Return what the candidates score elsewhere: on each held-out set, and on the training rows last."""
    found = []
    for name in other_sets(standing):
        column = f"{name}_{standing.metric}"
        table = standing.scored.filter(pl.col(column).is_not_null())
        if table.height:
            gap = Gap(
                ranked=standing.set,
                other=name,
                pipelines=tuple(table["pipeline"]),
                scores=tuple(table["score"]),
                others=tuple(table[column]),
            )
            found.append(gap)
    return found


def other_sets(standing: Standing) -> list[str]:
    """Return the sets on which the ranking metric has scores beside the one that ranks, "train" last."""
    names = [
        name for name, metric in standing.results.scores if metric == standing.metric and name != standing.set
    ]
    there = [name for name in names if f"{name}_{standing.metric}" in standing.board.columns]
    return sorted(there, key=lambda name: (name == "train", name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    What the tasks of one pipeline took, in seconds; of all splits.

    `fused_seconds` is the part of `fit_seconds` of results that were computed together with others.
    """

    pipeline: str
    n_tasks: int
    n_fused: int
    fit_seconds: float
    fused_seconds: float
    median_seconds: float
    longest_seconds: float
    other_seconds: float
    peak_bytes: int


def timings(results: pl.LazyFrame) -> list[Timing]:
    """Return what each pipeline took, the dearest first; of tasks that succeeded."""
    fused = pl.col("fused_by").is_not_null()
    done = results.filter(pl.col("outcome") == "succeeded")
    table = done.group_by("pipeline").agg(
        pl.len().alias("n_tasks"),
        fused.sum().alias("n_fused"),
        _sum("time_fit").alias("fit_seconds"),
        pl.col("time_fit").filter(fused).sort().cum_sum().last().fill_null(0.0).alias("fused_seconds"),
        pl.col("time_fit").median().fill_null(0.0).alias("median_seconds"),
        pl.col("time_fit").max().fill_null(0.0).alias("longest_seconds"),
        (_sum("time_load") + _sum("time_predict") + _sum("time_score")).alias("other_seconds"),
        pl.col("peak_bytes").max().alias("peak_bytes"),
    )
    rows = table.collect(engine="streaming").sort("fit_seconds", "pipeline", descending=[True, False])
    return [Timing(**row) for row in rows.iter_rows(named=True)]


def _sum(name: str) -> pl.Expr:
    # Sorted, so that the sum does not depend on the order of the rows.
    return pl.col(name).drop_nulls().sort().cum_sum().last().fill_null(0.0)
