"""Reading a sweep: counts, units, accepted results."""

from collections.abc import Callable, Collection, Iterator, Sequence

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End
from manyfit.model.snapshot import Snapshot
from manyfit.stores.ledger.liveness import Liveness
from manyfit.stores.ledger.summary import summary
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database, Row
from manyfit.stores.sql.known import Known
from manyfit.stores.sql.rows import end_of, joined_lines
from manyfit.stores.sql.workers import Workers

_EPOCHS_AT_ONCE = 32

Skipped = Collection[tuple[UnitId, int]]


class Reader:
    """
    Reads one sweep. What it yields one by one is what had ended when it was asked.

    Results of ended epochs never change, so that they can be read in many small transactions: a long one
    would keep the database from tidying up.
    """

    def __init__(
        self, database: Database, known: Known, workers: Workers, liveness: Liveness, sweep: int, name: str
    ) -> None:
        self._database = database
        self._known = known
        self._workers = workers
        self._liveness = liveness
        self._sweep = sweep
        self._name = name

    def snapshot(self) -> Snapshot:
        """See `Store.snapshot`."""
        return self._database.look(self._snapshot)

    def _snapshot(self) -> Snapshot:
        self._known.load()
        beats = self._workers.beats()
        infos = list(self._workers.infos())
        return summary(self._name, self._known.ledger, infos, beats.get, self._liveness.seems_dead)

    def units(self) -> Iterator[UnitState]:
        """See `Store.units`."""
        yield from self._database.look(self._units)

    def _units(self) -> list[UnitState]:
        self._known.load()
        return [
            UnitState(
                segment=view.plan.id,
                unit=unit,
                indices=view.own(unit),
                epoch=view.last_claimed(unit),
                holder=view.holder(unit),
                end=view.last_end(unit),
            )
            for view in self._known.ledger.views()
            for unit in view.walk()
        ]

    def accepted(self, skip: Skipped) -> Iterator[AcceptedBlock]:
        """See `Store.accepted`."""
        for _, block in self._blocks(skip):
            if block.lines:
                yield block

    def epochs(self) -> Iterator[EndedEpoch]:
        """See `Store.epochs`."""
        for end, block in self._blocks(frozenset()):
            yield EndedEpoch(
                segment=block.segment,
                unit=block.unit,
                epoch=block.epoch,
                worker=block.worker,
                lines=block.lines,
                end=end,
            )

    def _blocks(self, skip: Skipped) -> Iterator[tuple[End, AcceptedBlock]]:
        rows = self._database.look(self._ended)
        # what a reader makes of results, a table or a copy, must not outlive them
        self._database.sync()
        wanted = [row for row in rows if (row[2], row[3]) not in skip]
        for start in range(0, len(wanted), _EPOCHS_AT_ONCE):
            yield from self._database.look(self._some(wanted[start : start + _EPOCHS_AT_ONCE]))

    def _ended(self) -> list[Row]:
        self._known.refresh_chain()
        rows = self._database.all(sql.ENDED_EPOCHS, (self._sweep,))
        n_claims, n_open = self._database.all(sql.CLAIMS_AND_OPEN, (self._sweep, self._sweep))[0]
        if len(rows) != n_claims - n_open:
            # an index or a key that is damaged hides rows without any error
            raise StoreCorrupt(
                f"{self._database.place} has {len(rows)} ended epochs of {self._name} where its units say "
                f"{n_claims - n_open}; restore the database from a backup"
            )
        return rows

    def _some(self, rows: Sequence[Row]) -> Callable[[], list[tuple[End, AcceptedBlock]]]:
        return lambda: [self._block(*row) for row in rows]

    def _block(
        self, number: int, segment: int, unit: UnitId, epoch: int, worker: WorkerId
    ) -> tuple[End, AcceptedBlock]:
        found = self._database.one(sql.END, (number, epoch))
        if found is None or found[0] is None:
            raise StoreCorrupt(f"the end of epoch {epoch} of unit {unit} is gone; was the sweep removed?")
        end = end_of(bytes(found[0]), found[1], number, epoch)
        lines = joined_lines(self._database.all(sql.LINES, (number, epoch)), number, epoch)
        n_bytes = sum(span.end - span.start for span in end.spans)
        if len(lines) != n_bytes:
            raise StoreCorrupt(
                f"epoch {epoch} of unit {unit} has {len(lines)} bytes of results where its end says {n_bytes}; "
                "restore the database from a backup, or retry the tasks of that unit"
            )
        return end, AcceptedBlock(
            segment=self._segment(segment), unit=unit, epoch=epoch, worker=worker, lines=lines
        )

    def _segment(self, number: int) -> SegmentId:
        return self._known.segment_at(number)
