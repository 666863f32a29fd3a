"""Laws of requests that are repeated, and of completing and claiming in one step."""

import pytest

from manyfit.contracts.store import Store
from manyfit.model.control import Cancel, Pause
from manyfit.model.errors import LeaseLost, Refused
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import accepted_lines, act, add, cancel, claimed, counts, indices, run
from manyfit.testing.stores.builders import A, B, end, key_of, line, segment


class CycleSuite:
    """Laws of requests that are repeated, and of completing and claiming in one step."""

    def test_a_repeated_request_gets_the_same_lease(self, store: Store) -> None:
        """Whoever lost the reply to a claim asks again, and is given what it has."""
        add(store, segment([1], [2]))

        lease = store.claim(A, request="first")

        assert lease is not None
        assert store.claim(A, request="first") == lease
        assert Counts(planned=2, pending=2) == counts(store)
        assert len(store.snapshot().open_units) == 1
        run(store, lease)

    def test_another_request_is_a_second_claim(self, store: Store) -> None:
        """Only the request of the lease that is open gets it again; none at all repeats nothing."""
        add(store, segment([1], [2]))
        store.claim(A, request="first")

        for request in ("second", ""):
            with pytest.raises(Refused):
                store.claim(A, request=request)

    def test_no_request_is_no_key(self, store: Store) -> None:
        """Two claims without a request are two claims."""
        add(store, segment([1], [2]))
        claimed(store)

        with pytest.raises(Refused):
            store.claim(A, request="")

    def test_a_request_does_not_bring_back_what_ended(self, store: Store, other: Store) -> None:
        """After the end of its lease, by the holder or by another, the same request claims anew."""
        add(store, segment([1], [2], [3]))
        first = store.claim(A, request="same")
        assert first is not None
        run(store, first)

        second = store.claim(A, request="same")
        assert second is not None
        assert second.unit != first.unit
        other.expire([A])
        run(other, claimed(other, B))
        third = store.claim(A, request="same")

        assert third is not None
        assert third.unit not in (first.unit, second.unit)

    def test_requests_of_two_workers_do_not_meet(self, store: Store, other: Store) -> None:
        """A request is a worker's own."""
        add(store, segment([1], [2]))

        first, second = store.claim(A, request="1"), other.claim(B, request="1")

        assert first is not None
        assert second is not None
        assert first.unit != second.unit

    def test_a_cycle_completes_and_claims(self, store: Store, other: Store) -> None:
        """What is recorded is accepted, and the next unit is leased, as by the two calls one after the other."""
        part = segment([1], [2], [3])
        add(store, part)
        lease = claimed(store)
        store.record(lease, line(0))

        following = store.cycle(lease, end(lease, "d"))

        assert following is not None
        assert (part.units[1].id, 1, A) == (following.unit, following.epoch, following.worker)
        assert [(lease.unit, 1, line(0))] == accepted_lines(other)
        assert {following.unit: A} == dict(other.snapshot().open_units)
        assert part.units[2].id == claimed(other, B).unit

    def test_a_cycle_may_claim_what_it_gave_back(self, store: Store) -> None:
        """The end comes first: what was left of the unit is there to be claimed."""
        add(store, segment([1, 2]))
        lease = claimed(store)
        store.record(lease, line(0))

        again = store.cycle(lease, end(lease, "d."))

        assert again is not None
        assert (lease.unit, 2, [1]) == (again.unit, again.epoch, indices(again))

    def test_a_cycle_claims_what_is_wanted(self, store: Store) -> None:
        """The filter is that of the claim."""
        part = segment([1], [2], [3])
        add(store, part)
        lease = claimed(store)

        following = store.cycle(lease, end(lease, "d"), wanted=lambda unit, index: unit.id == part.units[2].id)

        assert following is not None
        assert part.units[2].id == following.unit

    def test_a_cycle_sees_what_was_withdrawn(self, store: Store, other: Store) -> None:
        """Entries between the claim and the end hold for both halves."""
        add(store, segment([1, 2], [3], [4]))
        lease = claimed(store)
        cancel(other, 2, 3)

        following = store.cycle(lease, end(lease, "d."))

        assert following is not None
        assert following.position == len(store.entries())
        assert Counts(planned=4, done=1, pending=1, cancelled=2) == counts(other)
        act(other, Pause())
        assert store.cycle(following, end(following, "d")) is None
        assert other.finished()

    def test_the_last_cycle_claims_nothing(self, store: Store) -> None:
        """When nothing is left there is no lease, and the sweep is finished."""
        add(store, segment([1]))
        lease = claimed(store)
        store.record(lease, line(0))

        assert store.cycle(lease, end(lease, "d")) is None
        assert store.finished()
        assert Counts(planned=1, done=1) == counts(store)

    def test_a_cycle_of_a_lost_lease_claims_nothing(self, store: Store, other: Store) -> None:
        """Who comes late is told so, before it gets anything new."""
        add(store, segment([1], [2]))
        late = claimed(store)
        other.expire([A])

        with pytest.raises(LeaseLost):
            store.cycle(late, end(late, "d"))

        assert dict(other.snapshot().open_units) == {}
        assert Counts(planned=2, pending=2) == counts(other)
        assert claimed(store).unit == late.unit

    def test_a_repeated_cycle_gets_the_same_lease(self, store: Store) -> None:
        """Who lost the reply to a cycle repeats it whole: one end, one lease."""
        add(store, segment([1], [2], [3]))
        lease = claimed(store)
        store.record(lease, line(0))
        said = end(lease, "d")
        following = store.cycle(lease, said, request="next")

        assert store.cycle(lease, said, request="next") == following
        assert following is not None
        assert [(lease.unit, 1, line(0))] == accepted_lines(store)
        assert {following.unit: A} == dict(store.snapshot().open_units)

    def test_a_filter_is_a_function(self, store: Store) -> None:
        """Another function is another filter, for the same worker on the same handle."""
        part = segment([1], [2])
        add(store, part)
        nothing = store.claim(A, wanted=lambda unit, index: False)

        lease = store.claim(A, wanted=lambda unit, index: unit.id == part.units[1].id)

        assert nothing is None
        assert lease is not None
        assert part.units[1].id == lease.unit

    def test_a_cancelled_unit_is_not_offered_to_a_request(self, store: Store, other: Store) -> None:
        """A request that got nothing keeps nothing: it claims what is there when it is repeated."""
        add(store, segment([1]))
        act(other, Cancel(tasks=(key_of(1),)))
        assert store.claim(WorkerId("a"), request="once") is None

        add(other, segment([2], name="later"))

        lease = store.claim(A, request="once")
        assert lease is not None
        assert lease.position == 3
