"""Laws of what is carried from epoch to epoch: attempts, those that are forgiven, losses, deaths."""

from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.lease import EndKind
from manyfit.model.result import Outcome
from manyfit.testing.stores.acting import add, claimed, run
from manyfit.testing.stores.builders import A, B, C, beat, end, line, segment


class AttemptSuite:
    """Laws of what is carried from epoch to epoch: attempts, those that are forgiven, losses, deaths."""

    def test_forgiven_attempts_survive_a_yield(self, store: Store, other: Store) -> None:
        """The next holder knows how many attempts were made, and how many of them count."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.complete(lease, end(lease, "..", attempts=((0, 3), (1, 1)), forgiven=((0, 2),)))

        again = claimed(other, B)

        found = [(task.attempts, task.forgiven, task.charged) for task in again.tasks]
        assert found == [(3, 2, 1), (1, 0, 1)]
        other.complete(again, end(again, ".."))
        assert [(task.attempts, task.forgiven) for task in claimed(store).tasks] == [(3, 2), (1, 0)]

    def test_a_seal_forgives_what_is_not_charged(self, store: Store, other: Store) -> None:
        """Records of preemption and of lost hosts count as attempts and as forgiven, failures only as attempts."""
        add(store, segment([1, 2, 3, 4]))
        lease = claimed(store)
        store.record(lease, line(0, outcome=Outcome.PREEMPTED, final=False))
        store.record(lease, line(1, outcome=Outcome.LOST, final=False))
        store.record(lease, line(2, ok=False, final=False))
        store.sync()

        other.expire([A])

        found = [(task.index, task.attempts, task.forgiven) for task in claimed(other, B).tasks]
        assert found == [(0, 1, 1), (1, 1, 1), (2, 1, 0), (3, 0, 0)]

    def test_a_seal_goes_on_from_what_was_forgiven(self, store: Store, other: Store) -> None:
        """What earlier epochs forgave stays; a record that only repeats a known attempt adds nothing."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.complete(lease, end(lease, "..", attempts=((0, 2), (1, 2)), forgiven=((0, 1),)))
        again = claimed(store)
        store.record(again, line(0, attempt=3, outcome=Outcome.PREEMPTED, final=False))
        store.record(again, line(1, attempt=2, outcome=Outcome.PREEMPTED, final=False))
        store.sync()

        other.expire([A])

        found = [(task.attempts, task.forgiven) for task in claimed(other, B).tasks]
        assert found == [(3, 2), (2, 0)]

    def test_a_split_keeps_what_was_forgiven(self, store: Store) -> None:
        """Each child goes on with the forgiven attempts of its tasks, also when it is sealed at once."""
        add(store, segment([1, 2, 3]))
        lease = claimed(store)
        said = end(lease, "...", EndKind.SPLIT, parts=((0,), (1, 2)), attempts=((0, 2), (2, 1)))
        store.complete(lease, replace(said, forgiven=((0, 1), (2, 1))))

        first, second = claimed(store), claimed(store, B)

        assert [(task.index, task.attempts, task.forgiven) for task in first.tasks] == [(0, 2, 1)]
        assert [(task.index, task.attempts, task.forgiven) for task in second.tasks] == [(1, 0, 0), (2, 1, 1)]
        store.expire([B])
        again = claimed(store, C)
        assert [(task.index, task.attempts, task.forgiven) for task in again.tasks] == [(1, 0, 0), (2, 1, 1)]

    def test_what_is_settled_is_carried_no_further(self, store: Store) -> None:
        """An end speaks only of tasks that are left."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        said = end(lease, "d.", attempts=((0, 1), (1, 1)), losses=((0, 1),), forgiven=((0, 1), (1, 1)))
        store.complete(lease, said)

        last = next(iter(store.units())).end

        assert last is not None
        assert (last.attempts, last.losses, last.forgiven) == (((1, 1),), (), ((1, 1),))

    def test_deaths_add_up_while_nobody_knows_the_task(self, store: Store, other: Store) -> None:
        """A holder that is lost without a word leaves a death with the unit, and blames no task."""
        add(store, segment([1, 2, 3]))
        for n in range(3):
            lease = claimed(store)
            assert n == lease.deaths
            assert [task.losses for task in lease.tasks] == [0, 0, 0]
            other.expire([A])

        assert claimed(other, B).deaths == 3

    def test_a_death_on_a_known_task_is_its_own(self, store: Store, other: Store) -> None:
        """Who said on which task it was leaves a loss there; the deaths of the unit stay as they were."""
        add(store, segment([1, 2]))
        claimed(store)
        other.expire([A])
        lease = claimed(store, B)
        store.beat(B, beat(1, lease, index=1))

        other.expire([B])

        again = claimed(store, C)
        assert again.deaths == 1
        assert [task.losses for task in again.tasks] == [0, 1]

    def test_progress_resets_the_deaths(self, store: Store, other: Store) -> None:
        """A holder that made anything durable came past the task that the deaths before may be due to."""
        add(store, segment([1, 2, 3]))
        for _ in range(2):
            claimed(store)
            other.expire([A])
        lease = claimed(store)
        assert lease.deaths == 2
        store.record(lease, line(0))
        store.sync()

        other.expire([A])

        assert claimed(store).deaths == 1

    def test_a_yield_resets_the_deaths(self, store: Store, other: Store) -> None:
        """A holder that comes to the end of its epoch has survived it."""
        add(store, segment([1, 2]))
        claimed(store)
        other.expire([A])
        lease = claimed(store)
        assert lease.deaths == 1

        store.complete(lease, end(lease, ".."))

        assert claimed(store).deaths == 0

    def test_children_begin_without_deaths(self, store: Store, other: Store) -> None:
        """The halves of a unit that killed its holders are judged for themselves."""
        add(store, segment([1, 2, 3, 4]))
        for _ in range(2):
            claimed(store)
            other.expire([A])
        lease = claimed(store)
        store.complete(lease, end(lease, "....", EndKind.SPLIT, parts=((0, 1), (2, 3))))

        assert [claimed(store, worker).deaths for worker in (A, B)] == [0, 0]
        other.expire([B])
        assert claimed(store, C).deaths == 1

    def test_a_task_that_is_left_alone_is_charged(self, store: Store, other: Store) -> None:
        """Nobody has to say which task it was: alone in its unit, the only one left, or a child of its own."""
        add(store, segment([1], [2, 3], [4, 5]))
        lone = claimed(store)
        other.expire([A])
        again = claimed(store)
        assert (again.unit, again.deaths, again.tasks[0].losses) == (lone.unit, 0, 1)
        run(store, again)

        pair = claimed(store)
        store.record(pair, line(0))
        store.sync()
        other.expire([A])
        rest = claimed(store)
        assert (rest.unit, rest.deaths, [task.losses for task in rest.tasks]) == (pair.unit, 0, [1])
        run(store, rest)

        split = claimed(store)
        store.complete(split, end(split, "..", EndKind.SPLIT, parts=((0,), (1,))))
        child = claimed(store)
        other.expire([A])
        assert (claimed(store).unit, claimed(store, B).unit) == (child.unit, f"{split.unit}.1")
        last = next(state.end for state in store.units() if state.unit == child.unit)
        assert last is not None
        assert (last.losses, last.deaths) == (((0, 1),), 0)

    def test_a_task_that_is_left_alone_is_charged_whatever_was_said(self, store: Store, other: Store) -> None:
        """Also when the last heartbeat was about a task that is settled by now."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.beat(A, beat(1, lease, index=0))
        store.record(lease, line(0))
        store.sync()

        other.expire([A])

        again = claimed(other, B)
        assert (again.deaths, [(task.index, task.losses) for task in again.tasks]) == (0, [(1, 1)])

    def test_a_late_task_is_not_charged_for_another(self, store: Store, other: Store) -> None:
        """A heartbeat about a task that is settled by now blames none of those that are left."""
        add(store, segment([1, 2, 3]))
        lease = claimed(store)
        store.beat(A, beat(1, lease, index=0))
        store.record(lease, line(0))
        store.sync()

        other.expire([A])

        again = claimed(store, B)
        assert [(task.index, task.losses) for task in again.tasks] == [(1, 0), (2, 0)]
        assert again.deaths == 1
