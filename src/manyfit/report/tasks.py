"""One task: what it is, where it stands, and why it waits."""

import enum
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from manyfit.contracts.accepted import UnitState
from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import AddSegment, Cancel, Entry, rules_off
from manyfit.model.errors import NotFound, UserError
from manyfit.model.keys import SegmentId, TaskKey, UnitId, WorkerId, task_key
from manyfit.model.lease import End, TaskMark
from manyfit.model.result import Failure, FailureClass, Outcome, TaskResult
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot, WorkerView
from manyfit.model.unit import Unit, root_of
from manyfit.report.advice import ADVICE, for_sweep
from manyfit.report.reasons import START, Cause, Situation, ahead, has_left, instant, of_queued, situation
from manyfit.report.texts import fold_text

LISTED = 5
"""Keys named when a prefix fits several tasks."""


class TaskState(enum.Enum):
    """Where a task stands, in the words of `status`."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"
    CANCELLED = "cancelled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """
    A task as it stands.

    `attempts` are all accepted attempts of all generations, oldest first, and `result` the final one that counts.
    `n_attempts` and `losses` count attempts used and workers lost in the running generation. `holder` is the
    worker that holds its unit; `why` says in short sentences why it is where it is, and what it waits for.
    """

    key: TaskKey
    candidate: Candidate
    cell: Cell
    segment: SegmentId
    unit: UnitId
    index: int
    generation: int
    state: TaskState
    attempts: tuple[TaskResult, ...]
    result: TaskResult | None
    n_attempts: int
    max_attempts: int
    losses: int
    holder: WorkerId | None
    why: tuple[str, ...]

    def label(self) -> str:
        """Return the task in one line: pipeline, parameters, split, fold and seed."""
        fold = "" if self.cell.fold is None else f", fold {fold_text(self.cell.fold, self.cell.held_out)}"
        what = f"{self.candidate.pipeline} {self.candidate.label()}".strip()
        return f"{what}, split {self.cell.split}{fold}, seed {self.cell.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A task in one planned unit of the segment that was added at `position`."""

    segment: Segment
    position: int
    unit: Unit
    index: int


@dataclass(slots=True, kw_only=True)
class _Found:
    """All that the plan says of one key: its places, and when it last left the sweep (0: never)."""

    key: TaskKey
    places: list[_Place] = field(default_factory=list)
    removed_at: int = 0

    @property
    def current(self) -> _Place:
        return max(self.places, key=lambda place: (place.unit.generation, place.position))

    @property
    def removed(self) -> bool:
        return self.removed_at > max(place.position for place in self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What was read of one task."""

    found: _Found
    place: _Place
    units: Sequence[UnitState]
    own: UnitState | None
    holder: WorkerView | None
    snapshot: Snapshot
    attempts: tuple[TaskResult, ...]
    cancelled: Entry | None
    waits: Callable[[], Situation]
    priority: Mapping[SegmentId, int]
    sweep: str
    off: frozenset[str]


def describe(store: Store, key_prefix: str, *, sweep: str = "", n_tenant: int | None = None) -> TaskView:
    """
    Return the task whose key starts with *key_prefix*.

    *sweep* is how the person calls the sweep, for the commands that `why` advises; *n_tenant* are the
    open leases of its tenant in the whole store. Reads the plan and the ends of
    units, and result lines of this task's units only. Raises `NotFound` when there is no such task and `UserError`
    when there are several.
    """
    found = _find(store, key_prefix.strip().lower().rstrip("."))
    place = found.current
    units = list(store.units())
    own = _own(units, place)
    snapshot = store.snapshot()
    segments = dict.fromkeys(state.segment for state in units)
    in_force = snapshot.terms.priority
    held_by = own.holder if own is not None else None
    facts = _Facts(
        found=found,
        place=place,
        units=units,
        own=own,
        holder=next((view for view in snapshot.workers if view.info.id == held_by), None),
        snapshot=snapshot,
        attempts=_attempts(store, found.places, units),
        cancelled=_cancelled(store, found.key, place.position),
        priority={
            segment: store.segment(segment).header.priority if in_force is None else in_force
            for segment in segments
        },
        waits=lambda: situation(store, n_tenant=n_tenant),
        sweep=sweep,
        off=rules_off(store.entries()),
    )
    return _view(facts)


def _find(store: Store, prefix: str) -> _Found:
    found: dict[TaskKey, _Found] = {}
    for entry in store.entries():
        if isinstance(entry.action, AddSegment):
            segment = store.segment(entry.action.segment)
            for key, unit, index in _matching(segment, prefix):
                place = _Place(segment=segment, position=entry.position, unit=unit, index=index)
                found.setdefault(key, _Found(key=key)).places.append(place)
            for key in segment.removed:
                if key in found:
                    found[key].removed_at = entry.position
    if not found:
        raise NotFound(f'no task has a key that starts with "{prefix}"; raw results list the keys')
    if len(found) > 1:
        some = ", ".join(sorted(found)[:LISTED])
        raise UserError(
            f'{len(found):,} tasks have keys that start with "{prefix}" ({some}, ...); give more of it'
        )
    return next(iter(found.values()))


def _matching(segment: Segment, prefix: str) -> Iterator[tuple[TaskKey, Unit, int]]:
    candidates = [candidate.key for candidate in segment.candidates]
    cells = [cell.key for cell in segment.cells]
    for unit in segment.units:
        for index, (candidate, cell) in enumerate(zip(unit.candidates, unit.cells, strict=True)):
            key = task_key(candidates[candidate], cells[cell])
            if key.startswith(prefix):
                yield key, unit, index


def _own(states: Sequence[UnitState], place: _Place) -> UnitState | None:
    """Return the unit that has the task now: the last part that its root was split into."""
    own = [state for state in states if root_of(state.unit) == place.unit.id and place.index in state.indices]
    return max(own, key=lambda state: len(state.unit), default=None)


def _cancelled(store: Store, key: TaskKey, added_at: int) -> Entry | None:
    """Return the entry that cancelled the task, the first of them."""
    for entry in store.entries(added_at):
        if isinstance(entry.action, Cancel) and (not entry.action.tasks or key in entry.action.tasks):
            return entry
    return None


def _attempts(store: Store, places: Sequence[_Place], states: Sequence[UnitState]) -> tuple[TaskResult, ...]:
    roots = {place.unit.id: place for place in places}
    others = (state for state in states if root_of(state.unit) not in roots)
    skip = frozenset((state.unit, epoch) for state in others for epoch in range(1, state.epoch + 1))
    found = []
    for block in store.accepted(skip):
        place = roots.get(root_of(block.unit))
        for line in block.lines.splitlines() if place is not None else ():
            result = task_result(json.loads(line))
            if place is not None and result.index == place.index:
                found.append((place.unit.generation, result.attempt, result))
    return tuple(result for _, _, result in sorted(found, key=lambda item: item[:2]))


def task_result(body: Mapping[str, Any]) -> TaskResult:
    """Return the result that a parsed result line says."""
    failure = body.get("failure")
    return TaskResult(
        index=body["index"],
        key=TaskKey(body["key"]),
        attempt=body["attempt"],
        outcome=Outcome(body["outcome"]),
        final=body["final"],
        finished_at=body["finished_at"],
        scores=body.get("scores") or {},
        timings=body.get("timings") or {},
        n_rows=body.get("n_rows") or {},
        peak_bytes=body.get("peak_bytes") or 0,
        warnings=tuple((category, text, count) for category, text, count in body.get("warnings") or ()),
        details=body.get("details") or {},
        fusion=body.get("fusion") or {},
        artifacts=body.get("artifacts") or {},
        failure=None if failure is None else _failure(failure),
    )


def _failure(body: Mapping[str, Any]) -> Failure:
    return Failure(
        cls=FailureClass(body["cls"]),
        error=body.get("error") or "",
        message=body.get("message") or "",
        traceback=body.get("traceback") or "",
        fingerprint=body.get("fingerprint") or "",
        evidence=body.get("evidence") or {},
    )


def _view(facts: _Facts) -> TaskView:
    place, own = facts.place, facts.own
    end = own.end if own is not None else None
    finals = [result for result in facts.attempts if result.final]
    state = _state(facts)
    return TaskView(
        key=facts.found.key,
        candidate=place.segment.candidates[place.unit.candidates[place.index]],
        cell=place.segment.cells[place.unit.cells[place.index]],
        segment=place.segment.id,
        unit=own.unit if own is not None else place.unit.id,
        index=place.index,
        generation=place.unit.generation,
        state=state,
        attempts=facts.attempts,
        result=finals[-1] if finals else None,
        n_attempts=_n_attempts(facts, state, finals),
        max_attempts=place.segment.header.limits.attempts,
        losses=dict(end.losses).get(place.index, 0) if end is not None else 0,
        holder=own.holder if own is not None else None,
        why=tuple(_why(facts, state)),
    )


def _n_attempts(facts: _Facts, state: TaskState, finals: Sequence[TaskResult]) -> int:
    """Return the attempts used: ends of units count them for unsettled tasks only, results have a number."""
    if state in (TaskState.DONE, TaskState.FAILED) and finals:
        return finals[-1].attempt
    end = facts.own.end if facts.own is not None else None
    return dict(end.attempts).get(facts.place.index, 0) if end is not None else 0


_MARKED = {
    TaskMark.DONE.value: TaskState.DONE,
    TaskMark.FAILED.value: TaskState.FAILED,
    TaskMark.CANCELLED.value: TaskState.CANCELLED,
}


def _state(facts: _Facts) -> TaskState:
    if facts.found.removed:
        return TaskState.REMOVED
    own, index = facts.own, facts.place.index
    if own is not None and own.end is not None and index in own.end.indices:
        settled = _MARKED.get(own.end.marks[own.end.indices.index(index)])
        if settled is not None:
            return settled
    beat = facts.holder.beat if facts.holder is not None else None
    if own is not None and beat is not None and (beat.unit, beat.index) == (own.unit, index):
        return TaskState.RUNNING
    return TaskState.CANCELLED if facts.cancelled is not None else TaskState.PENDING


def _why(facts: _Facts, state: TaskState) -> Iterator[str]:
    match state:
        case TaskState.DONE:
            yield "its result is accepted"
            yield from _why_fused(facts)
        case TaskState.FAILED:
            yield from _why_failed(facts)
        case TaskState.RUNNING:
            yield f"worker {_holder(facts)} runs it now"
        case TaskState.CANCELLED:
            yield _why_cancelled(facts)
        case TaskState.REMOVED:
            yield "it left the sweep when the sweep was edited; results that it has are kept in the store"
        case TaskState.PENDING:
            yield from _why_pending(facts)
        case _:
            assert_never(state)


def _why_fused(facts: _Facts) -> Iterator[str]:
    fusion = facts.attempts[-1].fusion if facts.attempts else {}
    if not fusion:
        return
    n_others = fusion["n_tasks"] - 1
    others = "1 other task" if n_others == 1 else f"{n_others:,} other tasks"
    rules = fusion["rule"].split("+")
    by = f"rule {rules[0]}" if len(rules) == 1 else f"rules {' and '.join(rules)}"
    yield f"it was computed together with {others} by the {by}, whose promise is {fusion['guarantee']}"
    off = [rule for rule in rules if rule in facts.off]
    if off:
        yield for_sweep(
            f"it is doubtful: an audit switched {' and '.join(off)} off; next: manyfit retry"
            + "".join(f" --rule {rule}" for rule in off),
            facts.sweep,
        )


def _why_cancelled(facts: _Facts) -> str:
    entry = facts.cancelled
    who = "" if entry is None else f" by {entry.by} at {instant(entry.at)}"
    return f"it was cancelled{who}; a retry runs it again"


def _why_failed(facts: _Facts) -> Iterator[str]:
    failure = facts.attempts[-1].failure if facts.attempts else None
    if failure is None:
        yield "its last attempt failed"
        return
    yield f"{failure.cls.value}: {failure.told}"
    yield for_sweep(ADVICE[failure.cls], facts.sweep)


def _why_pending(facts: _Facts) -> Iterator[str]:
    own, snapshot = facts.own, facts.snapshot
    if own is not None and own.end is not None:
        yield from _used(facts, own.end)
    if own is not None and own.holder is not None:
        yield from _why_leased(facts, own)
    else:
        yield _queued(facts)
        reason = of_queued(facts.waits(), facts.place.unit.pipeline)
        if reason.cause is not Cause.QUEUED:
            yield for_sweep(reason.why + (f"; next: {reason.do}" if reason.do else ""), facts.sweep)
    if snapshot.planning:
        yield "the submission has not ended: units that are still to come may be claimed before it"


def _why_leased(facts: _Facts, own: UnitState) -> Iterator[str]:
    if facts.holder is not None and not facts.holder.alive:
        yield f"its unit is held by worker {own.holder}, which seems dead: the next worker takes it over"
        if not any(view.alive for view in facts.snapshot.workers):
            yield for_sweep(f"no worker is alive; next: {START}", facts.sweep)
        return
    n_before = _n_before(facts, own)
    tasks = "1 task" if n_before == 1 else f"{n_before:,} tasks"
    yield f"its unit is held by worker {_holder(facts)}, which has {tasks} to run before it"


def _n_before(facts: _Facts, own: UnitState) -> int:
    """Return how many tasks of the lease the holder runs first, as far as its last heartbeat tells."""
    left = [task.index for task in own.end.left()] if own.end is not None else list(own.indices)
    before = left.index(facts.place.index) if facts.place.index in left else 0
    beat = facts.holder.beat if facts.holder is not None else None
    if beat is not None and (beat.unit, beat.epoch) == (own.unit, own.epoch):
        return max(int(beat.index is not None), before - beat.n_settled)
    return before


def _used(facts: _Facts, end: End) -> Iterator[str]:
    n_attempts = dict(end.attempts).get(facts.place.index, 0)
    if n_attempts:
        failure = facts.attempts[-1].failure if facts.attempts else None
        last = (
            f"; the last ended with {failure.cls.value}: {failure.message or failure.error}"
            if failure is not None
            else ""
        )
        yield f"{n_attempts} of {facts.place.segment.header.limits.attempts} attempts are used{last}"
    n_losses = dict(end.losses).get(facts.place.index, 0)
    if n_losses:
        lost = "1 worker was" if n_losses == 1 else f"{n_losses} workers were"
        yield f"{lost} lost while on it: does it need more memory than the hosts have, or kill its process?"
    if end.deaths:
        yield f"its unit lost {end.deaths} workers without a sign of which task it was: it is split to find out"


def _queued(facts: _Facts) -> str:
    waiting = [state.unit for state in facts.units if state.holder is None and has_left(state)]
    if facts.own is None or facts.own.unit not in waiting:
        return "its unit is not in the queue yet"
    n_before, n_higher = ahead(facts.units, facts.own.unit, facts.priority)
    urgent = f", {n_higher:,} before it are of higher priority" if n_higher else ""
    return f"its unit is queued at place {n_before + 1:,} of {len(waiting):,}{urgent}"


def _holder(facts: _Facts) -> str:
    if facts.holder is None:
        return "unknown"
    return f"{facts.holder.info.id} on {facts.holder.info.host}"
