"""The reference store: everything in one object, nothing clever, for tests and as the model of other stores."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.contracts.artifacts import ArtifactFile, ArtifactStore
from manyfit.contracts.store import Wanted
from manyfit.model.control import (
    Action,
    AddSegment,
    Cancel,
    Compacted,
    Entry,
    pauses_in_force,
    terms_in_force,
)
from manyfit.model.errors import LeaseLost, NotFound, PositionTaken, Refused
from manyfit.model.keys import SegmentId, TaskKey, UnitId, WorkerId, content_key, task_key
from manyfit.model.lease import Assigned, End, EndKind, Lease, Span, TaskMark
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Counts, Snapshot, WorkerView
from manyfit.model.terms import Terms
from manyfit.model.unit import Unit, root_of
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.ledger.adopting import out_of_order, require_same, without_parent
from manyfit.stores.ledger.ends import (
    SYNC_BYTES,
    SYNC_SECONDS,
    Attempt,
    concluded,
    inherited,
    left_of,
    sealed,
)
from manyfit.stores.ledger.liveness import Liveness

_LEFT = TaskMark.LEFT.value


@dataclass(slots=True)
class _Epoch:
    lease: Lease
    owner: object
    request: str = ""
    lines: list[bytes] = field(default_factory=list)
    n_durable: int = 0
    end: End | None = None

    def accepted(self) -> bytes:
        return b"".join(self.lines[: self.n_durable]) if self.end else b""


@dataclass(slots=True)
class MemoryState:
    """What all handles share: one sweep."""

    sweep: str = "memory"
    entries: list[Entry] = field(default_factory=list)
    segments: dict[SegmentId, Segment] = field(default_factory=dict)
    workers: dict[WorkerId, WorkerInfo] = field(default_factory=dict)
    beats: dict[WorkerId, Beat] = field(default_factory=dict)
    bases: list[Path] = field(default_factory=list)
    epochs: dict[UnitId, list[_Epoch]] = field(default_factory=dict)
    artifacts: dict[str, tuple[bytes, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """A unit in the tree: its segment, the planned unit it is part of, its own id and tasks."""

    segment: Segment
    root: Unit
    id: UnitId
    own: tuple[int, ...]


class MemoryArtifacts:
    """The kept files of *state*."""

    folder: Path | None = None

    def __init__(self, state: MemoryState, clock: Callable[[], float]) -> None:
        self._files = state.artifacts
        self._clock = clock

    def put(self, name: str, content: bytes) -> None:
        if self._files.setdefault(name, (content, self._clock()))[0] != content:
            raise Refused(f"{name} is kept already, with another content; store it under another name")

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if name not in self._files:
            raise NotFound(f"no kept file {name} in memory")
        return self._files[name][0][offset : None if length is None else offset + length]

    def files(self) -> Iterator[ArtifactFile]:
        for name, (content, stored_at) in sorted(self._files.items()):
            yield ArtifactFile(name=name, n_bytes=len(content), stored_at=stored_at)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._files.pop(name, None)


class MemoryStore:
    """A handle on *state*; it lives and dies with its process. *by* names the handle in entries and seals."""

    def __init__(
        self,
        state: MemoryState,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = 120.0,
        by: str = "memory",
    ) -> None:
        self.url = "memory:"
        self.sweep = state.sweep
        self.artifacts: ArtifactStore = MemoryArtifacts(state, clock)
        self._state = state
        self._clock = clock
        self._monotonic = monotonic
        self._liveness = Liveness(monotonic, patience, state.workers.get)
        self._by = by
        self._oldest: float | None = None

    # -- the control chain and the plan --------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        return tuple(self._state.entries[since:])

    def append(self, action: Action, *, position: int, by: str | None = None, at: float | None = None) -> Entry:
        last = len(self._state.entries)
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
        self._state.entries.append(entry)
        return entry

    def submit(self, segment: Segment, *, position: int, more: bool = False, n_new: int) -> AddSegment:
        earlier = [added for _, added in self._added() if added.segment == segment.id]
        if earlier and (more or not self._planning()):
            return earlier[0]
        if position <= len(self._state.entries):
            raise PositionTaken(position)
        action = AddSegment(
            segment=segment.id,
            sha256=content_key(segment.id),
            n_units=len(segment.units),
            n_tasks=segment.n_tasks,
            n_new=n_new,
            more=more,
        )
        self.append(action, position=position)
        self._state.segments.setdefault(segment.id, segment)
        return action

    def segment(self, segment: SegmentId) -> Segment:
        if segment not in self._state.segments:
            raise NotFound(f"no segment {segment} in {self.url}")
        return self._state.segments[segment]

    def unit(self, unit: UnitId) -> Unit:
        for segment in self._state.segments.values():
            for planned in segment.units:
                if planned.id == root_of(unit):
                    return planned
        raise NotFound(f"no unit {unit} in {self.url}")

    def _added(self) -> Iterator[tuple[int, AddSegment]]:
        for entry in self._state.entries:
            if isinstance(entry.action, AddSegment):
                yield entry.position, entry.action

    def _planning(self) -> bool:
        return [True, *(added.more for _, added in self._added())][-1]

    def _held(self) -> dict[str, str]:
        """Return what is paused, with the reasons; the whole sweep is ""."""
        return dict(pauses_in_force(self._state.entries))

    def _terms(self) -> Terms:
        return terms_in_force(self._state.entries)

    # -- what is withdrawn ---------------------------------------------------------------------------

    def _withdrawal(self, place: _Place, index: int) -> str | None:
        """Return "gone" or "cancelled" for a task that is not to be run, None for the others."""
        key = _key_of(place.segment, place.root, index)
        added = next(position for position, action in self._added() if action.segment == place.segment.id)
        seen, cancelled = {place.segment.id}, False
        for entry in self._state.entries[added:]:
            if isinstance(entry.action, Cancel):
                cancelled = cancelled or not entry.action.tasks or key in entry.action.tasks
            if isinstance(entry.action, AddSegment) and entry.action.segment not in seen:
                seen.add(entry.action.segment)
                if self._mentions(entry, key):
                    return "gone"
        return "cancelled" if cancelled else None

    def _mentions(self, entry: Entry, key: TaskKey) -> bool:
        assert isinstance(entry.action, AddSegment)
        repeats = any(
            isinstance(e.action, AddSegment) and e.action.segment == entry.action.segment
            for e in self._state.entries[: entry.position - 1]
        )
        segment = self._state.segments[entry.action.segment]
        return not repeats and (key in segment.removed or key in _keys(segment))

    # -- units ---------------------------------------------------------------------------------------

    def _places(self) -> Iterator[_Place]:
        for segment in self._state.segments.values():
            for unit in segment.units:
                yield from self._tree(_Place(segment, unit, unit.id, tuple(range(len(unit)))))

    def _tree(self, place: _Place) -> Iterator[_Place]:
        yield place
        end = self._last_end(place.id)
        if end is not None and end.kind is EndKind.SPLIT and not self._is_open(place.id):
            for n, part in enumerate(end.parts):
                yield from self._tree(_Place(place.segment, place.root, UnitId(f"{place.id}.{n}"), part))

    def _place(self, unit: UnitId) -> _Place:
        return next(place for place in self._places() if place.id == unit)

    def _last_end(self, unit: UnitId) -> End | None:
        ends = [epoch.end for epoch in self._state.epochs.get(unit, ()) if epoch.end]
        return ends[-1] if ends else None

    def _open(self, unit: UnitId) -> _Epoch | None:
        epochs = self._state.epochs.get(unit)
        return epochs[-1] if epochs and epochs[-1].end is None else None

    def _is_open(self, unit: UnitId) -> bool:
        return self._open(unit) is not None

    def _open_epochs(self) -> list[_Epoch]:
        return [epochs[-1] for epochs in self._state.epochs.values() if epochs[-1].end is None]

    def _before(self, place: _Place) -> End | None:
        end = self._last_end(place.id)
        if end is not None or place.id == place.root.id:
            return end
        parent = self._last_end(UnitId(place.id.rpartition(".")[0]))
        return inherited(place.own, parent) if parent is not None else None

    def _runnable(self, place: _Place) -> tuple[Assigned, ...]:
        end = self._last_end(place.id)
        if self._is_open(place.id) or (end and end.kind is EndKind.SPLIT):
            return ()
        left = left_of(place.own, self._before(place))
        return tuple(task for task in left if self._withdrawal(place, task.index) is None)

    # -- workers -------------------------------------------------------------------------------------

    def register(self, worker: WorkerInfo) -> None:
        if worker.id in self._state.workers:
            raise Refused(f"worker id {worker.id} was used before; start the worker again with a new id")
        self._state.workers[worker.id] = worker

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        self._state.beats[worker] = beat

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        if held := [epoch for epoch in self._open_epochs() if epoch.lease.worker == worker]:
            if request and held[0].request == request:
                return held[0].lease
            raise Refused(f"worker {worker} holds unit {held[0].lease.unit}; complete it before claiming another")
        if "" in self._held():
            return None
        for place in self._by_priority():
            tasks = () if self._passed_over(place, worker) else self._runnable(place)
            if wanted is not None:
                tasks = tuple(task for task in tasks if wanted(place.root, task.index))
            if tasks:
                return self._lease(place, worker, tasks, request)
        return None

    def _by_priority(self) -> list[_Place]:
        in_force = self._terms().priority
        places = list(self._places())
        return places if in_force is not None else sorted(places, key=lambda p: -p.segment.header.priority)

    def _passed_over(self, place: _Place, worker: WorkerId) -> bool:
        """Whether a hold, the needs or a limit keep the pipeline of *place* from *worker*."""
        pipeline, terms = place.root.pipeline, self._terms()
        if pipeline in self._held() or terms.needs_of(pipeline).unmet(self._state.workers.get(worker)):
            return True
        is_open = Counter(self.unit(epoch.lease.unit).pipeline for epoch in self._open_epochs())
        limits = terms.concurrency
        most = [limits.sweep, limits.tenant]
        return any(limit is not None and is_open.total() >= limit for limit in most) or is_open[
            pipeline
        ] >= limits.pipelines.get(pipeline, float("inf"))

    def _lease(self, place: _Place, worker: WorkerId, tasks: tuple[Assigned, ...], request: str) -> Lease:
        epochs = self._state.epochs.setdefault(place.id, [])
        before = self._before(place)
        lease = Lease(
            unit=place.id,
            epoch=len(epochs) + 1,
            worker=worker,
            position=len(self._state.entries),
            tasks=tasks,
            deaths=before.deaths if before else 0,
        )
        epochs.append(_Epoch(lease, self, request))
        return lease

    def finished(self) -> bool:
        return not self._planning() and not self._open_epochs() and not any(map(self._runnable, self._places()))

    def record(self, lease: Lease, lines: bytes) -> None:
        epochs = self._state.epochs.get(lease.unit, [])
        if lease.epoch > len(epochs) or epochs[lease.epoch - 1].owner is not self:
            raise Refused(f"epoch {lease.epoch} of unit {lease.unit} is not held by this handle; claim it first")
        epoch = epochs[lease.epoch - 1]
        if epoch.end is not None:
            return  # written into the void, as on a disk
        epoch.lines.append(lines)
        now = self._monotonic()
        self._oldest = now if self._oldest is None else self._oldest
        if self._n_waiting() >= SYNC_BYTES or now - self._oldest >= SYNC_SECONDS:
            self.sync()

    def _n_waiting(self) -> int:
        mine = [epoch for epoch in self._open_epochs() if epoch.owner is self]
        return sum(len(lines) for epoch in mine for lines in epoch.lines[epoch.n_durable :])

    def sync(self) -> int:
        n_bytes = self._n_waiting()
        for epoch in self._open_epochs():
            if epoch.owner is self:
                epoch.n_durable = len(epoch.lines)
        self._oldest = None
        return n_bytes

    def complete(self, lease: Lease, end: End) -> None:
        epochs = self._state.epochs.get(lease.unit, [])
        if lease.epoch > len(epochs):
            raise NotFound(f"no epoch {lease.epoch} of unit {lease.unit} in {self.url}")
        epoch = epochs[lease.epoch - 1]
        if epoch.end is not None:
            if epoch.end.by != lease.worker or epoch.end.kind is EndKind.SEALED:
                raise LeaseLost(lease.unit, lease.epoch)
            return
        if epoch.owner is not self or epoch.lease.worker != lease.worker:
            raise Refused(f"epoch {lease.epoch} of unit {lease.unit} is not held by this handle; claim it first")
        place = self._place(lease.unit)
        withdrawn = {index for index in place.own if self._withdrawal(place, index)}
        settled = concluded(end, epoch.lease, place.own, self._before(place), withdrawn)
        self.sync()
        self._end(epoch, settled)

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        self.complete(lease, end)
        return self.claim(lease.worker, wanted=wanted, request=request)

    def _end(self, epoch: _Epoch, end: End) -> None:
        n_bytes = sum(map(len, epoch.lines[: epoch.n_durable]))
        spans = (Span(log=epoch.lease.worker, start=0, end=n_bytes),) if n_bytes else ()
        epoch.end = replace(end, spans=spans)

    def expire(self, workers: Sequence[WorkerId] | None = None) -> int:
        n_sealed = 0
        for epoch in self._open_epochs():
            worker = epoch.lease.worker
            if workers is not None:
                lost = worker in workers
            else:
                lost = epoch.owner is not self and self._seems_dead(worker)
            if lost:
                self._seal(epoch)
                n_sealed += 1
        return n_sealed

    def _seal(self, epoch: _Epoch) -> None:
        lease = epoch.lease
        attempts = map(Attempt.of_line, b"".join(epoch.lines[: epoch.n_durable]).splitlines())
        beat = self._beat_on(lease)
        place = self._place(lease.unit)
        lost = beat.index if beat else None
        self._end(epoch, sealed(place.own, self._before(place), attempts, lost, WorkerId(self._by)))

    def _seems_dead(self, worker: WorkerId) -> bool:
        return self._liveness.seems_dead(worker, self._state.beats.get(worker))

    def _beat_on(self, lease: Lease) -> Beat | None:
        beat = self._state.beats.get(lease.worker)
        return beat if beat and beat.unit == lease.unit and beat.epoch == lease.epoch else None

    # -- reading -------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        tallies: dict[str, dict[str, int]] = {}
        cost = cost_done = 0.0
        places = list(self._places())
        for place in places:
            for state, n in self._count(place).items():
                tally = tallies.setdefault(place.root.pipeline, {})
                tally[state] = tally.get(state, 0) + n
                each = place.root.cost_seconds / len(place.root) * n
                cost += each
                cost_done += each if state in ("done", "failed", "cancelled") else 0.0
        per_pipeline = {
            name: Counts(planned=sum(t.values()), **t) for name, t in tallies.items() if sum(t.values())
        }
        totals = {state: sum(t.get(state, 0) for t in tallies.values()) for state in _STATES}
        open_units = {epoch.lease.unit: epoch.lease.worker for epoch in self._open_epochs()}
        held = self._held()
        return Snapshot(
            sweep=self._state.sweep,
            position=len(self._state.entries),
            counts=Counts(planned=sum(totals.values()), **totals),
            per_pipeline=per_pipeline,
            paused="" in held,
            planning=self._planning(),
            n_units=len(places),
            n_units_closed=sum(not self._is_open(p.id) and not self._runnable(p) for p in places),
            cost_seconds=cost,
            cost_done_seconds=cost_done,
            workers=self._views({worker: unit for unit, worker in open_units.items()}),
            open_units=dict(sorted(open_units.items())),
            held={name: reason for name, reason in held.items() if name},
            terms=self._terms(),
        )

    def _count(self, place: _Place) -> dict[str, int]:
        """Count the tasks of one unit itself; those of its children are counted with them."""
        end, epoch = self._last_end(place.id), self._open(place.id)
        states = dict.fromkeys(_STATES, 0)
        left = []
        for index, mark in zip(place.own, end.marks if end else _LEFT * len(place.own), strict=True):
            withdrawal = self._withdrawal(place, index)
            if withdrawal == "gone":
                continue
            if mark == _LEFT:
                left.append(withdrawal)
            else:
                states[_STATE_OF[mark]] += 1
        if epoch is None and end is not None and end.kind is EndKind.SPLIT:
            return states
        beat = self._beat_on(epoch.lease) if epoch else None
        return _with_left(states, len(left), left.count("cancelled"), beat)

    def _views(self, held: dict[WorkerId, UnitId]) -> tuple[WorkerView, ...]:
        return tuple(
            WorkerView(
                info=info,
                beat=self._state.beats.get(worker),
                alive=not self._seems_dead(worker),
                unit=held.get(worker),
            )
            for worker, info in sorted(self._state.workers.items())
        )

    def units(self) -> Iterator[UnitState]:
        for place in list(self._places()):
            epochs, open_epoch = self._state.epochs.get(place.id, []), self._open(place.id)
            yield UnitState(
                segment=place.segment.id,
                unit=place.id,
                indices=place.own,
                epoch=len(epochs),
                holder=open_epoch.lease.worker if open_epoch else None,
                end=self._last_end(place.id),
            )

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        for place in list(self._places()):
            for number, epoch in enumerate(self._state.epochs.get(place.id, []), start=1):
                lines = epoch.accepted()
                if lines and (place.id, number) not in skip:
                    yield AcceptedBlock(
                        segment=place.segment.id,
                        unit=place.id,
                        epoch=number,
                        worker=epoch.lease.worker,
                        lines=lines,
                    )

    def epochs(self) -> Iterator[EndedEpoch]:
        for place in list(self._places()):
            for epoch in self._state.epochs.get(place.id, []):
                if ended := _ended(place, epoch):
                    yield ended

    def adopt(self, ended: EndedEpoch) -> bool:
        place = self._place_of(ended)
        epochs = self._state.epochs.get(place.id, [])
        if ended.epoch <= len(epochs):
            require_same(ended, _ended(place, epochs[ended.epoch - 1]))
            return False
        if ended.epoch > len(epochs) + 1 or self._is_open(place.id):
            raise out_of_order(ended)
        self._lease(place, ended.worker, left_of(place.own, self._before(place)), "")
        epoch = self._state.epochs[place.id][-1]
        epoch.owner, epoch.lines, epoch.n_durable = None, [ended.lines], 1
        self._end(epoch, ended.end)
        return True

    def _place_of(self, ended: EndedEpoch) -> _Place:
        segment = self.segment(ended.segment)
        for place in self._places():
            if place.id == ended.unit and place.segment is segment:
                return place
        raise without_parent(ended)

    def bases(self) -> Sequence[Path]:
        return tuple(self._state.bases)

    def publish_base(self, parquet: Path, *, position: int) -> Entry:
        entry = self.append(Compacted(base=parquet.name, sha256=""), position=position)
        self._state.bases.append(parquet)
        return entry

    def close(self) -> None:
        """Nothing is held."""


_STATES = ("done", "failed", "running", "pending", "cancelled")
_STATE_OF = {TaskMark.DONE.value: "done", TaskMark.FAILED.value: "failed", TaskMark.CANCELLED.value: "cancelled"}


def _ended(place: _Place, epoch: _Epoch) -> EndedEpoch | None:
    if epoch.end is None:
        return None
    return EndedEpoch(
        segment=place.segment.id,
        unit=place.id,
        epoch=epoch.lease.epoch,
        worker=epoch.lease.worker,
        lines=epoch.accepted(),
        end=epoch.end,
    )


def _with_left(states: dict[str, int], rest: int, n_cancelled: int, beat: Beat | None) -> dict[str, int]:
    """Divide the *rest* of a unit, of which some are cancelled, by what its holder said last."""
    if beat is not None:
        settled = min(beat.n_settled, rest)
        failed = min(beat.n_failed, settled)
        states["failed"] += failed
        states["done"] += settled - failed
        rest -= settled
        states["running"] = int(beat.index is not None and rest > 0)
        rest -= states["running"]
    states["cancelled"] += min(n_cancelled, rest)
    states["pending"] = rest - min(n_cancelled, rest)
    return states


def _key_of(segment: Segment, unit: Unit, index: int) -> TaskKey:
    return task_key(segment.candidates[unit.candidates[index]].key, segment.cells[unit.cells[index]].key)


def _keys(segment: Segment) -> set[TaskKey]:
    return {_key_of(segment, unit, index) for unit in segment.units for index in range(len(unit))}
