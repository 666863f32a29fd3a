"""Laws of workers that are lost, and that come back late."""

from contextlib import suppress

import pytest

from manyfit.contracts.store import Store
from manyfit.model.errors import LeaseLost
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import accepted_lines, add, claimed, counts, indices, run
from manyfit.testing.stores.builders import A, B, beat, end, line, segment, worker_info
from manyfit.testing.stores.clock import PATIENCE, ManualClock


class LossSuite:
    """Laws of workers that are lost, and that come back late."""

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

    def test_a_handle_suspects_who_took_its_unit(self, store: Store, other: Store, clock: ManualClock) -> None:
        """A unit that a handle held, lost and did not hear of is no longer its own: it seals it like any other."""
        add(store, segment([1]))
        claimed(store)
        assert other.expire([A]) == 1
        assert claimed(other, B).epoch == 2
        assert store.expire() == 0
        clock.advance(PATIENCE)

        assert store.expire() == 1

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
        """Each worker that is lost on a task counts, and blames no other task."""
        add(store, segment([1, 2]))
        for n in range(3):
            worker = WorkerId(f"w{n}")
            lease = claimed(store, worker)
            assert n == lease.tasks[0].losses
            store.beat(worker, beat(1, lease, index=0))
            other.expire([worker])

        assert [(task.attempts, task.losses) for task in claimed(store, A).tasks] == [(0, 3), (0, 0)]

    def test_a_late_worker_is_fenced_off(self, store: Store, other: Store) -> None:
        """Once sealed, the first worker cannot complete, and what it still recorded is dropped."""
        add(store, segment([1, 2]))
        late = claimed(store)
        other.expire([A])
        current = claimed(other, B)
        with suppress(LeaseLost):
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
