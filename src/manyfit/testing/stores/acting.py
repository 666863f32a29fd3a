"""What tests do with stores, and what they ask them."""

from collections.abc import Sequence
from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.control import Action, AddSegment, Cancel, Entry, SetTerms
from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.lease import Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Counts
from manyfit.model.terms import Concurrency, Terms
from manyfit.testing.stores.builders import A, end, key_of, line


def run(store: Store, lease: Lease, *, fail: Sequence[int] = ()) -> None:
    """Run every task of *lease* to its end."""
    for task in lease.tasks:
        store.record(lease, line(task.index, attempt=task.attempts + 1, ok=task.index not in fail))
    store.complete(lease, end(lease, "".join("f" if task.index in fail else "d" for task in lease.tasks)))


def claimed(store: Store, worker: WorkerId = A) -> Lease:
    """Return a lease, where one must be there."""
    lease = store.claim(worker)
    assert lease is not None
    return lease


def indices(lease: Lease) -> list[int]:
    """Return the tasks of *lease*."""
    return [task.index for task in lease.tasks]


def add(store: Store, part: Segment, *, n_new: int | None = None, more: bool = False) -> None:
    """Submit *part* behind whatever is there."""
    n = part.n_tasks if n_new is None else n_new
    store.submit(part, position=len(store.entries()) + 1, more=more, n_new=n)


def cancel(store: Store, *numbers: int) -> None:
    """Cancel tasks by number, or all."""
    store.append(Cancel(tasks=tuple(map(key_of, numbers))), position=len(store.entries()) + 1)


def counts(store: Store) -> Counts:
    """Return the counts, which must add up, in all and per pipeline."""
    snapshot = store.snapshot()
    for some in (snapshot.counts, *snapshot.per_pipeline.values()):
        assert some.planned == some.done + some.failed + some.running + some.pending + some.cancelled
    assert snapshot.counts.planned == sum(some.planned for some in snapshot.per_pipeline.values())
    return snapshot.counts


def accepted_lines(store: Store) -> list[tuple[UnitId, int, bytes]]:
    """Return everything that is accepted."""
    return [(block.unit, block.epoch, block.lines) for block in store.accepted()]


def indices_text(lease: Lease, part: Segment) -> str:
    """Return which unit of *part* the lease is on."""
    return str([unit.id for unit in part.units].index(lease.unit))


def numbers_text(lease: Lease, store: Store) -> str:
    """Return the numbers of the tasks of *lease*."""
    for entry in store.entries():
        part = store.segment(entry.action.segment)  # type: ignore[union-attr]
        for unit in part.units:
            if unit.id == lease.unit:
                numbers = [part.candidates[unit.candidates[i]].shown["n"] for i in indices(lease)]
                return " ".join(map(str, numbers))
    raise LookupError(lease.unit)


def act(store: Store, action: Action) -> Entry:
    """Append *action* behind whatever is there."""
    return store.append(action, position=len(store.entries()) + 1)


def limit(store: Store, sweep: int | None = None, *, tenant: int | None = None, **pipelines: int) -> None:
    """Set limits of concurrency, in place of all terms before."""
    act(store, SetTerms(terms=Terms(concurrency=Concurrency(sweep=sweep, tenant=tenant, pipelines=pipelines))))


def copy(source: Store, target: Store) -> int:
    """Bring *target* to the state of *source*, which may have some of it; return how many epochs were new."""
    for entry in source.entries(len(target.entries())):
        if isinstance(entry.action, AddSegment):
            part, more, n_new = source.segment(entry.action.segment), entry.action.more, entry.action.n_new
            target.submit(part, position=entry.position, more=more, n_new=n_new)
        else:
            target.append(entry.action, position=entry.position, by=entry.by, at=entry.at)
    return sum(target.adopt(ended) for ended in source.epochs())


def state_of(store: Store) -> list[object]:
    """Return everything that a copy of *store* must have too: units with their ends, results, counts."""
    units = [
        (unit.segment, unit.unit, unit.indices, unit.epoch, unit.holder, unit.end and replace(unit.end, spans=()))
        for unit in store.units()
    ]
    blocks = list(store.accepted())
    return [*units, *blocks, counts(store), store.finished()]
