"""Laws of claiming."""

import pytest

from manyfit.contracts.store import Store
from manyfit.model.errors import Refused
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import add, claimed, counts, indices, indices_text, run
from manyfit.testing.stores.builders import A, B, segment, worker_info


class ClaimSuite:
    """Laws of claiming."""

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
