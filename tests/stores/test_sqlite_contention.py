"""Many processes on one SQLite database."""

import collections
import fcntl
import json
import os
import sqlite3
import time

import pytest
from tests.stores.crashes import records
from tests.stores.sql_stores import audit, contend

from manyfit.model.control import SetTerms
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Counts
from manyfit.model.terms import Concurrency, Terms
from manyfit.stores.sql.store import SqlStore
from manyfit.stores.sqlite import create_sqlite, open_sqlite
from manyfit.testing.stores import accepted_lines, act, add, counts, end, limit, line, segment, worker_info


def plan(n_units, n_tasks):
    return segment(*[[n * n_tasks + i for i in range(n_tasks)] for n in range(n_units)])


def audited(path):
    connection = sqlite3.connect(path)
    try:
        return audit(lambda statement: connection.execute(statement).fetchall())
    finally:
        connection.close()


def contended(path, n_workers, n_units, n_tasks):
    """Let workers drain a plan; return how they ended and what they left, in the form of `once`."""
    store = create_sqlite(path, sweep="tiny")
    add(store, plan(n_units, n_tasks))
    store.close()

    codes = contend(lambda: open_sqlite(path), n_workers)

    store = open_sqlite(path)
    ran = collections.Counter(
        (unit, json.loads(text)["index"])
        for unit, _, lines in accepted_lines(store)
        for text in lines.splitlines()
    )
    return {
        "ends of workers": codes,
        "counts": counts(store),
        "tasks with results": len(ran),
        "results": sum(ran.values()),
        "epochs of units": {state.epoch for state in store.units()},
        "broken laws": audited(path),
    }


def once(n_workers, n_tasks):
    """Return what is left when every task ran once, every unit in one go, and every worker came to its end."""
    return {
        "ends of workers": {0: n_workers},
        "counts": Counts(planned=n_tasks, done=n_tasks),
        "tasks with results": n_tasks,
        "results": n_tasks,
        "epochs of units": {1},
        "broken laws": [],
    }


def test_eight_workers(tmp_path):
    """Every unit once, every worker to its end."""
    assert contended(tmp_path / "eight.db", 8, 300, 2) == once(8, 600)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_workers(tmp_path, figure):
    """As many workers as a large host has, on tasks that take no time."""
    assert contended(tmp_path / "hundred.db", 100, 20_000, 2) == once(100, 40_000)
    figure("SQLite: tasks drained by 100 workers at once", 40_000, "each accepted once")


def test_a_limit_is_never_exceeded(tmp_path):
    """However eight workers race, the leases that are open at once stay within the limit."""
    path = tmp_path / "limited.db"
    store = create_sqlite(path, sweep="tiny")
    add(store, plan(120, 1))
    limit(store, 3, odd=2)
    store.close()
    statement = (
        "SELECT u.pipeline, count(*) FROM epoch e JOIN unit u ON u.number = e.unit"
        " WHERE e.ended IS NULL GROUP BY u.pipeline"
    )
    seen, watching = [], []

    def watch():
        if not watching:
            watching.append(sqlite3.connect(path))
        seen.append(dict(watching[0].execute(statement).fetchall()))

    codes = contend(lambda: open_sqlite(path), 8, watch)

    assert codes == {0: 8}
    assert max(sum(some.values()) for some in seen) <= 3
    assert max(some.get("odd", 0) for some in seen) <= 2
    store = open_sqlite(path)
    assert len(records(store)) == 120
    assert audited(path) == []


def test_two_workers_race_for_the_last_lease_of_a_limit(tmp_path):
    """A limit that is full is full for all handles at once, and free again with the end."""
    path = tmp_path / "race.db"
    first, second = (create_sqlite(path, sweep="tiny") for _ in range(2))
    add(first, plan(4, 1))
    limit(first, 1)
    lease = first.claim(WorkerId("a"))
    assert second.claim(WorkerId("b")) is None

    first.record(lease, line(0))
    first.complete(lease, end(lease, "d"))

    assert second.claim(WorkerId("b")) is not None


@pytest.mark.parametrize("write", [lambda store: store.register(worker_info(WorkerId("w"))), SqlStore.close])
def test_nothing_is_written_out_of_turn(tmp_path, write):
    """Commits, and the checkpoints that come with them or with a close, wait for who has the lock."""
    path = tmp_path / "turn.db"
    create_sqlite(path, sweep="tiny").close()
    lock = os.open(f"{path}-lock", os.O_RDWR)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            store = open_sqlite(path)
            os.write(writer, b"opened")
            time.sleep(0.2)
            write(store)
            code = 0
        finally:
            os._exit(code)
    os.read(reader, 6)
    fcntl.flock(lock, fcntl.LOCK_EX)
    time.sleep(0.5)
    waiting = os.waitpid(pid, os.WNOHANG)
    fcntl.flock(lock, fcntl.LOCK_UN)
    ended = os.waitpid(pid, 0)

    assert waiting == (0, 0)
    assert os.waitstatus_to_exitcode(ended[1]) == 0


def test_the_limit_of_a_tenant_holds_over_sweeps(tmp_path):
    """Leases of all sweeps of the tenant count, those of others do not."""
    terms = Terms(tenant="lab", concurrency=Concurrency(tenant=2))
    stores = [create_sqlite(tmp_path / "t.db", sweep=name) for name in ("one", "two", "three")]
    for store in stores:
        add(store, plan(4, 1))
    for store in stores[:2]:
        act(store, SetTerms(terms=terms))
    stores[2].claim(WorkerId("x"))

    leases = [stores[n % 2].claim(WorkerId(f"w{n}")) for n in range(4)]

    assert [lease is not None for lease in leases] == [True, True, False, False]
    stores[0].record(leases[0], line(0))
    stores[0].complete(leases[0], end(leases[0], "d"))
    assert stores[1].claim(WorkerId("w9")) is not None
