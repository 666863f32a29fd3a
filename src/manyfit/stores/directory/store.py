"""The store: its files, its rules, and the handle that follows them."""

import errno
import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.contracts.artifacts import ArtifactStore
from manyfit.contracts.store import Wanted
from manyfit.model.control import Action, AddSegment, Compacted, Entry
from manyfit.model.errors import LeaseLost, NotFound, PositionTaken, Refused, StoreCorrupt, StoreError
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot
from manyfit.model.unit import Unit, root_of
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.artifact_files import FolderArtifacts
from manyfit.stores.directory import frames
from manyfit.stores.directory.admission import Admission
from manyfit.stores.directory.adopting import Adopter
from manyfit.stores.directory.claiming import Claimer
from manyfit.stores.directory.known import Known
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.log import LogWriter, Place
from manyfit.stores.directory.log_reader import accepted_lines, read_beat
from manyfit.stores.directory.sealing import Sealer
from manyfit.stores.files.disk import Disk, store_error
from manyfit.stores.files.publish import choose_links, publish
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import concluded
from manyfit.stores.ledger.plan_files import plan_bytes
from manyfit.stores.ledger.summary import summary
from manyfit.stores.ledger.view import SegmentView

FORMAT = 1


@dataclass(slots=True)
class _Held:
    """A lease of this handle, with what ends it: the same bytes however often that is tried."""

    view: SegmentView
    lease: Lease
    since: Place
    head: bytes
    nonce: str
    request: str


class DirectoryStore:
    """
    One handle on the store in the folder *path* (`vowels.sweep`), which `create` has made.

    *refresh_seconds* is the shortest time between two listings of claims (0: list whenever asked). It
    only delays when the work of others is noticed. *by* names this handle in control entries and seals.
    *disk* is the file system.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = 120.0,
        refresh_seconds: float = 0.2,
        by: str | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._disk = disk or Disk()
        self._layout = Layout(Path(path).absolute())
        self.url = str(self._layout.root)
        marker = _marker(self._disk, self._layout)
        self.sweep: str = marker["sweep"]
        self.id: str = marker["id"]
        self._symbolic = marker.get("links") == "symbolic"
        self._clock = clock
        self._monotonic = monotonic
        self._by = by or f"{socket.gethostname()}-{os.getpid()}"
        self._known = Known(self._disk, self._layout, monotonic, refresh_seconds)
        self._claimer = Claimer(self._disk, self._layout, self._known.ledger, clock, self._symbolic)
        self._sealer = Sealer(self._disk, self._layout, monotonic, patience, self._publish_end, WorkerId(self._by))
        self._admission = Admission(self._known, self._sealer.info, monotonic)
        self._adopter = Adopter(self._disk, self._layout, self._known, clock, monotonic, self._symbolic)
        self.artifacts: ArtifactStore = FolderArtifacts(
            self._layout.artifacts, disk=self._disk, symbolic=self._symbolic
        )
        self._logs: dict[WorkerId, LogWriter] = {}
        self._held: dict[WorkerId, _Held] = {}

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        sweep: str,
        declaration: bytes | None = None,
        disk: Disk | None = None,
        **options: Any,
    ) -> "DirectoryStore":
        """
        Make the folder *path* a store of the sweep called *sweep*, or open it if it is that already.

        *declaration* is kept as `sweep.toml`, for people. *options* are those of the constructor. Raises
        `StoreUnsuitable` when the file system cannot hold a store, `Refused` when *path* is the store of
        another sweep.
        """
        disk = disk or Disk()
        layout = Layout(Path(path).absolute())
        if disk.read(layout.marker) is None:
            _make(disk, layout, sweep, declaration)
        store = cls(path, disk=disk, **options)
        if store.sweep != sweep:
            raise Refused(f"{path} is the store of sweep {store.sweep!r}, not {sweep!r}; choose another folder")
        return store

    # -- the control chain and the plan --------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        self._known.refresh_chain()
        return tuple(self._known.ledger.chain.entries[since:])

    def append(self, action: Action, *, position: int, by: str | None = None, at: float | None = None) -> Entry:
        self._known.refresh_chain()
        last = self._known.ledger.chain.position
        if position <= last:
            raise PositionTaken(position)
        if position > last + 1:
            raise Refused(f"entry {position} would leave a gap behind entry {last}; append {last + 1}")
        entry = Entry(
            position=position,
            action=action,
            by=self._by if by is None else by,
            at=self._clock() if at is None else at,
        )
        won = self._publish(self._layout.entry(position), wire.entry_bytes(entry, secrets.token_hex(8)))
        self._known.refresh_chain()
        if not won:
            raise PositionTaken(position)
        return entry

    def submit(self, segment: Segment, *, position: int, more: bool = False, n_new: int) -> AddSegment:
        self._known.refresh_chain()
        earlier = self._known.ledger.chain.segments.get(segment.id)
        if earlier is not None and (more or not self._known.ledger.chain.planning):
            return earlier
        if position <= self._known.ledger.chain.position:
            raise PositionTaken(position)
        sha256 = self._publish_plan(segment)
        action = AddSegment(
            segment=segment.id,
            sha256=sha256,
            n_units=len(segment.units),
            n_tasks=segment.n_tasks,
            n_new=n_new,
            more=more,
        )
        self.append(action, position=position)
        return action

    def _publish_plan(self, segment: Segment) -> str:
        data = plan_bytes(segment)
        path = self._layout.segment(segment.id)
        self._make_folder(self._layout.units / segment.id)
        if not self._publish(path, data):
            raise StoreCorrupt(f"{path} exists with another content; was it changed by hand? Move it away")
        return hashlib.sha256(data).hexdigest()

    def segment(self, segment: SegmentId) -> Segment:
        self._known.refresh_chain()
        added = self._known.ledger.chain.segments.get(segment)
        if added is None:
            raise NotFound(f"no segment {segment} in {self.url}")
        return self._known.ledger.plan_of(segment).segment(added.sha256)

    def unit(self, unit: UnitId) -> Unit:
        self._known.refresh_chain()
        return self._known.ledger.view_with(unit).plan.unit(root_of(unit))

    # -- workers -------------------------------------------------------------------------------------

    def register(self, worker: WorkerInfo) -> None:
        path = self._layout.worker(worker.id)
        if self._disk.exists(path) or not self._publish(path, wire.worker_bytes(worker)):
            raise Refused(f"worker id {worker.id} was used before; start the worker again with a new id")

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        path = self._layout.beat(worker)
        try:
            fd = self._disk.open(path, os.O_WRONLY | os.O_CREAT)
            try:
                self._disk.pwrite(fd, wire.beat_bytes(beat), 0)
            finally:
                self._disk.close(fd)
        except OSError as error:
            raise store_error(error, f"cannot write {path}") from error

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        self._known.refresh_chain()
        held = self._still_held(worker)
        if held is not None:
            if request and held.request == request:
                return held.lease
            raise Refused(f"worker {worker} holds unit {held.lease.unit}; complete it before claiming another")
        if self._known.ledger.chain.paused:
            return None
        self._known.refresh()
        while found := self._claim_once(worker, wanted):
            lease = self._hold(*found, request)
            if lease is not None or self._admission.waits:
                return lease
        return None

    def _claim_once(self, worker: WorkerId, wanted: Wanted | None) -> tuple[SegmentView, Lease] | None:
        bars = self._admission.bars(worker)
        if self._known.ledger.chain.paused:  # by an entry that was read since the claim began
            return None
        return self._claimer.claim(worker, wanted, self._log_of(worker).place(), bars)

    def _still_held(self, worker: WorkerId) -> _Held | None:
        """Return the lease of *worker* unless somebody ended it."""
        held = self._held.get(worker)
        if held is not None and held.view.read_end(held.lease.unit, held.lease.epoch) is not None:
            del self._held[worker]
            return None
        return held

    def _hold(self, view: SegmentView, lease: Lease, request: str) -> Lease | None:
        """
        Keep a lease that was just claimed, without what was cancelled before the claim was there.

        When nothing remains, or the claim may not be kept, the epoch is ended at once.
        """
        chain = self._known.ledger.chain
        position = chain.position
        self._known.refresh_chain()
        held = _Held(
            view,
            lease,
            self._log_of(lease.worker).place(),
            frames.results_head(lease.unit, lease.epoch),
            secrets.token_hex(8),
            request,
        )
        if chain.position != position:
            runnable = {task.index for task in self._known.ledger.runnable(view, lease.unit)}
            tasks = tuple(task for task in lease.tasks if task.index in runnable)
            held.lease = lease = replace(lease, position=chain.position, tasks=tasks)
        self._held[lease.worker] = held
        if lease.tasks and not chain.paused and self._admission.admits(view, lease):
            return lease
        # nobody survived anything here: the deaths stay
        self._end(held, End(kind=EndKind.YIELDED, indices=(), marks=""), deaths=lease.deaths)
        return None

    def finished(self) -> bool:
        self._known.refresh()
        return self._known.ledger.finished()

    def record(self, lease: Lease, lines: bytes) -> None:
        held = self._held.get(lease.worker)
        if held is None or held.lease.unit != lease.unit or held.lease.epoch != lease.epoch:
            self._known.refresh_chain()
            view = self._known.ledger.view_with(lease.unit)
            if view.read_end(lease.unit, lease.epoch) is not None:
                raise LeaseLost(lease.unit, lease.epoch)
            raise Refused(f"epoch {lease.epoch} of unit {lease.unit} is not held by this handle; claim it first")
        self._logs[lease.worker].append(held.head + lines)

    def sync(self) -> int:
        return sum(log.sync() for log in self._logs.values())

    def complete(self, lease: Lease, end: End) -> None:
        held = self._held.get(lease.worker)
        if held is None or held.lease.unit != lease.unit or held.lease.epoch != lease.epoch:
            self._complete_again(lease)
            return
        self._end(held, end)

    def _end(self, held: _Held, end: End, *, deaths: int = 0) -> None:
        lease, view = held.lease, held.view
        self._known.refresh_chain()
        log = self._log_of(lease.worker)
        log.sync()
        cancelled, gone = self._known.ledger.withdrawn(view, lease.unit)
        settled = concluded(end, lease, view.own(lease.unit), view.before(lease.unit), {*cancelled, *gone})
        whole = replace(settled, spans=log.spans(held.since), deaths=deaths)
        won = self._publish_end(view, lease.unit, lease.epoch, whole, held.nonce)
        del self._held[lease.worker]
        if not won:
            raise LeaseLost(lease.unit, lease.epoch)

    def _complete_again(self, lease: Lease) -> None:
        """Judge the completion of a lease that this handle does not hold (any more)."""
        self._known.refresh_chain()
        view = self._known.ledger.view_with(lease.unit)
        end = view.read_end(lease.unit, lease.epoch)
        if end is None:
            raise Refused(f"epoch {lease.epoch} of unit {lease.unit} is not held by this handle; claim it first")
        if end.by != lease.worker or end.kind is EndKind.SEALED:
            raise LeaseLost(lease.unit, lease.epoch)

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        self.complete(lease, end)
        return self.claim(lease.worker, wanted=wanted, request=request)

    def expire(self, workers: Sequence[WorkerId] | None = None) -> int:
        self._known.refresh(now=workers is not None)
        # With the epoch: a unit that this handle has lost, and another took up, is like anybody's.
        mine = {(held.view.plan.id, held.lease.unit, held.lease.epoch) for held in self._held.values()}
        n_sealed = 0
        for view in self._known.ledger.views():
            for unit in tuple(view.open_units()):
                if workers is None and (view.plan.id, unit, view.last_claimed(unit)) in mine:
                    continue
                n_sealed += self._sealer.seal_if_lost(view, unit, workers)
        return n_sealed

    def _publish_end(self, view: SegmentView, unit: UnitId, epoch: int, end: End, nonce: str) -> bool:
        """Publish an end; return whether the epoch ended with this one."""
        path = self._layout.end(view.plan.id, unit, epoch)
        found = view.read_end(unit, epoch)
        if found is None:
            data = wire.end_bytes(end, nonce, self._clock())
            if self._publish(path, data):
                view.saw_end(unit, epoch, end)
                return True
            found = view.read_end(unit, epoch)
        assert found is not None
        view.saw_end(unit, epoch, found)
        return wire.end_from(self._disk.read(path) or b"")[1] == nonce

    # -- reading -------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        self._known.refresh(now=True)
        return summary(
            self.sweep,
            self._known.ledger,
            self._workers(),
            lambda worker: read_beat(self._disk, self._layout, worker),
            self._sealer.liveness.seems_dead,
        )

    def _workers(self) -> Iterator[WorkerInfo]:
        """Yield the registered workers, by id."""
        for name in sorted(self._disk.names(self._layout.workers)):
            worker, dot, kind = name.rpartition(".")
            if dot and kind == "json" and not name.startswith("."):
                info = self._sealer.info(WorkerId(worker))
                if info is not None:
                    yield info

    def units(self) -> Iterator[UnitState]:
        self._known.refresh(now=True)
        for view in self._known.ledger.views():
            for unit in view.walk():
                yield UnitState(
                    segment=view.plan.id,
                    unit=unit,
                    indices=view.own(unit),
                    epoch=view.last_claimed(unit),
                    holder=view.holder(unit),
                    end=view.last_end(unit),
                )

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        self._known.refresh(now=True)
        for view in self._known.ledger.views():
            for unit in view.walk():
                for epoch in range(1, view.last_ended(unit) + 1):
                    if (unit, epoch) not in skip:
                        yield from self._block(view, unit, epoch)

    def _block(self, view: SegmentView, unit: UnitId, epoch: int) -> Iterator[AcceptedBlock]:
        end = view.end(unit, epoch)
        lines = accepted_lines(self._disk, self._layout, unit, epoch, end)
        if lines:
            worker = WorkerId(end.spans[0].log.rpartition("-")[0])
            yield AcceptedBlock(segment=view.plan.id, unit=unit, epoch=epoch, worker=worker, lines=lines)

    def epochs(self) -> Iterator[EndedEpoch]:
        self._known.refresh(now=True)
        for view in self._known.ledger.views():
            for unit in view.walk():
                for epoch in range(1, view.last_ended(unit) + 1):
                    yield self._ended(view, unit, epoch)

    def _ended(self, view: SegmentView, unit: UnitId, epoch: int) -> EndedEpoch:
        end = view.end(unit, epoch)
        return EndedEpoch(
            segment=view.plan.id,
            unit=unit,
            epoch=epoch,
            worker=view.claim(unit, epoch).worker,
            lines=accepted_lines(self._disk, self._layout, unit, epoch, end),
            end=end,
        )

    def adopt(self, ended: EndedEpoch) -> bool:
        return self._adopter.adopt(ended)

    def bases(self) -> Sequence[Path]:
        self._known.refresh_chain()
        actions = [entry.action for entry in self._known.ledger.chain.entries]
        return tuple(self._layout.base / action.base for action in actions if isinstance(action, Compacted))

    def publish_base(self, parquet: Path, *, position: int) -> Entry:
        self._known.refresh_chain()
        if position <= self._known.ledger.chain.position:
            raise PositionTaken(position)
        data = parquet.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"{sha256[:16]}.parquet"
        if not self._publish(self._layout.base / name, data):
            raise StoreCorrupt(f"{self._layout.base / name} exists with another content; move it away")
        return self.append(Compacted(base=name, sha256=sha256), position=position)

    def close(self) -> None:
        for log in self._logs.values():
            log.close()
        self._logs.clear()
        self._adopter.close()
        self._known.close()

    # -- parts ---------------------------------------------------------------------------------------

    def _publish(self, path: Path, data: bytes) -> bool:
        return publish(self._disk, path, data, symbolic=self._symbolic)

    def _log_of(self, worker: WorkerId) -> LogWriter:
        if worker not in self._logs:
            self._logs[worker] = LogWriter(self._disk, self._layout.log, worker, self._monotonic)
        return self._logs[worker]

    def _make_folder(self, folder: Path) -> None:
        try:
            self._disk.mkdir(folder)
            self._disk.sync_folder(folder.parent)
        except OSError as error:
            raise store_error(error, f"cannot make {folder}") from error


def _marker(disk: Disk, layout: Layout) -> dict[str, Any]:
    data = disk.read(layout.marker) if layout.root.is_dir() else None
    if data is None:
        raise NotFound(f"{layout.root} is not a sweep folder: it has no {layout.marker.name}")
    try:
        marker: dict[str, Any] = json.loads(data)
    except ValueError as exc:
        raise StoreCorrupt(f"{layout.marker} is unreadable; restore it from a backup") from exc
    if marker.get("format") != FORMAT:
        raise StoreError(
            f"{layout.root} has format {marker.get('format')}, this version reads format {FORMAT}; "
            "use the version of manyfit that made it"
        )
    return marker


def _make(disk: Disk, layout: Layout, sweep: str, declaration: bytes | None) -> None:
    """Make folders first and the marker last: what has a marker is complete."""
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        for folder in layout.folders():
            disk.mkdir(folder)
        disk.sync_folder(layout.root.parent)
    except FileExistsError as exc:
        raise Refused(f"{layout.root} is a file, where a folder for the sweep is needed") from exc
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS):
            raise Refused(f"cannot make {layout.root}: {error.strerror}; choose another folder") from error
        raise store_error(error, f"cannot make {layout.root}") from error
    symbolic = choose_links(disk, layout.root)
    marker = {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "sweep": sweep,
        "links": "symbolic" if symbolic else "hard",
    }
    if declaration is not None:
        publish(disk, layout.declaration, declaration, symbolic=symbolic)
    publish(disk, layout.marker, json.dumps(marker).encode() + b"\n", symbolic=symbolic)
