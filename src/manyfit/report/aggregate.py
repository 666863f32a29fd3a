"""
Scores of candidates over folds and seeds.

Sums here do not depend on the order of the rows, to the last bit: else equal candidates would change places from
one look to the next, since rows come in the order of files and threads. Polars may drop a `sort` in front
of `mean`, so that one does not help.
"""

from collections.abc import Sequence

import polars as pl

GROUP = ("candidate_key", "variant", "split")
"""What one row of an aggregated table stands for."""

_EXACT_BELOW = 2.0**16
_WHOLE = 2.0**20
_REST = 2.0**36


def mean_scores(frame: pl.LazyFrame, scores: Sequence[str]) -> pl.DataFrame:
    """
    Return one row for each candidate on each split: n_done, n_failed, and mean and `count_` of each of *scores*.

    Fast at any size. Means are exact to 1e-17 before rounding.
    """
    table = frame.group_by(GROUP).agg(*_counts(), *(expr for name in scores for expr in _exact(name)))
    found = table.collect(engine="streaming")
    if any((found[f"_max_{name}"] >= _EXACT_BELOW).any() for name in scores):
        found = frame.group_by(GROUP).agg(*_counts(), *_ordered(scores)).collect(engine="streaming")
        return found
    means = [
        ((pl.col(f"_whole_{name}") + pl.col(f"_rest_{name}") / _REST) / _WHOLE / pl.col(f"count_{name}"))
        .fill_nan(None)
        .alias(name)
        for name in scores
    ]
    return found.select(*GROUP, "n_done", "n_failed", *means, *(f"count_{name}" for name in scores))


def aggregated(frame: pl.LazyFrame, scores: Sequence[str], *, stds: Sequence[str] = ()) -> pl.LazyFrame:
    """
    Return one row for each candidate on each split: means of *scores* and of the fit time, deviations of *stds*.

    And n_doubtful: results of fusion rules that are off. A deviation is that of a sample, `std_<column>`, and
    null for fewer than two scores. This sorts the values of every group: give it the candidates that are
    shown where there are many.
    """
    return frame.group_by(GROUP).agg(
        pl.col("pipeline").min(),
        pl.col("features").min(),
        *_counts(),
        pl.col("doubtful").sum().cast(pl.Int64).alias("n_doubtful"),
        *(_mean(name).alias(name) for name in (*scores, "time_fit")),
        *(_std(name).alias(f"std_{name}") for name in stds),
    )


def _counts() -> list[pl.Expr]:
    failed = pl.col("outcome") == "failed"
    return [(~failed).sum().cast(pl.Int64).alias("n_done"), failed.sum().cast(pl.Int64).alias("n_failed")]


def _exact(name: str) -> list[pl.Expr]:
    """Return sums of whole numbers: floats add those without error while the sum stays below 2**53."""
    scaled = pl.col(name) * _WHOLE
    return [
        scaled.floor().sum().alias(f"_whole_{name}"),
        ((scaled - scaled.floor()) * _REST).round().sum().alias(f"_rest_{name}"),
        pl.col(name).abs().max().alias(f"_max_{name}"),
        pl.col(name).count().cast(pl.Int64).alias(f"count_{name}"),
    ]


def _ordered(scores: Sequence[str]) -> list[pl.Expr]:
    means = [_mean(name).alias(name) for name in scores]
    return means + [pl.col(name).count().cast(pl.Int64).alias(f"count_{name}") for name in scores]


def _sum(values: pl.Expr) -> pl.Expr:
    # A cumulative sum depends on the order, so that the sort before it stays. Nulls are sorted to the front.
    return values.sort(nulls_last=False).cum_sum().last()


def _mean(name: str) -> pl.Expr:
    return (_sum(pl.col(name)) / pl.col(name).count()).fill_nan(None)


def _std(name: str) -> pl.Expr:
    squares = (pl.col(name) - _sum(pl.col(name)) / pl.col(name).count()) ** 2
    n = pl.col(name).count().cast(pl.Float64)
    return pl.when(n > 1).then((_sum(squares) / (n - 1)).sqrt())
