"""What finished tasks really took, so that the next plan predicts better."""

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment
from manyfit.plan.costs import Experience
from manyfit.report.frames import results_frame

MIN_TASKS = 5
"""A pipeline with fewer finished tasks teaches nothing reliable."""


def experience(store: Store) -> Experience:
    """
    Return the factor of real over predicted seconds of each pipeline, from its finished tasks.

    The prediction is what the planner wrote into the units; the reality is the sum of the timings.
    """
    timed = (
        results_frame(store, lazy=True)
        .filter(pl.col("outcome") == "succeeded")
        .group_by("pipeline")
        .agg(
            pl.len().alias("n"),
            pl.sum_horizontal("time_load", "time_fit", "time_predict", "time_score").mean().alias("seconds"),
        )
        .collect()
    )
    predicted = _predicted(store)
    rows = [row for row in timed.iter_rows() if row[1] >= MIN_TASKS and predicted.get(row[0], 0.0) > 0]
    return Experience(
        factors={pipeline: seconds / predicted[pipeline] for pipeline, _, seconds in rows},
        n_tasks=sum(n for _, n, _ in rows),
    )


def _predicted(store: Store) -> dict[str, float]:
    """Return the mean seconds of a task that the formulas gave, before any correction by experience."""
    seconds: dict[str, float] = {}
    n_tasks: dict[str, int] = {}
    for entry in store.entries():
        if isinstance(entry.action, AddSegment):
            segment = store.segment(entry.action.segment)
            factors = segment.header.cost_factors
            for unit in segment.units:
                formula = unit.cost_seconds / factors.get(unit.pipeline, 1.0)
                seconds[unit.pipeline] = seconds.get(unit.pipeline, 0.0) + formula
                n_tasks[unit.pipeline] = n_tasks.get(unit.pipeline, 0) + len(unit)
    return {pipeline: total / n_tasks[pipeline] for pipeline, total in seconds.items()}
