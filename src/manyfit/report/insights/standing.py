"""The candidates of one split with their scores: what every comparison starts from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound
from manyfit.report.frames import Results, load_results, ranking_of
from manyfit.report.leaderboard import GreaterIsBetter, leaderboard
from manyfit.report.lines import TEXTS


@dataclass(frozen=True, kw_only=True)
class Standing:
    """
    The candidates of one split, best first.

    `board` is the leaderboard of the split with `values`, the searched parameters as JSON text. `set` is the
    set that ranks ("" while nothing has a score), `greater` tells whether a larger score is better.
    """

    split: str
    metric: str
    set: str
    greater: bool
    board: pl.DataFrame
    results: Results

    @cached_property
    def scored(self) -> pl.DataFrame:
        """The rows that have a score."""
        return self.board.filter(pl.col("score").is_not_null())

    @property
    def score_name(self) -> str:
        """What the scores are, for axes: ``cv accuracy``."""
        return f"{self.set} {self.metric}".strip()

    def leaders(self, n: int) -> list[dict[str, Any]]:
        """Return the best row of each pipeline, the best *n* of them."""
        best = self.scored.unique("pipeline", keep="first", maintain_order=True)
        return list(best.head(n).iter_rows(named=True))

    def of(self, row: Mapping[str, Any]) -> pl.LazyFrame:
        """Return the results of one candidate on this split."""
        return self.results.frame.filter(
            (pl.col("split") == self.split)
            & (pl.col("candidate_key") == row["candidate_key"])
            & (pl.col("variant") == row["variant"])
        )


def all_results(store: Store) -> Results:
    """Return the results of *store* with all columns that are cheap, and parameters."""
    return load_results(store, leave_out=TEXTS - {"params"})


def standings(
    store: Store,
    results: Results,
    *,
    metric: str | None,
    greater_is_better: GreaterIsBetter,
    split: str | None = None,
) -> list[Standing]:
    """
    Return the standing of each split that has results, in the order of their names; of one *split* alone if named.

    *results* are `all_results`. Raises `NotFound` for a metric or split that none of them has.
    """
    metric = metric or ranking_of(store).rank_by
    board = leaderboard(store, metric=metric, split=split, greater_is_better=greater_is_better)
    params = results.frame.select("candidate_key", pl.col("params").alias("values"))
    known = params.unique("candidate_key", keep="any").collect(engine="streaming")
    board = board.join(known, on="candidate_key", how="left", maintain_order="left")
    parts = board.partition_by("split", maintain_order=True) if board.height else []
    return [
        Standing(
            split=part["split"][0],
            metric=metric,
            set=str(part["set"].drop_nulls().first() or ""),
            greater=greater_is_better(metric),
            board=part,
            results=results,
        )
        for part in parts
    ]


def chosen(found: Sequence[Standing], declared: Sequence[str]) -> Standing | None:
    """Return the standing that a report looks at closely: that of the first *declared* split with results."""
    by_name = {one.split: one for one in found}
    order = [*(name for name in declared if name in by_name), *by_name]
    scored = [name for name in order if by_name[name].scored.height]
    return by_name[(scored or order)[0]] if order else None


def values_of(text: str | None) -> Mapping[str, Any]:
    """Return searched parameters from their JSON text."""
    found: Mapping[str, Any] = json.loads(text) if text else {}
    return found


def fold_scores(standing: Standing, rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Return the scores of each of *rows* by fold and seed, on the ranking set."""
    column = f"{standing.set}_{standing.metric}"
    if not rows or not standing.set:
        return [[] for _ in rows]
    keys = pl.DataFrame({name: [row[name] for row in rows] for name in ("candidate_key", "variant")})
    mine = standing.results.frame.filter(pl.col("split") == standing.split)
    found = mine.join(keys.lazy(), on=["candidate_key", "variant"], how="semi")
    table = found.select("candidate_key", "variant", "fold", "seed", column).collect(engine="streaming")
    ordered = table.drop_nulls(column).sort("fold", "seed", column)
    by_key = ordered.partition_by("candidate_key", "variant", as_dict=True)
    empty = ordered.clear()
    return [by_key.get((row["candidate_key"], row["variant"]), empty)[column].to_list() for row in rows]


def refuse_heatmap(names: Sequence[str], known: Sequence[str]) -> NotFound:
    """Return what to say about parameters that cannot make a heat map."""
    there = ", ".join(known) or "none that varies"
    return NotFound(f'no pipeline varies both of "{", ".join(names)}"; parameters that vary: {there}')
