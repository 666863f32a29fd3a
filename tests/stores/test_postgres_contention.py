"""Many processes on one PostgreSQL database."""

import collections
import json

import pytest
from tests.stores.crashes import records
from tests.stores.sql_stores import audit, contend

from manyfit.model.control import SetTerms
from manyfit.model.errors import StoreError
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Counts
from manyfit.model.terms import Concurrency, Terms
from manyfit.testing.stores import accepted_lines, act, add, counts, end, limit, line, segment

psycopg = pytest.importorskip("psycopg")

from manyfit.stores.postgres import create_postgres, open_postgres  # noqa: E402 - not without the driver


def plan(n_units, n_tasks, name="s"):
    return segment(*[[n * n_tasks + i for i in range(n_tasks)] for n in range(n_units)], name=name)


def planned(dsn, n_units, n_tasks, **limits):
    store = create_postgres(dsn, sweep="tiny")
    add(store, plan(n_units, n_tasks))
    if limits:
        limit(store, **limits)
    store.close()


def checked(dsn, n_units, n_tasks):
    store = open_postgres(dsn)
    assert Counts(planned=n_units * n_tasks, done=n_units * n_tasks) == counts(store)
    ran = collections.Counter(
        (unit, json.loads(text)["index"])
        for unit, _, lines in accepted_lines(store)
        for text in lines.splitlines()
    )
    assert n_units * n_tasks == len(ran) == sum(ran.values()) == len(records(store))
    assert {1} == {state.epoch for state in store.units()}
    store.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = manyfit")
        assert audit(lambda statement: connection.execute(statement).fetchall()) == []


def test_eight_workers(dsn):
    """Every unit once, every worker to its end."""
    planned(dsn, 300, 2)

    assert contend(lambda: open_postgres(dsn), 8) == {0: 8}

    checked(dsn, 300, 2)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_workers(dsn, figure):
    """On tasks that take no time."""
    planned(dsn, 20_000, 2)

    assert contend(lambda: open_postgres(dsn), 100) == {0: 100}

    checked(dsn, 20_000, 2)
    figure("PostgreSQL: tasks drained by 100 workers at once", 40_000, "each accepted once")


def test_a_limit_is_never_exceeded(dsn):
    """However eight workers race, the leases that are open at once stay within the limits."""
    planned(dsn, 120, 1, sweep=3, odd=2)
    statement = (
        "SELECT u.pipeline, count(*) FROM manyfit.epoch e JOIN manyfit.unit u ON u.number = e.unit"
        " WHERE e.ended IS NULL GROUP BY u.pipeline"
    )
    seen, watching = [], []

    def watch():
        if not watching:
            watching.append(psycopg.connect(dsn, autocommit=True))
        seen.append(dict(watching[0].execute(statement).fetchall()))

    codes = contend(lambda: open_postgres(dsn), 8, watch)

    watching[0].close()
    assert codes == {0: 8}
    assert max(sum(some.values()) for some in seen) <= 3
    assert max(some.get("odd", 0) for some in seen) <= 2
    checked(dsn, 120, 1)


def test_the_limit_of_a_tenant_holds_over_sweeps(opened):
    """Leases of all sweeps of the tenant count, those of others do not."""
    terms = Terms(tenant="lab", concurrency=Concurrency(tenant=2))
    stores = [opened(name) for name in ("one", "two", "three")]
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


def test_a_unit_that_is_being_claimed_is_passed_over(opened, watcher):
    """Nobody waits for a claim in progress, and nothing else is passed over."""
    store = opened()
    part = plan(4, 1)
    add(store, part)
    with watcher.transaction():
        watcher.execute("SELECT 1 FROM unit WHERE id = %s FOR UPDATE", (part.units[0].id,))
        impatient(store)
        during = [store.claim(WorkerId(w)).unit for w in "ab"]
    after = [store.claim(WorkerId(w)).unit for w in "cd"]

    assert [part.units[1].id, part.units[2].id] == during
    assert [part.units[0].id, part.units[3].id] == after


def test_claims_under_a_limit_wait_for_each_other(opened, watcher):
    """Two that count at the same time could both find room."""
    store = opened()
    add(store, plan(4, 1))
    limit(store, 2)
    (number,) = watcher.execute("SELECT number FROM sweep").fetchone()
    impatient(store)
    with watcher.transaction():
        watcher.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"sweep {number}",))
        with pytest.raises(StoreError, match="locked"):
            store.claim(WorkerId("a"))

    assert store.claim(WorkerId("a")) is not None


def impatient(store):
    """Let *store* wait for locks for a moment only."""
    store._database._connection.execute("SET lock_timeout = '100ms'")


def test_results_are_not_stored_behind_the_back_of_a_seal(opened, watcher):
    """Who seals an epoch keeps its holder from storing more until the end is there."""
    store = opened()
    add(store, plan(1, 2))
    lease = store.claim(WorkerId("a"))
    impatient(store)
    with watcher.transaction():
        watcher.execute("SELECT 1 FROM epoch WHERE ended IS NULL FOR UPDATE")
        store.record(lease, line(0))
        with pytest.raises(StoreError, match="locked"):
            store.sync()

    assert store.sync() > 0


def test_a_choosy_worker_holds_up_nobody(opened, watcher):
    """What a filter passes over is not locked meanwhile: others claim it in plan order."""
    first, second = opened(), opened()
    part = plan(6, 1)
    add(first, part)
    order = []

    def wanted(unit, index):
        if not order:
            order.append(second.claim(WorkerId("b")).unit)
        return unit.id == part.units[5].id

    lease = first.claim(WorkerId("a"), wanted=wanted)

    assert lease.unit == part.units[5].id
    assert order == [part.units[0].id]


def test_a_worker_stopped_in_a_transaction_holds_up_nobody_for_ever(opened):
    """The server ends transactions in which nothing happens; the handle then makes them again."""
    store = opened()
    found = store._database.look(
        lambda: store._database.one("SELECT current_setting('idle_in_transaction_session_timeout')")
    )

    assert found == ("1min",)
