"""Counting tasks by state, from the ends of units and the heartbeats of those who hold one."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.lease import EndKind, TaskMark
from manyfit.model.snapshot import Counts
from manyfit.model.worker import Beat
from manyfit.stores.ledger.view import SegmentView

_DONE, _FAILED, _CANCELLED, _LEFT = (
    mark.value for mark in (TaskMark.DONE, TaskMark.FAILED, TaskMark.CANCELLED, TaskMark.LEFT)
)

BeatOf = Callable[[WorkerId], Beat | None]


@dataclass(slots=True)
class Tally:
    """Counts that are being added up."""

    done: int = 0
    failed: int = 0
    running: int = 0
    pending: int = 0
    cancelled: int = 0

    @property
    def planned(self) -> int:
        return self.done + self.failed + self.running + self.pending + self.cancelled

    @property
    def settled(self) -> int:
        return self.done + self.failed + self.cancelled

    def add(self, other: "Tally") -> None:
        self.done += other.done
        self.failed += other.failed
        self.running += other.running
        self.pending += other.pending
        self.cancelled += other.cancelled

    def counts(self) -> Counts:
        return Counts(
            planned=self.planned,
            done=self.done,
            failed=self.failed,
            running=self.running,
            pending=self.pending,
            cancelled=self.cancelled,
        )


class UnitCounter:
    """Counts units of one segment; what is withdrawn comes with each call as indices of the root."""

    def __init__(self, view: SegmentView, beat_of: BeatOf) -> None:
        self._view = view
        self._beat_of = beat_of

    def count(self, unit: UnitId, cancelled: Collection[int], gone: Collection[int]) -> Tally:
        """Return the tally of *unit* and all its children."""
        view = self._view
        tally = Tally()
        epoch = view.last_claimed(unit)
        if not epoch and not cancelled and not gone:
            tally.pending = len(view.own(unit))
            return tally
        left, off = self._settled(unit, cancelled, gone, tally)
        end = view.last_end(unit)
        if view.is_open(unit):
            self._add_running(unit, left, off, tally)
        elif end is not None and end.kind is EndKind.SPLIT:
            for child in view.children(unit):
                tally.add(self.count(child, cancelled, gone))
        else:
            tally.pending += left
            tally.cancelled += off
        return tally

    def _settled(
        self, unit: UnitId, cancelled: Collection[int], gone: Collection[int], tally: Tally
    ) -> tuple[int, int]:
        """Add what ended; return how many are left to run and how many are left but cancelled."""
        own, end = self._view.own(unit), self._view.last_end(unit)
        marks = end.marks if end else _LEFT * len(own)
        if gone:
            marks = "".join(mark for index, mark in zip(own, marks, strict=True) if index not in gone)
            own = tuple(index for index in own if index not in gone)
        tally.done += marks.count(_DONE)
        tally.failed += marks.count(_FAILED)
        tally.cancelled += marks.count(_CANCELLED)
        left = marks.count(_LEFT)
        off = 0
        if cancelled and left:
            off = sum(mark == _LEFT and index in cancelled for index, mark in zip(own, marks, strict=True))
        return left - off, off

    def _add_running(self, unit: UnitId, left: int, off: int, tally: Tally) -> None:
        """Divide what is left of an open unit by what its holder said last."""
        epoch = self._view.last_claimed(unit)
        beat = self._beat_of(self._view.claim(unit, epoch).worker)
        rest = left + off
        if beat is not None and beat.unit == unit and beat.epoch == epoch:
            settled = min(beat.n_settled, rest)
            failed = min(beat.n_failed, settled)
            tally.failed += failed
            tally.done += settled - failed
            rest -= settled
            if beat.index is not None and rest:
                tally.running += 1
                rest -= 1
        off = min(off, rest)
        tally.cancelled += off
        tally.pending += rest - off
