"""From tasks to units of bounded work in a good order, published as segments."""

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from manyfit.model.keys import SegmentId, TaskKey, UnitId, canonical_json
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode, Unit
from manyfit.plan.tasks import Plan, TaskTable

SEGMENT_TASKS = 100_000
"""Tasks of one segment: large plans are published in parts, so that workers start before the end."""

MAX_UNIT_SECONDS = 60.0
MIN_UNIT_SECONDS = 0.5
SMALLEST_UNIT_SECONDS = 0.2
"""Claiming and ending a unit costs milliseconds of durable writing: a unit has to be worth it."""
MAX_UNIT_TASKS = 5_000
UNITS_PER_WORKER = 12

Shares = Mapping[str, TaskTable]
"""The tasks of each pipeline that go into one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """
    How tasks become segments: the header that they share, what their units do, and for how many workers.

    `removed` are keys of earlier tasks that leave the sweep with the first segment.
    """

    header: SegmentHeader
    n_workers: int
    removed: Sequence[TaskKey] = ()
    mode: Mode = Mode.FIT
    generation: int = 0

    def segments(self, plan: Plan) -> Iterator[Segment]:
        """
        Yield *plan* as segments of at most about `SEGMENT_TASKS` tasks.

        Every segment holds a share of each pipeline's candidates, so that all are explored early. With
        nothing to add and nothing removed there is none.
        """
        n_segments = max(1, -(-plan.n_tasks // SEGMENT_TASKS))
        target = unit_seconds(plan.cost_seconds, self.n_workers)
        if not plan.n_tasks and not self.removed:
            return
        for number in range(n_segments):
            shares = {name: _share(table, number, n_segments) for name, table in plan.tasks.items()}
            yield self._segment(plan, shares, target, self.removed if number == 0 else ())

    def _segment(self, plan: Plan, shares: Shares, target: float, removed: Sequence[TaskKey]) -> Segment:
        candidates = sorted({candidate for table in shares.values() for candidate in table.candidates})
        cells = sorted({cell for table in shares.values() for cell in table.cells})
        id_ = SegmentId(self._id(plan, shares, removed))
        to_candidate = {candidate: i for i, candidate in enumerate(candidates)}
        to_cell = {cell: i for i, cell in enumerate(cells)}
        units = [
            Unit(
                id=UnitId(f"{id_[:8]}-{n}"),
                segment=id_,
                candidates=array("I", (to_candidate[shares[name].candidates[t]] for t in rows)),
                cells=array("I", (to_cell[shares[name].cells[t]] for t in rows)),
                cost_seconds=sum(shares[name].seconds[t] for t in rows),
                pipeline=name,
                mode=self.mode,
                generation=self.generation,
            )
            for n, (name, rows) in enumerate(_ordered_groups(shares, target))
        ]
        return Segment(
            id=id_,
            header=self.header,
            candidates=[plan.candidates[i] for i in candidates],
            cells=[plan.cells[i] for i in cells],
            units=units,
            removed=removed,
        )

    def _id(self, plan: Plan, shares: Shares, removed: Sequence[TaskKey]) -> str:
        """Name a segment by its content, so that submitting it twice is harmless."""
        digest = hashlib.sha256(canonical_json([dict(self.header.spec), self.header.executor, *removed]))
        digest.update(f"{self.mode.value} {self.generation}".encode())
        for name, table in shares.items():
            digest.update(name.encode())
            digest.update("".join(plan.candidates[i].key for i in table.candidates).encode())
            digest.update("".join(plan.cells[i].key for i in table.cells).encode())
        return digest.hexdigest()[:16]


def unit_seconds(total_seconds: float, n_workers: int) -> float:
    """Return the predicted work of a normal unit: many units for each worker, but no more files than needed."""
    return min(MAX_UNIT_SECONDS, max(MIN_UNIT_SECONDS, total_seconds / (max(1, n_workers) * UNITS_PER_WORKER)))


def _share(table: TaskTable, number: int, n_segments: int) -> TaskTable:
    """Return the tasks whose candidates fall into part *number*, with whole candidates."""
    if n_segments == 1:
        return table
    first, last = table.candidates[0], table.candidates[-1] + 1
    bounds = (first + (last - first) * part // n_segments for part in (number, number + 1))
    low, high = (bisect_left(table.candidates, bound) for bound in bounds)
    return table.rows(low, high)


def _ordered_groups(shares: Shares, target: float) -> list[tuple[str, list[int]]]:
    """
    Return (pipeline, rows) of each unit: overlong tasks first, then all pipelines side by side.

    A unit in the middle of its pipeline stands in the middle of the plan.
    """
    groups = [(name, rows) for name, table in shares.items() for rows in _groups(table, target)]
    count = Counter(name for name, _ in groups)
    seen: Counter[str] = Counter()
    keyed = []
    for position, (name, rows) in enumerate(groups):
        seconds = sum(shares[name].seconds[t] for t in rows)
        heavy = seconds > 2 * target
        place = (seen[name] + 0.5) / count[name]
        seen[name] += 1
        keyed.append((not heavy, -seconds if heavy else place, position))
    return [groups[position] for *_, position in sorted(keyed)]


def _groups(table: TaskTable, target: float) -> Iterator[list[int]]:
    """
    Divide the tasks of one pipeline into units of about *target* predicted seconds.

    Cell by cell, so that a unit reuses its rows; long candidates first; the last tenth of the tasks in
    small units, so that workers end together.
    """
    order = sorted(range(len(table)), key=lambda t: (table.cells[t], -table.seconds[t], t))
    group: list[int] = []
    seconds = 0.0
    for done, t in enumerate(order):
        share = 1 if done < 0.7 * len(order) else 4 if done < 0.9 * len(order) else 16
        limit = max(target / share, SMALLEST_UNIT_SECONDS)
        if group and (seconds + table.seconds[t] > limit or len(group) >= MAX_UNIT_TASKS):
            yield group
            group, seconds = [], 0.0
        group.append(t)
        seconds += table.seconds[t]
    if group:
        yield group
