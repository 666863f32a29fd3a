"""
The states of the protocol: what stands in the files, and what each worker has in memory.

States are named tuples rather than dataclasses: hundreds of thousands are hashed and compared.
A unit is named by the chain position of its segment and the path of child numbers below its root.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

UnitName = tuple[int, tuple[int, ...]]
Owner = tuple[int, int]
"""A worker and its incarnation, which is also the name of the log that it writes."""

DONE, FAILED, AGAIN, FORGIVEN, CANCELLED, LEFT = "d", "f", "r", "p", "c", "."
OPEN = (AGAIN, FORGIVEN)
"""Outcomes after which a task is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How much can happen: every bound keeps the number of states finite."""

    n_tasks: int = 2
    n_workers: int = 2
    n_epochs: int = 2
    n_crashes: int = 0
    n_server_crashes: int = 0
    n_entries: int = 0
    attempts: int = 1
    failing: bool = False
    preempting: bool = False
    yields: bool = False
    splits: bool = False
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The decisions of the protocol. Each is True in manyfit; the checker must object when one is not."""

    claim_is_exclusive: bool = True
    end_is_exclusive: bool = True
    claim_follows_end: bool = True
    only_ends_accept: bool = True
    every_end_accepts: bool = True
    seal_is_durable: bool = True
    end_follows_sync: bool = True
    log_is_fresh: bool = True
    position_is_what_was_read: bool = True
    tail_is_read_again: bool = True
    append_is_exclusive: bool = True
    base_has_closed_epochs: bool = True
    parts_are_disjoint: bool = True
    parts_inherit_attempts: bool = True
    retry_has_new_generation: bool = True
    preemption_is_forgiven: bool = True
    forgiven_is_carried: bool = True
    lone_task_is_charged: bool = True


class Past(NamedTuple):
    """A task that still has to run: attempts made, those that are forgiven, workers lost on it alone."""

    task: int
    used: int = 0
    forgiven: int = 0
    losses: int = 0


Left = tuple[Past, ...]


class Record(NamedTuple):
    """One result line: how an attempt ended (done, failed for good, to be tried again, or forgiven)."""

    unit: UnitName
    epoch: int
    task: int
    attempt: int
    outcome: str


class Log(NamedTuple):
    """A single-writer log. None is a torn frame; the first `synced` frames survive anything."""

    owner: Owner
    records: tuple[Record | None, ...]
    synced: int
    dead: bool


class Claim(NamedTuple):
    """A claim with the chain position that it states. `n_entries` were there when it was published."""

    owner: Owner
    position: int
    n_entries: int


class End(NamedTuple):
    """
    The end of an epoch: what it accepts of the log (the frames before `offset`) and what is left.

    `attempts` are the tasks that are left and have a past.
    """

    kind: str
    offset: int
    marks: tuple[tuple[int, str], ...]
    attempts: Left
    parts: tuple[tuple[int, ...], ...]


class Epoch(NamedTuple):
    """One epoch of a unit."""

    unit: UnitName
    number: int
    claim: Claim
    end: End | None


class Entry(NamedTuple):
    """
    One entry of the control chain: add, cancel, pause, resume or base.

    `tasks` are those of an add or a cancel; `covers` and `records` are the epochs and lines of a base.
    """

    kind: str
    tasks: tuple[int, ...] = ()
    generation: int = 0
    covers: frozenset[tuple[UnitName, int]] = frozenset()
    records: frozenset[Record] = frozenset()


class Worker(NamedTuple):
    """
    A worker's memory: "idle", "claimed" (published, tail not read again), "running", "returning" (paused),
    "leaving" (it was told to, and attempts nothing more).

    `left` are the tasks that it is going to run, `cancelled` those that it saw cancelled.
    """

    incarnation: int
    phase: str = "idle"
    unit: UnitName = (0, ())
    epoch: int = 0
    left: Left = ()
    cancelled: tuple[int, ...] = ()


class State(NamedTuple):
    """Everything at one moment. `draft` is a base that was collected and is not published yet."""

    epochs: tuple[Epoch, ...]
    logs: tuple[Log, ...]
    workers: tuple[Worker, ...]
    chain: tuple[Entry, ...]
    draft: tuple[int, Entry] | None
    n_crashes: int
    n_server_crashes: int


class Accepted(NamedTuple):
    """A record that readers accept, with the frame that it stands in."""

    record: Record
    owner: Owner
    frame: int


def initial(scope: Scope) -> State:
    """Return the state after the first submission: one segment with one unit of all tasks."""
    workers = tuple(Worker(0) for _ in range(scope.n_workers))
    return State((), (), workers, (Entry("add", tuple(range(scope.n_tasks))),), None, 0, 0)


# -- files ----------------------------------------------------------------------------------------


def log_of(state: State, owner: Owner) -> Log:
    """Return the log of *owner*, empty if nothing was written."""
    for log in state.logs:
        if log.owner == owner:
            return log
    return Log(owner, (), 0, False)


def with_log(state: State, log: Log) -> State:
    """Return *state* with *log* in place of the one of the same owner."""
    others = [other for other in state.logs if other.owner != log.owner]
    return state._replace(logs=tuple(sorted([*others, log], key=lambda each: each.owner)))


def n_readable(log: Log) -> int:
    """Return how many frames a reader gets before the first torn one."""
    return log.records.index(None) if None in log.records else len(log.records)


def epochs_of(state: State, unit: UnitName) -> list[Epoch]:
    """Return the epochs of *unit* in order."""
    return [epoch for epoch in state.epochs if epoch.unit == unit]


def with_epoch(state: State, epoch: Epoch) -> State:
    """Return *state* with *epoch* in place of the one of the same unit and number."""
    kept = [other for other in state.epochs if other[:2] != epoch[:2]]
    return state._replace(epochs=tuple(sorted([*kept, epoch], key=lambda each: each[:2])))


def find_epoch(state: State, unit: UnitName, number: int) -> Epoch:
    """Return epoch *number* of *unit*, which exists."""
    return next(epoch for epoch in state.epochs if epoch.unit == unit and epoch.number == number)


def written(log: Log, unit: UnitName, number: int, *, before: int) -> Iterator[tuple[int, Record]]:
    """Yield frame numbers and records of one epoch among the first *before* frames of *log*."""
    for frame, record in enumerate(log.records[:before]):
        if record is not None and record.unit == unit and record.epoch == number:
            yield frame, record


# -- units ----------------------------------------------------------------------------------------


def units(state: State) -> Iterator[UnitName]:
    """Yield every planned unit and every child of a split."""
    for position, entry in enumerate(state.chain, start=1):
        if entry.kind == "add":
            yield (position, ())
    for unit, _, _, end in state.epochs:
        if end is not None and end.kind == "split":
            for part in range(len(end.parts)):
                yield (unit[0], (*unit[1], part))


def parent_end(state: State, unit: UnitName) -> End:
    """Return the SPLIT end that made the child *unit*."""
    parent = (unit[0], unit[1][:-1])
    return next(e.end for e in state.epochs if e.unit == parent and e.end and e.end.kind == "split")


def tasks_of(state: State, unit: UnitName) -> tuple[int, ...]:
    """Return the tasks of *unit*, as they were planned or as a split left them."""
    if unit[1]:
        return parent_end(state, unit).parts[unit[1][-1]]
    return state.chain[unit[0] - 1].tasks


def left_in(state: State, unit: UnitName, number: int, design: Design) -> Left:
    """Return what is left of *unit* when its epoch *number* begins, as the end before it says."""
    end = find_epoch(state, unit, number - 1).end if number else None
    if end is not None:
        return _with_past((task for task, mark in end.marks if mark == LEFT), end.attempts, design)
    inherited = parent_end(state, unit).attempts if unit[1] and design.parts_inherit_attempts else ()
    return _with_past(tasks_of(state, unit), inherited, design)


def _with_past(tasks: Iterable[int], past: Left, design: Design) -> Left:
    found = {each.task: each for each in past}
    left = tuple(found.get(task, Past(task)) for task in tasks)
    return left if design.forgiven_is_carried else tuple(each._replace(forgiven=0) for each in left)


def cancelled_at(state: State, unit: UnitName, position: int) -> frozenset[int]:
    """Return the tasks of *unit* that entries up to *position* cancel; older segments only are meant."""
    later = state.chain[unit[0] : position]
    return frozenset(task for entry in later if entry.kind == "cancel" for task in entry.tasks)


def paused_at(state: State, position: int) -> bool:
    """Tell whether the last pause up to *position* was not followed by a resume."""
    kinds = [entry.kind for entry in state.chain[:position] if entry.kind in ("pause", "resume")]
    return bool(kinds) and kinds[-1] == "pause"


def generation_of(state: State, unit: UnitName) -> int:
    """Return the generation of the segment of *unit*."""
    return state.chain[unit[0] - 1].generation


# -- what readers accept --------------------------------------------------------------------------


def accepted(state: State, design: Design) -> frozenset[Accepted]:
    """Return what a reader of the logs accepts, without looking at bases."""
    if not design.only_ends_accept:
        return _newest_visible(state)
    found = set()
    for unit, number, claim, end in state.epochs:
        if end is None or not (design.every_end_accepts or _is_last_end(state, unit, number)):
            continue
        log = log_of(state, claim.owner)
        for frame, record in written(log, unit, number, before=min(end.offset, n_readable(log))):
            found.add(Accepted(record, claim.owner, frame))
    return frozenset(found)


def _is_last_end(state: State, unit: UnitName, number: int) -> bool:
    return not any(e.unit == unit and e.number > number and e.end for e in state.epochs)


def _newest_visible(state: State) -> frozenset[Accepted]:
    best: dict[tuple[int, int, int], Accepted] = {}
    for log in state.logs:
        for frame, record in enumerate(log.records):
            if record is None:
                continue
            name = (record.task, generation_of(state, record.unit), record.attempt)
            if name not in best or record.epoch > best[name].record.epoch:
                best[name] = Accepted(record, log.owner, frame)
    return frozenset(best.values())


def outcomes(state: State, taken: frozenset[Accepted]) -> dict[int, tuple[int, str]]:
    """Return the highest generation with a final result and its outcome, for each task that has one."""
    best: dict[int, tuple[int, str]] = {}
    for record, _, _ in taken:
        if record.outcome not in OPEN:
            result = (generation_of(state, record.unit), record.outcome)
            best[record.task] = max(best.get(record.task, result), result)
    return best


def is_complete(state: State, taken: frozenset[Accepted]) -> bool:
    """Tell whether every task of every planned unit has a final accepted result or was cancelled."""
    settled = {(generation_of(state, r.unit), r.task) for r, _, _ in taken if r.outcome not in OPEN}
    for position, entry in enumerate(state.chain, start=1):
        if entry.kind == "add":
            gone = cancelled_at(state, (position, ()), len(state.chain))
            if any((entry.generation, task) not in settled for task in entry.tasks if task not in gone):
                return False
    return True
