"""Bringing a ledger up to date from the files of a store, as seldom as possible."""

from collections.abc import Callable, Iterator

from manyfit.model.control import Entry
from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import End
from manyfit.stores.directory.layout import Layout
from manyfit.stores.files.disk import Disk
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ledger import Ledger
from manyfit.stores.ledger.plan_files import PlanFile
from manyfit.stores.ledger.view import SegmentView, Sighting

_LISTING_SHARE = 50.0
"""A listing is repeated after this many times its own duration at the earliest: 2 % of the time."""
_LONGEST_WAIT = 5.0
_WAIT_PER_OPEN_UNIT = 0.02


class StoredFiles:
    """Reads control entries, claims, ends and names of a store's files."""

    def __init__(self, disk: Disk, layout: Layout) -> None:
        self._disk = disk
        self._layout = layout
        self._seen: dict[SegmentId, set[str]] = {}

    def read_entries(self, since: int) -> Iterator[Entry]:
        """Yield the entries after position *since*: one failing look-up when there are none."""
        position = since + 1
        while data := self._disk.read(self._layout.entry(position)):
            try:
                yield wire.entry_from(data)
            except (ValueError, KeyError, TypeError) as exc:
                path = self._layout.entry(position)
                raise StoreCorrupt(f"{path} is not a control entry; restore it from a backup") from exc
            position += 1

    def open_plan(self, segment: SegmentId) -> PlanFile:
        """Open the plan file of *segment*. Raises `NotFound`."""
        return PlanFile(self._layout.segment(segment), segment)

    def read_end(self, segment: SegmentId, unit: UnitId, epoch: int) -> End | None:
        """See `EpochReader`."""
        path = self._layout.end(segment, unit, epoch)
        data = self._disk.read(path)
        if data is None:
            return None
        try:
            return wire.end_from(data)[0]
        except (ValueError, KeyError, TypeError) as exc:
            raise StoreCorrupt(f"{path} is not the end of an epoch; restore it from a backup") from exc

    def read_claim(self, segment: SegmentId, unit: UnitId, epoch: int) -> wire.Claim:
        """See `EpochReader`."""
        path = self._layout.claim(segment, unit, epoch)
        try:
            return wire.claim_from(self._disk.read(path) or b"")
        except (ValueError, KeyError, TypeError) as exc:
            raise StoreCorrupt(f"{path} is not a claim; restore it from a backup") from exc

    def new_names(self, segment: SegmentId) -> Iterator[Sighting]:
        """List the claims and ends of *segment* and yield those that were not listed before."""
        seen = self._seen.setdefault(segment, set())
        names = set(self._disk.names(self._layout.units / segment))
        for name in names - seen:
            if not name.startswith("."):
                unit, _, tag = name.rpartition(".")
                yield UnitId(unit), int(tag[1:]), tag[0] == "e"
        seen |= names


class Known:
    """
    A ledger that follows the files of a store on request.

    The control chain is cheap to follow: one failing look-up. Folders of claims are listed seldom:
    the more they hold and the more workers there are, the more seldom.
    """

    def __init__(self, disk: Disk, layout: Layout, monotonic: Callable[[], float], refresh_seconds: float) -> None:
        self._files = StoredFiles(disk, layout)
        self._monotonic = monotonic
        self._refresh_seconds = refresh_seconds
        self._next_listing = float("-inf")
        self.ledger = Ledger(self._files.read_entries, self._files.open_plan, self._files)

    def refresh_chain(self) -> None:
        """Read new control entries."""
        if self.ledger.refresh_chain():
            self._next_listing = float("-inf")

    def refresh(self, *, now: bool = False) -> bool:
        """List claims and ends, unless that was done a moment ago; *now*: in any case. Tell whether it did."""
        self.refresh_chain()
        began = self._monotonic()
        if not now and began < self._next_listing:
            return False
        for view in self.ledger.views():
            self._list(view)
        ended = self._monotonic()
        n_open = sum(1 for view in self.ledger.views() for _ in view.open_units())
        wait = max(self._refresh_seconds, n_open * _WAIT_PER_OPEN_UNIT, _LISTING_SHARE * (ended - began))
        self._next_listing = ended + (min(_LONGEST_WAIT, wait) if self._refresh_seconds else 0.0)
        return True

    def _list(self, view: SegmentView) -> None:
        if not view.complete:
            view.take(self._files.new_names(view.plan.id))

    def close(self) -> None:
        """Close the plan files."""
        self.ledger.close()
