"""Validation beside held-out scores of every candidate: whether a model knows more than the rows it saw."""

from collections.abc import Sequence

import polars as pl

from manyfit.contracts.store import Store
from manyfit.report.aggregate import GROUP, aggregated, mean_scores
from manyfit.report.frames import load_results, ranking_of
from manyfit.report.held_out import compared_sets
from manyfit.report.leaderboard import LEAVE_OUT, GreaterIsBetter, scorers_rise, selected
from manyfit.report.planned import label_of


def generalisation(
    store: Store,
    *,
    top: int | None = None,
    metric: str | None = None,
    split: str | None = None,
    pipeline: str | None = None,
    greater_is_better: GreaterIsBetter = scorers_rise,
) -> pl.DataFrame:
    """
    Return one row for each candidate on each split with scores on two sets, by rank in its split; *top* of each.

    Columns: rank (by the validation score), pipeline, params, split, variant, features, validation_set,
    validation, std, held_out_set, held_out, std_held_out, gap, held_out_rank (its rank by the held-out score),
    n_done, candidate_key. Scores are means over folds and seeds; the gap is positive where the candidate is worse
    on the held-out set than it seemed. Raises `NotFound` as `leaderboard` does.
    """
    metric = metric or ranking_of(store).rank_by
    results = selected(load_results(store, leave_out=LEAVE_OUT), metric, split=split, pipeline=pipeline)
    sets = [name for name, kind in results.scores if kind == metric]
    names = [f"{name}_{metric}" for name in sets]
    spreads = aggregated(results.frame, (), stds=names).drop("n_done", "n_failed").collect(engine="streaming")
    # the means that the leaderboard ranks by: equal candidates stand in the same order in both
    table = mean_scores(results.frame, names).join(spreads, on=GROUP, how="left")
    params = results.frame.select("candidate_key", "params").unique("candidate_key", keep="any").collect()
    labels = params.with_columns(pl.col("params").map_elements(label_of, return_dtype=pl.String))
    rises = greater_is_better(metric)
    parts = [
        _compared(part, sets, metric, rises)
        for part in table.join(labels, on="candidate_key", how="left").sort("split").partition_by("split")
    ]
    found = pl.concat([_empty(), *(part for part in parts if part is not None)])
    return found if top is None else found.filter(pl.col("rank") <= top)


def _compared(part: pl.DataFrame, sets: Sequence[str], metric: str, rises: bool) -> pl.DataFrame | None:
    pair = compared_sets([name for name in sets if part[f"{name}_{metric}"].is_not_null().any()])
    if pair is None:
        return None
    validation, held_out = (f"{name}_{metric}" for name in pair)
    worse = 1 if rises else -1
    both = part.filter(pl.col(validation).is_not_null() & pl.col(held_out).is_not_null())
    ordered = both.sort(validation, "candidate_key", "variant", descending=[rises, False, False], nulls_last=True)
    return ordered.select(
        pl.int_range(1, pl.len() + 1).cast(pl.Int64).alias("rank"),
        "pipeline",
        "params",
        "split",
        "variant",
        "features",
        pl.lit(pair[0]).alias("validation_set"),
        pl.col(validation).alias("validation"),
        pl.col(f"std_{validation}").alias("std"),
        pl.lit(pair[1]).alias("held_out_set"),
        pl.col(held_out).alias("held_out"),
        pl.col(f"std_{held_out}").alias("std_held_out"),
        (worse * (pl.col(validation) - pl.col(held_out))).alias("gap"),
        pl.col(held_out).rank("min", descending=rises).cast(pl.Int64).alias("held_out_rank"),
        "n_done",
        "candidate_key",
    )


def _empty() -> pl.DataFrame:
    texts = ("pipeline", "params", "split", "variant", "features")
    schema = {
        "rank": pl.Int64,
        **dict.fromkeys(texts, pl.String),
        "validation_set": pl.String,
        "validation": pl.Float64,
        "std": pl.Float64,
        "held_out_set": pl.String,
        "held_out": pl.Float64,
        "std_held_out": pl.Float64,
        "gap": pl.Float64,
        "held_out_rank": pl.Int64,
        "n_done": pl.Int64,
        "candidate_key": pl.String,
    }
    return pl.DataFrame(schema=schema)
