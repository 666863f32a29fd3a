"""One handle on one sweep of a database: the rules of the `Store` contract, applied in transactions."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.contracts.artifacts import ArtifactStore
from manyfit.contracts.store import Wanted
from manyfit.model.control import Action, AddSegment, Compacted, Entry, SetTerms
from manyfit.model.errors import LeaseLost, NotFound, PositionTaken, Refused, StoreError
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot
from manyfit.model.unit import Unit, root_of
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import SYNC_BYTES, SYNC_SECONDS
from manyfit.stores.ledger.liveness import Liveness
from manyfit.stores.ledger.plan_files import plan_bytes
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.claiming import Claimer
from manyfit.stores.sql.database import Database
from manyfit.stores.sql.ending import Ender, Ending, Held, bytes_waiting, parts_of
from manyfit.stores.sql.files import Cache, Files
from manyfit.stores.sql.known import Known, plan_name
from manyfit.stores.sql.reading import Reader
from manyfit.stores.sql.rows import UnitRow, end_of, root_place
from manyfit.stores.sql.workers import Workers

_MOST_WAITING = 64 * SYNC_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep of a database: its number there, its name and its id, and the URL that opens it."""

    number: int
    name: str
    id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The clocks of a handle and its patience with silent workers, in seconds."""

    clock: Callable[[], float]
    monotonic: Callable[[], float]
    patience: float


class SqlStore:
    """
    One handle on *sweep* in *database*, which it owns.

    Results wait in memory until the next transaction of their holder: `sync`, `complete`, `cycle`, or a
    `record` that finds them waiting for too long. *by* names this handle in entries and seals.
    """

    def __init__(self, database: Database, sweep: Sweep, artifacts: ArtifactStore, times: Times, by: str) -> None:
        self.url = sweep.url
        self.sweep = sweep.name
        self.id = sweep.id
        self.artifacts = artifacts
        self._database = database
        self._number = sweep.number
        self._clock = times.clock
        self._monotonic = times.monotonic
        self._by = by
        self._files = Files(database, sweep.number)
        self._cache = Cache(self._files)
        self._known = Known(database, sweep.number)
        self._workers = Workers(database, sweep.number)
        self._liveness = Liveness(times.monotonic, times.patience, self._workers.info)
        self._claimer = Claimer(database, self._known, sweep.number, self._workers.info, times.clock)
        self._ender = Ender(database, self._known, sweep.number, times.clock)
        self._reader = Reader(database, self._known, self._workers, self._liveness, sweep.number, sweep.name)
        self._held: dict[WorkerId, Held] = {}
        self._lost: set[tuple[UnitId, int]] = set()
        self._oldest: float | None = None
        self._has_ended = False
        self._synced_at = float("-inf")

    # -- the control chain and the plan --------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        self._refresh()
        return tuple(self._known.ledger.chain.entries[since:])

    def _refresh(self) -> None:
        self._database.look(self._known.refresh_chain)

    def append(self, action: Action, *, position: int, by: str | None = None, at: float | None = None) -> Entry:
        entry = self._entry(action, position, by, at)
        content = wire.entry_bytes(entry, secrets.token_hex(8))
        self._database.transact(lambda: self._append(entry, content))
        self._database.sync()
        self._refresh()
        return entry

    def _entry(self, action: Action, position: int, by: str | None = None, at: float | None = None) -> Entry:
        by = self._by if by is None else by
        return Entry(position=position, action=action, by=by, at=self._clock() if at is None else at)

    def _append(self, entry: Entry, content: bytes) -> None:
        """Add an entry in this transaction, unless it is there already."""
        self._known.refresh_chain()
        last, position = self._known.ledger.chain.position, entry.position
        if position > last + 1:
            raise Refused(f"entry {position} would leave a gap behind entry {last}; append {last + 1}")
        if not self._database.changed(sql.ADD_ENTRY, (self._number, position, content)):
            found = self._database.one(sql.ENTRY, (self._number, position))
            if found is None or bytes(found[0]) != content:
                raise PositionTaken(position)
        if isinstance(entry.action, SetTerms):
            self._database.run(sql.SET_TENANT, (entry.action.terms.tenant, self._number))

    def submit(self, segment: Segment, *, position: int, more: bool = False, n_new: int) -> AddSegment:
        content = plan_bytes(segment)
        action = AddSegment(
            segment=segment.id,
            sha256=hashlib.sha256(content).hexdigest(),
            n_units=len(segment.units),
            n_tasks=segment.n_tasks,
            n_new=n_new,
            more=more,
        )
        entry = self._entry(action, position)
        added = wire.entry_bytes(entry, secrets.token_hex(8))
        done = self._database.transact(lambda: self._submit(segment, content, entry, added))
        self._database.sync()
        self._refresh()
        return done or action

    def _submit(self, segment: Segment, content: bytes, entry: Entry, added: bytes) -> AddSegment | None:
        """Add a segment in this transaction; return what was added earlier, if that was enough."""
        assert isinstance(entry.action, AddSegment)
        self._known.refresh_chain()
        chain = self._known.ledger.chain
        earlier = chain.segments.get(segment.id)
        if earlier is not None and (entry.action.more or not chain.planning):
            return earlier
        number = len(chain.segments) + 1
        self._append(entry, added)
        if earlier is None:
            self._files.put(plan_name(segment.id), content, self._clock())
            self._database.many(sql.ADD_UNIT, self._unit_values(segment, number))
        return None

    def _unit_values(self, segment: Segment, number: int) -> Iterator[tuple[object, ...]]:
        for n, unit in enumerate(segment.units):
            yield (self._number, number, root_place(n), unit.id, n, unit.pipeline, None, None)

    def segment(self, segment: SegmentId) -> Segment:
        self._refresh()
        added = self._known.ledger.chain.segments.get(segment)
        if added is None:
            raise NotFound(f"no segment {segment} in {self.url}")
        return self._known.ledger.plan_of(segment).segment(added.sha256)

    def unit(self, unit: UnitId) -> Unit:
        """Return the planned unit that *unit* is, or is a part of. Raises `NotFound`."""
        self._refresh()
        return self._known.ledger.view_with(unit).plan.unit(root_of(unit))

    # -- workers -------------------------------------------------------------------------------------

    def register(self, worker: WorkerInfo) -> None:
        nonce = secrets.token_hex(8)
        self._database.transact(lambda: self._workers.register(worker, nonce))

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        self._sync_ends_in_time()
        self._database.transact(lambda: self._workers.beat(worker, beat))

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        self._sync_ends_in_time()
        token = request or _token()
        held = self._database.transact(lambda: self._claim(worker, wanted, token))
        return self._hold(worker, held)

    def _claim(self, worker: WorkerId, wanted: Wanted | None, request: str) -> Held | None:
        """Claim in this transaction; return the lease that *request* claimed before, if there is one."""
        self._known.refresh_chain()
        found = self._claimer.lease_of(worker)
        if found is None:
            return self._claim_next(worker, wanted, request)
        earlier, lease, row = found
        if earlier != request:
            raise Refused(f"worker {worker} holds unit {lease.unit}; complete it before claiming another")
        held = self._held.get(worker)
        if held is not None and (held.row.number, held.lease.epoch) == (row.number, lease.epoch):
            return held
        stored = self._database.all(sql.LINES_STORED, (row.number, lease.epoch))
        seq, n_bytes = parts_of([(stored[0][0], stored[0][1])])
        return Held(lease, row, secrets.token_hex(8), seq=seq, n_stored=n_bytes)

    def _claim_next(self, worker: WorkerId, wanted: Wanted | None, request: str) -> Held | None:
        claimed = self._claimer.claim(worker, wanted, request)
        return Held(*claimed, secrets.token_hex(8)) if claimed else None

    def _hold(self, worker: WorkerId, held: Held | None) -> Lease | None:
        """Take note of what a transaction that is committed has claimed."""
        before = self._held.get(worker)
        if before is not None and before is not held:
            self._lose(before)  # nobody who holds a lease can claim
        if held is None:
            return None
        self._held[worker] = held
        return held.lease

    def finished(self) -> bool:
        if not self._database.look(self._finished):
            return False
        self._sync_ends()
        return True

    def _finished(self) -> bool:
        self._known.refresh_chain()
        if self._known.ledger.chain.planning or self._database.one(sql.LEASED_UNITS, (self._number,)):
            return False
        views = self._known.open_views()
        return all(self._known.is_complete(view) or self._known.is_dead(view) for view in views)

    # -- results -------------------------------------------------------------------------------------

    def record(self, lease: Lease, lines: bytes) -> None:
        held = self._own(lease)
        if held is None:
            if (lease.unit, lease.epoch) in self._lost:
                raise LeaseLost(lease.unit, lease.epoch)
            raise _not_held(lease)
        if held.n_waiting > _MOST_WAITING:
            self.sync()
        held.put(lines)
        now = self._monotonic()
        if self._oldest is None:
            self._oldest = now
        if held.n_waiting >= SYNC_BYTES or now - self._oldest >= SYNC_SECONDS:
            self._try_sync()

    def _try_sync(self) -> None:
        """Sync. What a database in trouble does not take now stays in memory, until somebody asks for it."""
        try:
            self.sync()
        except StoreError:
            self._oldest = self._monotonic()

    def _own(self, lease: Lease) -> Held | None:
        held = self._held.get(lease.worker)
        return held if held and (held.lease.unit, held.lease.epoch) == (lease.unit, lease.epoch) else None

    def sync(self) -> int:
        waiting = [held for held in self._held.values() if held.n_waiting]
        n_bytes = bytes_waiting(waiting)
        if waiting:
            for held in waiting:
                held.gather()
            lost = self._database.transact(lambda: self._store(waiting))
            self._forget(waiting, lost)
        if waiting or self._has_ended:
            self._sync_ends()
        self._oldest = None
        if waiting and lost:
            raise LeaseLost(lost[0].lease.unit, lost[0].lease.epoch)
        return n_bytes

    def _store(self, waiting: Sequence[Held]) -> list[Held]:
        """Store results in this transaction; return the leases that were lost."""
        lost = []
        for held in waiting:
            if self._ender.is_open(held):
                self._ender.store(held)
            else:
                lost.append(held)
        return lost

    def _forget(self, waiting: Sequence[Held], lost: Sequence[Held]) -> None:
        for held in waiting:
            held.stored()
        for held in lost:
            self._lose(held)

    def _lose(self, held: Held) -> None:
        self._lost.add((held.lease.unit, held.lease.epoch))
        self._held.pop(held.lease.worker, None)

    def complete(self, lease: Lease, end: End) -> None:
        held = self._own(lease)
        if held is None:
            self._database.look(lambda: self._complete_again(lease))
        else:
            held.gather()
            self._end(held, self._database.transact(lambda: self._complete(held, end)))
        self._sync_ends()

    def _complete(self, held: Held, end: End) -> Ending:
        self._known.refresh_chain()
        return self._ender.complete(held, end)

    def _end(self, held: Held, ending: Ending) -> None:
        """Take note of what became of the epoch of *held*, which is committed."""
        if ending is Ending.LOST:
            self._lose(held)
            raise LeaseLost(held.lease.unit, held.lease.epoch)
        held.stored()
        self._held.pop(held.lease.worker, None)

    def _complete_again(self, lease: Lease) -> None:
        """Judge the completion of a lease that this handle does not hold (any more)."""
        found = self._database.one(sql.EPOCH, (self._number, lease.unit, lease.epoch))
        if found is None:
            raise NotFound(f"no epoch {lease.epoch} of unit {lease.unit} in {self.url}")
        if found[3] is None:
            raise _not_held(lease)
        end = end_of(bytes(found[3]), found[4], found[6], lease.epoch)
        if end.by != lease.worker or end.kind is EndKind.SEALED:
            raise LeaseLost(lease.unit, lease.epoch)

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        held, token = self._own(lease), request or _token()
        if held is None:
            self.complete(lease, end)
            return self.claim(lease.worker, wanted=wanted, request=request)
        held.gather()
        ending, following = self._database.transact(lambda: self._cycle(held, end, wanted, token))
        self._end(held, ending)
        self._has_ended = True
        self._sync_ends_in_time()
        return self._hold(lease.worker, following)

    def _cycle(self, held: Held, end: End, wanted: Wanted | None, request: str) -> tuple[Ending, Held | None]:
        """End an epoch and claim the next unit in this transaction."""
        ending, worker = self._complete(held, end), held.lease.worker
        match ending:
            case Ending.DONE:
                return ending, self._claim_next(worker, wanted, request)
            case Ending.DONE_BEFORE:
                return ending, self._claim(worker, wanted, request)
            case Ending.LOST:
                return ending, None
            case _:
                assert_never(ending)

    def _sync_ends_in_time(self) -> None:
        """
        Make the ends of cycles durable, unless that was done a moment ago.

        So the end of a long unit is durable at once, and of many short ones a group at a time.
        """
        if self._has_ended and self._monotonic() - self._synced_at >= SYNC_SECONDS:
            self._sync_ends()

    def _sync_ends(self) -> None:
        self._database.sync()
        self._has_ended, self._synced_at = False, self._monotonic()

    def expire(self, workers: Sequence[WorkerId] | None = None) -> int:
        suspects = self._database.look(lambda: self._suspects(workers))
        n_sealed = 0
        for worker, row, lost in suspects:
            n_sealed += self._seal(worker, row, lost)
        if n_sealed:
            self._sync_ends()
        return n_sealed

    def _seal(self, worker: WorkerId, row: UnitRow, lost: int | None) -> bool:
        nonce, by = secrets.token_hex(8), WorkerId(self._by)
        return self._database.transact(lambda: self._ender.seal(row, worker, lost, by, nonce))

    def _suspects(self, workers: Sequence[WorkerId] | None) -> list[tuple[WorkerId, UnitRow, int | None]]:
        """Return whose lease is to be sealed: the unit, and the task that the worker was on."""
        self._known.refresh_chain()
        beats, mine = self._workers.beats(), {(held.row.number, held.lease.epoch) for held in self._held.values()}
        found = []
        for worker, *columns in self._database.all(sql.OPEN_EPOCHS, (self._number,)):
            row, beat = UnitRow.of(tuple(columns)), beats.get(worker)
            if workers is not None:
                lost = worker in workers
            else:
                lost = (row.number, row.epoch) not in mine and self._liveness.seems_dead(worker, beat)
            if lost:
                on_it = beat is not None and beat.unit == row.id and beat.epoch == row.epoch
                found.append((worker, row, beat.index if beat is not None and on_it else None))
        return found

    # -- reading -------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return self._reader.snapshot()

    def units(self) -> Iterator[UnitState]:
        return self._reader.units()

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        return self._reader.accepted(skip)

    def epochs(self) -> Iterator[EndedEpoch]:
        return self._reader.epochs()

    def adopt(self, ended: EndedEpoch) -> bool:
        nonce = secrets.token_hex(8)
        return self._database.transact(lambda: self._adopt(ended, nonce))

    def _adopt(self, ended: EndedEpoch, nonce: str) -> bool:
        self._known.refresh_chain()
        return self._ender.adopt(ended, nonce)

    def bases(self) -> Sequence[Path]:
        return self._database.look(self._bases)

    def _bases(self) -> Sequence[Path]:
        self._known.refresh_chain()
        actions = [entry.action for entry in self._known.ledger.chain.entries]
        return tuple(self._cache.path(_base_name(a.base)) for a in actions if isinstance(a, Compacted))

    def publish_base(self, parquet: Path, *, position: int) -> Entry:
        data = parquet.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"{sha256[:16]}.parquet"
        entry = self._entry(Compacted(base=name, sha256=sha256), position)
        content = wire.entry_bytes(entry, secrets.token_hex(8))
        self._database.transact(lambda: self._publish_base(name, data, entry, content))
        self._database.sync()
        self._refresh()
        return entry

    def _publish_base(self, name: str, data: bytes, entry: Entry, content: bytes) -> None:
        self._append(entry, content)
        self._files.put(_base_name(name), data, self._clock())

    def close(self) -> None:
        self._cache.close()
        self._known.close()
        self._database.close()


def _token() -> str:
    """Return a request that nobody else makes; "~" keeps it apart from those of callers."""
    return f"~{secrets.token_hex(8)}"


def _base_name(name: str) -> str:
    return f"base/{name}"


def _not_held(lease: Lease) -> Refused:
    return Refused(f"epoch {lease.epoch} of unit {lease.unit} is not held by this handle; claim it first")
