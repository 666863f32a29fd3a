"""What people do to a sweep while it runs: pause, resume, stop, cancel, retry, keep."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import Action, AddSegment, Cancel, Entry, Pause, Resume
from manyfit.model.errors import PositionTaken, Refused
from manyfit.model.keys import TaskKey
from manyfit.model.lease import TaskMark
from manyfit.model.segment import SegmentHeader
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
    """Whether the last pause has not been resumed."""
    for entry in reversed(store.entries()):
        if isinstance(entry.action, (Pause, Resume)):
            return isinstance(entry.action, Pause)
    return False


def pause(store: Store) -> bool:
    """Pause the sweep; False when it was paused already."""
    if paused(store):
        return False
    publish(store, Pause())
    return True


def resume(store: Store) -> bool:
    """Resume the sweep; False when it was not paused."""
    if not paused(store):
        return False
    publish(store, Resume())
    return True


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
) -> int:
    """
    Run these failed or cancelled tasks again, with fresh attempts, and return how many.

    *memory_factor* and *time_factor* multiply the limits of the tasks that run again.
    """
    header = replace(last_header(store), supersedes={})
    if memory_factor != 1.0:
        if header.limits.memory_bytes is None:
            raise Refused("the sweep has no memory limit to multiply; set limits.memory in the sweep file")
        limits = replace(header.limits, memory_bytes=int(header.limits.memory_bytes * memory_factor))
        header = replace(header, limits=limits)
    longer = replace(header.limits, time_seconds=header.limits.time_seconds * time_factor)
    header = replace(header, limits=longer)
    wanted = frozenset(keys)
    return again(store, wanted, header, n_workers=n_workers, mode=Mode.FIT)


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
