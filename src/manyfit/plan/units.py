"""From tasks to units of bounded work in a good order, published as segments."""

import hashlib
import itertools
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from manyfit.model.keys import SegmentId, TaskKey, UnitId, canonical_json
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode, Unit
from manyfit.plan.dividing import Bounds, Divider, Piece, balanced
from manyfit.plan.sharing import Sharing
from manyfit.plan.table import TaskTable
from manyfit.plan.tasks import Plan

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
        if not plan.n_tasks and not self.removed:
            return
        if plan.portions is not None and self.mode is Mode.FIT:
            yield from self._as_given(plan, plan.portions)
            return
        # Nothing is fused where models are kept, and nothing is fitted where kept predictions are scored.
        sharing = plan.sharing if self.mode is Mode.FIT else None
        target = unit_seconds(plan.alone_seconds if sharing is None else plan.cost_seconds, self.n_workers)
        parts = {name: _shares(table, sharing, n_segments) for name, table in plan.tasks.items()}
        for number in range(n_segments):
            shares = {name: tables[number] for name, tables in parts.items()}
            pieces = _pieces(shares, sharing, target, self.n_workers)
            if pieces or number == 0:
                yield self._segment(plan, shares, pieces, self.removed if number == 0 else ())

    def _as_given(self, plan: Plan, portions: Mapping[str, Sequence[Sequence[int]]]) -> Iterator[Segment]:
        """Yield *plan* with these *portions* as units."""
        target = unit_seconds(plan.alone_seconds, self.n_workers)
        for number, part in enumerate(_parts_of(portions)):
            shares, pieces = _as_pieces(plan.tasks, part)
            removed = self.removed if number == 0 else ()
            yield self._segment(plan, shares, _ordered(pieces, target), removed)

    def _segment(self, plan: Plan, shares: Shares, pieces: Sequence[Piece], removed: Sequence[TaskKey]) -> Segment:
        candidates = sorted({candidate for table in shares.values() for candidate in table.candidates})
        cells = sorted({cell for table in shares.values() for cell in table.cells})
        id_ = SegmentId(self._id(plan, shares, removed))
        to_candidate = {candidate: i for i, candidate in enumerate(candidates)}
        to_cell = {cell: i for i, cell in enumerate(cells)}
        units = [
            Unit(
                id=UnitId(f"{id_[:8]}-{n}"),
                segment=id_,
                candidates=array("I", (to_candidate[shares[piece.pipeline].candidates[t]] for t in piece.rows)),
                cells=array("I", (to_cell[shares[piece.pipeline].cells[t]] for t in piece.rows)),
                cost_seconds=piece.seconds,
                pipeline=piece.pipeline,
                mode=self.mode,
                generation=self.generation,
            )
            for n, piece in enumerate(pieces)
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


def _shares(table: TaskTable, sharing: Sharing | None, n_segments: int) -> list[TaskTable]:
    """Return the tasks in equal parts, with whole candidates and where it can be with whole groups."""
    if n_segments == 1:
        return [table]
    if sharing is not None and sharing.matters(table):
        return [table.only(rows) for rows in sharing.portions(table, n_segments)]
    first, last = table.candidates[0], table.candidates[-1] + 1
    bounds = (first + (last - first) * part // n_segments for part in range(n_segments + 1))
    ends = [bisect_left(table.candidates, bound) for bound in bounds]
    return [table.rows(start, end) for start, end in itertools.pairwise(ends)]


Portion = tuple[str, Sequence[int]]
"""A pipeline, and rows of its tasks that stay together."""


def _parts_of(portions: Mapping[str, Sequence[Sequence[int]]]) -> Iterator[list[Portion]]:
    """Yield the portions, none of them longer than a unit, in parts of at most about `SEGMENT_TASKS` tasks."""
    part: list[Portion] = []
    n_tasks = 0
    for name, rows in _bounded(portions):
        if part and n_tasks + len(rows) > SEGMENT_TASKS:
            yield part
            part, n_tasks = [], 0
        part.append((name, rows))
        n_tasks += len(rows)
    yield part


def _bounded(portions: Mapping[str, Sequence[Sequence[int]]]) -> Iterator[Portion]:
    for name, listed in portions.items():
        for rows in listed:
            for start in range(0, len(rows), MAX_UNIT_TASKS):
                yield name, rows[start : start + MAX_UNIT_TASKS]


def _as_pieces(tasks: Shares, part: Sequence[Portion]) -> tuple[Shares, list[Piece]]:
    """Return the tasks of *part*, and each portion of it as a piece of them."""
    rows: dict[str, list[int]] = {}
    for name, portion in part:
        rows.setdefault(name, []).extend(portion)
    # candidates must not decrease in a table
    places = {name: {row: at for at, row in enumerate(sorted(found))} for name, found in rows.items()}
    shares = {name: tasks[name].only(sorted(found)) for name, found in rows.items()}
    pieces = [
        Piece(
            pipeline=name,
            rows=[places[name][row] for row in portion],
            seconds=sum(tasks[name].seconds[row] for row in portion),
        )
        for name, portion in part
    ]
    return shares, pieces


def _pieces(shares: Shares, sharing: Sharing | None, target: float, n_workers: int) -> list[Piece]:
    """Return what the units run, in the order in which they start."""
    dividers = {
        name: Divider(sharing=sharing, table=table, pipeline=name)
        for name, table in shares.items()
        if sharing is not None and sharing.matters(table)
    }
    pieces = [
        piece
        for name, table in shares.items()
        for piece in (
            dividers[name].pieces(
                Bounds(target=target, smallest=SMALLEST_UNIT_SECONDS, n_tasks=MAX_UNIT_TASKS, n_rows=len(table))
            )
            if name in dividers
            else _slices(name, table, target)
        )
    ]
    if not dividers:
        return _ordered(pieces, target)
    return balanced(pieces, dividers, lambda made: _ordered(made, target), n_workers)


def _ordered(pieces: Sequence[Piece], target: float) -> list[Piece]:
    """
    Return the pieces in their order: overlong ones first, then all pipelines side by side.

    A piece in the middle of its pipeline stands in the middle of the plan.
    """
    count = Counter(piece.pipeline for piece in pieces)
    seen: Counter[str] = Counter()
    keyed = []
    for position, piece in enumerate(pieces):
        heavy = piece.seconds > 2 * target
        place = (seen[piece.pipeline] + 0.5) / count[piece.pipeline]
        seen[piece.pipeline] += 1
        keyed.append((not heavy, -piece.seconds if heavy else place, position))
    return [pieces[position] for *_, position in sorted(keyed)]


def _slices(pipeline: str, table: TaskTable, target: float) -> Iterator[Piece]:
    """
    Divide the tasks of one pipeline that shares nothing into pieces of about *target* predicted seconds.

    Cell by cell, so that a unit reuses its rows; long candidates first; the last tenth of the tasks in
    small units, so that workers end together.
    """
    order = sorted(range(len(table)), key=lambda t: (table.cells[t], -table.seconds[t], t))
    bounds = Bounds(target=target, smallest=SMALLEST_UNIT_SECONDS, n_tasks=MAX_UNIT_TASKS, n_rows=len(order))
    rows: list[int] = []
    seconds = 0.0
    for done, t in enumerate(order):
        if rows and (seconds + table.seconds[t] > bounds.seconds_at(done) or len(rows) >= MAX_UNIT_TASKS):
            yield Piece(pipeline=pipeline, rows=rows, seconds=seconds)
            rows, seconds = [], 0.0
        rows.append(t)
        seconds += table.seconds[t]
    if rows:
        yield Piece(pipeline=pipeline, rows=rows, seconds=seconds)
