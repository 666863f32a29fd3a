"""The state of a sweep at one moment, as numbers that add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.terms import Terms
from manyfit.model.worker import Beat, WorkerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """
    Tasks by state. `planned` always equals the sum of the others.

    `done` and `failed` are durable results: accepted, or recorded under a lease that still holds.
    `running` are the tasks in progress, at most one for each worker. Tasks that left the sweep are in
    none of them.
    """

    planned: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    pending: int = 0
    cancelled: int = 0

    def __str__(self) -> str:
        return (
            f"planned {self.planned:,} = done {self.done:,} + failed {self.failed:,} + running {self.running:,}"
            f" + pending {self.pending:,} + cancelled {self.cancelled:,}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """A registered worker with its last heartbeat; `alive` is the observer's judgement."""

    info: WorkerInfo
    beat: Beat | None
    alive: bool
    unit: UnitId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    What a sweep looks like now.

    `per_pipeline` divides the counts by pipeline. `cost_done_seconds` and `cost_seconds` are predicted
    work, done and in all. `open_units` are leases that have not ended, by unit with their holder. `held`
    are paused pipelines with the reason, `terms` the conditions of claiming in force.
    """

    sweep: str
    position: int
    counts: Counts
    per_pipeline: Mapping[str, Counts]
    paused: bool
    planning: bool
    n_units: int
    n_units_closed: int
    cost_seconds: float
    cost_done_seconds: float
    workers: Sequence[WorkerView] = ()
    open_units: Mapping[UnitId, WorkerId] = field(default_factory=dict)
    notes: Sequence[str] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    terms: Terms = Terms()

    @property
    def n_dropped(self) -> int:
        """Results that came too late and were dropped, as the workers counted them."""
        return sum(view.beat.n_dropped for view in self.workers if view.beat is not None)
