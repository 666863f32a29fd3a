"""Laws of limits of concurrency."""

from collections import Counter
from collections.abc import Callable

from manyfit.contracts.store import Store
from manyfit.model.control import SetTerms
from manyfit.model.keys import WorkerId
from manyfit.model.lease import EndKind, Lease
from manyfit.model.terms import Concurrency, Needs, Terms
from manyfit.testing.stores.acting import act, add, claimed, indices_text, limit, run
from manyfit.testing.stores.builders import A, B, C, end, segment, worker_info


def all_claims(open_store: Callable[[], Store], n: int) -> list[Lease]:
    """Let *n* workers claim, each through a handle of its own; return what they got."""
    claims = [open_store().claim(WorkerId(f"w{i}")) for i in range(n)]
    return [lease for lease in claims if lease is not None]


class LimitSuite:
    """Laws of limits of concurrency."""

    def test_no_more_leases_than_the_sweep_may_have(self, store: Store, open_store: Callable[[], Store]) -> None:
        """Whoever comes when the limit is reached gets nothing."""
        add(store, segment(*[[n] for n in range(6)]))
        limit(store, 3)

        assert len(all_claims(open_store, 5)) == 3
        assert len(store.snapshot().open_units) == 3

    def test_no_more_leases_than_a_pipeline_may_have(self, store: Store, open_store: Callable[[], Store]) -> None:
        """A pipeline at its limit is passed over; those without a limit go on."""
        add(store, segment(*[[n] for n in range(10)]))
        limit(store, even=1)

        got = all_claims(open_store, 7)

        assert Counter({0: 1, 1: 5}) == Counter(int(lease.unit.rpartition("-")[2]) % 2 for lease in got)

    def test_the_limits_of_a_sweep_hold_together(self, store: Store, open_store: Callable[[], Store]) -> None:
        """The smallest limit that is reached decides."""
        add(store, segment(*[[n] for n in range(10)]))
        limit(store, 3, odd=1, even=5)

        got = all_claims(open_store, 7)

        assert Counter({0: 2, 1: 1}) == Counter(int(lease.unit.rpartition("-")[2]) % 2 for lease in got)

    def test_the_tenant_is_limited(self, store: Store, open_store: Callable[[], Store]) -> None:
        """The leases of the sweep count as those of its tenant."""
        add(store, segment(*[[n] for n in range(6)]))
        limits = Concurrency(tenant=2)
        act(store, SetTerms(terms=Terms(tenant="lab", concurrency=limits)))

        assert len(all_claims(open_store, 4)) == 2

    def test_a_completed_lease_frees_its_place(self, store: Store, other: Store) -> None:
        """At once, for whoever asks next."""
        add(store, segment([1], [2], [3]))
        limit(store, 1)
        lease = claimed(store)
        assert other.claim(B) is None

        run(store, lease)

        assert claimed(other, B)
        assert store.claim(A) is None

    def test_a_yielded_lease_frees_its_place(self, store: Store, other: Store) -> None:
        """Also for the same unit."""
        add(store, segment([1, 2]))
        limit(store, even=1)
        lease = claimed(store)
        store.complete(lease, end(lease, "d."))

        assert claimed(other, B).unit == lease.unit

    def test_an_expired_lease_frees_its_place(self, store: Store, other: Store) -> None:
        """The dead hold nothing back."""
        add(store, segment([1], [2]))
        limit(store, 1)
        claimed(store)
        assert other.claim(B) is None

        other.expire([A])

        assert claimed(other, B)

    def test_a_split_lease_frees_its_place(self, store: Store, other: Store) -> None:
        """Its children are leases of their own, of the same pipeline."""
        add(store, segment([1, 2]))
        limit(store, even=1)
        lease = claimed(store)
        store.complete(lease, end(lease, "..", EndKind.SPLIT, parts=((0,), (1,))))

        assert claimed(store)
        assert other.claim(B) is None

    def test_a_cycle_keeps_its_place(self, store: Store, other: Store) -> None:
        """Its own lease has ended when the next is judged, and the limit still holds for others."""
        add(store, segment([1], [2], [3]))
        limit(store, 1)
        lease = claimed(store)

        following = store.cycle(lease, end(lease, "d"))

        assert following is not None
        assert other.claim(B) is None
        assert len(store.snapshot().open_units) == 1

    def test_a_limit_may_come_late(self, store: Store, other: Store) -> None:
        """What is open stays open; nothing is added until there is room."""
        add(store, segment([1], [2], [3], [4]))
        first, second = claimed(store), claimed(other, B)
        limit(store, 1)
        assert store.claim(C) is None

        run(store, first)
        assert store.claim(C) is None
        run(other, second)

        assert claimed(store, C)

    def test_a_limit_can_be_lifted(self, store: Store, other: Store) -> None:
        """Terms hold from their entry to the next one."""
        add(store, segment([1], [2], [3]))
        limit(store, 1)
        claimed(store)
        assert other.claim(B) is None

        limit(other)

        assert claimed(other, B)

    def test_limits_and_needs_hold_together(self, store: Store, other: Store) -> None:
        """A place that is free is no use to a worker that lacks what its units need."""
        part = segment([1], [2], [3], [4])
        add(store, part)
        terms = Terms(concurrency=Concurrency(sweep=2, pipelines={"odd": 1}), needs={"even": Needs(cores=2)})
        act(store, SetTerms(terms=terms))
        for worker, threads in ((A, 1), (B, 1), (C, 2)):
            store.register(worker_info(worker, threads=threads))

        assert indices_text(claimed(store), part) == "1"
        assert other.claim(B) is None
        assert indices_text(claimed(other, C), part) == "0"

    def test_a_repeated_request_needs_no_second_place(self, store: Store) -> None:
        """The lease that a worker has is given to it again, also when the limit is reached."""
        add(store, segment([1], [2]))
        limit(store, 1)
        lease = store.claim(A, request="r")

        assert lease is not None
        assert store.claim(A, request="r") == lease
