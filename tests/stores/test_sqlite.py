"""The SQLite store passes the laws of every store."""

import time

import pytest
from tests.stores.sql_stores import suite_times

from manyfit.model.errors import LeaseLost
from manyfit.model.keys import WorkerId
from manyfit.stores.sqlite import create_sqlite, open_sqlite
from manyfit.testing.stores import (
    A,
    B,
    ManualClock,
    StoreSuite,
    accepted_lines,
    add,
    cancel,
    claimed,
    counts,
    end,
    line,
    run,
    segment,
)


class TestSqliteStore(StoreSuite):
    backend = "sqlite"

    @pytest.fixture
    def open_store(self, tmp_path, clock):
        opened = []

        def open_store():
            store = create_sqlite(tmp_path / "tiny.db", sweep="tiny", **suite_times(clock))
            opened.append(store)
            return store

        yield open_store
        for store in opened:
            store.close()


def test_an_open_lease_is_not_finished(tmp_path):
    """Also when everything was cancelled meanwhile: its results are still to come."""
    store = create_sqlite(tmp_path / "open.db", sweep="tiny")
    add(store, segment([1], [2]))
    lease = claimed(store)
    cancel(store)
    assert not store.finished()

    store.record(lease, line(0))
    store.complete(lease, end(lease, "d"))

    assert store.finished()


def test_results_that_come_too_late_are_refused_at_once(tmp_path):
    """A worker whose lease was sealed learns it when its results are stored, not only at the end."""
    store, other = (create_sqlite(tmp_path / "late.db", sweep="tiny") for _ in range(2))
    add(store, segment([1, 2]))
    lease = claimed(store)
    store.record(lease, line(0))
    other.expire([A])

    with pytest.raises(LeaseLost):
        store.sync()
    with pytest.raises(LeaseLost):
        store.record(lease, line(1))

    assert accepted_lines(other) == []
    assert store.claim(A).epoch == 2


def test_results_of_a_lease_that_is_gone_are_refused_as_such(tmp_path):
    """Also when the handle has asked for the next unit meanwhile, and got none."""
    store, other = (create_sqlite(tmp_path / "gone.db", sweep="tiny") for _ in range(2))
    add(store, segment([1]))
    lease = claimed(store)
    other.expire([A])
    assert other.claim(B) is not None
    assert store.claim(A) is None

    with pytest.raises(LeaseLost):
        store.record(lease, line(0))


def test_clocks_an_hour_off_change_nothing(tmp_path):
    """Who seems dead is judged by the observer's own monotonic clock; the time of day is only written down."""
    clocks = [ManualClock() for _ in range(3)]
    clocks[1].advance(3600)
    clocks[2].advance(-3600)
    stores = [
        create_sqlite(tmp_path / "hours.db", sweep="tiny", clock=clock, monotonic=lambda: 0.0, patience=60)
        for clock in clocks
    ]
    add(stores[0], segment([1], [2], [3]))
    leases = [claimed(store, WorkerId(f"w{n}")) for n, store in enumerate(stores)]

    assert [store.expire() for store in stores] == [0, 0, 0]
    for store, lease in zip(stores, leases, strict=True):
        run(store, lease)

    assert stores[2].finished()
    assert [len(accepted_lines(store)) for store in stores] == [3, 3, 3]


@pytest.mark.slow
def test_status_of_a_large_sweep_is_quick(tmp_path):
    """Ten thousand units are counted in much less than a second, and in no time once they are known."""
    store = create_sqlite(tmp_path / "large.db", sweep="tiny")
    add(store, segment(*[[2 * n, 2 * n + 1] for n in range(10_000)]))
    lease = store.claim(A)
    for _ in range(3000):
        store.record(lease, line(0) + line(1))
        lease = store.cycle(lease, end(lease, "dd"))
    other = open_sqlite(tmp_path / "large.db")
    other.entries()

    began = time.process_time()
    assert counts(other).done == 6000
    took = time.process_time() - began

    assert took < 1.0
