"""
A Hypothesis state machine: any sequence of calls leaves a store and its model in the same state.

Beside the comparison it has invariants of its own, since the model could share the store's mistake::

    @contextmanager
    def opened(clock):
        with TemporaryDirectory() as folder:
            yield lambda: MyStore(folder, clock=clock, monotonic=clock, patience=PATIENCE, by=BY)

    TestMyStore = machine_for(opened).TestCase
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from manyfit.contracts.accepted import UnitState
from manyfit.contracts.store import Store
from manyfit.model.audit import Audited, Certificate
from manyfit.model.control import (
    Action,
    AddSegment,
    Audit,
    Cancel,
    Pause,
    Resume,
    SetTerms,
    pauses_in_force,
    terms_in_force,
)
from manyfit.model.errors import LeaseLost, ManyfitError
from manyfit.model.keys import TaskKey, UnitId, WorkerId, task_key
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.result import Outcome
from manyfit.model.terms import Concurrency, Needs, Terms
from manyfit.model.unit import Unit, root_of
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores.acting import copy
from manyfit.testing.stores.builders import beat, end, key_of, line, segment, worker_info
from manyfit.testing.stores.clock import ManualClock

PATIENCE = 60.0
BY = "me"

OpenHandle = Callable[[], Store]
Opened = Callable[[ManualClock], AbstractContextManager[OpenHandle]]
"""Makes an empty store of the sweep "tiny" that lasts as long as the context, with a clock for all its handles."""

SEGMENTS = (
    segment([1, 2, 3], [4]),
    segment([5, 6], [8], name="urgent", priority=20),
    segment([2, 4], name="retry", generation=1),
    segment([7], name="edited", removed=[key_of(1), key_of(5)]),
)
N_NEW = (4, 3, 0, 1)

HANDLES = {WorkerId("a"): 0, WorkerId("b"): 1, WorkerId("c"): 1}
OFFERS = {
    WorkerId("a"): worker_info(WorkerId("a")),
    WorkerId("b"): worker_info(WorkerId("b"), threads=4, labels=("fast",)),
}
"""What workers offer; one of them never says so."""

TERMS = (
    Terms(),
    Terms(),
    Terms(),
    Terms(),
    Terms(priority=5, concurrency=Concurrency(sweep=1)),
    Terms(tenant="lab", concurrency=Concurrency(tenant=2, pipelines={"odd": 1})),
    Terms(concurrency=Concurrency(pipelines={"even": 1})),
    Terms(needs={"odd": Needs(cores=4), "even": Needs()}),
    Terms(needs={"": Needs(labels=("fast",))}),
)
TOGGLES: tuple[Action, ...] = (
    Pause(),
    Resume(),
    Resume(),
    Resume(),
    Pause(pipeline="even", reason="many failed alike"),
    Pause(pipeline="odd"),
    Resume(pipeline="even"),
    Audit(
        certificate=Certificate(
            rules=(
                Audited(rule="odd", guarantee="exact", n_fused=4, n_tasks=2, n_cells=6, n_wrong=1, largest=0.1),
            ),
            seed=0,
            drawn_from="ab",
            off=("odd",),
            versions={"scikit-learn": "1.9.1"},
        )
    ),
)

WORKERS = st.sampled_from(sorted(HANDLES))


def _even(unit: Unit, index: int) -> bool:
    return index % 2 == 0


def _urgent(unit: Unit, index: int) -> bool:
    return unit.segment == SEGMENTS[1].id


FILTERS = st.sampled_from([None, None, _even, _urgent])
REQUESTS = st.sampled_from(["", "", "first", "second"])
OUTCOMES = st.sampled_from(
    [
        (Outcome.SUCCEEDED, True),
        (Outcome.FAILED, True),
        (Outcome.FAILED, False),
        (Outcome.PREEMPTED, False),
        (Outcome.LOST, False),
    ]
)


def tried(call: Callable[[], Any]) -> Any:
    """Return the value, or the type of the error."""
    try:
        return call()
    except ManyfitError as error:
        return type(error)


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to its model. Use `machine_for`."""

    opened: Opened

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.clock = ManualClock()
        state = MemoryState(sweep="tiny")
        times: dict[str, Any] = {"clock": self.clock, "monotonic": self.clock, "patience": PATIENCE, "by": BY}
        self.models = [MemoryStore(state, **times) for _ in range(2)]
        self.stores = self._handles(2)
        self.leases: dict[WorkerId, Lease] = {}
        self.recorded: dict[WorkerId, dict[int, tuple[Outcome, bool]]] = {}
        self.counters = dict.fromkeys(HANDLES, 0)
        self.accepted: dict[tuple[UnitId, int], bytes] = {}
        self.settled: dict[tuple[UnitId, int], str] = {}
        self.made: dict[tuple[UnitId, int], tuple[int, int]] = {}

    def _handles(self, n: int) -> list[Store]:
        """Open *n* handles on a new store."""
        opener = self.open.enter_context(type(self).opened(self.clock))
        handles = [opener() for _ in range(n)]
        for handle in handles:
            self.open.callback(handle.close)
        return handles

    def both(self, worker: WorkerId, call: Callable[[Store], Any]) -> Any:
        """Do the same on both, through the handles of *worker*."""
        number = HANDLES[worker]
        expected = tried(lambda: call(self.models[number]))
        got = tried(lambda: call(self.stores[number]))
        assert expected == got
        return got

    def act(self, worker: WorkerId, action: Action) -> None:
        """Append *action* to both chains."""
        self.both(worker, lambda store: store.append(action, position=len(store.entries()) + 1))

    # -- what people do ------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for worker in OFFERS:
            self.register(worker)
        self.submit(0)

    def register(self, worker: WorkerId) -> None:
        self.both(worker, lambda store: store.register(OFFERS[worker]))

    @rule(number=st.sampled_from(range(4)))
    def submit(self, number: int) -> None:
        self.both(WorkerId("a"), lambda store: _submitted(store, number))

    @rule(numbers=st.lists(st.integers(1, 8), max_size=2))
    def cancel(self, numbers: list[int]) -> None:
        self.act(WorkerId("b"), Cancel(tasks=tuple(map(key_of, numbers))))

    @rule(action=st.sampled_from(TOGGLES))
    def toggle(self, action: Action) -> None:
        self.act(WorkerId("a"), action)

    @rule(terms=st.sampled_from(TERMS))
    def set_terms(self, terms: Terms) -> None:
        self.act(WorkerId("b"), SetTerms(terms=terms))

    # -- what workers do -----------------------------------------------------------------------------

    @rule(worker=WORKERS, wanted=FILTERS, request=REQUESTS)
    def claim(self, worker: WorkerId, wanted: Any, request: str) -> None:
        lease = self.both(worker, lambda store: store.claim(worker, wanted=wanted, request=request))
        self.take(worker, lease)

    @rule(worker=WORKERS, outcome=OUTCOMES)
    def record(self, worker: WorkerId, outcome: tuple[Outcome, bool]) -> None:
        lease = self.leases.get(worker)
        todo = [task for task in lease.tasks if task.index not in self.recorded[worker]] if lease else []
        if lease is None or not todo:
            return
        task, (how, final) = todo[0], outcome
        data = line(task.index, attempt=task.attempts + 1, outcome=how, final=final)
        if self.both(worker, lambda store: _recorded(store, lease, data)) is None:
            self.recorded[worker][task.index] = outcome

    @rule(worker=WORKERS)
    def sync(self, worker: WorkerId) -> None:
        for store in (self.models, self.stores):
            tried(store[HANDLES[worker]].sync)

    @rule(worker=WORKERS, running=st.booleans())
    def beat(self, worker: WorkerId, running: bool) -> None:
        lease = self.leases.get(worker)
        self.counters[worker] += 1
        settled = [how for how, final in self.recorded.get(worker, {}).values() if final] if lease else []
        index = lease.tasks[-1].index if lease and running else None
        n_failed = settled.count(Outcome.FAILED)
        value = beat(self.counters[worker], lease, n_settled=len(settled), n_failed=n_failed, index=index)
        self.both(worker, lambda store: store.beat(worker, value))

    @rule(worker=WORKERS, split=st.booleans())
    def complete(self, worker: WorkerId, split: bool) -> None:
        lease = self.leases.pop(worker, None)
        if lease is not None:
            said = self.said(worker, lease, split)
            self.both(worker, lambda store: store.complete(lease, said))
            self.both(worker, lambda store: store.complete(lease, said))

    @rule(worker=WORKERS, split=st.booleans(), wanted=FILTERS, request=REQUESTS)
    def cycle(self, worker: WorkerId, split: bool, wanted: Any, request: str) -> None:
        lease = self.leases.pop(worker, None)
        if lease is None:
            return
        said = self.said(worker, lease, split)
        following = self.both(worker, lambda store: store.cycle(lease, said, wanted=wanted, request=request))
        self.take(worker, following)
        if request:
            again = self.both(worker, lambda store: store.cycle(lease, said, wanted=wanted, request=request))
            assert following in (None, LeaseLost) or again == following
            self.take(worker, again)

    @rule(worker=WORKERS, victim=WORKERS)
    def seal(self, worker: WorkerId, victim: WorkerId) -> None:
        self.both(worker, lambda store: store.expire([victim]))

    @rule(worker=WORKERS, victim=WORKERS)
    def take_over(self, worker: WorkerId, victim: WorkerId) -> None:
        """Seal what somebody holds, and claim at once: most likely that."""
        self.both(worker, lambda store: store.expire([victim]))
        self.take(worker, self.both(worker, lambda store: store.claim(worker)))

    @rule(worker=WORKERS)
    def expire(self, worker: WorkerId) -> None:
        self.both(worker, lambda store: store.expire())

    @rule(seconds=st.sampled_from([0.02, 1.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def said(self, worker: WorkerId, lease: Lease, split: bool) -> End:
        """Return what the holder of *lease* says at its end."""
        done = self.recorded[worker]
        marks = "".join(_mark(done.get(task.index)) for task in lease.tasks)
        left = tuple(task for task, mark in zip(lease.tasks, marks, strict=True) if mark == ".")
        again = [(task, done[task.index][0]) for task in left if task.index in done]
        return end(
            lease,
            marks,
            EndKind.SPLIT if split else None,
            attempts=tuple((task.index, task.attempts + 1) for task, _ in again),
            forgiven=tuple((task.index, task.forgiven + (not how.charged)) for task, how in again),
            parts=(tuple(t.index for t in left[:1]), tuple(t.index for t in left[1:])) if split else (),
        )

    def take(self, worker: WorkerId, lease: Any) -> None:
        """Go on with *lease*, unless there is none, or it is the one that the worker had already."""
        if isinstance(lease, Lease) and self.leases.get(worker) != lease:
            self.judge(lease)
            self.leases[worker] = lease
            self.recorded[worker] = {}

    # -- the laws ------------------------------------------------------------------------------------

    def judge(self, lease: Lease) -> None:
        """Hold a new lease to laws 8, 9, 11 and 12."""
        store = self.stores[0]
        entries = store.entries()[: lease.position]
        unit = store.unit(lease.unit)
        terms, open_units = terms_in_force(entries), store.snapshot().open_units
        assert not {"", unit.pipeline} & pauses_in_force(entries).keys()
        assert not terms.needs_of(unit.pipeline).unmet(OFFERS.get(lease.worker))
        of_all = [store.unit(some).pipeline for some in open_units]
        limits = terms.concurrency
        for limit, n_open in [
            (limits.sweep, len(of_all)),
            (limits.tenant, len(of_all)),
            (limits.pipelines.get(unit.pipeline), of_all.count(unit.pipeline)),
        ]:
            assert limit is None or n_open <= limit
        keys = {key_at(store, unit, task.index) for task in lease.tasks}
        assert not keys & cancelled(store, unit, lease.position)
        for task in lease.tasks:
            attempts, losses = self.made.get((root_of(lease.unit), task.index), (0, 0))
            assert 0 <= task.forgiven <= task.attempts
            assert (task.attempts >= attempts, task.losses >= losses) == (True, True)
            self.made[root_of(lease.unit), task.index] = (task.attempts, task.losses)

    @invariant()
    def same_state(self) -> None:
        """Counts, units, leases and results are those of the model."""
        for worker in ("a", "b"):
            self.both(WorkerId(worker), lambda store: store.snapshot())
            self.both(WorkerId(worker), lambda store: store.finished())
            self.both(WorkerId(worker), lambda store: [_without_spans(state) for state in store.units()])
            self.both(WorkerId(worker), lambda store: list(store.accepted()))

    @invariant()
    def accepted_only_grows(self) -> None:
        """Law 2."""
        now = {(block.unit, block.epoch): block.lines for block in self.stores[0].accepted()}
        assert self.accepted.items() <= now.items()
        self.accepted = now

    @invariant()
    def one_record_for_each_attempt(self) -> None:
        """Law 1."""
        seen = set()
        for block in self.stores[1].accepted():
            for text in block.lines.splitlines():
                value = json.loads(text)
                attempt = (root_of(block.unit), value["index"], value["attempt"])
                assert attempt not in seen
                seen.add(attempt)

    @invariant()
    def final_is_final(self) -> None:
        """Law 5, and no mark that is settled ever changes."""
        for state in self.stores[0].units():
            if state.end is None:
                continue
            assert state.end.kind is not EndKind.DONE or "." not in state.end.marks
            for index, mark in zip(state.indices, state.end.marks, strict=True):
                if mark != ".":
                    assert mark == self.settled.setdefault((state.unit, index), mark)

    @invariant()
    def epochs_follow_each_other(self) -> None:
        """Law 6: of each unit all epochs ended but at most the last, parents before children."""
        n_ended: dict[UnitId, int] = {}
        for ended in self.stores[1].epochs():
            parent = ended.unit.rpartition(".")[0]
            assert not parent or parent in n_ended
            assert ended.epoch == n_ended.get(ended.unit, 0) + 1
            n_ended[ended.unit] = ended.epoch
        for state in self.stores[1].units():
            assert state.epoch == n_ended.get(state.unit, 0) + (state.holder is not None)

    @invariant()
    def counts_add_up(self) -> None:
        snapshot = self.stores[0].snapshot()
        for some in (snapshot.counts, *snapshot.per_pipeline.values()):
            assert some.planned == some.done + some.failed + some.running + some.pending + some.cancelled
        assert snapshot.counts.running <= len(self.counters)

    def teardown(self) -> None:
        """Copy what came about, in both directions, and compare."""
        try:
            copied = self._handles(1)[0]
            copy(self.models[0], copied)
            assert copy(self.models[0], copied) == 0
            back = MemoryStore(MemoryState(sweep="tiny"), clock=self.clock)
            copy(self.stores[0], back)
            told = [_without_place(store) for store in (self.models[0], copied, back)]
            assert told[0] == told[1] == told[2]
        finally:
            self.open.close()


def machine_for(opened: Opened) -> type[StoreMachine]:
    """Return the machine for the stores that *opened* makes."""
    return type("StoreMachine", (StoreMachine,), {"opened": staticmethod(opened)})


def _submitted(store: Store, number: int) -> tuple[Any, ...]:
    position = len(store.entries()) + 1
    action = store.submit(SEGMENTS[number], position=position, n_new=N_NEW[number])
    return action.segment, action.n_tasks, action.n_new, action.more


def _recorded(store: Store, lease: Lease, data: bytes) -> None:
    """Record; a store may tell or keep to itself that the lease is lost."""
    try:
        store.record(lease, data)
    except LeaseLost:
        return


def _mark(recorded: tuple[Outcome, bool] | None) -> str:
    if recorded is None or not recorded[1]:
        return "."
    return "d" if recorded[0] is Outcome.SUCCEEDED else "f"


def key_at(store: Store, unit: Unit, index: int) -> TaskKey:
    """Return the key of a task of a planned unit."""
    part = store.segment(unit.segment)
    return task_key(part.candidates[unit.candidates[index]].key, part.cells[unit.cells[index]].key)


def cancelled(store: Store, unit: Unit, position: int) -> set[TaskKey]:
    """Return what entries up to *position* cancelled of *unit*."""
    found: set[TaskKey] = set()
    planned = False
    for entry in store.entries()[:position]:
        if isinstance(entry.action, AddSegment):
            planned = planned or entry.action.segment == unit.segment
        if planned and isinstance(entry.action, Cancel):
            everything = [key_at(store, unit, index) for index in range(len(unit))]
            found |= set(entry.action.tasks or everything)
    return found


def _without_spans(state: UnitState) -> UnitState:
    return replace(state, end=replace(state.end, spans=())) if state.end else state


def _without_place(store: Store) -> list[Any]:
    """Return what two copies have in common: entries, epochs, results."""
    epochs = [replace(ended, end=replace(ended.end, spans=())) for ended in store.epochs()]
    actions = [entry.action for entry in store.entries() if not isinstance(entry.action, AddSegment)]
    return [*actions, *epochs, *store.accepted()]
