"""Scores of candidates over folds and seeds."""

from collections.abc import Sequence

import polars as pl

GROUP = ("candidate_key", "variant", "split")
"""What one row of an aggregated table stands for."""


def aggregated(frame: pl.LazyFrame, scores: Sequence[str], *, stds: Sequence[str] = ()) -> pl.LazyFrame:
    """
    Return one row for each candidate on each split: means of the columns *scores*, deviations of *stds*.

    `n_done` and `n_failed` count its tasks; `count_<column>` counts the scored ones of each of *stds*. The
    deviation is that of a sample, and null for fewer than two scores. Results do not
    depend on the order of the rows, to the last bit: values are sorted before they are added up.
    """
    failed = pl.col("outcome") == "failed"
    return frame.group_by(GROUP).agg(
        pl.col("pipeline").min(),
        pl.col("features").min(),
        (~failed).sum().cast(pl.Int64).alias("n_done"),
        failed.sum().cast(pl.Int64).alias("n_failed"),
        *(pl.col(name).sort().mean() for name in scores),
        *(pl.col(name).sort().std().alias(f"std_{name}") for name in stds),
        *(pl.col(name).count().cast(pl.Int64).alias(f"count_{name}") for name in stds),
        pl.col("time_fit").sort().mean(),
    )
