"""Any sequence of calls leaves the directory store and its model in the same state."""

import json
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from manyfit.model.control import Cancel, Pause, Resume
from manyfit.model.errors import ManyfitError
from manyfit.model.keys import WorkerId
from manyfit.model.lease import EndKind
from manyfit.stores.directory import DirectoryStore
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores import ManualClock, beat, end, key_of, line, segment

SEGMENTS = (
    segment([1, 2, 3], [4]),
    segment([5, 6], name="urgent", priority=20),
    segment([2, 4], name="retry", generation=1),
    segment([7], name="edited", removed=[key_of(1), key_of(5)]),
)
NEW = (4, 2, 0, 1)
WORKERS = st.sampled_from([WorkerId("a"), WorkerId("b")])


def tried(call):
    """Return the value, or the type of the error."""
    try:
        return call()
    except ManyfitError as error:
        return type(error)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        path = Path(self.folder.name) / "s.sweep"
        times = {"clock": self.clock, "monotonic": self.clock, "patience": 60.0, "by": "me"}
        state = MemoryState(sweep="tiny")
        self.models = [MemoryStore(state, **times) for _ in range(2)]
        self.stores = [DirectoryStore.create(path, sweep="tiny", refresh_seconds=0.0, **times) for _ in range(2)]
        self.leases = {}
        self.recorded = {}
        self.counters = {"a": 0, "b": 0}
        self.accepted = {}
        self.settled = {}

    def both(self, worker, call):
        """Do the same on both, through the handles of *worker*."""
        number = 0 if worker == "a" else 1
        expected = tried(lambda: call(self.models[number]))
        got = tried(lambda: call(self.stores[number]))
        assert expected == got
        return got

    @initialize()
    def first_plan(self):
        self.submit(0)

    @rule(number=st.sampled_from(range(4)))
    def submit(self, number):
        self.both("a", lambda s: _without_sum(_submit(s, number)))

    @rule(numbers=st.lists(st.integers(1, 7), max_size=2))
    def cancel(self, numbers):
        tasks = tuple(map(key_of, numbers))
        self.both("b", lambda s: s.append(Cancel(tasks=tasks), position=len(s.entries()) + 1))

    @rule(action=st.sampled_from([Pause(), Resume(), Resume()]))
    def toggle(self, action):
        self.both("a", lambda s: s.append(action, position=len(s.entries()) + 1))

    @rule(worker=WORKERS, filtered=st.booleans())
    def claim(self, worker, filtered):
        wanted = (lambda unit, index: index % 2 == 0) if filtered else None
        lease = self.both(worker, lambda s: s.claim(worker, wanted=wanted))
        if lease is not None and not isinstance(lease, type):
            self.leases[worker] = lease
            self.recorded[worker] = {}

    @rule(worker=WORKERS, ok=st.booleans(), final=st.booleans())
    def record(self, worker, ok, final):
        lease = self.leases.get(worker)
        todo = [task for task in lease.tasks if task.index not in self.recorded[worker]] if lease else []
        if todo:
            task, final = todo[0], final or ok
            data = line(task.index, attempt=task.attempts + 1, ok=ok, final=final)
            if self.both(worker, lambda s: s.record(lease, data)) is None:
                self.recorded[worker][task.index] = ("d" if ok else "f") if final else "."

    @rule(worker=WORKERS)
    def sync(self, worker):
        for store in (self.models, self.stores):
            store[0 if worker == "a" else 1].sync()

    @rule(worker=WORKERS, running=st.booleans())
    def beat(self, worker, running):
        lease = self.leases.get(worker)
        self.counters[worker] += 1
        settled = [mark for mark in self.recorded.get(worker, {}).values() if mark != "."] if lease else []
        index = lease.tasks[-1].index if lease and running else None
        value = beat(
            self.counters[worker], lease, n_settled=len(settled), n_failed=settled.count("f"), index=index
        )
        self.both(worker, lambda s: s.beat(worker, value))

    @rule(worker=WORKERS, split=st.booleans())
    def complete(self, worker, split):
        lease = self.leases.pop(worker, None)
        if lease is None:
            return
        done = self.recorded[worker]
        marks = "".join(done.get(task.index, ".") for task in lease.tasks)
        left = tuple(task.index for task in lease.tasks if done.get(task.index, ".") == ".")
        tried_once = tuple((task.index, task.attempts + 1) for task in lease.tasks if done.get(task.index) == ".")
        kind = EndKind.SPLIT if split else None
        said = end(lease, marks, kind, attempts=tried_once, parts=(left[:1], left[1:]) if split else ())
        self.both(worker, lambda s: s.complete(lease, said))
        self.both(worker, lambda s: s.complete(lease, said))

    @rule(worker=WORKERS, victim=WORKERS)
    def seal(self, worker, victim):
        self.both(worker, lambda s: s.expire([victim]))

    @rule(worker=WORKERS)
    def expire(self, worker):
        self.both(worker, lambda s: s.expire())

    @rule(seconds=st.sampled_from([0.02, 1.0, 60.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def same_state(self):
        """Counts, units, leases and results are those of the model."""
        for worker in "ab":
            self.both(worker, lambda s: s.snapshot())
            self.both(worker, lambda s: s.finished())
            self.both(worker, lambda s: [_without_spans(state) for state in s.units()])
            self.both(worker, lambda s: list(s.accepted()))

    @invariant()
    def accepted_only_grows(self):
        """A law of its own: the model could share the store's mistake."""
        now = {(block.unit, block.epoch): block.lines for block in self.stores[0].accepted()}
        assert self.accepted.items() <= now.items()
        self.accepted = now

    @invariant()
    def one_record_for_each_attempt(self):
        seen = set()
        for block in self.stores[1].accepted():
            for text in block.lines.splitlines():
                value = json.loads(text)
                attempt = (block.unit.partition(".")[0], value["index"], value["attempt"])
                assert attempt not in seen
                seen.add(attempt)

    @invariant()
    def final_is_final(self):
        for state in self.stores[0].units():
            for index, mark in zip(state.indices, state.end.marks if state.end else "", strict=False):
                if mark != ".":
                    assert mark == self.settled.setdefault((state.unit, index), mark)

    @invariant()
    def counts_add_up(self):
        snapshot = self.stores[0].snapshot()
        for some in (snapshot.counts, *snapshot.per_pipeline.values()):
            assert some.planned == some.done + some.failed + some.running + some.pending + some.cancelled
        assert snapshot.counts.running <= len(self.counters)

    def teardown(self):
        for store in self.stores:
            store.close()
        self.folder.cleanup()


def _submit(store, number):
    return store.submit(SEGMENTS[number], position=len(store.entries()) + 1, n_new=NEW[number])


def _without_sum(action):
    return action.segment, action.n_tasks, action.n_new, action.more


def _without_spans(state):
    fields = (state.segment, state.unit, state.indices, state.epoch, state.holder)
    e = state.end
    return fields, e and (e.kind, e.indices, e.marks, e.attempts, e.losses, e.parts, e.by)


TestDirectoryAgainstModel = StoreMachine.TestCase
TestDirectoryAgainstModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
