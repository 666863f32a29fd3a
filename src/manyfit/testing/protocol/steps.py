"""
What can happen next: every atomic step of workers, sealers, planners, compactors and crashes.

A step is named by a tuple for the trace of a counterexample. A worker that is slow or paused simply
takes no step while others do, and sealing is possible at any moment: leases need no clock here.
"""

from collections.abc import Callable, Iterator

from manyfit.testing.protocol.state import (
    AGAIN,
    CANCELLED,
    DONE,
    FAILED,
    FORGIVEN,
    LEFT,
    OPEN,
    Claim,
    Design,
    End,
    Entry,
    Epoch,
    Left,
    Log,
    Owner,
    Past,
    Record,
    Scope,
    State,
    UnitName,
    Worker,
    accepted,
    cancelled_at,
    epochs_of,
    find_epoch,
    left_in,
    log_of,
    n_readable,
    outcomes,
    paused_at,
    tasks_of,
    units,
    with_epoch,
    with_log,
    written,
)

Name = tuple[object, ...]
Moves = Iterator[tuple[Name, State]]


def steps(state: State, scope: Scope, design: Design) -> Moves:
    """Yield every step that is possible in *state*, with the state that it leads to."""
    for number, worker in enumerate(state.workers):
        if worker.phase == "idle":
            yield from _claims(state, number, scope, design)
        else:
            yield from _works(state, number, scope, design)
        if state.n_crashes < scope.n_crashes:
            yield from _crashes(state, number, design)
    yield from _seals(state, design)
    yield from _controls(state, scope, design)
    if "base" in scope.actions:
        yield from _bases(state, scope, design)
    if state.n_server_crashes < scope.n_server_crashes:
        yield ("file server crashes",), _after_server_crash(state)


def _with_worker(state: State, number: int, worker: Worker) -> State:
    workers = (*state.workers[:number], worker, *state.workers[number + 1 :])
    return state._replace(workers=workers)


def _owner(state: State, number: int) -> Owner:
    return (number, state.workers[number].incarnation)


# -- claiming -------------------------------------------------------------------------------------


def _claims(state: State, number: int, scope: Scope, design: Design) -> Moves:
    for unit in units(state):
        epoch = _claimable(state, unit, design)
        if epoch is None or epoch >= scope.n_epochs:
            continue
        # the worker may have read the chain long ago: every position that has the segment is possible
        for read in range(unit[0], len(state.chain) + 1):
            gone = cancelled_at(state, unit, read)
            left = tuple(past for past in left_in(state, unit, epoch, design) if past.task not in gone)
            if left and not paused_at(state, read):
                yield (
                    ("claim", number, unit, epoch, read),
                    _claimed(state, number, (unit, epoch), read=read, scope=scope, design=design),
                )


def _claimable(state: State, unit: UnitName, design: Design) -> int | None:
    epochs = epochs_of(state, unit)
    if not epochs:
        return 0
    last = epochs[-1]
    if last.end is not None:
        return None if last.end.kind in ("done", "split") else len(epochs)
    if not design.claim_is_exclusive:
        return last.number
    return None if design.claim_follows_end else len(epochs)


def _claimed(
    state: State, number: int, claim: tuple[UnitName, int], *, read: int, scope: Scope, design: Design
) -> State:
    unit, epoch = claim
    stated = read if design.position_is_what_was_read else len(state.chain)
    published = Claim(_owner(state, number), stated, len(state.chain))
    after = with_epoch(state, Epoch(unit, epoch, published, None))
    worker = Worker(state.workers[number].incarnation, "claimed", unit, epoch, left_in(state, unit, epoch, design))
    if not (design.tail_is_read_again and design.position_is_what_was_read):
        return _with_worker(after, number, _having_read(after, worker, read))
    if len(state.chain) > scope.n_entries:
        # nothing can be appended any more, so reading again at once is the same as reading later
        return _with_worker(after, number, _having_read(after, worker, len(state.chain)))
    return _with_worker(after, number, worker)


def _having_read(state: State, worker: Worker, position: int) -> Worker:
    gone = cancelled_at(state, worker.unit, position)
    dropped = [past.task for past in worker.left if past.task in gone]
    phase = "returning" if paused_at(state, position) else "running"
    return worker._replace(
        phase="leaving" if worker.phase == "leaving" else phase,
        left=tuple(past for past in worker.left if past.task not in gone),
        cancelled=tuple(sorted({*worker.cancelled, *dropped})),
    )


# -- working --------------------------------------------------------------------------------------


def _works(state: State, number: int, scope: Scope, design: Design) -> Moves:
    worker = state.workers[number]
    reread = _having_read(state, worker, len(state.chain))
    if reread != worker:
        yield ("read the tail", number), _with_worker(state, number, reread)
    if worker.phase == "claimed":
        return
    if worker.phase == "running" and worker.left:
        yield from _attempts(state, number, scope, design)
    log = log_of(state, _owner(state, number))
    if log.synced < len(log.records):
        yield ("sync", number), with_log(state, log._replace(synced=len(log.records)))
    yield from _ends(state, number, scope, design)


def _attempts(state: State, number: int, scope: Scope, design: Design) -> Moves:
    worker = state.workers[number]
    past, rest = worker.left[0], worker.left[1:]
    again = past._replace(used=past.used + 1)
    record = Record(worker.unit, worker.epoch, past.task, again.used, DONE)
    yield from _recorded(state, number, record, rest)
    if scope.preempting:
        spared = again._replace(forgiven=past.forgiven + design.preemption_is_forgiven)
        leaving = _with_worker(state, number, worker._replace(phase="leaving"))
        yield from _recorded(leaving, number, record._replace(outcome=FORGIVEN), (spared, *rest))
    if scope.failing and again.used - past.forgiven < scope.attempts:
        yield from _recorded(state, number, record._replace(outcome=AGAIN), (*rest, again))
    elif scope.failing:
        yield from _recorded(state, number, record._replace(outcome=FAILED), rest)


def _recorded(state: State, number: int, record: Record, left: Left) -> Moves:
    log = log_of(state, _owner(state, number))
    after = with_log(state, log._replace(records=(*log.records, record)))
    worker = state.workers[number]._replace(left=left)
    yield ("record", number, record.task, record.attempt, record.outcome), _with_worker(after, number, worker)


# -- ending ---------------------------------------------------------------------------------------


def _ends(state: State, number: int, scope: Scope, design: Design) -> Moves:
    worker = state.workers[number]
    idle = _with_worker(state, number, Worker(worker.incarnation))
    epoch = find_epoch(state, worker.unit, worker.epoch)
    if epoch.end is not None and design.end_is_exclusive:
        yield ("lease is lost", number), idle
        return
    log = log_of(state, _owner(state, number))
    if log.synced < len(log.records) and design.end_follows_sync:
        return
    for kind in _kinds(worker, scope):
        parts = _halves(worker.left, design) if kind == "split" else ()
        end = _end(
            state,
            epoch,
            kind,
            log,
            offset=len(log.records),
            design=design,
            cancelled=worker.cancelled,
            parts=parts,
        )
        yield (kind, number, worker.unit, worker.epoch), with_epoch(idle, epoch._replace(end=end))


def _kinds(worker: Worker, scope: Scope) -> Iterator[str]:
    if not worker.left:
        yield "done"
        return
    if scope.yields or worker.phase in ("returning", "leaving"):
        yield "yielded"
    if scope.splits and len(worker.left) > 1:
        yield "split"


def _halves(left: Left, design: Design) -> tuple[tuple[int, ...], ...]:
    tasks = tuple(past.task for past in left)
    middle = len(tasks) // 2
    return tasks[:middle], tasks[middle if design.parts_are_disjoint else middle - 1 :]


def _end(
    state: State,
    epoch: Epoch,
    kind: str,
    log: Log,
    *,
    offset: int,
    design: Design,
    cancelled: tuple[int, ...] = (),
    parts: tuple[tuple[int, ...], ...] = (),
) -> End:
    """Return the end that follows from the previous one and from what this epoch wrote to *log*."""
    unit, number = epoch.unit, epoch.number
    left = {past.task: past for past in left_in(state, unit, number, design)}
    before = find_epoch(state, unit, number - 1).end if number else None
    marks = dict(before.marks) if before else dict.fromkeys(tasks_of(state, unit), LEFT)
    marks.update(dict.fromkeys(cancelled, CANCELLED))
    for _, record in written(log, unit, number, before=offset):
        past = left.get(record.task, Past(record.task))
        spared = past.forgiven + (record.outcome == FORGIVEN and design.preemption_is_forgiven)
        left[record.task] = past._replace(used=record.attempt, forgiven=spared)
        marks[record.task] = LEFT if record.outcome in OPEN else record.outcome
    rest = sorted(past for task, past in left.items() if marks[task] == LEFT)
    if kind == "sealed" and len(rest) == 1 and design.lone_task_is_charged:
        rest = [rest[0]._replace(losses=rest[0].losses + 1)]
    attempts = tuple(past for past in rest if past != Past(past.task))
    return End(kind, offset, tuple(sorted(marks.items())), attempts, parts)


def _seals(state: State, design: Design) -> Moves:
    for epoch in state.epochs:
        if epoch.end is not None:
            continue
        log = log_of(state, epoch.claim.owner)
        durable = min(log.synced, n_readable(log))
        most = durable if design.seal_is_durable else n_readable(log)
        # the sealer may see any older mark, so every durable prefix is possible
        frames = [frame + 1 for frame, _ in written(log, epoch.unit, epoch.number, before=most)]
        for offset in (0, *frames):
            end = _end(state, epoch, "sealed", log, offset=offset, design=design)
            yield ("seal", epoch.unit, epoch.number, offset), with_epoch(state, epoch._replace(end=end))


# -- crashes --------------------------------------------------------------------------------------


def _crashes(state: State, number: int, design: Design) -> Moves:
    worker, log = state.workers[number], log_of(state, _owner(state, number))
    if worker.phase == "idle" and log.synced == len(log.records):
        return  # nothing is lost, and the next process is like this one
    fresh = 1 if design.log_is_fresh else 0
    after = _with_worker(state, number, Worker(worker.incarnation + fresh))
    after = after._replace(n_crashes=state.n_crashes + 1)
    for kept in range(log.synced, len(log.records) + 1):
        for torn in (False, True) if kept < len(log.records) else (False,):
            records = log.records[:kept] + ((None,) if torn else ())
            remains = Log(log.owner, records, log.synced, design.log_is_fresh)
            yield ("crash", number, kept, torn), with_log(after, remains) if log.records else after


def _after_server_crash(state: State) -> State:
    logs = [log._replace(records=log.records[: log.synced]) if log.dead else log for log in state.logs]
    return state._replace(logs=tuple(logs), n_server_crashes=state.n_server_crashes + 1)


# -- the control chain ----------------------------------------------------------------------------


def _controls(state: State, scope: Scope, design: Design) -> Moves:
    n = len(state.chain)
    for action in scope.actions:
        made = _ACTIONS[action](state, design)
        # a pause can always be lifted, else a bound of the scope would look like a deadlock
        if made is None or (n > scope.n_entries and action != "resume"):
            continue
        yield ("append", n + 1, action), state._replace(chain=(*state.chain, made))
        if not design.append_is_exclusive and n > 1:
            yield ("append", n, action), state._replace(chain=(*state.chain[:-1], made))


def _cancel(state: State, design: Design) -> Entry | None:
    return None if any(entry.kind == "cancel" for entry in state.chain) else Entry("cancel", (0,))


def _pause(state: State, design: Design) -> Entry | None:
    return None if paused_at(state, len(state.chain)) else Entry("pause")


def _resume(state: State, design: Design) -> Entry | None:
    return Entry("resume") if paused_at(state, len(state.chain)) else None


def _retry(state: State, design: Design) -> Entry | None:
    results = outcomes(state, accepted(state, design))
    newest: dict[int, int] = {}
    for entry in state.chain:
        if entry.kind == "add":
            newest.update(dict.fromkeys(entry.tasks, entry.generation))
    failed = tuple(sorted(t for t, result in results.items() if result == (newest[t], FAILED)))
    if not failed:
        return None
    step = 1 if design.retry_has_new_generation else 0
    return Entry("add", failed, max(newest[task] for task in failed) + step)


def _no_action(state: State, design: Design) -> Entry | None:
    return None


_ACTIONS: dict[str, Callable[[State, Design], Entry | None]] = {
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "retry": _retry,
    "base": _no_action,
}


def _bases(state: State, scope: Scope, design: Design) -> Moves:
    n = len(state.chain)
    if state.draft is not None:
        read, base = state.draft
        after = state._replace(draft=None)
        if read == n:
            yield ("append", n + 1, "base"), after._replace(chain=(*state.chain, base))
        else:
            yield ("drop the draft of a base",), after
        return
    if n > scope.n_entries:
        return
    drafted = _drafted(state, design)
    if drafted.covers:
        yield ("collect a base",), state._replace(draft=(n, drafted))


def _drafted(state: State, design: Design) -> Entry:
    before = {key for entry in state.chain if entry.kind == "base" for key in entry.covers}
    covers: set[tuple[UnitName, int]] = set()
    records: set[Record] = set()
    for unit, number, claim, end in state.epochs:
        if (unit, number) in before or (end is None and design.base_has_closed_epochs):
            continue
        covers.add((unit, number))
        log = log_of(state, claim.owner)
        last = min(end.offset, n_readable(log)) if end else n_readable(log)
        records.update(record for _, record in written(log, unit, number, before=last))
    return Entry("base", covers=frozenset(covers), records=frozenset(records))
