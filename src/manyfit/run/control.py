"""What people do to a sweep while it runs: pause, resume, stop, cancel, retry, keep, change its terms."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import (
    Action,
    AddSegment,
    Cancel,
    Entry,
    Pause,
    Resume,
    SetTerms,
    pauses_in_force,
    terms_in_force,
)
from manyfit.model.errors import NotFound, PositionTaken, Refused
from manyfit.model.keys import TaskKey
from manyfit.model.lease import TaskMark
from manyfit.model.mistake import did_you_mean
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import MAX_PRIORITY, Limits, Models
from manyfit.model.terms import Concurrency, Terms
from manyfit.model.unit import Mode
from manyfit.plan.difference import KnownTask
from manyfit.plan.tasks import Plan, TaskTable
from manyfit.plan.units import Draft
from manyfit.run.known import find_tasks, known_tasks


def publish(store: Store, action: Action) -> Entry:
    """Append *action* to the control chain, behind whatever others append at the same time."""
    while True:
        try:
            return store.append(action, position=len(store.entries()) + 1)
        except PositionTaken:
            continue


def paused(store: Store) -> bool:
    """Whether the whole sweep is paused."""
    return "" in pauses_in_force(store.entries())


def held(store: Store) -> Mapping[str, str]:
    """Return the pipelines that are paused, with the reason of each."""
    return {name: reason for name, reason in pauses_in_force(store.entries()).items() if name}


def pause(store: Store, pipeline: str = "", reason: str = "") -> bool:
    """
    Pause the sweep, or hold one *pipeline* of it; False when it was paused already.

    Raises `NotFound` for a pipeline that the sweep does not have.
    """
    _check_pipelines(store, [pipeline] if pipeline else [])
    if pipeline in pauses_in_force(store.entries()):
        return False
    publish(store, Pause(pipeline=pipeline, reason=reason))
    return True


def hold_once(store: Store, pipeline: str, reason: str) -> bool:
    """
    Hold *pipeline*, unless it was paused or resumed since the plan changed; whether this call did it.

    Who resumes a pipeline wants it to go on, whatever was wrong with it.
    """
    entries = store.entries()
    newest = max((entry.position for entry in entries if isinstance(entry.action, AddSegment)), default=0)
    since = [entry.action for entry in entries if entry.position > newest]
    if any(isinstance(action, (Pause, Resume)) and action.pipeline == pipeline for action in since):
        return False
    return pause(store, pipeline, reason)


def resume(store: Store, pipeline: str = "", *, holding: bool = False) -> bool:
    """
    End every pause, or that of one *pipeline*; False when nothing was paused.

    With *holding*, pipelines that are held stay so: only the pause of the whole sweep ends. Raises
    `NotFound` for a pipeline that the sweep does not have.
    """
    _check_pipelines(store, [pipeline] if pipeline else [])
    in_force = pauses_in_force(store.entries())
    if not in_force or (pipeline and pipeline not in in_force) or (holding and "" not in in_force):
        return False
    publish(store, Resume(pipeline=pipeline))
    if holding:
        for name, reason in in_force.items():
            if name:
                publish(store, Pause(pipeline=name, reason=reason))
    return True


def _check_pipelines(store: Store, names: Iterable[str]) -> None:
    wanted = list(names)
    known = sorted(store.snapshot().per_pipeline) if wanted else []
    for name in wanted:
        if name not in known:
            raise NotFound(
                f'the sweep has no pipeline "{name}"{did_you_mean(name, known)}; known: {", ".join(known)}'
            )


def change_terms(store: Store, change: Callable[[Terms], Terms]) -> tuple[Terms, Terms]:
    """Put in force what *change* makes of the terms in force; return those before and those after."""
    while True:
        entries = store.entries()
        before = terms_in_force(entries)
        after = change(before)
        if after == before:
            return before, after
        try:
            store.append(SetTerms(terms=after), position=len(entries) + 1)
        except PositionTaken:
            continue
        return before, after


def priority_of(store: Store) -> int:
    """Return the priority in force. Raises `Refused` for a store without a plan."""
    in_force = terms_in_force(store.entries()).priority
    return last_header(store).priority if in_force is None else in_force


def set_priority(store: Store, priority: int) -> int:
    """
    Give all tasks of the sweep, those to come included, this priority; return the one before.

    It holds until another one is set, or the sweep is submitted with a declaration whose own priority
    changed. Raises `Refused` for a store without a plan, or a priority out of range.
    """
    if abs(priority) > MAX_PRIORITY:
        raise Refused(f"priority {priority} is out of range; it is between -{MAX_PRIORITY} and {MAX_PRIORITY}")
    before = priority_of(store)
    if priority != before:
        change_terms(store, lambda terms: replace(terms, priority=priority))
    return before


def limit(store: Store, change: Callable[[Concurrency], Concurrency]) -> tuple[Concurrency, Concurrency]:
    """
    Put in force what *change* makes of the limits of concurrency; return those before and those after.

    They hold until they are changed again, here or in a declaration that is submitted. Leases that are
    open are not ended: a lower limit is reached when enough of them have. Raises `NotFound` for a limit
    of a pipeline that the sweep does not have, `Refused` for one below 1, or of a tenant that it lacks.
    """

    def changed(terms: Terms) -> Terms:
        limits = change(terms.concurrency)
        new = [name for name in limits.pipelines if name not in terms.concurrency.pipelines]
        _check_pipelines(store, new)
        _check_limits(terms, limits)
        return replace(terms, concurrency=limits)

    before, after = change_terms(store, changed)
    return before.concurrency, after.concurrency


def _check_limits(terms: Terms, limits: Concurrency) -> None:
    for count in (limits.sweep, limits.tenant, *limits.pipelines.values()):
        if count is not None and count < 1:
            raise Refused(f"{count} tasks at once would run nothing; give 1 or more, or pause instead")
    if limits.tenant is not None and not terms.tenant:
        raise Refused(
            'the sweep has no tenant to limit; write tenant = "..." at the top of its file and submit it'
        )


def cancel(store: Store, keys: Sequence[TaskKey] = ()) -> int:
    """
    Cancel tasks, all that are left when none is named, and return how many had not ended.

    What runs is stopped by its worker within a heartbeat; results that exist stay.
    """
    known = known_tasks(store)
    wanted = set(keys) if keys else known.keys()
    open_ = [key for key in wanted if known[key].active and known[key].mark is TaskMark.LEFT]
    if open_:
        publish(store, Cancel(tasks=tuple(sorted(open_)) if keys else ()))
    return len(open_)


def last_header(store: Store) -> SegmentHeader:
    """Return the header of the latest segment. Raises `Refused` for a store without a plan."""
    for entry in reversed(store.entries()):
        if isinstance(entry.action, AddSegment):
            return store.segment(entry.action.segment).header
    raise Refused(f"{store.url} has no plan yet; submit one with `manyfit submit` or `manyfit run`")


def retry(
    store: Store,
    keys: Iterable[TaskKey],
    *,
    n_workers: int,
    memory_factor: float = 1.0,
    time_factor: float = 1.0,
    alone: bool = False,
) -> int:
    """
    Run these tasks again, with fresh attempts, and return how many; *alone*: none together with others.

    *memory_factor* and *time_factor* multiply the limits of the tasks that run again; the cap, up to
    which a task that runs out of memory is given more, grows with the memory. Raises `Refused` when there
    is no memory limit to multiply.
    """
    header = last_header(store)
    limits = multiplied(header.limits, memory_factor, time_factor)
    header = replace(header, limits=limits, supersedes={}, alone=alone)
    keeps_all = header.spec.get("keep", {}).get("models") == Models.ALL.value
    mode = Mode.KEEP if keeps_all else Mode.FIT
    return again(store, frozenset(keys), header, n_workers=n_workers, mode=mode)


def multiplied(limits: Limits, memory_factor: float, time_factor: float) -> Limits:
    """Return *limits* with memory, its cap and time multiplied. Raises `Refused` without a memory limit."""
    longer = replace(limits, time_seconds=limits.time_seconds * time_factor)
    if memory_factor == 1.0:
        return longer
    if limits.memory_bytes is None:
        raise Refused("the sweep has no memory limit to multiply; set limits.memory in the sweep file")
    cap = None if limits.memory_cap_bytes is None else int(limits.memory_cap_bytes * memory_factor)
    return replace(longer, memory_bytes=int(limits.memory_bytes * memory_factor), memory_cap_bytes=cap)


def again(store: Store, keys: frozenset[TaskKey], header: SegmentHeader, *, n_workers: int, mode: Mode) -> int:
    """Run known tasks in a new generation and return how many; none of them may be running or waiting."""
    if not keys:
        return 0
    while True:
        position = len(store.entries())
        known = known_tasks(store)
        ended = {key: known[key] for key in keys if key in known and known[key].mark is not TaskMark.LEFT}
        if not ended:
            return 0
        tasks = find_tasks(store, frozenset(ended))
        try:
            return _submit_again(store, tasks, ended, header, position, n_workers, mode)
        except PositionTaken:
            continue


def _submit_again(
    store: Store,
    tasks: Mapping[TaskKey, tuple[Candidate, Cell]],
    known: Mapping[TaskKey, KnownTask],
    header: SegmentHeader,
    position: int,
    n_workers: int,
    mode: Mode,
) -> int:
    by_generation: dict[int, list[TaskKey]] = defaultdict(list)
    for key in tasks:
        by_generation[known[key].generation + 1].append(key)
    for generation, keys in sorted(by_generation.items()):
        states = Counter(_STATES[known[key].mark] for key in keys)
        draft = Draft(
            header=replace(header, supersedes=dict(states)), n_workers=n_workers, mode=mode, generation=generation
        )
        for segment in draft.segments(plan_of([tasks[key] for key in keys])):
            position += 1
            store.submit(segment, position=position, n_new=0)
    return len(tasks)


_STATES = {TaskMark.DONE: "done", TaskMark.FAILED: "failed", TaskMark.CANCELLED: "cancelled"}


def plan_of(tasks: Sequence[tuple[Candidate, Cell]], seconds: float = 1.0) -> Plan:
    """Return a plan of just these tasks, each predicted to take *seconds*."""
    candidates = list({(candidate.variant, candidate.key): candidate for candidate, _ in tasks}.values())
    cells = list({cell.key: cell for _, cell in tasks}.values())
    candidate_at = {(candidate.variant, candidate.key): at for at, candidate in enumerate(candidates)}
    cell_at = {cell.key: at for at, cell in enumerate(cells)}
    places = [
        (candidate_at[candidate.variant, candidate.key], cell_at[cell.key], candidate.pipeline)
        for candidate, cell in tasks
    ]
    tables: dict[str, TaskTable] = {}
    for candidate, cell, pipeline in sorted(places):
        tables.setdefault(pipeline, TaskTable()).add(candidate, cell, seconds)
    return Plan(candidates=candidates, cells=cells, tasks=tables, n_merged=0)
