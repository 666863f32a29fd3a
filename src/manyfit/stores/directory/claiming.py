"""Choosing and claiming a unit."""

import secrets
import zlib
from collections.abc import Callable, Iterator

from manyfit.contracts.store import Wanted
from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.lease import Lease
from manyfit.model.unit import root_of
from manyfit.stores.directory.admission import Bars
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.log import Place
from manyfit.stores.files.disk import Disk
from manyfit.stores.files.publish import publish
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ledger import Ledger
from manyfit.stores.ledger.view import SegmentView

_WIDEST = 1024
_WIDER_WHEN_STALE = 2
_WIDER_WHEN_BEATEN = 8


class Claimer:
    """
    Claims units in plan order, unless others are at it.

    Every claim that someone else has made meanwhile widens the window of units among which the next one
    is chosen, by a hash of the worker's id; most of all a race that was lost at the last moment, which
    costs a sync of the disk. Every success halves it. So one worker alone keeps exact
    plan order, while 700 that start together spread over the plan within a few tries.
    """

    def __init__(
        self, disk: Disk, layout: Layout, ledger: Ledger, clock: Callable[[], float], symbolic: bool
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._ledger = ledger
        self._clock = clock
        self._symbolic = symbolic
        self._window = 1
        self._n_tries = 0
        self._wanted: Wanted | None = None
        self._unwanted: set[UnitId] = set()

    def claim(
        self, worker: WorkerId, wanted: Wanted | None, place: Place, bars: Bars | None
    ) -> tuple[SegmentView, Lease] | None:
        """
        Claim a unit for *worker*, whose log goes on at *place*; None when nothing known is claimable.

        Units of pipelines that *bars* names are passed over.
        """
        if wanted is not self._wanted:
            self._wanted, self._unwanted = wanted, set()
        for view, unit in self._choices(worker):
            if bars is not None and bars(view.pipeline(unit)):
                continue
            lease = self._offer(view, unit, worker)
            if lease is None:
                continue
            if self._take(view, lease, place):
                self._window = max(1, self._window // 2)
                return view, lease
        return None

    def _choices(self, worker: WorkerId) -> Iterator[tuple[SegmentView, UnitId]]:
        """Yield free units, each at most once; all of a higher priority before any of a lower one."""
        for view in self._ledger.views_by_priority():
            skipped = 0
            while skipped < len(view.free):
                width = min(self._window, len(view.free) - skipped)
                self._n_tries += 1
                choice = skipped + (zlib.crc32(f"{worker}/{self._n_tries}".encode()) % width if width > 1 else 0)
                unit = view.free[choice]
                if unit in self._unwanted:
                    skipped += 1
                    self._swap(view, choice, skipped - 1)
                    continue
                yield view, unit
                if choice < len(view.free) and view.free[choice] == unit:
                    skipped += 1
                    self._swap(view, choice, skipped - 1)

    @staticmethod
    def _swap(view: SegmentView, choice: int, place: int) -> None:
        """Move a unit that was looked at in vain to the front, where it is not looked at again."""
        if choice != place:
            view.free.insert(place, view.free.pop(choice))

    def _offer(self, view: SegmentView, unit: UnitId, worker: WorkerId) -> Lease | None:
        """Return the lease that *worker* would get on *unit*, None when there is nothing to get."""
        tasks = self._ledger.runnable(view, unit)
        if not tasks:
            view.dead.add(unit)
            view.free.remove(unit)
            return None
        if self._wanted is not None:
            root = view.plan.unit(root_of(unit))
            tasks = tuple(task for task in tasks if self._wanted(root, task.index))
            if not tasks:
                self._unwanted.add(unit)
                return None
        before = view.before(unit)
        return Lease(
            unit=unit,
            epoch=view.last_ended(unit) + 1,
            worker=worker,
            position=self._ledger.chain.position,
            tasks=tasks,
            deaths=before.deaths if before else 0,
        )

    def _take(self, view: SegmentView, lease: Lease, place: Place) -> bool:
        """Publish the claim of *lease*; the end of the epoch before is known to be there."""
        path = self._layout.claim(view.plan.id, lease.unit, lease.epoch)
        claim = wire.Claim(
            unit=lease.unit,
            epoch=lease.epoch,
            worker=lease.worker,
            position=lease.position,
            nonce=secrets.token_hex(8),
            at=self._clock(),
            log=place,
        )
        stale = self._disk.exists(path)
        won = not stale and publish(self._disk, path, wire.claim_bytes(claim), symbolic=self._symbolic)
        if not won:
            self._window = min(_WIDEST, self._window * (_WIDER_WHEN_STALE if stale else _WIDER_WHEN_BEATEN))
        view.free.remove(lease.unit)
        view.saw_claim(lease.unit, lease.epoch)
        return won
