"""Choosing and claiming a unit, inside a transaction."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator

from manyfit.contracts.store import Wanted
from manyfit.model.keys import WorkerId
from manyfit.model.lease import Assigned, Lease
from manyfit.model.worker import WorkerInfo
from manyfit.stores.ledger.ends import left_of
from manyfit.stores.ledger.view import SegmentView
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database, Row
from manyfit.stores.sql.known import Known
from manyfit.stores.sql.rows import UnitRow

InfoOf = Callable[[WorkerId], WorkerInfo | None]

_LARGEST_LOOK = 1024
_CHOOSY_LOOK = 64


class Claimer:
    """Claims units in the order of priority and plan. Calls belong into a transaction that writes."""

    def __init__(
        self, database: Database, known: Known, sweep: int, info_of: InfoOf, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._known = known
        self._sweep = sweep
        self._info_of = info_of
        self._clock = clock
        self._wanted: Wanted | None = None
        self._unwanted: set[tuple[int, int]] = set()

    def lease_of(self, worker: WorkerId) -> tuple[str, Lease, UnitRow] | None:
        """Return the lease that *worker* holds, with the request under which it was claimed."""
        found = self._database.one(sql.LEASE_OF, (self._sweep, worker))
        if found is None:
            return None
        request, position, indices = found[:3]
        row = UnitRow.of(found[3:])
        tasks = left_of(self._known.own(row), row.past)
        if indices is not None:
            chosen = set(json.loads(indices))
            tasks = tuple(task for task in tasks if task.index in chosen)
        return request, _lease(row, row.epoch, worker, position, tasks), row

    def claim(self, worker: WorkerId, wanted: Wanted | None, request: str) -> tuple[Lease, UnitRow] | None:
        """Lease the next unit to *worker*, which holds none; None when there is none for it."""
        chain = self._known.ledger.chain
        if chain.paused:
            return None
        if wanted is not self._wanted:
            self._wanted, self._unwanted = wanted, set()
        open_leases, n_tenant = self._open_leases()
        for view in self._known.open_views():
            excluded = self._excluded(view, worker, open_leases, n_tenant)
            if len(excluded) == len(self._known.pipelines_of(view)):
                continue
            for row in self._choices(view, excluded):
                tasks = self._offered(row)
                if tasks:
                    return self._take(row, worker, tasks, request)
            self._known.is_complete(view)
        return None

    # -- who may have what ---------------------------------------------------------------------------

    def _open_leases(self) -> tuple[Counter[str], int]:
        """Count the open leases that limits are about, and keep them from growing until this transaction ends."""
        terms = self._known.ledger.chain.terms
        limits = terms.concurrency
        if not limits.limited:
            return Counter(), 0
        of_tenant = limits.tenant is not None
        self._database.hold_limits([f"sweep {self._sweep}", *([f"tenant {terms.tenant}"] if of_tenant else [])])
        counts: Counter[str] = Counter(dict(self._database.all(sql.OPEN_BY_PIPELINE, (self._sweep,))))
        found = self._database.one(sql.OPEN_OF_TENANT, (terms.tenant,)) if of_tenant else None
        return counts, found[0] if found else 0

    def _excluded(
        self, view: SegmentView, worker: WorkerId, open_leases: Counter[str], n_tenant: int
    ) -> list[str]:
        """Return the pipelines of a segment of which *worker* may be given nothing now."""
        ledger = self._known.ledger
        chain = ledger.chain
        if not (chain.held or chain.terms.needs or chain.terms.concurrency.limited):
            return []
        info = self._info_of(worker) if chain.terms.needs else None
        return sorted(
            pipeline
            for pipeline in self._known.pipelines_of(view)
            if ledger.barred(pipeline, info) or ledger.crowded(pipeline, open_leases, n_tenant)
        )

    # -- which unit ----------------------------------------------------------------------------------

    def _choices(self, view: SegmentView, excluded: list[str]) -> Iterator[UnitRow]:
        """
        Yield free units of a segment in plan order, each held by this transaction when it is yielded.

        The first look holds what it finds. Later looks, and those of a choosy worker, see more than one
        unit and hold none of them: what is passed over has to stay free for others.
        """
        place, limit = "", 1 if self._wanted is None else _CHOOSY_LOOK
        while True:
            at_once = limit == 1
            rows = self._free(view, excluded, place, limit, self._database.skip_locked if at_once else "")
            for row in map(UnitRow.of, rows):
                held = row if at_once else self._held(row)
                if held is not None:
                    yield held
            if len(rows) < limit:
                return
            place, limit = rows[-1][2], min(_LARGEST_LOOK, limit * 16)

    def _free(self, view: SegmentView, excluded: Collection[str], place: str, limit: int, hold: str) -> list[Row]:
        without = f" AND u.pipeline NOT IN ({', '.join('?' * len(excluded))})" if excluded else ""
        statement = sql.FREE_UNITS.format(excluded=without, limit=limit) + hold
        return self._database.all(statement, (self._sweep, self._known.number_of(view), place, *excluded))

    def _held(self, row: UnitRow) -> UnitRow | None:
        """Hold a unit that was seen free, unless it is not wanted or somebody else has it by now."""
        if (row.number, row.epoch) in self._unwanted:
            return None
        tasks = self._known.runnable(row)
        if tasks and not self._wanted_of(row, tasks):
            self._unwanted.add((row.number, row.epoch))
            return None
        found = self._database.one(sql.FREE_UNIT + self._database.skip_locked, (row.number, row.epoch))
        return UnitRow.of(found) if found else None

    def _offered(self, row: UnitRow) -> tuple[Assigned, ...]:
        """Return what there is to run of a unit; one with nothing left is closed."""
        tasks = self._known.runnable(row)
        if not tasks:
            self._database.run(sql.CLOSE_UNIT, (row.number,))
            return ()
        return self._wanted_of(row, tasks)

    def _wanted_of(self, row: UnitRow, tasks: tuple[Assigned, ...]) -> tuple[Assigned, ...]:
        if self._wanted is None:
            return tasks
        root = self._known.view_of(row).plan.units[row.root]
        return tuple(task for task in tasks if self._wanted(root, task.index))

    def _take(
        self, row: UnitRow, worker: WorkerId, tasks: tuple[Assigned, ...], request: str
    ) -> tuple[Lease, UnitRow]:
        position, epoch = self._known.ledger.chain.position, row.epoch + 1
        indices = None
        if len(tasks) < len(left_of(self._known.own(row), row.past)):
            indices = json.dumps([task.index for task in tasks])
        self._database.run(sql.LEASE_UNIT, (epoch, row.number))
        self._database.run(
            sql.ADD_EPOCH, (row.number, epoch, self._sweep, worker, request, position, indices, self._clock())
        )
        return _lease(row, epoch, worker, position, tasks), row


def _lease(row: UnitRow, epoch: int, worker: WorkerId, position: int, tasks: tuple[Assigned, ...]) -> Lease:
    deaths = row.past.deaths if row.past is not None else 0
    return Lease(unit=row.id, epoch=epoch, worker=worker, position=position, tasks=tasks, deaths=deaths)
