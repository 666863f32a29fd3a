"""Comparisons, rankings and choices as rows and JSON values."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from manyfit.report.comparing import Comparison, Pairing, divisions_text, mean_ratio, notes_on
from manyfit.report.ranking import Ranking
from manyfit.report.ranking import notes_on as notes_on_ranking
from manyfit.report.simplest import Choice

SCHEMA: dict[str, Any] = {
    "sweep": pl.String,
    "split": pl.String,
    "variant": pl.String,
    "set": pl.String,
    "metric": pl.String,
    "pipeline": pl.String,
    "params": pl.String,
    "features": pl.String,
    "candidate_key": pl.String,
    "score": pl.Float64,
    "best": pl.String,
    "best_score": pl.Float64,
    "n_pairs": pl.Int64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "p_holm": pl.Float64,
    "p_wilcoxon": pl.Float64,
    "p_wilcoxon_holm": pl.Float64,
    "p_below": pl.Float64,
    "p_within": pl.Float64,
    "p_above": pl.Float64,
    "says": pl.String,
}
"""Columns of a frame of comparisons."""


def comparison_frame(comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """
    Return one row for each candidate that was compared, in the order of the leaderboard.

    `difference` is its mean score less that of the best (`best`: its key), with the confidence interval `low`,
    `high`. `p` is of the corrected resampled t-test, `p_wilcoxon` of the signed-rank test; `_holm` allows for all
    comparisons on the split. `p_below`, `p_within`, `p_above`: see `practical_difference`. Null: cannot be said.
    """
    rows = [_row(comparison, pairing) for comparison in comparisons for pairing in comparison.pairings]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(comparison: Comparison, pairing: Pairing) -> dict[str, Any]:
    contest = comparison.contest
    return {
        "sweep": contest.sweep,
        "split": contest.split,
        "variant": contest.variant,
        "set": contest.set,
        "metric": contest.metric,
        **pairing_facts(pairing),
        "best": comparison.best.candidate_key,
        "best_score": comparison.best.score,
    }


def pairing_facts(pairing: Pairing) -> dict[str, Any]:
    """Return one pairing as JSON values."""
    other, practical = pairing.contender, pairing.practical
    return {
        "pipeline": other.pipeline,
        "params": other.params,
        "features": other.features,
        "candidate_key": other.candidate_key,
        "score": other.score,
        "n_pairs": pairing.n_pairs,
        "difference": pairing.difference,
        "low": pairing.low,
        "high": pairing.high,
        "p": pairing.p,
        "p_holm": pairing.p_holm,
        "p_wilcoxon": pairing.p_wilcoxon,
        "p_wilcoxon_holm": pairing.p_wilcoxon_holm,
        "p_below": practical.below if practical else None,
        "p_within": practical.within if practical else None,
        "p_above": practical.above if practical else None,
        "says": pairing.says.value,
    }


def comparison_facts(comparison: Comparison) -> dict[str, Any]:
    """Return a whole comparison as JSON values."""
    contest, best = comparison.contest, comparison.best
    return {
        "sweep": contest.sweep,
        "split": contest.split,
        "variant": contest.variant,
        "set": contest.set,
        "metric": contest.metric,
        "greater_is_better": contest.greater_is_better,
        "best": {
            "pipeline": best.pipeline,
            "params": best.params,
            "features": best.features,
            "candidate_key": best.candidate_key,
            "score": best.score,
        },
        "over": divisions_text(contest),
        "n_cells": len(contest.ratios),
        "n_folds": contest.n_folds if contest.divided else 0,
        "ratio": mean_ratio(contest),
        "alpha": comparison.alpha,
        "rope": comparison.rope,
        "against": [pairing_facts(pairing) for pairing in comparison.pairings],
        "notes": notes_on(comparison),
    }


def ranking_facts(ranking: Ranking) -> dict[str, Any]:
    """Return a ranking as JSON values."""
    found = ranking.friedman
    return {
        "metric": ranking.metric,
        "data_sets": list(ranking.data_sets),
        "competitors": [
            {"name": name, "rank": rank} for name, rank in zip(ranking.names, ranking.ranks, strict=True)
        ],
        "scores": [list(row) for row in ranking.scores],
        "alpha": ranking.alpha,
        "critical_difference": ranking.critical_difference,
        "not_different": [[ranking.names[at] for at in group] for group in ranking.groups],
        "friedman": {"chi2": found.chi2, "p": found.p, "f": found.f, "p_f": found.p_f},
        "p_wilcoxon": ranking.p_wilcoxon,
        "left_out": list(ranking.left_out),
        "notes": notes_on_ranking(ranking),
    }


def choice_facts(choice: Choice) -> dict[str, Any]:
    """Return what the one-standard-error rule chose as JSON values."""
    shown = ("pipeline", "params", "features", "candidate_key", "score", "std", "time_fit", "rank")
    return {
        "split": choice.split,
        "variant": choice.variant,
        "metric": choice.metric,
        "best": {name: choice.best[name] for name in shown},
        "chosen": {name: choice.chosen[name] for name in shown},
        "standard_error": choice.standard_error,
        "threshold": choice.threshold,
        "n_within": choice.n_within,
        "simplest": [str(order) for order in choice.orders],
    }
