"""The one-standard-error rule: the simplest candidate that is as good as the best, but for the noise of folds."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, UserError
from manyfit.model.mistake import did_you_mean
from manyfit.report.frames import load_results, ranking_of
from manyfit.report.leaderboard import LEAVE_OUT, GreaterIsBetter, leaderboard, scorers_rise

TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By what candidates are simple: the values of a parameter, the simplest first; or the time of fitting."""

    name: str = TIME
    descending: bool = False

    @property
    def by_time(self) -> bool:
        return self.name == TIME

    def __str__(self) -> str:
        return (
            "shortest mean fit"
            if self.by_time
            else f"{self.name}, {'greatest' if self.descending else 'least'} first"
        )


def order_of(text: str) -> Order:
    """Read ``time``, ``C`` or ``C,asc`` (the least is the simplest), ``alpha,desc``. Raises `UserError`."""
    name, _, direction = text.partition(",")
    if not name.strip() or direction.strip() not in ("", "asc", "desc"):
        raise UserError(f'"{text}" is no order; write time, or a parameter with a direction: C,asc or alpha,desc')
    return Order(name=name.strip(), descending=direction.strip() == "desc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    The candidate chosen on one split and data variant, and the best one: rows of the leaderboard.

    `standard_error` is that of the best's mean score, `threshold` the worst score that still counts, `n_within`
    the candidates that are as good.
    """

    split: str
    variant: str
    metric: str
    best: Mapping[str, Any]
    chosen: Mapping[str, Any]
    standard_error: float
    threshold: float
    n_within: int
    orders: tuple[Order, ...]


def within_one_error(
    store: Store,
    *,
    metric: str | None = None,
    split: str | None = None,
    pipeline: str | None = None,
    orders: Sequence[Order] = (Order(),),
    greater_is_better: GreaterIsBetter = scorers_rise,
) -> list[Choice]:
    """
    Return, for each split and data variant, the simplest candidate within one standard error of the best.

    The standard error is the deviation of the best's scores over its cells, divided by the root of the number of
    folds: repeating the same folds with more seeds does not make it smaller. *orders* decide one after the
    other, then the better score. A candidate without the parameter of an order comes after those with it. Raises
    `NotFound` for a parameter that no candidate has, `UserError` where values cannot be ordered. A split
    whose best candidate has one score only has no error and no choice.

    Source: L. Breiman, J. Friedman, R. Olshen and C. Stone, "Classification and Regression Trees" (1984), section
    3.4.3; T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning" (2009), section 7.10.
    """
    metric = metric or ranking_of(store).rank_by
    rises = greater_is_better(metric)
    board = leaderboard(
        store, metric=metric, split=split, pipeline=pipeline, greater_is_better=greater_is_better
    ).filter(pl.col("score").is_not_null())
    if board.is_empty():
        return []
    values = _values(store, board)
    _check_orders(orders, values)
    parts = board.partition_by("split", "variant", maintain_order=True)
    found = [_choice(store, part, metric, tuple(orders), values, rises=rises) for part in parts]
    return [choice for choice in found if choice is not None]


def _choice(
    store: Store,
    part: pl.DataFrame,
    metric: str,
    orders: tuple[Order, ...],
    values: Mapping[str, Mapping[str, Any]],
    *,
    rises: bool,
) -> Choice | None:
    rows = part.to_dicts()
    best = rows[0]
    if best["std"] is None:
        return None
    error = best["std"] / math.sqrt(_n_folds(store, best))
    threshold = best["score"] - error if rises else best["score"] + error
    good = [row for row in rows if (row["score"] >= threshold if rises else row["score"] <= threshold)]
    chosen = min(good, key=lambda row: [*(_place(order, row, values) for order in orders), row["rank"]])
    return Choice(
        split=best["split"],
        variant=best["variant"],
        metric=metric,
        best=best,
        chosen=chosen,
        standard_error=error,
        threshold=threshold,
        n_within=len(good),
        orders=orders,
    )


def _n_folds(store: Store, best: Mapping[str, Any]) -> int:
    """Return the folds of one division of the rows; where there are none, the scores that the best has."""
    frame = load_results(store, leave_out=LEAVE_OUT - {"fold"}).frame.filter(
        (pl.col("candidate_key") == best["candidate_key"])
        & (pl.col("variant") == best["variant"])
        & (pl.col("split") == best["split"])
    )
    n_folds = frame.select(pl.col("fold").drop_nulls().n_unique()).collect(engine="streaming").item()
    return int(n_folds) or int(best["n_done"])


def _place(order: Order, row: Mapping[str, Any], values: Mapping[str, Mapping[str, Any]]) -> tuple[bool, Any]:
    """Return a key that sorts the simplest first, and what has no value last."""
    value = row["time_fit"] if order.by_time else values[row["candidate_key"]].get(order.name)
    if value is None:
        return True, 0
    number = float(value)
    return False, -number if order.descending else number


def _values(store: Store, board: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the searched parameters of each candidate."""
    frame = load_results(store, leave_out=LEAVE_OUT).frame
    keys = board.select("candidate_key").unique().lazy()
    pairs = frame.join(keys, on="candidate_key", how="semi").select("candidate_key", "params")
    unique = pairs.unique("candidate_key", keep="any").collect(engine="streaming")
    return {key: json.loads(text) for key, text in unique.iter_rows()}


def _check_orders(orders: Sequence[Order], values: Mapping[str, Mapping[str, Any]]) -> None:
    names = sorted({name for one in values.values() for name in one})
    for order in orders:
        if order.by_time:
            continue
        if order.name not in names:
            known = f"searched are: {', '.join(names)}" if names else "none is searched"
            raise NotFound(
                f'no candidate has the parameter "{order.name}"{did_you_mean(order.name, names)} ({known})'
            )
        odd = [value for one in values.values() if not _is_number(value := one.get(order.name))]
        if odd:
            raise UserError(
                f'the parameter "{order.name}" has values that are no numbers ({odd[0]}); choose another order'
            )


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))
