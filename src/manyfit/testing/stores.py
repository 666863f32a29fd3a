"""
Conformance suite for stores.

Subclass `StoreSuite` in a test module, name the backend and provide `open_store`::

    class TestMyStore(StoreSuite):
        backend = "mystore"

        @pytest.fixture
        def open_store(self, tmp_path, clock):
            return lambda: MyStore(tmp_path, clock=clock, monotonic=clock)

A handle of the suite must not lag: what one handle did, the next call on another one sees.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.control import Cancel, Pause, Resume
from manyfit.model.errors import LeaseLost, NotFound, PositionTaken, Refused
from manyfit.model.keys import CandidateKey, CellKey, SegmentId, TaskKey, UnitId, WorkerId, content_key, task_key
from manyfit.model.lease import End, EndKind, Lease, TaskMark
from manyfit.model.result import Outcome
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.snapshot import Counts
from manyfit.model.unit import Mode, Unit
from manyfit.model.worker import Beat, WorkerInfo, WorkerState

A, B, C = WorkerId("a"), WorkerId("b"), WorkerId("c")
PATIENCE = 120.0


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


# -- builders of tiny values -------------------------------------------------------------------------


def segment(
    *units: Sequence[int],
    name: str = "s",
    priority: int = 10,
    generation: int = 0,
    removed: Sequence[TaskKey] = (),
    supersedes: dict[str, int] | None = None,
) -> Segment:
    """Return a segment with one unit for each sequence of task numbers; a number is a task of the whole sweep."""
    id_ = SegmentId(content_key([name, [list(unit) for unit in units], generation])[:16])
    numbers = sorted({number for unit in units for number in unit})
    return Segment(
        id=id_,
        header=SegmentHeader(
            sweep="tiny",
            executor="tiny:executor",
            spec={"n": 1},
            priority=priority,
            supersedes=supersedes or {},
        ),
        candidates=tuple(candidate(number) for number in numbers),
        cells=(CELL,),
        units=tuple(
            Unit(
                id=UnitId(f"{id_[:8]}-{n}"),
                segment=id_,
                candidates=tuple(numbers.index(number) for number in unit),
                cells=(0,) * len(unit),
                cost_seconds=float(len(unit)),
                pipeline="even" if n % 2 == 0 else "odd",
                mode=Mode.FIT,
                generation=generation,
            )
            for n, unit in enumerate(units)
        ),
        removed=tuple(removed),
    )


CELL = Cell(key=CellKey(content_key("cell")), split="all", fold=None, seed=0)


def candidate(number: int) -> Candidate:
    """Return the candidate of task *number*."""
    steps = (Step(name="model", use="tiny:Model", params={"n": number}),)
    key = CandidateKey(content_key(["candidate", number]))
    return Candidate(key=key, pipeline="tiny", steps=steps, shown={"n": number})


def key_of(number: int) -> TaskKey:
    """Return the key of task *number*."""
    return task_key(candidate(number).key, CELL.key)


def worker_info(worker: WorkerId) -> WorkerInfo:
    """Return a worker of some other machine."""
    return WorkerInfo(
        id=worker,
        host="far",
        boot="another kernel",
        pid=1,
        pid_started="0",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
    )


def beat(counter: int, lease: Lease | None = None, **fields: Any) -> Beat:
    """Return a heartbeat of the holder of *lease*."""
    unit, epoch = (lease.unit, lease.epoch) if lease else (None, 0)
    return Beat(counter=counter, at=0.0, state=WorkerState.RUNNING, unit=unit, epoch=epoch, **fields)


def line(index: int, *, attempt: int = 1, ok: bool = True, final: bool = True) -> bytes:
    """Return a result line."""
    outcome = (Outcome.SUCCEEDED if ok else Outcome.FAILED).value
    value = {"index": index, "key": "", "attempt": attempt, "outcome": outcome, "final": final, "finished_at": 0.0}
    return json.dumps(value).encode() + b"\n"


def end(lease: Lease, marks: str, kind: EndKind | None = None, **fields: Any) -> End:
    """Return what the holder of *lease* says of its tasks; DONE when nothing is left."""
    kind = kind or (EndKind.YIELDED if TaskMark.LEFT.value in marks else EndKind.DONE)
    return End(kind=kind, indices=tuple(task.index for task in lease.tasks), marks=marks, **fields)


def run(store: Store, lease: Lease, *, fail: Sequence[int] = ()) -> None:
    """Run every task of *lease* to its end."""
    for task in lease.tasks:
        store.record(lease, line(task.index, attempt=task.attempts + 1, ok=task.index not in fail))
    store.complete(lease, end(lease, "".join("f" if task.index in fail else "d" for task in lease.tasks)))


def claimed(store: Store, worker: WorkerId = A) -> Lease:
    """Return a lease, where one must be there."""
    lease = store.claim(worker)
    assert lease is not None
    return lease


def indices(lease: Lease) -> list[int]:
    """Return the tasks of *lease*."""
    return [task.index for task in lease.tasks]


def add(store: Store, part: Segment, *, n_new: int | None = None, more: bool = False) -> None:
    """Submit *part* behind whatever is there."""
    n = part.n_tasks if n_new is None else n_new
    store.submit(part, position=len(store.entries()) + 1, more=more, n_new=n)


def cancel(store: Store, *numbers: int) -> None:
    """Cancel tasks by number, or all."""
    store.append(Cancel(tasks=tuple(map(key_of, numbers))), position=len(store.entries()) + 1)


def counts(store: Store) -> Counts:
    """Return the counts, which must add up, in all and per pipeline."""
    snapshot = store.snapshot()
    for some in (snapshot.counts, *snapshot.per_pipeline.values()):
        assert some.planned == some.done + some.failed + some.running + some.pending + some.cancelled
    assert snapshot.counts.planned == sum(some.planned for some in snapshot.per_pipeline.values())
    return snapshot.counts


def accepted_lines(store: Store) -> list[tuple[UnitId, int, bytes]]:
    """Return everything that is accepted."""
    return [(block.unit, block.epoch, block.lines) for block in store.accepted()]


class StoreSuite:
    """What every store must do. Deviations are declared, never patched over."""

    backend: ClassVar[str]
    deviations: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        laws = {name for name in vars(StoreSuite) if name.startswith("test_")}
        if hidden := laws & vars(cls).keys():
            raise TypeError(f"{cls.__name__} overrides {sorted(hidden)}; declare a deviation instead")
        if unknown := cls.deviations.keys() - laws:
            raise TypeError(f"{cls.__name__} deviates from unknown laws {sorted(unknown)}")

    @pytest.fixture(autouse=True)
    def _expect_deviation(self, request: pytest.FixtureRequest) -> None:
        if reason := self.deviations.get(request.function.__name__):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of all handles, also their monotonic one."""
        return ManualClock()

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        """A function that opens one more handle, of `PATIENCE`, on the same, initially empty, state."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Store:
        return open_store()

    @pytest.fixture
    def other(self, store: Store, open_store: Callable[[], Store]) -> Store:
        """A second handle, as another process would have."""
        return open_store()

    # -- the plan ------------------------------------------------------------------------------------

    def test_an_empty_store_is_not_finished(self, store: Store) -> None:
        """Before any plan there is nothing to claim, and more to come."""
        assert store.claim(A) is None
        assert not store.finished()
        assert Counts() == counts(store)
        assert store.snapshot().planning

    def test_a_segment_comes_back_as_it_was(self, store: Store, other: Store) -> None:
        """Header, candidates, cells, units and removed keys survive the way through the store."""
        part = segment([1, 2], [3], removed=[key_of(9)], supersedes={"failed": 1})
        add(store, part)

        back = other.segment(part.id)

        assert part.header == back.header
        assert list(part.candidates) == list(back.candidates)
        assert list(part.cells) == list(back.cells)
        assert list(part.units) == list(back.units)
        assert part.units[-1] == back.units[-1]
        assert list(part.removed) == list(back.removed)

    def test_an_unknown_segment_is_not_found(self, store: Store) -> None:
        """Asking for what was never submitted raises NotFound."""
        with pytest.raises(NotFound):
            store.segment(SegmentId("nope"))

    def test_submitting_twice_changes_nothing(self, store: Store, other: Store) -> None:
        """Segments are content: the same one again is harmless, also when its units are on their way."""
        part = segment([1], [2])
        add(store, part)
        claimed(store)

        add(other, part)

        assert len(store.entries()) == 1
        assert counts(store).planned == 2
        assert indices_text(claimed(other, B), part) == "1"

    def test_a_submission_goes_on_until_it_says_it_ends(self, store: Store, other: Store) -> None:
        """With `more`, nothing is finished; submitting the last segment again without `more` ends it."""
        part = segment([1])
        add(store, part, more=True)
        run(store, claimed(store))
        assert not other.finished()
        assert other.snapshot().planning

        add(store, part)

        assert other.finished()
        assert counts(other).planned == 1

    def test_positions_are_taken_once(self, store: Store, other: Store) -> None:
        """Whoever comes second is told so, and nothing has happened."""
        store.append(Pause(), position=1)

        with pytest.raises(PositionTaken):
            other.append(Resume(), position=1)
        with pytest.raises(PositionTaken):
            other.submit(segment([1]), position=1, n_new=1)

        assert [Pause()] == [entry.action for entry in other.entries()]
        assert counts(other).planned == 0

    def test_entries_come_in_order_and_from_where_one_asks(self, store: Store, other: Store) -> None:
        """All handles read one chain."""
        store.append(Pause(), position=1)
        other.append(Resume(), position=2)
        store.append(Cancel(tasks=(key_of(1),)), position=3)

        assert [entry.position for entry in other.entries()] == [1, 2, 3]
        assert [Resume(), Cancel(tasks=(key_of(1),))] == [entry.action for entry in store.entries(1)]

    def test_the_chain_has_no_gaps(self, store: Store) -> None:
        """An entry that would skip a position is refused."""
        with pytest.raises(Refused):
            store.append(Pause(), position=2)

    # -- claiming ------------------------------------------------------------------------------------

    def test_claims_come_in_plan_order(self, store: Store) -> None:
        """The planner puts long units first, and they start first."""
        part = segment([1], [2], [3])
        add(store, part)

        assert [indices_text(claimed(store, WorkerId(w)), part) for w in "abc"] == ["0", "1", "2"]

    def test_claims_come_by_priority_then_age(self, store: Store) -> None:
        """Urgent segments first; among equals the oldest."""
        parts = [segment([1]), segment([2], [3], priority=30), segment([4], priority=30)]
        for part in parts:
            add(store, part)

        order = [claimed(store, WorkerId(w)).unit for w in "abcd"]

        assert [parts[1].units[0].id, parts[1].units[1].id, parts[2].units[0].id, parts[0].units[0].id] == order

    def test_claim_is_exclusive(self, store: Store, other: Store) -> None:
        """A unit is leased to one worker at a time, whichever handle asks."""
        add(store, segment([1]))

        assert claimed(store)
        assert other.claim(B) is None

    def test_a_worker_holds_one_lease(self, store: Store) -> None:
        """A second claim before the first lease ended is refused."""
        add(store, segment([1], [2]))
        claimed(store)

        with pytest.raises(Refused):
            store.claim(A)

    def test_claims_only_what_is_wanted(self, store: Store, other: Store) -> None:
        """A worker with a filter gets the wanted tasks; the rest of the unit is left for others."""
        part = segment([1, 2], [3])
        add(store, part)

        lease = store.claim(A, wanted=lambda unit, index: unit.id == part.units[0].id and index == 1)
        assert lease is not None
        assert indices(lease) == [1]
        run(store, lease)

        assert store.claim(A, wanted=lambda unit, index: unit.id == part.units[0].id and index == 1) is None
        assert indices(claimed(other, B)) == [0]
        assert Counts(planned=3, done=1, pending=2) == counts(store)

    def test_a_worker_id_is_used_once(self, store: Store, other: Store) -> None:
        """Registering an id again is refused, since its log and claims are those of another process."""
        store.register(worker_info(A))

        with pytest.raises(Refused):
            other.register(worker_info(A))

    # -- completing ----------------------------------------------------------------------------------

    def test_done_is_final(self, store: Store, other: Store) -> None:
        """A unit that ended DONE is never claimed again, and the sweep is finished with the last one."""
        add(store, segment([1, 2]))
        run(store, claimed(store), fail=[1])

        assert other.claim(B) is None
        assert other.finished()
        assert Counts(planned=2, done=1, failed=1) == counts(other)

    def test_done_with_tasks_left_is_not_done(self, store: Store) -> None:
        """Whatever a holder calls its end, a task that is left can be claimed again."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.record(lease, line(0))
        store.complete(lease, end(lease, "d.", EndKind.DONE))

        assert not store.finished()
        assert indices(claimed(store)) == [1]

    def test_an_end_may_not_name_strangers(self, store: Store) -> None:
        """An end that speaks of tasks the unit does not have is refused, and the lease holds on."""
        add(store, segment([1]))
        lease = claimed(store)

        with pytest.raises(Refused):
            store.complete(lease, End(kind=EndKind.DONE, indices=(0, 7), marks="dd"))

        run(store, lease)
        assert store.finished()

    def test_completing_twice_is_harmless(self, store: Store) -> None:
        """A retried completion, say after a lost reply, is accepted and changes nothing."""
        add(store, segment([1]))
        lease = claimed(store)
        run(store, lease)
        before = accepted_lines(store)

        store.complete(lease, end(lease, "f"))

        assert before == accepted_lines(store)
        assert Counts(planned=1, done=1) == counts(store)

    def test_nothing_is_accepted_before_the_end(self, store: Store, other: Store) -> None:
        """Records become accepted when their epoch ends, all at once and in order."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.record(lease, line(0) + line(1))
        store.sync()
        assert accepted_lines(other) == []

        store.complete(lease, end(lease, "dd"))

        assert [(lease.unit, 1, line(0) + line(1))] == accepted_lines(other)

    def test_sync_tells_how_much_was_waiting(self, store: Store) -> None:
        """Once synced, nothing is waiting."""
        add(store, segment([1]))
        store.record(claimed(store), line(0))

        assert store.sync() > 0
        assert store.sync() == 0

    def test_a_strange_lease_is_refused(self, store: Store, other: Store) -> None:
        """A lease belongs to the handle that claimed it, while it is open."""
        add(store, segment([1]))
        lease = claimed(store)

        with pytest.raises(Refused):
            other.record(lease, line(0))
        with pytest.raises(Refused):
            other.complete(lease, end(lease, "d"))

    def test_yielded_tasks_are_claimed_again(self, store: Store, other: Store) -> None:
        """What a worker gives back comes with its attempts and losses; what it settled stays settled."""
        add(store, segment([1, 2, 3]))
        lease = claimed(store)
        store.record(lease, line(0) + line(1, ok=False, final=False))
        store.complete(lease, end(lease, "d..", attempts=((1, 1),), losses=((2, 4),)))

        again = claimed(other, B)

        assert (again.unit, again.epoch) == (lease.unit, 2)
        assert [(task.index, task.attempts, task.losses) for task in again.tasks] == [(1, 1, 0), (2, 0, 4)]
        run(other, again)
        assert Counts(planned=3, done=3) == counts(store)
        assert sum(lines.count(b"\n") for _, _, lines in accepted_lines(store)) == 4

    def test_settled_stays_settled(self, store: Store) -> None:
        """A later holder cannot change what an earlier epoch settled."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.complete(lease, end(lease, "d."))
        again = claimed(store)

        store.complete(again, End(kind=EndKind.DONE, indices=(0, 1), marks="fd"))

        assert Counts(planned=2, done=2) == counts(store)

    def test_split_makes_two_units(self, store: Store, other: Store) -> None:
        """Children are units of their own, with the indices of the root, and both can be claimed."""
        add(store, segment([1, 2, 3, 4, 5]))
        lease = claimed(store)
        store.record(lease, line(0))
        store.complete(lease, end(lease, "d....", EndKind.SPLIT, parts=((1, 2), (3, 4)), losses=((3, 1),)))

        first, second = claimed(store), claimed(other, B)

        assert [f"{lease.unit}.0", f"{lease.unit}.1"] == [first.unit, second.unit]
        assert [indices(first), indices(second)] == [[1, 2], [3, 4]]
        assert Counts(planned=5, done=1, pending=4) == counts(store)
        run(store, first)
        assert not store.finished()
        run(other, second, fail=[4])
        assert store.finished()
        assert Counts(planned=5, done=4, failed=1) == counts(other)

    def test_split_forgives_nothing(self, store: Store) -> None:
        """A child goes on with the attempts and losses of its tasks, also when its holder is lost at once."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.record(lease, line(1, ok=False, final=False))
        split = end(lease, "..", EndKind.SPLIT, parts=((0,), (1,)), attempts=((1, 1),), losses=((0, 2),))
        store.complete(lease, split)

        for worker in (B, C):
            store.register(worker_info(worker))
        first, second = claimed(store, B), claimed(store, C)

        assert [(task.attempts, task.losses) for task in (*first.tasks, *second.tasks)] == [(0, 2), (1, 0)]
        store.expire([B, C])
        again = [claimed(store, worker).tasks[0] for worker in (WorkerId("d"), WorkerId("e"))]
        assert sorted((task.index, task.attempts) for task in again) == [(0, 0), (1, 1)]
        assert all(task.losses >= 2 for task in again if task.index == 0)

    def test_split_loses_no_task(self, store: Store) -> None:
        """Parts that name too much or too little are put right: each task that is left is in one child."""
        add(store, segment([1, 2, 3, 4]))
        lease = claimed(store)
        store.record(lease, line(0))
        store.complete(lease, end(lease, "d...", EndKind.SPLIT, parts=((0, 1), (1, 2))))

        assert Counts(planned=4, done=1, pending=3) == counts(store)
        assert sorted(i for w in "abc" for i in indices(claimed(store, WorkerId(w)))) == [1, 2, 3]

    def test_children_split_again(self, store: Store) -> None:
        """A child may be split as well; units come in plan order, children behind their parent."""
        part = segment([1, 2, 3, 4], [5])
        add(store, part)
        root = claimed(store)
        store.complete(root, end(root, "....", EndKind.SPLIT, parts=((0, 1, 2), (3,))))
        child = claimed(store)
        store.complete(child, end(child, "...", EndKind.SPLIT, parts=((0,), (1, 2))))

        names = [state.unit.removeprefix(root.unit) for state in store.units()]

        assert ["", ".0", ".0.0", ".0.1", ".1", part.units[1].id] == names
        assert [state.indices for state in store.units()] == [(0, 1, 2, 3), (0, 1, 2), (0,), (1, 2), (3,), (0,)]
        assert Counts(planned=5, pending=5) == counts(store)

    # -- losing a worker -----------------------------------------------------------------------------

    def test_silence_ends_a_lease_at_the_patience(self, store: Store, other: Store, clock: ManualClock) -> None:
        """Nothing is sealed a moment before the patience of the observer is over; everything at it."""
        add(store, segment([1]))
        store.register(worker_info(A))
        lease = claimed(store)
        store.beat(A, beat(1, lease))
        assert other.expire() == 0

        clock.advance(PATIENCE - 1)
        assert other.expire() == 0
        clock.advance(1)
        assert other.expire() == 1

        assert claimed(other, B).epoch == 2

    def test_a_heartbeat_keeps_a_lease(self, store: Store, other: Store, clock: ManualClock) -> None:
        """A counter that grows is a sign of life, however slow."""
        add(store, segment([1]))
        lease = claimed(store)
        for counter in range(1, 4):
            store.beat(A, beat(counter, lease))
            assert other.expire() == 0
            clock.advance(PATIENCE - 1)

        run(store, lease)
        assert store.finished()

    def test_a_handle_does_not_suspect_itself(self, store: Store, clock: ManualClock) -> None:
        """A handle never seals the lease that it holds, unless it is told to."""
        add(store, segment([1]))
        claimed(store)
        store.expire()
        clock.advance(10 * PATIENCE)

        assert store.expire() == 0
        assert store.expire([A]) == 1

    def test_seal_keeps_what_was_durable(self, store: Store, other: Store) -> None:
        """What was synced before is accepted; attempts and the loss of the task in progress are counted."""
        add(store, segment([1, 2, 3, 4]))
        lease = claimed(store)
        store.record(lease, line(0) + line(1, ok=False) + line(2, ok=False, final=False))
        store.sync()
        store.beat(A, beat(1, lease, index=3))

        assert other.expire([A]) == 1

        assert [(lease.unit, 1, line(0) + line(1, ok=False) + line(2, ok=False, final=False))] == accepted_lines(
            other
        )
        again = claimed(other, B)
        assert [(task.index, task.attempts, task.losses) for task in again.tasks] == [(2, 1, 0), (3, 0, 1)]
        assert Counts(planned=4, done=1, failed=1, pending=2) == counts(other)

    def test_seal_drops_what_was_not_durable(self, store: Store, other: Store) -> None:
        """A record that is visible but was never synced may yet be lost: it is not accepted."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.record(lease, line(0))
        store.sync()
        store.record(lease, line(1))

        other.expire([A])

        assert [(lease.unit, 1, line(0))] == accepted_lines(other)
        assert indices(claimed(other, B)) == [1]

    def test_losses_add_up(self, store: Store, other: Store) -> None:
        """Each worker that is lost on a task counts."""
        add(store, segment([1]))
        for n in range(3):
            worker = WorkerId(f"w{n}")
            lease = claimed(store, worker)
            assert n == lease.tasks[0].losses
            store.beat(worker, beat(1, lease, index=0))
            other.expire([worker])

        assert (claimed(store, A).tasks[0].attempts, 3) == (0, 3)

    def test_a_late_worker_is_fenced_off(self, store: Store, other: Store) -> None:
        """Once sealed, the first worker cannot complete, and what it still recorded is dropped."""
        add(store, segment([1, 2]))
        late = claimed(store)
        other.expire([A])
        current = claimed(other, B)
        store.record(late, line(0, ok=False))

        with pytest.raises(LeaseLost):
            store.complete(late, end(late, "f."))
        with pytest.raises(LeaseLost):
            store.complete(late, end(late, "f."))

        run(other, current)
        assert Counts(planned=2, done=2) == counts(store)
        assert [(current.unit, 2, line(0) + line(1))] == accepted_lines(store)

    def test_a_fenced_worker_goes_on(self, store: Store, other: Store) -> None:
        """Who lost a lease can claim the next unit, also without completing first."""
        add(store, segment([1], [2]))
        late = claimed(store)
        other.expire([A])
        assert claimed(other, B).epoch == 2

        following = claimed(store)

        assert following.unit != late.unit
        run(store, following)

    def test_sealing_what_is_all_settled_ends_it(self, store: Store, other: Store) -> None:
        """A worker that dies between its last sync and its end leaves nothing to do."""
        add(store, segment([1]))
        lease = claimed(store)
        store.record(lease, line(0))
        store.sync()

        other.expire([A])

        assert other.finished()
        assert other.claim(B) is None
        assert Counts(planned=1, done=1) == counts(store)

    # -- control -------------------------------------------------------------------------------------

    def test_nobody_claims_while_paused(self, store: Store, other: Store) -> None:
        """A pause holds for every handle until the resume."""
        add(store, segment([1]))
        store.append(Pause(), position=2)
        assert other.claim(B) is None
        assert other.snapshot().paused

        store.append(Resume(), position=3)

        assert claimed(other, B)

    def test_cancelled_tasks_are_not_claimed(self, store: Store, other: Store) -> None:
        """A lease has none of them, and its position covers the cancellation."""
        add(store, segment([1, 2], [3]))
        cancel(store, 1, 3)

        lease = claimed(other, B)

        assert indices(lease) == [1]
        assert lease.position == 2
        assert Counts(planned=3, pending=1, cancelled=2) == counts(other)
        run(other, lease)
        assert other.claim(B) is None
        assert store.finished()
        assert Counts(planned=3, done=1, cancelled=2) == counts(store)

    def test_cancelled_while_held(self, store: Store, other: Store) -> None:
        """A cancellation during a lease settles what is left at its end, and nothing that ran."""
        add(store, segment([1, 2, 3]))
        lease = claimed(store)
        store.record(lease, line(0))
        cancel(other, 2, 3)
        assert Counts(planned=3, pending=1, cancelled=2) == counts(other)

        store.complete(lease, end(lease, "d.."))

        assert Counts(planned=3, done=1, cancelled=2) == counts(store)
        assert other.finished()

    def test_only_a_cancellation_cancels(self, store: Store) -> None:
        """A holder that marks a task as cancelled which nobody cancelled gives it back."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.record(lease, line(0))
        store.complete(lease, end(lease, "dc", EndKind.DONE))

        assert Counts(planned=2, done=1, pending=1) == counts(store)

    def test_cancel_all_leaves_later_segments(self, store: Store) -> None:
        """Cancelling everything means everything so far."""
        later = segment([3], name="later")
        add(store, segment([1], [2]))
        cancel(store)
        assert store.claim(A) is None
        assert store.finished()

        add(store, later)

        assert later.units[0].id == claimed(store).unit
        assert Counts(planned=3, pending=1, cancelled=2) == counts(store)

    def test_removed_tasks_are_in_no_count(self, store: Store, other: Store) -> None:
        """Tasks that left the sweep are not claimed and not counted, whether they ran or not."""
        add(store, segment([1, 2], [3]))
        run(store, claimed(store))

        add(store, segment([4], name="edited", removed=[key_of(1), key_of(3)]))

        assert Counts(planned=2, done=1, pending=1) == counts(other)
        assert numbers_text(claimed(other, B), other) == "4"
        assert other.claim(C) is None

    def test_a_retry_counts_with_its_generation(self, store: Store, other: Store) -> None:
        """A task in a later segment counts there only: planned stays, and the earlier result stays accepted."""
        add(store, segment([1, 2]))
        run(store, claimed(store), fail=[0, 1])
        before = accepted_lines(store)

        add(store, segment([1], name="retry", generation=1, supersedes={"failed": 1}), n_new=0)

        assert Counts(planned=2, failed=1, pending=1) == counts(other)
        run(other, claimed(other, B))
        assert Counts(planned=2, done=1, failed=1) == counts(store)
        assert before == accepted_lines(store)[: len(before)]

    def test_a_cancelled_task_can_be_retried(self, store: Store) -> None:
        """A cancellation does not reach the segments after it."""
        add(store, segment([1, 2]))
        cancel(store, 1, 2)
        add(store, segment([2], name="retry", generation=1, supersedes={"cancelled": 1}), n_new=0)

        assert Counts(planned=2, pending=1, cancelled=1) == counts(store)
        run(store, claimed(store))
        assert store.claim(A) is None
        assert store.finished()
        assert Counts(planned=2, done=1, cancelled=1) == counts(store)

    # -- reading -------------------------------------------------------------------------------------

    def test_counts_follow_the_heartbeat(self, store: Store, other: Store) -> None:
        """Of an open lease, what is settled counts as done or failed, one task runs, the rest waits."""
        add(store, segment([1, 2, 3, 4, 5], [6]))
        lease = claimed(store)
        assert Counts(planned=6, pending=6) == counts(other)

        store.beat(A, beat(1, lease, n_settled=3, n_failed=1, index=3))

        assert Counts(planned=6, done=2, failed=1, running=1, pending=2) == counts(other)
        assert {lease.unit: A} == dict(other.snapshot().open_units)

    def test_a_heartbeat_of_an_earlier_lease_does_not_count(self, store: Store, other: Store) -> None:
        """Only a heartbeat about this very epoch is believed."""
        add(store, segment([1, 2], [3, 4]))
        lease = claimed(store)
        store.beat(A, beat(1, lease, n_settled=2, index=1))
        run(store, lease)
        claimed(store)

        assert Counts(planned=4, done=2, pending=2) == counts(other)

    def test_counts_add_up_after_every_operation(self, store: Store, other: Store) -> None:
        """At no moment does a task vanish or count twice."""
        add(store, segment([1, 2, 3], [4, 5]))
        steps: list[Callable[[], object]] = [
            lambda: cancel(other, 2),
            lambda: store.complete(lease, end(lease, "d.", EndKind.SPLIT, parts=((2,),))),
            lambda: run(store, claimed(store), fail=[2]),
            lambda: claimed(other, B),
            lambda: other.beat(B, beat(1, None)),
            lambda: store.expire([B]),
            lambda: run(store, claimed(store)),
        ]
        assert counts(other).planned == 5
        steps[0]()
        lease = claimed(store)
        store.record(lease, line(0))
        for step in steps[1:]:
            step()
            assert 5 == counts(store).planned == counts(other).planned
        assert Counts(planned=5, done=3, failed=1, cancelled=1) == counts(other)

    def test_workers_are_listed(self, store: Store, other: Store, clock: ManualClock) -> None:
        """Registered workers come with their heartbeat, what they hold, and whether they seem alive."""
        add(store, segment([1]))
        for worker in (A, B):
            store.register(worker_info(worker))
        lease = claimed(store)
        store.beat(A, beat(1, lease))
        store.beat(B, Beat(counter=5, at=0.0, state=WorkerState.STOPPED))

        views = other.snapshot().workers

        assert [worker_info(A), worker_info(B)] == [view.info for view in views]
        assert [beat(1, lease), Beat(counter=5, at=0.0, state=WorkerState.STOPPED)] == [v.beat for v in views]
        assert [(lease.unit, True), (None, False)] == [(view.unit, view.alive) for view in views]
        clock.advance(PATIENCE)
        assert [view.alive for view in other.snapshot().workers] == [False, False]

    def test_two_readers_get_the_same_bytes(self, store: Store, other: Store, tmp_path: Path) -> None:
        """Accepted results are the same for every handle, before and after a compaction, less what is skipped."""
        add(store, segment([1, 2], [3], [4]))
        first, second = claimed(store), claimed(other, B)
        run(other, second)
        run(store, first, fail=[1])
        before = accepted_lines(store)
        assert before == accepted_lines(other)
        assert [first.unit, second.unit] == [unit for unit, _, _ in before]
        parquet = tmp_path / "base.parquet"
        parquet.write_bytes(b"PAR1 pretended PAR1")

        store.publish_base(parquet, position=2)

        assert before == accepted_lines(store) == accepted_lines(other)
        assert [path.read_bytes() for path in other.bases()] == [b"PAR1 pretended PAR1"]
        rest = other.accepted(frozenset({(first.unit, 1)}))
        assert [second.unit] == [block.unit for block in rest]

    def test_a_base_needs_its_position(self, store: Store, tmp_path: Path) -> None:
        """A compaction made from an older state is not published."""
        store.append(Pause(), position=1)
        parquet = tmp_path / "base.parquet"
        parquet.write_bytes(b"x")

        with pytest.raises(PositionTaken):
            store.publish_base(parquet, position=1)

        assert list(store.bases()) == []

    def test_units_tell_their_epochs(self, store: Store, other: Store) -> None:
        """Every unit comes in plan order with its last epoch, its holder and its last end."""
        add(store, segment([1], [2], [3]))
        run(store, claimed(store))
        lease = claimed(store)

        states = list(other.units())

        assert [state.epoch for state in states] == [1, 1, 0]
        assert [state.holder for state in states] == [None, A, None]
        assert [state.end.marks if state.end else None for state in states] == ["d", None, None]
        assert lease.unit == states[1].unit


def indices_text(lease: Lease, part: Segment) -> str:
    """Return which unit of *part* the lease is on."""
    return str([unit.id for unit in part.units].index(lease.unit))


def numbers_text(lease: Lease, store: Store) -> str:
    """Return the numbers of the tasks of *lease*."""
    for entry in store.entries():
        part = store.segment(entry.action.segment)  # type: ignore[union-attr]
        for unit in part.units:
            if unit.id == lease.unit:
                numbers = [part.candidates[unit.candidates[i]].shown["n"] for i in indices(lease)]
                return " ".join(map(str, numbers))
    raise LookupError(lease.unit)
