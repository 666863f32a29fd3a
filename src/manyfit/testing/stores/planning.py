"""Laws of the plan and of the control chain."""

import pytest

from manyfit.contracts.store import Store
from manyfit.model.control import Cancel, Pause, Resume
from manyfit.model.errors import NotFound, PositionTaken, Refused
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import add, claimed, counts, indices_text, run
from manyfit.testing.stores.builders import A, B, key_of, segment


class PlanSuite:
    """Laws of the plan and of the control chain."""

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

    def test_a_unit_can_be_looked_up(self, store: Store, other: Store) -> None:
        """By its own id, and by that of any part of it."""
        parts = [segment([1, 2], [3]), segment([4], name="later")]
        for part in parts:
            add(store, part)

        for unit in (*parts[0].units, *parts[1].units):
            assert other.unit(unit.id) == unit
            assert other.unit(UnitId(f"{unit.id}.0.1")) == unit
        with pytest.raises(NotFound):
            other.unit(UnitId("never-0"))

    def test_a_store_says_its_sweep(self, store: Store, other: Store) -> None:
        """The handle and the snapshot name the sweep alike."""
        assert store.sweep == "tiny"
        assert store.sweep == other.sweep == other.snapshot().sweep

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
