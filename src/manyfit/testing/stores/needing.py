"""Laws of priorities, of held pipelines and of what tasks need from a worker."""

from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.control import Pause, Resume, SetTerms
from manyfit.model.keys import WorkerId
from manyfit.model.terms import Needs, Terms
from manyfit.testing.stores.acting import act, add, claimed, indices_text, run
from manyfit.testing.stores.builders import A, B, C, end, segment, worker_info

GIB = 2**30


def need(store: Store, **needs: Needs) -> None:
    """Set the needs of pipelines ("all": of those without their own), in place of all terms before."""
    of = {"" if name == "all" else name: some for name, some in needs.items()}
    act(store, SetTerms(terms=Terms(needs=of)))


class NeedSuite:
    """Laws of priorities, of held pipelines and of what tasks need from a worker."""

    def test_priorities_are_any_numbers(self, store: Store) -> None:
        """The higher number goes first, whatever the names in between; among equals the older segment."""
        parts = [segment([n], name=f"p{n}", priority=p) for n, p in enumerate((0, 20, 15, -3, 20, 1000))]
        for part in parts:
            add(store, part)

        order = [claimed(store, WorkerId(w)).unit for w in "abcdef"]

        assert [parts[n].units[0].id for n in (5, 1, 4, 2, 0, 3)] == order

    def test_terms_set_the_priority(self, store: Store, other: Store) -> None:
        """A priority in the terms holds for all segments, which then come by age; without one, their own hold."""
        parts = [segment([n], [n + 10], name=f"p{n}", priority=p) for n, p in enumerate((0, 20))]
        for part in parts:
            add(store, part)
        act(other, SetTerms(terms=Terms(priority=10)))
        assert parts[0].units[0].id == claimed(store).unit

        act(other, SetTerms(terms=Terms()))

        assert parts[1].units[0].id == claimed(store, B).unit
        assert store.snapshot().terms == Terms()

    def test_the_snapshot_tells_the_terms(self, store: Store, other: Store) -> None:
        """All of them, as they were set last."""
        terms = Terms(priority=3, tenant="lab", needs={"odd": Needs(cores=2, hosts=("n*",), labels=("gpu",))})
        act(store, SetTerms(terms=Terms(priority=1)))
        act(store, SetTerms(terms=terms))

        assert terms == other.snapshot().terms

    def test_unmet_needs_pass_a_pipeline_over(self, store: Store, other: Store) -> None:
        """A worker gets what it can run; the rest waits for one that offers more."""
        part = segment([1], [2], [3])
        add(store, part)
        need(store, odd=Needs(labels=("licence",)))
        store.register(worker_info(A))
        other.register(worker_info(B, labels=("fast", "licence")))

        for number in "02":
            lease = claimed(store)
            assert indices_text(lease, part) == number
            run(store, lease)

        assert store.claim(A) is None
        assert not store.finished()
        assert indices_text(claimed(other, B), part) == "1"

    def test_needs_of_all_pipelines(self, store: Store) -> None:
        """Those without a name hold for each pipeline that has none of its own."""
        part = segment([1], [2])
        add(store, part)
        need(store, all=Needs(cores=8), odd=Needs(cores=1))
        store.register(worker_info(A))
        store.register(worker_info(B, threads=8))

        assert indices_text(claimed(store), part) == "1"
        assert indices_text(claimed(store, B), part) == "0"

    def test_each_need_is_compared(self, store: Store) -> None:
        """Cores, memory, GPUs and their memory, host names, labels: enough is enough, less is not."""
        add(store, segment([1]))
        gpus = (16 * GIB, 80 * GIB)
        cases: list[tuple[Needs, dict[str, Any], dict[str, Any]]] = [
            (Needs(cores=4), {"threads": 4, "cores": 4}, {"threads": 3, "cores": 64}),
            (Needs(memory_bytes=8 * GIB), {"memory_bytes": 8 * GIB}, {"memory_bytes": 8 * GIB - 1}),
            (Needs(gpus=2), {"gpu_bytes": gpus}, {"gpu_bytes": gpus[:1]}),
            (Needs(gpus=1, gpu_memory_bytes=40 * GIB), {"gpu_bytes": gpus}, {"gpu_bytes": gpus[:1]}),
            (Needs(gpu_memory_bytes=GIB), {"gpu_bytes": gpus[:1]}, {}),
            (Needs(hosts=("n1", "fat*")), {"host": "fat-07"}, {"host": "n10"}),
            (Needs(labels=("a", "b=2")), {"labels": ("b=2", "c", "a")}, {"labels": ("a", "b")}),
        ]
        for n, (needs, enough, less) in enumerate(cases):
            need(store, all=needs)
            fit, unfit = WorkerId(f"fit{n}"), WorkerId(f"unfit{n}")
            store.register(worker_info(fit, **enough))
            store.register(worker_info(unfit, **less))

            assert store.claim(unfit) is None, needs
            lease = claimed(store, fit)
            store.complete(lease, end(lease, "."))

    def test_who_never_registered_offers_nothing(self, store: Store) -> None:
        """Without needs anybody may claim; with needs only who said what it offers."""
        add(store, segment([1], [2]))
        need(store, even=Needs(cores=1))

        assert claimed(store, C).unit.endswith("-1")
        assert store.claim(B) is None
        store.register(worker_info(A))
        assert claimed(store, A)

    def test_needs_can_be_lifted(self, store: Store, other: Store) -> None:
        """Terms hold from their entry to the next one."""
        add(store, segment([1]))
        need(store, all=Needs(cores=1000))
        store.register(worker_info(A))
        assert store.claim(A) is None

        act(other, SetTerms(terms=Terms()))

        assert claimed(store)

    def test_a_held_pipeline_is_passed_over(self, store: Store, other: Store) -> None:
        """Nothing of it is claimed, all others are; the sweep waits for it."""
        part = segment([1], [2], [3])
        add(store, part)
        act(other, Pause(pipeline="even", reason="nine of ten failed alike"))

        lease = claimed(store)
        assert indices_text(lease, part) == "1"
        assert other.claim(B) is None
        run(store, lease)
        assert not store.finished()
        assert dict(other.snapshot().held) == {"even": "nine of ten failed alike"}
        assert not other.snapshot().paused

    def test_a_lease_of_a_held_pipeline_goes_on(self, store: Store, other: Store) -> None:
        """A hold takes nothing from who has it already, but no cycle brings more of it."""
        part = segment([1], [2], [3])
        add(store, part)
        lease = claimed(store)
        act(other, Pause(pipeline="even"))

        following = store.cycle(lease, end(lease, "d"))

        assert following is not None
        assert indices_text(following, part) == "1"
        assert store.cycle(following, end(following, "d")) is None

    def test_pipelines_are_resumed_one_by_one(self, store: Store) -> None:
        """A resume with a name ends that hold only; one without a name ends all."""
        part = segment([1], [2])
        add(store, part)
        act(store, Pause(pipeline="even"))
        act(store, Pause(pipeline="odd"))
        assert store.claim(A) is None

        act(store, Resume(pipeline="odd"))
        assert indices_text(claimed(store), part) == "1"
        assert dict(store.snapshot().held) == {"even": ""}
        act(store, Resume())

        assert indices_text(claimed(store, B), part) == "0"
        assert dict(store.snapshot().held) == {}

    def test_the_last_reason_counts(self, store: Store) -> None:
        """A second hold of the same pipeline says why anew, and one resume ends both."""
        add(store, segment([1]))
        act(store, Pause(pipeline="even", reason="first"))
        act(store, Pause(pipeline="even", reason="second"))
        assert dict(store.snapshot().held) == {"even": "second"}

        act(store, Resume(pipeline="even"))

        assert claimed(store)

    def test_a_named_resume_leaves_the_sweep_paused(self, store: Store) -> None:
        """The sweep and its pipelines are held apart."""
        add(store, segment([1]))
        act(store, Pause())
        act(store, Resume(pipeline="even"))

        assert store.claim(A) is None
        assert store.snapshot().paused
        act(store, Resume())
        assert claimed(store)
