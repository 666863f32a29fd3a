"""The best candidates: whose models are kept, and which pipelines lead."""

from dataclasses import dataclass

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.keys import CandidateKey
from manyfit.report.frames import load_results, ranking_of
from manyfit.report.leaderboard import (
    LEAVE_OUT,
    GreaterIsBetter,
    leaderboard,
    rank,
    scorers_rise,
    selected,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestCandidate:
    """A candidate among the best of a split, on one data variant."""

    split: str
    variant: str
    candidate: CandidateKey
    rank: int
    score: float


def best_candidates(
    store: Store, k: int, *, metric: str | None = None, greater_is_better: GreaterIsBetter = scorers_rise
) -> list[BestCandidate]:
    """
    Return the *k* best candidates of each split, best first, of those with no failed task there.

    The order is that of the leaderboard; `rank` counts among the candidates returned.
    """
    metric = metric or ranking_of(store).rank_by
    results = selected(load_results(store, leave_out=LEAVE_OUT | {"params"}), metric)
    ranked = rank(results, metric, descending=greater_is_better(metric))
    whole = ranked.filter((pl.col("n_failed") == 0) & pl.col("score").is_not_null())
    place = pl.int_range(1, pl.len() + 1).over("split")
    best = whole.with_columns(place.alias("rank")).filter(pl.col("rank") <= k)
    return [
        BestCandidate(
            split=row["split"],
            variant=row["variant"],
            candidate=CandidateKey(row["candidate_key"]),
            rank=row["rank"],
            score=row["score"],
        )
        for row in best.iter_rows(named=True)
    ]


def best_per_pipeline(
    store: Store, *, metric: str | None = None, greater_is_better: GreaterIsBetter = scorers_rise
) -> pl.DataFrame:
    """Return the leaderboard's first row of each pipeline on each split, best first."""
    table = leaderboard(store, metric=metric, greater_is_better=greater_is_better)
    scored = table.filter(pl.col("score").is_not_null())
    return scored.unique(["split", "pipeline"], keep="first", maintain_order=True)
