"""
The laws of the store, on states and on steps.

They are numbered as in the `Store` contract. Law 7 (artifacts) is about files alone and is not
expressed here; law 4 (work can always go on) is checked over the whole graph of states by the search.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from manyfit.testing.protocol.state import (
    CANCELLED,
    FAILED,
    FORGIVEN,
    LEFT,
    OPEN,
    Accepted,
    Design,
    End,
    Epoch,
    Past,
    Record,
    Scope,
    State,
    UnitName,
    cancelled_at,
    find_epoch,
    generation_of,
    log_of,
)

Taken = frozenset[Accepted]


def broken_by_step(before: State, after: State, taken: Taken, taken_after: Taken) -> str | None:
    """Return the law that the step from *before* to *after* breaks, if any."""
    if not taken <= taken_after:
        return "2: an accepted result was replaced or lost"
    if after.chain[: len(before.chain)] != before.chain:
        return "2: an entry of the control chain was replaced or lost"
    return None


def broken_in(state: State, taken: Taken, scope: Scope, design: Design) -> str | None:
    """Return the first law that *state* breaks, if any."""
    for law in LAWS:
        if problem := law(state, taken, scope):
            return problem
    return None


def _once(state: State, taken: Taken, scope: Scope) -> str | None:
    names = [(r.task, generation_of(state, r.unit), r.attempt) for r, _, _ in taken]
    finals = [(r.task, generation_of(state, r.unit)) for r, _, _ in taken if r.outcome not in OPEN]
    if len(set(names)) < len(names):
        return "1: two accepted records of one attempt"
    if len(set(finals)) < len(finals):
        return "1: two accepted final results of one task and generation"
    return None


def _durable(state: State, taken: Taken, scope: Scope) -> str | None:
    if any(frame >= log_of(state, owner).synced for _, owner, frame in taken):
        return "3: an accepted record is not durable"
    return None


def _ends_are_true(state: State, taken: Taken, scope: Scope) -> str | None:
    by_epoch: dict[tuple[UnitName, int], list[Record]] = {}
    for record, _, _ in taken:
        by_epoch.setdefault((record.unit, record.epoch), []).append(record)
    for epoch in state.epochs:
        if epoch.end is not None and (problem := _end_is_true(state, epoch, epoch.end, by_epoch)):
            return problem
    return None


def _end_is_true(
    state: State, epoch: Epoch, end: End, by_epoch: dict[tuple[UnitName, int], list[Record]]
) -> str | None:
    unit, number = epoch.unit, epoch.number
    final: dict[int, str] = {}
    for earlier in range(number + 1):
        for record in by_epoch.get((unit, earlier), ()):
            if record.outcome not in OPEN:
                final[record.task] = record.outcome
    gone = cancelled_at(state, unit, len(state.chain))
    for task, mark in end.marks:
        if mark == CANCELLED:
            if task not in gone or task in final:
                return "5: a task is marked cancelled and is not"
        elif mark != final.get(task, LEFT):
            return "5: an end says something else than the accepted records"
    left = [task for task, mark in end.marks if mark == LEFT]
    if end.kind == "done" and left:
        return "5: a unit is done and a task is not settled"
    return _attempts_are_true(state, epoch, end, by_epoch) or _parts_are_exact(end, left)


def _attempts_are_true(
    state: State, epoch: Epoch, end: End, by_epoch: dict[tuple[UnitName, int], list[Record]]
) -> str | None:
    tried, forgiven, losses = Counter[int](), Counter[int](), Counter[int]()
    for unit in _lineage(epoch.unit):
        last = epoch.number if unit == epoch.unit else max(e.number for e in state.epochs if e.unit == unit)
        for number in range(last + 1):
            records = by_epoch.get((unit, number), ())
            tried.update(r.task for r in records)
            forgiven.update(r.task for r in records if r.outcome == FORGIVEN)
            losses.update(_lost_alone(find_epoch(state, unit, number).end))
    said = {past.task: past for past in end.attempts}
    for task, mark in end.marks:
        if mark == LEFT and said.get(task, Past(task)) != Past(task, tried[task], forgiven[task], losses[task]):
            return "9: an end counts other attempts or losses than there were"
    return None


def _lost_alone(end: End | None) -> list[int]:
    """Return the task that alone was left when a worker was lost."""
    left = [task for task, mark in end.marks if mark == LEFT] if end and end.kind == "sealed" else []
    return left if len(left) == 1 else []


def _lineage(unit: UnitName) -> Iterator[UnitName]:
    for depth in range(len(unit[1]) + 1):
        yield (unit[0], unit[1][:depth])


def _parts_are_exact(end: End, left: list[int]) -> str | None:
    if end.kind == "split" and sorted(task for part in end.parts for task in part) != sorted(left):
        return "1: the parts of a split are not what was left"
    return None


def _in_order(state: State, taken: Taken, scope: Scope) -> str | None:
    for unit, number, _, _ in state.epochs:
        if number and find_epoch(state, unit, number - 1).end is None:
            return "6: an epoch was claimed before the last one ended"
    return None


def _cancelled_stays_away(state: State, taken: Taken, scope: Scope) -> str | None:
    claims = {epoch[:2]: epoch.claim for epoch in state.epochs}
    for log in state.logs:
        for record in filter(None, log.records):
            claim = claims[record[:2]]
            if claim.owner == log.owner and record.task in cancelled_at(state, record.unit, claim.position):
                return "8: a claim whose position covers a cancellation ran the cancelled task"
    for record, _, _ in taken:
        if record.task in cancelled_at(state, record.unit, claims[record[:2]].n_entries):
            return "8: a task that was cancelled before the claim has an accepted record"
    return None


def _attempts_within_limit(state: State, taken: Taken, scope: Scope) -> str | None:
    tried: dict[tuple[int, int], list[Record]] = {}
    for record, _, _ in taken:
        tried.setdefault((record.task, generation_of(state, record.unit)), []).append(record)
    for records in tried.values():
        n_charged = sum(record.outcome != FORGIVEN for record in records)
        if sorted(record.attempt for record in records) != list(range(1, len(records) + 1)):
            return "9: the accepted attempts at a task have a gap"
        if n_charged > scope.attempts:
            return "9: more attempts at a task were charged than it has"
        if n_charged < scope.attempts and any(record.outcome == FAILED for record in records):
            return "9: a task was given up before its attempts were used"
    return None


def _bases_change_nothing(state: State, taken: Taken, scope: Scope) -> str | None:
    seen: set[tuple[UnitName, int]] = set()
    for entry in state.chain:
        if entry.kind != "base":
            continue
        if seen & entry.covers:
            return "10: two bases cover one epoch"
        seen |= entry.covers
        if entry.records != {r for r, _, _ in taken if (r.unit, r.epoch) in entry.covers}:
            return "10: a reader of the base sees other results than a reader of the logs"
    return None


LAWS: tuple[Callable[[State, Taken, Scope], str | None], ...] = (
    _once,
    _durable,
    _ends_are_true,
    _in_order,
    _cancelled_stays_away,
    _attempts_within_limit,
    _bases_change_nothing,
)
