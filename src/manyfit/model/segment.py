"""A part of a plan as it is published: candidates, cells and units, never changed afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import SegmentId, TaskKey
from manyfit.model.sweep import Limits
from manyfit.model.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """
    What every unit of a segment shares.

    `executor` is the import path ("package.module:function") that a runner calls with `spec` to get its
    `Executor`; workers never import it. `spec` is the sweep as JSON values. `folder` is the folder that
    relative paths in the spec start from. `fingerprints` maps data variants to the content keys of the
    data that the plan was made from. `supersedes` counts, by task state ("failed", "done", "cancelled"),
    the tasks of earlier segments that run again here. `costs` is what the predictions were made from,
    as JSON values (see `manyfit.plan.costs.stored_costs`; empty: unknown). `memory_bytes` is the predicted
    peak of a runner on the largest task, by pipeline (absent: unknown). With `alone` no task is computed
    together with others, whatever the spec says.
    """

    sweep: str
    executor: str
    spec: Mapping[str, Any]
    folder: str = ""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    limits: Limits = Limits()
    priority: int = 10
    supersedes: Mapping[str, int] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """
    Candidates, cells and the units over them, in the order in which units should start.

    `removed` are keys of earlier tasks that left the sweep: they are not claimed any more and not shown.
    """

    id: SegmentId
    header: SegmentHeader
    candidates: Sequence[Candidate]
    cells: Sequence[Cell]
    units: Sequence[Unit]
    removed: Sequence[TaskKey] = ()

    @property
    def n_tasks(self) -> int:
        return sum(len(unit) for unit in self.units)
