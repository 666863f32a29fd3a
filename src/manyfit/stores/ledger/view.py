"""What one handle knows of the units of a segment: which epochs were claimed and which ended, and how."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, EndKind, TaskMark
from manyfit.model.unit import root_of
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import inherited
from manyfit.stores.ledger.plan_files import PlanFile

LEFT = TaskMark.LEFT.value

Sighting = tuple[UnitId, int, bool]
"""That an epoch of a unit was claimed (False) or has ended (True)."""


class EpochReader(Protocol):
    """Reads claims and ends from where the store keeps them."""

    def read_end(self, segment: SegmentId, unit: UnitId, epoch: int) -> End | None:
        """Return the end of an epoch, None when it has not ended. Raises `StoreCorrupt`."""

    def read_claim(self, segment: SegmentId, unit: UnitId, epoch: int) -> wire.Claim:
        """Return the claim of an epoch that was claimed. Raises `StoreCorrupt`."""


class SegmentView:
    """
    The claims and ends of one segment.

    They are immutable once published, so that what is known here is never wrong, only late. `free` are
    the units that look claimable, in plan order. Each end and each claim is read once, when asked for.
    """

    def __init__(self, plan: PlanFile, reader: EpochReader) -> None:
        self._reader = reader
        self.plan = plan
        self.free: list[UnitId] = []
        self.dead: set[UnitId] = set()
        self._claimed: dict[UnitId, int] = {}
        self._ended: dict[UnitId, int] = {}
        self._ends: dict[tuple[UnitId, int], End] = {}
        self._holders: dict[tuple[UnitId, int], wire.Claim] = {}
        self._closed: set[UnitId] = set()
        self._complete = False
        self._parts: dict[UnitId, tuple[int, ...]] = {}
        self._whole: dict[int, tuple[int, ...]] = {}

    # -- taking in -----------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether nothing can change here any more: every unit ended for good."""
        return self._complete

    def take(self, sightings: Iterable[Sighting], ends: Mapping[tuple[UnitId, int], End] | None = None) -> None:
        """Take in all that is new, with the *ends* that were read already, and find out what is free."""
        self._ends.update(ends or {})
        for unit, epoch, ended in sightings:
            table = self._ended if ended else self._claimed
            table[unit] = max(epoch, table.get(unit, 0))
        self.free = [unit for unit in self.walk() if self._is_free(unit)]
        self._complete = not self.free and all(map(self.closed, self.walk()))

    def saw_claim(self, unit: UnitId, epoch: int) -> None:
        """Take in that *epoch* of *unit* is claimed."""
        self._claimed[unit] = max(epoch, self._claimed.get(unit, 0))

    def saw_end(self, unit: UnitId, epoch: int, end: End) -> None:
        """Take in the end of *epoch* of *unit*."""
        self.saw_claim(unit, epoch)
        self._ended[unit] = max(epoch, self._ended.get(unit, 0))
        self._ends[unit, epoch] = end
        if not self._is_free(unit) and not self._is_split(unit):
            return
        self.free = [free for free in self.walk() if self._is_free(free)]

    # -- asking --------------------------------------------------------------------------------------

    def walk(self) -> Iterator[UnitId]:
        """Yield every unit, children after their parent, in plan order."""
        ended = self._ended
        for unit in self.plan.unit_ids:
            yield unit
            if unit in ended and self._is_split(unit):
                yield from self._children(unit)

    def _children(self, unit: UnitId) -> Iterator[UnitId]:
        for child in self.children(unit):
            yield child
            if child in self._ended and self._is_split(child):
                yield from self._children(child)

    def children(self, unit: UnitId) -> tuple[UnitId, ...]:
        """Return the children of a unit that was split."""
        end = self.last_end(unit)
        assert end is not None
        children = tuple(UnitId(f"{unit}.{n}") for n in range(len(end.parts)))
        self._parts.update(zip(children, end.parts, strict=True))
        return children

    def own(self, unit: UnitId) -> tuple[int, ...]:
        """Return the tasks of *unit* as indices of its root."""
        if unit in self.plan:
            n = self.plan.n_tasks[self.plan.number(unit)]
            return self._whole.setdefault(n, tuple(range(n)))
        if unit not in self._parts:
            self.children(UnitId(unit.rpartition(".")[0]))
        return self._parts[unit]

    def last_claimed(self, unit: UnitId) -> int:
        return max(self._claimed.get(unit, 0), self._ended.get(unit, 0))

    def last_ended(self, unit: UnitId) -> int:
        return self._ended.get(unit, 0)

    def is_open(self, unit: UnitId) -> bool:
        return self.last_claimed(unit) > self.last_ended(unit)

    def open_units(self) -> Iterator[UnitId]:
        """Yield the units with an epoch that has not ended."""
        ended = self._ended
        for unit, epoch in self._claimed.items():
            if epoch > ended.get(unit, 0):
                yield unit

    def closed(self, unit: UnitId) -> bool:
        """Whether *unit* ended for good: nothing of it is left, or what is left is its children's."""
        if unit not in self._closed:
            end = None if self.is_open(unit) else self.last_end(unit)
            if end is None or (end.kind is not EndKind.SPLIT and LEFT in end.marks):
                return False
            self._closed.add(unit)
        return True

    def _is_free(self, unit: UnitId) -> bool:
        return unit not in self.dead and not self.is_open(unit) and not self.closed(unit)

    def _is_split(self, unit: UnitId) -> bool:
        end = self.last_end(unit)
        return end is not None and end.kind is EndKind.SPLIT

    def last_end(self, unit: UnitId) -> End | None:
        """Return the end of the last epoch of *unit* that ended."""
        epoch = self._ended.get(unit, 0)
        return self.end(unit, epoch) if epoch else None

    def before(self, unit: UnitId) -> End | None:
        """Return what the next epoch of *unit* goes on from: its last end, or what a split left to a child."""
        end = self.last_end(unit)
        if end is not None or unit in self.plan:
            return end
        parent = self.last_end(UnitId(unit.rpartition(".")[0]))
        return inherited(self.own(unit), parent) if parent is not None else None

    def end(self, unit: UnitId, epoch: int) -> End:
        """Return the end of an epoch that ended."""
        if (unit, epoch) not in self._ends:
            end = self.read_end(unit, epoch)
            if end is None:
                raise StoreCorrupt(
                    f"the end of epoch {epoch} of unit {unit} was published and is missing; "
                    "restore the store from a backup"
                )
            self._ends[unit, epoch] = end
        return self._ends[unit, epoch]

    def knows_end(self, unit: UnitId, epoch: int) -> bool:
        """Whether the end of an epoch was read already."""
        return (unit, epoch) in self._ends

    def read_end(self, unit: UnitId, epoch: int) -> End | None:
        """Return the end of an epoch as the store has it now, None when it has not ended."""
        return self._reader.read_end(self.plan.id, unit, epoch)

    def claim(self, unit: UnitId, epoch: int) -> wire.Claim:
        """Return the claim of an epoch."""
        if (unit, epoch) not in self._holders:
            self._holders[unit, epoch] = self._reader.read_claim(self.plan.id, unit, epoch)
        return self._holders[unit, epoch]

    def holder(self, unit: UnitId) -> WorkerId | None:
        """Return who holds *unit*, None when nobody does."""
        return self.claim(unit, self.last_claimed(unit)).worker if self.is_open(unit) else None

    def pipeline(self, unit: UnitId) -> str:
        """Return the pipeline of *unit*, which is that of its root."""
        return self.plan.pipelines[self.plan.number(root_of(unit))]
