"""What finished tasks really took, so that the next plan predicts better."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from manyfit.contracts.estimators import Families
from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.unit import root_of
from manyfit.plan.choosing import SHARED_STEPS
from manyfit.plan.costs import FLOOR_BYTES, Corrections, Experience, Trait, stored_costs
from manyfit.report.alone import is_as_alone
from manyfit.report.fitting import Fitted, accuracy_of, fit_correction
from manyfit.report.frames import load_results
from manyfit.report.lines import COLUMNS

MIN_TASKS = 5
"""A pipeline with fewer finished tasks teaches nothing reliable."""

MOST_TASKS = 1_000
"""Tasks that one correction is learned from; more would cost time and tell nothing new."""

_TIMES = ("time_load", "time_fit", "time_predict", "time_score")
_READ = {
    "key",
    "generation",
    "final",
    "segment",
    "unit",
    "index",
    "mode",
    "pipeline",
    "outcome",
    "peak_bytes",
    "fused_by",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished task: what was fitted, what the formulas said of it, and what it really took."""

    candidate: Candidate
    traits: Mapping[str, Trait]
    formula_seconds: float
    seconds: float
    formula_bytes: float
    peak_bytes: int

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(step.use for step in self.candidate.steps)


def experience(store: Store, families: Families) -> Experience:
    """
    Return what the finished tasks of *store* teach.

    Real seconds are the sum of a task's timings. Memory is what a runner's peak was beyond the smallest peak of
    any task in the store, which is taken for the runner's own size. Each pipeline with `MIN_TASKS` finished tasks
    gets a correction of its own, each class that predicts one for pipelines without.
    """
    return learn(finished_tasks(store, families))


def learn(tasks: Sequence[Finished]) -> Experience:
    """Return what *tasks* teach."""
    measured = [task for task in tasks if task.peak_bytes > 0]
    runner_bytes = min((task.peak_bytes for task in measured), default=0)
    seconds, errors = _corrections(tasks, [_seconds_error(task) for task in tasks])
    memory, _ = _corrections(measured, [_bytes_error(task, runner_bytes) for task in measured])
    return Experience(
        seconds=seconds,
        memory=memory,
        runner_bytes=runner_bytes,
        n_tasks=len(tasks) if seconds else 0,
        accuracy=accuracy_of(np.concatenate(errors)) if errors else None,
    )


def _seconds_error(task: Finished) -> float:
    return float(np.log(task.seconds / task.formula_seconds))


def _bytes_error(task: Finished, runner_bytes: int) -> float:
    beyond = task.peak_bytes - runner_bytes
    return float(np.log((beyond + FLOOR_BYTES) / (task.formula_bytes + FLOOR_BYTES)))


def _corrections(
    tasks: Sequence[Finished], errors: Sequence[float]
) -> tuple[Corrections, list["np.ndarray[tuple[int], np.dtype[np.float64]]"]]:
    """Return the corrections, and the errors that those by pipeline had on tasks they had not seen."""
    by_pipeline: dict[str, list[int]] = defaultdict(list)
    by_class: dict[str, list[int]] = defaultdict(list)
    for at, task in enumerate(tasks):
        by_pipeline[task.candidate.pipeline].append(at)
        by_class[task.steps[-1]].append(at)
    own = {name: _fit(tasks, errors, _of_one_shape(tasks, rows)) for name, rows in by_pipeline.items()}
    of_class = {name: _fit(tasks, errors, rows, of_class=True) for name, rows in by_class.items()}
    found = Corrections(
        by_pipeline={name: fitted.correction for name, fitted in own.items() if fitted is not None},
        by_class={name: fitted.correction for name, fitted in of_class.items() if fitted is not None},
    )
    return found, [fitted.unseen for fitted in own.values() if fitted is not None]


def _of_one_shape(tasks: Sequence[Finished], rows: Sequence[int]) -> list[int]:
    """Return the tasks with the steps that most have: a pipeline may have been edited."""
    most = Counter(tasks[at].steps for at in rows).most_common(1)[0][0]
    return [at for at in rows if tasks[at].steps == most]


def _fit(
    tasks: Sequence[Finished], errors: Sequence[float], rows: Sequence[int], *, of_class: bool = False
) -> Fitted | None:
    if len(rows) < MIN_TASKS:
        return None
    rows = _spread(rows)
    first = tasks[rows[0]]
    traits = [_of_class(tasks[at].traits) if of_class else tasks[at].traits for at in rows]
    groups = [tasks[at].candidate.key for at in rows]
    steps = (first.steps[-1],) if of_class else first.steps
    return fit_correction(steps, traits, [errors[at] for at in rows], groups)


def _of_class(traits: Mapping[str, Trait]) -> dict[str, Trait]:
    """Return the traits that do not depend on what else the pipeline has, nor on names of this sweep."""
    sizes = ("rows", "columns", "classes")
    return {name: value for name, value in traits.items() if name in sizes or name.startswith("0.")}


def _spread(rows: Sequence[int]) -> list[int]:
    """Return at most `MOST_TASKS` of *rows*, evenly from all of them."""
    if len(rows) <= MOST_TASKS:
        return list(rows)
    return [rows[i * len(rows) // MOST_TASKS] for i in range(MOST_TASKS)]


def finished_tasks(store: Store, families: Families) -> list[Finished]:
    """
    Return finished tasks of *store*, also those that left the sweep: at most `MOST_TASKS` of each pipeline.

    Tasks of plans that did not keep what their predictions were made from are left out, and those that were
    computed together with others, which took each of them a part of the whole.
    """
    leave_out = frozenset(COLUMNS) - _READ - set(_TIMES)
    frame = load_results(store, current=False, leave_out=leave_out).frame
    seconds = pl.sum_horizontal(*_TIMES)
    rule = pl.col("fused_by").fill_null("")
    teaches = (pl.col("outcome") == "succeeded") & (pl.col("mode") != "score") & (seconds > 0)
    rows = frame.filter(teaches & rule.is_in(["", SHARED_STEPS])).select(
        "key", "pipeline", "segment", "unit", "index", "peak_bytes", seconds.alias("seconds"), rule.alias("rule")
    )
    few = rows.join(_last_keys(rows), on="pipeline").filter(pl.col("key") <= pl.col("last")).drop("last")
    chosen = few.collect(engine="streaming").sort("key").group_by("pipeline", maintain_order=True).head(MOST_TASKS)
    return list(_read(store, families, chosen))


def _last_keys(rows: pl.LazyFrame) -> pl.LazyFrame:
    """
    Return a key for each pipeline up to which there are somewhat more than `MOST_TASKS` keys.

    Keys are hashes: those up to one of them are a sample of all that varies, and the same every time.
    """
    counts = rows.group_by("pipeline").agg(pl.len().alias("n")).collect(engine="streaming")
    parts = [min(1.0, 1.5 * MOST_TASKS / n) for n in counts["n"]]
    last = ["g" if part == 1.0 else f"{int(part * 0xFFFFFFFF):08x}" for part in parts]
    return counts.select("pipeline").with_columns(pl.Series("last", last, dtype=pl.String)).lazy()


def _read(store: Store, families: Families, rows: pl.DataFrame) -> Iterator[Finished]:
    for (name,), part in rows.group_by("segment", maintain_order=True):
        segment = store.segment(SegmentId(str(name)))
        costs = stored_costs(segment.header.costs, families)
        units = {unit.id: unit for unit in segment.units}
        for row in part.iter_rows(named=True):
            unit = units[root_of(UnitId(row["unit"]))]
            candidate = segment.candidates[unit.candidates[row["index"]]]
            n_train = segment.cells[unit.cells[row["index"]]].n_train
            if not costs.covers(candidate) or not is_as_alone(costs, candidate, n_train, row["rule"]):
                continue
            yield Finished(
                candidate=candidate,
                traits=costs.traits(candidate, n_train),
                formula_seconds=costs.formula_seconds(candidate, n_train),
                seconds=row["seconds"],
                formula_bytes=costs.formula_bytes(candidate, n_train),
                peak_bytes=row["peak_bytes"] or 0,
            )
