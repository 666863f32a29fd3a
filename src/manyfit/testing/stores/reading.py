"""Laws of counts, lists and accepted results."""

from collections.abc import Callable
from pathlib import Path

import pytest

from manyfit.contracts.store import Store
from manyfit.model.control import Pause
from manyfit.model.errors import PositionTaken
from manyfit.model.lease import EndKind
from manyfit.model.snapshot import Counts
from manyfit.model.worker import Beat, WorkerState
from manyfit.testing.stores.acting import accepted_lines, add, cancel, claimed, counts, run
from manyfit.testing.stores.builders import A, B, beat, end, line, segment, worker_info
from manyfit.testing.stores.clock import PATIENCE, ManualClock


class ReadSuite:
    """Laws of counts, lists and accepted results."""

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
