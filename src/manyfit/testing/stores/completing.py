"""Laws of how epochs end by their holders."""

import pytest

from manyfit.contracts.store import Store
from manyfit.model.errors import Refused
from manyfit.model.keys import WorkerId
from manyfit.model.lease import End, EndKind
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import accepted_lines, add, claimed, counts, indices, run
from manyfit.testing.stores.builders import B, C, end, line, segment, worker_info


class EndSuite:
    """Laws of how epochs end by their holders."""

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

        assert [state.end.kind for state in store.units() if state.end] == [EndKind.YIELDED]
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
