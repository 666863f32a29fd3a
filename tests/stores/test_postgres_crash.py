"""Whatever dies at whatever moment, worker, connection or server: PostgreSQL loses nothing and doubles nothing."""

import collections
import os
import random
import signal
import time

import pytest
from tests.stores.crashes import A, finish, in_child, records
from tests.stores.sql_stores import PLAN, audit, contend, script

from manyfit.model.errors import StoreError
from manyfit.model.snapshot import Counts
from manyfit.testing.stores import accepted_lines, add, claimed, counts, end, line, segment

psycopg = pytest.importorskip("psycopg")

from manyfit.stores.postgres import create_postgres, open_postgres  # noqa: E402 - not without the driver
from manyfit.stores.postgres.database import PostgresDatabase  # noqa: E402


def audited(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = manyfit")
        return audit(lambda statement: connection.execute(statement).fetchall())


class Dying:
    """A connection that kills this process at the n-th statement."""

    def __init__(self, connection, number=0):
        self._connection = connection
        self._number = number
        self.n_seen = 0

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, *args):
        self.n_seen += 1
        if self.n_seen == self._number:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._connection.execute(*args)


def dying(dsn, sweep, number, parquet, acknowledge=lambda unit, index: None):
    store = create_postgres(dsn, sweep=sweep)
    database = store._database
    database._connection = connection = Dying(database._connection, number)
    script(store, parquet, acknowledge)
    store.close()
    return connection.n_seen


@pytest.mark.slow
def test_death_at_every_statement(dsn, parquet):
    """A process that dies at any statement of any operation leaves a sweep that can be finished exactly."""
    total = dying(dsn, "whole", 0, parquet)
    assert total > 80
    for number in range(1, total + 1):
        sweep = f"killed {number}"
        create_postgres(dsn, sweep=sweep).close()
        code, said = in_child(lambda ack, sweep=sweep, number=number: dying(dsn, sweep, number, parquet, ack))
        assert code == -signal.SIGKILL
        store = open_postgres(dsn, sweep=sweep)
        finish(store, PLAN, said)
        store.close()
    assert audited(dsn) == []


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_is_found_out(dsn, opened, parquet, monkeypatch, committed):
    """Each transaction is cut off once, before its commit or before its answer: all happens exactly once."""
    real, cut = PostgresDatabase._once, collections.Counter()

    def cut_off(self, begin, work):
        cut["calls"] += 1
        if cut["calls"] % 2 == 0:
            return real(self, begin, work)
        if committed:
            real(self, begin, work)
        else:
            real(self, begin, lambda: (work(), self.run("SELECT 1 / 0")))
        self._connection.close()
        raise psycopg.OperationalError("the connection is lost")

    def cut_off_safely(self, begin, work):
        try:
            return cut_off(self, begin, work)
        except psycopg.errors.DivisionByZero:
            self._connection.close()
            raise psycopg.OperationalError("the connection is lost") from None

    monkeypatch.setattr(PostgresDatabase, "_once", cut_off_safely)
    monkeypatch.setattr("manyfit.stores.postgres.database._FIRST_WAIT", 0.001)
    said = []
    store = opened()
    script(store, parquet, lambda unit, index: said.append((unit, index)))

    assert cut["calls"] > 40
    finish(store, PLAN, said)
    assert {1} == {state.epoch for state in store.units()}
    assert audited(dsn) == []


def test_a_claim_is_made_again_with_its_request(opened):
    """A worker that does not know whether it claimed asks again, from a new handle too, and gets that lease."""
    first, second = (opened() for _ in range(2))
    add(first, PLAN)
    lease = first.claim(A, request="one")
    first.record(lease, line(0))
    first.sync()

    again = second.claim(A, request="one")

    assert again == lease
    second.record(again, line(1))
    second.complete(again, end(again, "dd.."))
    assert [lines for _, _, lines in accepted_lines(first)] == [line(0) + line(1)]


def plan(n_units, n_tasks):
    return segment(*[[n * n_tasks + i for i in range(n_tasks)] for n in range(n_units)])


def disturbed(dsn, disturb, n_workers, n_units, n_tasks, look_every=1):
    """Drain a sweep with some processes while *disturb* does its work; everything is there once."""
    store = create_postgres(dsn, sweep="tiny")
    add(store, plan(n_units, n_tasks))
    store.close()
    known, n_looks = {}, 0

    def watch():
        nonlocal n_looks
        n_looks += 1
        if n_looks % look_every == 1 or look_every == 1:
            store = open_postgres(dsn)
            found = {(unit, epoch): lines for unit, epoch, lines in accepted_lines(store)}
            store.close()
            assert known.items() <= found.items(), "something accepted is lost"
            known.update(found)
        if len(known) < n_units:
            disturb()

    codes = contend(lambda: open_postgres(dsn), n_workers, watch)

    assert {0: n_workers} == codes
    store = open_postgres(dsn)
    total = n_units * n_tasks
    assert Counts(planned=total, done=total) == counts(store)
    assert len(records(store)) == total
    assert known.items() <= {(unit, epoch): lines for unit, epoch, lines in accepted_lines(store)}.items()
    store.close()
    assert audited(dsn) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_server_is_killed_in_the_middle_of_work(postgres, dsn):
    """`-m immediate`, again and again: workers wait, find out what their last transaction did, and go on."""
    seed, n_kills = random.Random(5), []

    def kill():
        time.sleep(seed.uniform(0, 0.2))
        if len(n_kills) < 3:
            n_kills.append(time.monotonic())
            postgres.restart()

    disturbed(dsn, kill, 4, 900, 2, look_every=5)

    assert len(n_kills) >= 2


@pytest.mark.slow
def test_connections_are_ended_at_random_moments(postgres, dsn):
    """`pg_terminate_backend` on everybody: every task once, nothing accepted lost."""
    seed, ended = random.Random(6), []

    def terminate():
        time.sleep(seed.uniform(0, 0.05))
        ended.append(postgres.terminate_backends())

    disturbed(dsn, terminate, 4, 1000, 2)

    assert sum(ended) > 10


N_LONG = 20_000


@pytest.mark.long
@pytest.mark.timeout(900)
def test_kills_and_ended_connections_for_minutes(postgres, dsn, figure):
    """Both, with eight workers, for minutes."""
    seed, n_kills, ended = random.Random(7), [], []

    def disturb():
        time.sleep(seed.uniform(0, 0.3))
        if seed.random() < 0.2 and len(n_kills) < 60:
            n_kills.append(1)
            postgres.restart()
        else:
            ended.append(postgres.terminate_backends())

    disturbed(dsn, disturb, 8, N_LONG, 3, look_every=20)

    assert len(n_kills) > 5
    figure("PostgreSQL: servers killed under 8 workers", len(n_kills), "nothing accepted was lost")
    figure("PostgreSQL: connections ended under 8 workers", sum(ended), "every task accepted once")


@pytest.mark.parametrize(
    "said",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is not yet accepting connections",
    ],
)
def test_opening_waits_for_a_server_that_starts(dsn, opened, monkeypatch, said):
    """What libpq says of a server that recovers has no SQLSTATE: it is told by its text, any other is an error."""
    opened()
    real, refused = PostgresDatabase._connect, [said, said]

    def refuse(self):
        if refused:
            raise psycopg.OperationalError(refused.pop())
        return real(self)

    monkeypatch.setattr(PostgresDatabase, "_connect", refuse)
    open_postgres(dsn).close()
    assert not refused

    refused.append("FATAL:  the database system is shutting down for good")
    with pytest.raises(StoreError, match="cannot be reached"):
        open_postgres(dsn)


def test_a_server_that_stays_away_is_reported(postgres, opened, monkeypatch):
    """After a bounded time, with what to do; once it is back the same handle goes on."""
    store = opened()
    add(store, PLAN)
    lease = claimed(store)
    store.record(lease, line(0))
    monkeypatch.setattr("manyfit.stores.postgres.database.RECONNECT_SECONDS", 0.3)
    postgres.kill_immediate()
    try:
        with pytest.raises(StoreError, match="Start the server"):
            store.sync()
        store.record(lease, line(1))
    finally:
        postgres.start()

    store.complete(lease, end(lease, "dd.."))

    assert [(lease.unit, 1, line(0) + line(1))] == accepted_lines(store)
