"""Why tasks wait: which pause, need, limit, loss or missing worker holds them, and what to do about it."""

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from manyfit.contracts.accepted import UnitState
from manyfit.contracts.store import Store
from manyfit.model.control import Entry, Pause
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import EndKind, TaskMark
from manyfit.model.shell import quoted
from manyfit.model.snapshot import Snapshot, WorkerView
from manyfit.model.terms import Needs
from manyfit.model.worker import WorkerState
from manyfit.report.texts import show_bytes, show_instant

_LEFT = TaskMark.LEFT.value

START = "manyfit run, or manyfit work on any machine that sees the store"
NOT_TAKING = frozenset({WorkerState.STOPPED, WorkerState.DRAINED})


class Cause(enum.Enum):
    """What holds tasks, the most important first: where several do, the first is told."""

    PAUSED = "paused"
    NO_WORKER = "no-worker"
    HELD = "held"
    UNMET = "unmet"
    DRAINED = "drained"
    LIMIT = "limit"
    LOST = "lost"
    PUT_OFF = "put-off"
    LEASED = "leased"
    QUEUED = "queued"


_ORDER = {cause: n for n, cause in enumerate(Cause)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason to wait: its kind, in words, and what a person can do ("": nothing, or nothing is needed)."""

    cause: Cause
    why: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The tasks that wait for one reason."""

    reason: Reason
    n_tasks: int
    pipelines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUnit:
    """An open lease: its pipeline, its holder, and how many of its tasks wait behind the one in progress."""

    pipeline: str
    holder: WorkerView | None
    n_waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """
    What of a sweep decides who waits for what.

    `n_free` are units that nobody holds and that have something left, `losses` their tasks by pipeline
    that took workers with them before. `n_tenant` counts the leases of the tenant in all sweeps of the
    store, None where nobody counted.
    """

    snapshot: Snapshot
    entries: Sequence[Entry]
    open_units: Sequence[OpenUnit] = ()
    n_free: int = 0
    losses: Mapping[str, int] = field(default_factory=dict)
    n_tenant: int | None = None


def situation(store: Store, *, n_tenant: int | None = None) -> Situation:
    """Return the situation of the sweep in *store*. Reads units and their ends, no plan and no results."""
    snapshot = store.snapshot()
    holders = {view.info.id: view for view in snapshot.workers}
    open_units = []
    losses: Counter[str] = Counter()
    n_free = 0
    for state in store.units():
        if state.holder is not None:
            holder = holders.get(state.holder)
            open_units.append(_open_unit(state, store.unit(state.unit).pipeline, holder))
        elif has_left(state):
            n_free += 1
            if state.end is not None and state.end.losses:
                losses[store.unit(state.unit).pipeline] += len(state.end.losses)
    return Situation(
        snapshot=snapshot,
        entries=store.entries(),
        open_units=open_units,
        n_free=n_free,
        losses=losses,
        n_tenant=n_tenant,
    )


def has_left(state: UnitState) -> bool:
    """Whether a unit that nobody holds has tasks left."""
    if state.end is None:
        return True
    return state.end.kind is not EndKind.SPLIT and _LEFT in state.end.marks


def _open_unit(state: UnitState, pipeline: str, holder: WorkerView | None) -> OpenUnit:
    n_left = len(state.indices) if state.end is None else state.end.marks.count(_LEFT)
    beat = holder.beat if holder is not None else None
    if beat is not None and (beat.unit, beat.epoch) == (state.unit, state.epoch):
        n_left -= beat.n_settled + (beat.index is not None)
    return OpenUnit(pipeline=pipeline, holder=holder, n_waiting=max(0, n_left))


def pending(found: Situation) -> list[Waiting]:
    """Return all tasks that wait, by reason, the most important reason first."""
    groups: dict[Reason, Counter[str]] = defaultdict(Counter)
    left = {name: counts.pending for name, counts in found.snapshot.per_pipeline.items()}
    for unit in found.open_units:
        n = min(unit.n_waiting, left.get(unit.pipeline, 0))
        left[unit.pipeline] = left.get(unit.pipeline, 0) - n
        groups[_of_held(found, unit.holder)][unit.pipeline] += n
    for pipeline, n_queued in left.items():
        reason = of_queued(found, pipeline)
        n_lost = min(n_queued, found.losses.get(pipeline, 0)) if reason.cause is Cause.QUEUED else 0
        groups[_LOST_BEFORE][pipeline] += n_lost
        groups[reason][pipeline] += n_queued - n_lost
    waiting = [
        Waiting(reason=reason, n_tasks=counts.total(), pipelines=tuple(sorted(+counts)))
        for reason, counts in groups.items()
        if counts.total()
    ]
    return sorted(waiting, key=lambda group: (_ORDER[group.reason.cause], -group.n_tasks))


_LOST_BEFORE = Reason(
    cause=Cause.LOST,
    why="workers were lost while they ran them; they are tried again alone",
    do="manyfit logs shows the last words of the workers; is a task too large for the hosts?",
)


def _of_held(found: Situation, holder: WorkerView | None) -> Reason:
    """Return why tasks wait whose unit is leased."""
    if holder is not None and holder.alive:
        return Reason(cause=Cause.LEASED, why="leased by workers that run them one after the other")
    why = "leased by a worker that seems dead; the next worker takes them over"
    return Reason(cause=Cause.LOST, why=why, do="" if _takers(found.snapshot) else START)


def of_queued(found: Situation, pipeline: str) -> Reason:
    """Return why the tasks of *pipeline* wait that nobody holds."""
    return next(_barriers(found, pipeline), _queued(found))


def _barriers(found: Situation, pipeline: str) -> Iterator[Reason]:
    snapshot = found.snapshot
    if snapshot.paused:
        yield Reason(cause=Cause.PAUSED, why=paused_text(found.entries), do="manyfit resume")
    alive = [view for view in snapshot.workers if view.alive]
    if pipeline in snapshot.held:
        yield _held(found, pipeline)
    if not alive:
        wanted = _offer(snapshot.terms.needs_of(pipeline))
        why = f"no worker is alive; they need one with {wanted}" if wanted else "no worker is alive"
        yield Reason(cause=Cause.NO_WORKER, why=why, do=START)
    elif lacking := _unmet(snapshot, pipeline, alive):
        yield lacking
    elif not _takers(snapshot):
        yield _drained(alive)
    if crowded := _crowded(found, pipeline):
        yield crowded
    if notes := _notes(alive):
        yield Reason(cause=Cause.PUT_OFF, why=f"no worker takes them now: {notes}")


def _held(found: Situation, pipeline: str) -> Reason:
    reason = found.snapshot.held[pipeline]
    by = _said_by(_last_pause(found.entries, pipeline))
    why = f"pipeline {pipeline} is paused{by}{f': {reason}' if reason else ''}"
    return Reason(cause=Cause.HELD, why=why, do=f"manyfit resume --pipeline {quoted(pipeline)}")


def paused_text(entries: Sequence[Entry]) -> str:
    """Say that the whole sweep is paused, by whom and why."""
    entry = _last_pause(entries, "")
    reason = entry.action.reason if entry is not None and isinstance(entry.action, Pause) else ""
    return f"the sweep is paused{_said_by(entry)}{f': {reason}' if reason else ''}"


def _last_pause(entries: Sequence[Entry], pipeline: str) -> Entry | None:
    for entry in reversed(entries):
        if isinstance(entry.action, Pause) and entry.action.pipeline == pipeline:
            return entry
    return None


def _said_by(entry: Entry | None) -> str:
    return "" if entry is None else f" since {instant(entry.at)} by {entry.by}"


def instant(at: float) -> str:
    """Return an instant to the second, in UTC."""
    return show_instant(datetime.fromtimestamp(at, UTC))


def _takers(snapshot: Snapshot) -> list[WorkerView]:
    """Return the workers that live and claim."""
    return [view for view in snapshot.workers if view.alive and not _leaves(view)]


def _leaves(view: WorkerView) -> bool:
    return view.beat is not None and view.beat.state in NOT_TAKING


def _unmet(snapshot: Snapshot, pipeline: str, alive: Sequence[WorkerView]) -> Reason | None:
    needs = snapshot.terms.needs_of(pipeline)
    lacking = [needs.unmet(view.info) for view in alive]
    if not all(lacking):
        return None
    fewest = min(map(len, lacking))
    nearest = "; ".join(next(texts for texts in lacking if len(texts) == fewest))
    workers = (
        "the only worker does not offer it" if len(alive) == 1 else f"none of the {len(alive)} workers offers it"
    )
    do = "manyfit work on a host that offers it, or change needs in the sweep file and submit it again"
    return Reason(cause=Cause.UNMET, why=f"{nearest}: {workers}", do=do)


def _offer(needs: Needs) -> str:
    """Return what a worker has to offer, in words; "" for nothing."""
    of = f" of {show_bytes(needs.gpu_memory_bytes)}" if needs.gpu_memory_bytes else ""
    parts = [
        f"{needs.cores} cores" if needs.cores else "",
        f"{show_bytes(needs.memory_bytes)} of memory" if needs.memory_bytes else "",
        f"{max(1, needs.gpus)} GPU{of}" if needs.gpus or needs.gpu_memory_bytes else "",
        f"a host like {' or '.join(needs.hosts)}" if needs.hosts else "",
        f"the label {' and '.join(needs.labels)}" if needs.labels else "",
    ]
    return ", ".join(filter(None, parts))


def _drained(alive: Sequence[WorkerView]) -> Reason:
    notes = _notes(alive)
    why = (
        f"all {len(alive)} workers take no more tasks" if len(alive) > 1 else "the only worker takes no more tasks"
    )
    return Reason(
        cause=Cause.DRAINED, why=f"{why}{f': {notes}' if notes else ''}", do="manyfit work on another host"
    )


def _notes(alive: Iterable[WorkerView]) -> str:
    """Return what the workers that are idle say about it."""
    idle = [view.beat for view in alive if view.beat is not None and view.unit is None]
    return "; ".join(dict.fromkeys(beat.note for beat in idle if beat.note and not _unspecific(beat.note)))


def _unspecific(note: str) -> bool:
    """Whether a note tells nothing that a reader of the store does not see, and better."""
    return note.startswith(("others hold", "works on other sweeps")) or "is held;" in note or "is paused;" in note


def _crowded(found: Situation, pipeline: str) -> Reason | None:
    limits = found.snapshot.terms.concurrency
    n_of_pipeline = sum(unit.pipeline == pipeline for unit in found.open_units)
    n_open = len(found.open_units)
    of_pipeline = limits.pipelines.get(pipeline)
    if limits.sweep is not None and n_open >= limits.sweep:
        return _limit(n_open, limits.sweep, "of the sweep", "concurrency.sweep")
    if of_pipeline is not None and n_of_pipeline >= of_pipeline:
        return _limit(n_of_pipeline, of_pipeline, pipeline, f"concurrency.pipelines.{pipeline}")
    if limits.tenant is not None and (found.n_tenant or 0) >= limits.tenant:
        tenant = f"of tenant {found.snapshot.terms.tenant} in all its sweeps"
        return _limit(found.n_tenant or 0, limits.tenant, tenant, "concurrency.tenant")
    return None


def _limit(n: int, limit: int, whose: str, key: str) -> Reason:
    do = f"wait, or raise {key} in the sweep file and submit it again"
    return Reason(cause=Cause.LIMIT, why=f"limit: {n} of {limit} {whose} are running", do=do)


def _queued(found: Situation) -> Reason:
    n = len(_takers(found.snapshot))
    workers = f"{n} workers take" if n != 1 else "1 worker takes"
    return Reason(cause=Cause.QUEUED, why=f"queued: {workers} them in order of priority, then of the plan")


def silent(found: Situation) -> str:
    """
    Say why nothing can be claimed, where tasks are left and no lease is open; "" where there is no such reason.

    It is the question of somebody whose workers are all idle.
    """
    if found.open_units:
        return ""
    groups = [group for group in pending(found) if group.reason.cause not in (Cause.QUEUED, Cause.LOST)]
    return "; ".join(f"{_n_wait(group.n_tasks)}: {group.reason.why}" for group in groups)


def _n_wait(n_tasks: int) -> str:
    return "1 task waits" if n_tasks == 1 else f"{n_tasks:,} tasks wait"


def ahead(units: Sequence[UnitState], own: UnitId, priority: Mapping[SegmentId, int]) -> tuple[int, int]:
    """Return how many queued units are claimed before *own*, and how many of those by their higher priority."""
    queued = [state for state in units if state.holder is None and has_left(state)]
    segment = next(state.segment for state in units if state.unit == own)
    higher = [state for state in queued if priority[state.segment] > priority[segment]]
    same = [state.unit for state in queued if priority[state.segment] == priority[segment]]
    before = same.index(own) if own in same else len(same)
    return len(higher) + before, len(higher)
