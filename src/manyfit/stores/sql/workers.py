"""Workers as they registered, and their heartbeats."""

from collections.abc import Iterator

from manyfit.model.errors import Refused
from manyfit.model.keys import WorkerId
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.ledger import wire
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database


class Workers:
    """The workers of one sweep. Calls belong into a transaction."""

    def __init__(self, database: Database, sweep: int) -> None:
        self._database = database
        self._sweep = sweep
        self._infos: dict[WorkerId, WorkerInfo] = {}

    def register(self, worker: WorkerInfo, nonce: str) -> None:
        """Make *worker* known. Raises `Refused` when another call has done that."""
        values = (self._sweep, worker.id, wire.worker_bytes(worker), nonce)
        if not self._database.changed(sql.ADD_WORKER, values):
            found = self._database.one(sql.WORKER, (self._sweep, worker.id))
            if found is None or found[1] != nonce:
                raise Refused(f"worker id {worker.id} was used before; start the worker again with a new id")

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        """Replace the heartbeat of *worker*."""
        self._database.run(sql.SET_BEAT, (self._sweep, worker, wire.beat_bytes(beat).strip()))

    def info(self, worker: WorkerId) -> WorkerInfo | None:
        """Return what *worker* registered as, None when it did not."""
        if worker not in self._infos:
            found = self._database.one(sql.WORKER, (self._sweep, worker))
            if found is None:
                return None
            self._infos[worker] = wire.worker_from(bytes(found[0]))
        return self._infos[worker]

    def infos(self) -> Iterator[WorkerInfo]:
        """Yield the registered workers, by id."""
        for (content,) in self._database.all(sql.WORKERS, (self._sweep,)):
            info = wire.worker_from(bytes(content))
            self._infos[info.id] = info
            yield info

    def last_beat(self, worker: WorkerId) -> Beat | None:
        """Return the last heartbeat of *worker*."""
        found = self._database.one(sql.BEAT, (self._sweep, worker))
        return wire.beat_from(bytes(found[0])) if found else None

    def beats(self) -> dict[WorkerId, Beat | None]:
        """Return the last heartbeat of every worker."""
        rows = self._database.all(sql.BEATS, (self._sweep,))
        return {worker: wire.beat_from(bytes(content)) for worker, content in rows}
