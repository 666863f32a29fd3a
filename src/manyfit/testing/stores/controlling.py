"""Laws of what people do to a sweep: pauses, cancellations, edits, retries."""

from manyfit.contracts.store import Store
from manyfit.model.audit import Audited, Certificate
from manyfit.model.control import Audit, Pause, Resume, certificates, rules_off
from manyfit.model.lease import EndKind
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import (
    accepted_lines,
    act,
    add,
    cancel,
    claimed,
    copy,
    counts,
    indices,
    numbers_text,
    run,
)
from manyfit.testing.stores.builders import A, B, C, end, key_of, line, segment

CERTIFICATE = Certificate(
    rules=(
        Audited(
            rule="shared-steps+neighbors",
            guarantee="exact",
            n_fused=40,
            n_tasks=3,
            n_cells=12,
            n_wrong=2,
            largest=0.1 + 0.2,
            median=5e-324,
            n_unable=1,
            n_unsteady=1,
            example=key_of(1),
        ),
        Audited(rule="ridge", guarantee="close", n_fused=9, n_tasks=9, n_cells=9),
    ),
    seed=7,
    drawn_from="0123456789abcdef",
    off=("neighbors",),
    versions={"scikit-learn": "1.9.1", "numpy": "2.4.6"},
)


class ControlSuite:
    """Laws of what people do to a sweep: pauses, cancellations, edits, retries."""

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

    def test_a_certificate_is_kept_as_it_is(self, store: Store, other: Store, model: Store) -> None:
        """Every handle and copy has it to the last bit, and knows which rules are off; nothing else changes."""
        add(store, segment([1, 2], [3]))
        run(store, claimed(store))
        before = counts(store), accepted_lines(store)

        entry = act(store, Audit(certificate=CERTIFICATE))

        assert list(other.entries(1)) == [entry]
        assert list(certificates(other.entries())) == [CERTIFICATE]
        assert rules_off(other.entries()) == {"neighbors"}
        assert before == (counts(other), accepted_lines(other))
        copy(store, model)
        assert list(certificates(model.entries())) == [CERTIFICATE]
        assert claimed(other, B).position == 2
