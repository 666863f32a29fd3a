"""Bringing a ledger up to date from the rows of one sweep."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from manyfit.model.control import Entry
from manyfit.model.errors import NotFound, StoreCorrupt
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import Assigned, End
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import left_of
from manyfit.stores.ledger.ledger import Ledger
from manyfit.stores.ledger.plan_files import PlanFile
from manyfit.stores.ledger.view import SegmentView, Sighting
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database
from manyfit.stores.sql.files import Files
from manyfit.stores.sql.rows import State, UnitRow, end_of

_ALL = 1 << 40

Loaded = tuple[list[Sighting], dict[tuple[UnitId, int], End]]


class Known:
    """
    A ledger that follows the tables on request. Calls belong into a transaction.

    Segments are numbered from 1, in the order of their entries.
    """

    def __init__(self, database: Database, sweep: int) -> None:
        self._database = database
        self._sweep = sweep
        self._files = Files(database, sweep)
        self.ledger = Ledger(self._read_entries, self._open_plan, self)
        self._numbers: dict[SegmentId, int] = {}
        self._views: list[SegmentView] = []
        self._pipelines: dict[SegmentId, frozenset[str]] = {}
        self._complete: set[SegmentId] = set()

    # -- the chain and the plan ----------------------------------------------------------------------

    def refresh_chain(self) -> None:
        """Read new control entries and the plans that they bring."""
        if self.ledger.refresh_chain():
            self._views = list(self.ledger.views())
            self._numbers = {view.plan.id: n for n, view in enumerate(self._views, start=1)}

    def _read_entries(self, since: int) -> Iterator[Entry]:
        for position, content in self._database.all(sql.ENTRIES, (self._sweep, since)):
            since += 1
            try:
                entry = wire.entry_from(bytes(content))
            except (ValueError, KeyError, TypeError) as exc:
                raise self._damaged(f"control entry {position}") from exc
            if not entry.position == position == since:
                raise self._damaged(f"control entry {since}")
            yield entry

    def _damaged(self, what: str) -> StoreCorrupt:
        return StoreCorrupt(
            f"{what} of the sweep in {self._database.place} is missing or unreadable; "
            "restore the database from a backup"
        )

    def _open_plan(self, segment: SegmentId) -> PlanFile:
        """Copy the plan to a file that has no name any more once it is open."""
        with tempfile.NamedTemporaryFile(prefix="manyfit-") as target:
            sha256 = self._files.copy(plan_name(segment), target.file)  # type: ignore[arg-type]
            target.flush()
            added = self.ledger.chain.segments.get(segment)
            if added is not None and added.sha256 != sha256:
                raise self._damaged(f"the plan {segment}")
            return PlanFile(Path(target.name), segment)

    def segment_at(self, number: int) -> SegmentId:
        """Return the id of the segment with a number."""
        return self._views[number - 1].plan.id

    def view_of(self, row: UnitRow) -> SegmentView:
        """Return the segment of a unit."""
        return self._views[row.segment - 1]

    def number_of(self, view: SegmentView) -> int:
        """Return the number of a segment."""
        return self._numbers[view.plan.id]

    def pipelines_of(self, view: SegmentView) -> frozenset[str]:
        """Return the pipelines of a segment."""
        if view.plan.id not in self._pipelines:
            self._pipelines[view.plan.id] = frozenset(view.plan.pipelines)
        return self._pipelines[view.plan.id]

    # -- units ---------------------------------------------------------------------------------------

    def unit(self, unit: UnitId) -> UnitRow:
        """Return the row of a unit, held until the transaction ends. Raises `NotFound`."""
        found = self._database.one(sql.UNIT + self._database.lock_row, (self._sweep, unit))
        if found is None:
            raise NotFound(f"no unit {unit} in {self._database.place}")
        return UnitRow.of(found)

    def own(self, row: UnitRow) -> tuple[int, ...]:
        """Return the tasks of a unit as indices of its root."""
        return tuple(range(self.view_of(row).plan.n_tasks[row.root])) if row.own is None else row.own

    def withdrawn(self, row: UnitRow) -> set[int]:
        """Return the tasks of the root of a unit that are not to be run any more."""
        cancelled, gone = self.ledger.withdrawals.of(self.view_of(row).plan.id, row.root)
        return {*cancelled, *gone}

    def runnable(self, row: UnitRow) -> tuple[Assigned, ...]:
        """Return the tasks that are left of a unit that is not leased and not withdrawn."""
        left = left_of(self.own(row), row.past)
        if not self.ledger.withdrawals.touches(self.view_of(row).plan.id):
            return left
        withdrawn = self.withdrawn(row)
        return tuple(task for task in left if task.index not in withdrawn)

    def is_complete(self, view: SegmentView) -> bool:
        """Whether no unit of a segment can ever be claimed again."""
        if view.plan.id not in self._complete:
            if self._database.one(sql.UNITS_LEFT, (self._sweep, self.number_of(view))):
                return False
            self._complete.add(view.plan.id)
        return True

    def is_dead(self, view: SegmentView) -> bool:
        """Whether everything that is left of a segment, none of which is leased, was withdrawn."""
        if not self.ledger.withdrawals.touches(view.plan.id):
            return False
        statement = sql.FREE_UNITS.format(excluded="", limit=_ALL)
        rows = self._database.all(statement, (self._sweep, self.number_of(view), ""))
        return not any(self.runnable(UnitRow.of(row)) for row in rows)

    def open_views(self) -> list[SegmentView]:
        """Return the segments in which something may be claimed, in the order of claiming."""
        return [view for view in self.ledger.views_by_priority() if view.plan.id not in self._complete]

    # -- claims and ends -----------------------------------------------------------------------------

    def load(self) -> None:
        """Read which epochs of which units were claimed and ended, and the last ends."""
        self.refresh_chain()
        loaded: defaultdict[int, Loaded] = defaultdict(lambda: ([], {}))
        for segment, unit, state, epoch in self._database.all(sql.CLAIMED_UNITS, (self._sweep,)):
            sightings = loaded[segment][0]
            sightings.append((unit, epoch, False))
            ended = epoch - (state == State.LEASED)
            if ended:
                sightings.append((unit, ended, True))
        for number, segment, unit, epoch, content, crc in self._database.all(sql.LAST_ENDS, (self._sweep,)):
            view = self._views[segment - 1]
            if not view.knows_end(unit, epoch):
                loaded[segment][1][unit, epoch] = end_of(bytes(content), crc, number, epoch)
        for number, view in enumerate(self._views, start=1):
            view.take(*loaded[number])

    def read_end(self, segment: SegmentId, unit: UnitId, epoch: int) -> End | None:
        """See `EpochReader`."""
        found = self._database.one(sql.EPOCH, (self._sweep, unit, epoch))
        if found is None or found[3] is None:
            return None
        return end_of(bytes(found[3]), found[4], found[6], epoch)

    def read_claim(self, segment: SegmentId, unit: UnitId, epoch: int) -> wire.Claim:
        """See `EpochReader`."""
        found = self._database.one(sql.EPOCH, (self._sweep, unit, epoch))
        if found is None:
            raise self._damaged(f"the claim of epoch {epoch} of unit {unit}")
        worker, position, at = found[:3]
        return wire.Claim(unit=unit, epoch=epoch, worker=worker, position=position, nonce="", at=at, log=(0, 0))

    def close(self) -> None:
        """Close the plan files."""
        self.ledger.close()


def plan_name(segment: SegmentId) -> str:
    """Return the name under which a plan is stored."""
    return f"plan/{segment}"
