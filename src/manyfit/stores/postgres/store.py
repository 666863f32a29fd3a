"""The store in a PostgreSQL database: many sweeps, many hosts."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.contracts.artifacts import ArtifactStore
from manyfit.contracts.store import Wanted
from manyfit.model.control import Action, AddSegment, Entry
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot
from manyfit.model.unit import Unit
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.postgres.database import PostgresDatabase
from manyfit.stores.postgres.place import parameters_of, url_of
from manyfit.stores.postgres.schema import prepare
from manyfit.stores.sql.files import TableArtifacts
from manyfit.stores.sql.store import SqlStore, Sweep, Times
from manyfit.stores.sql.sweeps import ListedSweep, add_sweep, delete_sweep, list_sweeps, pick_sweep


class PostgresStore:
    """
    One handle on *sweep* of the database that *dsn* names; None means the only sweep that it has.

    *dsn* is a URL (`postgresql://user@host:5432/database`) or a connection string of libpq. Every call is
    one transaction. After a lost connection it is made again and finds out what the first try has done:
    for a minute at most, then `StoreError`. *by* names this handle in control entries and seals.
    """

    def __init__(
        self,
        dsn: str,
        *,
        sweep: str | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = 120.0,
        by: str | None = None,
    ) -> None:
        database = _opened(dsn, create=False)
        try:
            found = pick_sweep(database, sweep)
        except BaseException:
            database.close()
            raise
        self._store = SqlStore(
            database,
            Sweep(number=found.number, name=found.name, id=found.id, url=url_of(database.place, found.name)),
            TableArtifacts(database, found.number, clock),
            Times(clock=clock, monotonic=monotonic, patience=patience),
            by or f"{socket.gethostname()}-{os.getpid()}",
        )
        self.url = self._store.url
        self.sweep = found.name
        self.id = found.id
        self.artifacts: ArtifactStore = self._store.artifacts

    @classmethod
    def create(cls, dsn: str, *, sweep: str, declaration: bytes | None = None, **options: Any) -> "PostgresStore":
        """
        Open *sweep* of the database that *dsn* names, and make tables and sweep when they are missing.

        *declaration* is kept with the sweep, for people. *options* are those of the constructor. The
        database itself must be there.
        """
        database = _opened(dsn, create=True)
        try:
            add_sweep(database, sweep, declaration, options.get("clock", time.time)())
        finally:
            database.close()
        return cls(dsn, sweep=sweep, **options)

    # -- the contract: see `Store` -------------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        return self._store.entries(since)

    def append(self, action: Action, *, position: int, by: str | None = None, at: float | None = None) -> Entry:
        return self._store.append(action, position=position, by=by, at=at)

    def submit(self, segment: Segment, *, position: int, more: bool = False, n_new: int) -> AddSegment:
        return self._store.submit(segment, position=position, more=more, n_new=n_new)

    def segment(self, segment: SegmentId) -> Segment:
        return self._store.segment(segment)

    def unit(self, unit: UnitId) -> Unit:
        return self._store.unit(unit)

    def register(self, worker: WorkerInfo) -> None:
        self._store.register(worker)

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        self._store.beat(worker, beat)

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        return self._store.claim(worker, wanted=wanted, request=request)

    def finished(self) -> bool:
        return self._store.finished()

    def record(self, lease: Lease, lines: bytes) -> None:
        self._store.record(lease, lines)

    def sync(self) -> int:
        return self._store.sync()

    def complete(self, lease: Lease, end: End) -> None:
        self._store.complete(lease, end)

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        return self._store.cycle(lease, end, wanted=wanted, request=request)

    def expire(self, workers: Sequence[WorkerId] | None = None) -> int:
        return self._store.expire(workers)

    def snapshot(self) -> Snapshot:
        return self._store.snapshot()

    def units(self) -> Iterator[UnitState]:
        return self._store.units()

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        return self._store.accepted(skip)

    def epochs(self) -> Iterator[EndedEpoch]:
        return self._store.epochs()

    def adopt(self, ended: EndedEpoch) -> bool:
        return self._store.adopt(ended)

    def bases(self) -> Sequence[Path]:
        return self._store.bases()

    def publish_base(self, parquet: Path, *, position: int) -> Entry:
        return self._store.publish_base(parquet, position=position)

    def close(self) -> None:
        self._store.close()


# -- databases ---------------------------------------------------------------------------------------


def sweeps_in(dsn: str) -> list[ListedSweep]:
    """Return the sweeps of the database that *dsn* names, oldest first. Raises `NotFound`."""
    database = _opened(dsn, create=False)
    try:
        return list_sweeps(database)
    finally:
        database.close()


def remove_sweep(dsn: str, name: str) -> None:
    """Remove a sweep with all its results and kept files, in one transaction. Raises `NotFound`."""
    database = _opened(dsn, create=False)
    try:
        delete_sweep(database, pick_sweep(database, name).number)
    finally:
        database.close()


def _opened(dsn: str, *, create: bool) -> PostgresDatabase:
    database = PostgresDatabase(parameters_of(dsn.partition("#")[0]))
    try:
        prepare(database, create=create)
    except BaseException:
        database.close()
        raise
    return database
