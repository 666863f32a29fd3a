"""Which database and which sweep a PostgreSQL store is on, and what it says when something is wrong."""

import gc
import sys
import time

import pytest

from manyfit.model.errors import MissingExtra, NotFound, Refused, StoreError, StoreFull, UserError
from manyfit.testing.stores import accepted_lines, add, claimed, counts, end, line, run, segment

psycopg = pytest.importorskip("psycopg")

from manyfit.stores.postgres import create_postgres, open_postgres, parse_url, remove_sweep, schema, sweeps_in  # noqa: E402
from manyfit.stores.postgres.place import parameters_of, shown  # noqa: E402


def test_one_database_holds_many_sweeps(dsn, opened):
    """Each handle sees its own; which one is meant has to be said where there are several."""
    stores = [opened(name) for name in ("one", "two")]
    for store in stores:
        add(store, segment([1, 2]))
    run(stores[0], claimed(stores[0]))

    assert [counts(store).done for store in stores] == [2, 0]
    assert [sweep.name for sweep in sweeps_in(dsn)] == ["one", "two"]
    with pytest.raises(Refused, match="one, two"):
        open_postgres(dsn)
    with pytest.raises(NotFound, match="three"):
        open_postgres(dsn, sweep="three")


def test_a_removed_sweep_is_gone_with_its_files(dsn, opened):
    """Rows and kept files go, those of other sweeps stay, and the name is free again."""
    stores = [opened(name) for name in ("one", "two")]
    for store in stores:
        add(store, segment([1]))
        store.artifacts.put("artifacts/ab/c", store.sweep.encode())
        run(store, claimed(store))

    remove_sweep(dsn, "one")

    assert [sweep.name for sweep in sweeps_in(dsn)] == ["two"]
    assert stores[1].artifacts.read("artifacts/ab/c") == b"two"
    assert stores[1].artifacts.folder is None
    assert counts(stores[1]).done == 1
    assert counts(opened("one")).planned == 0


def test_a_database_without_tables_is_not_found(dsn):
    """Only a submission makes them."""
    with pytest.raises(NotFound, match="no tables"):
        open_postgres(dsn)
    with pytest.raises(NotFound):
        sweeps_in(dsn)


def test_the_url_of_a_store_opens_it(opened):
    """It holds no password."""
    store = opened("vowels/2 #1")
    dsn, sweep = parse_url(store.url)

    again = open_postgres(dsn, sweep=sweep)

    assert again.id == store.id
    again.close()


def test_no_url_and_no_message_holds_a_password():
    """Whatever form it is given in."""
    for dsn in (
        "postgresql://me:s3cr%2Ft@db.example.org:5433/fits?sslmode=require",
        "host=db.example.org port=5433 user=me password=s3cr/t dbname=fits sslmode=require",
    ):
        assert shown(parameters_of(dsn)) == "postgresql://me@db.example.org:5433/fits?sslmode=require"


def test_an_unreadable_url_is_not_repeated():
    """It may hold a password."""
    with pytest.raises(UserError) as found:
        parameters_of("postgresql://me:s3cret%zz@host/db")

    assert "s3cret" not in str(found.value)


def test_a_server_that_is_not_there_is_reported_without_the_password(tmp_path):
    """At once, with what to check."""
    with pytest.raises(StoreError, match=r"cannot be reached.*check host") as found:
        open_postgres(f"postgresql://me:s3cret@{str(tmp_path).replace('/', '%2F')}:5999/db")

    assert "s3cret" not in str(found.value)


def test_a_newer_schema_is_refused(dsn, opened):
    """The message says what to upgrade."""
    opened()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE manyfit.meta SET value = '99' WHERE name = 'schema'")

    with pytest.raises(StoreError, match="upgrade manyfit"):
        open_postgres(dsn)


def test_an_older_schema_is_migrated_in_one_transaction(dsn, opened, monkeypatch):
    """A migration that fails changes nothing; one that works keeps everything."""
    store = opened()
    add(store, segment([1]))
    run(store, claimed(store))
    monkeypatch.setattr(schema, "SCHEMA", schema.SCHEMA + 1)
    column = "ALTER TABLE sweep ADD COLUMN colour text;"
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.SCHEMA - 1: f"{column}\nALTER TABLE nothing ADD x text;"})
    with pytest.raises(StoreError):
        open_postgres(dsn)
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.SCHEMA - 1: column})

    for _ in range(2):
        again = open_postgres(dsn)
        assert counts(again).done == 1
        again.close()

    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("SELECT value FROM manyfit.meta WHERE name = 'schema'").fetchone() == ("2",)


def test_a_user_without_rights_is_told_so(dsn):
    """And what a person with rights has to do."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS poor")
        connection.execute("CREATE ROLE poor LOGIN")

    with pytest.raises(StoreError, match="GRANT CREATE"):
        create_postgres(dsn.replace("postgres@", "poor@"), sweep="tiny")


def test_a_full_disk_is_survived(opened, monkeypatch):
    """While the server has no space results are refused; afterwards the same handle goes on."""
    store = opened()
    add(store, segment([1, 2]))
    lease = claimed(store)
    database = store._database

    def full(self, begin, work):
        raise psycopg.errors.DiskFull("could not extend file")

    store.record(lease, line(0))
    with monkeypatch.context() as patch:
        patch.setattr(type(database), "_once", full)
        with pytest.raises(StoreFull, match="space"):
            store.sync()
        with pytest.raises(StoreFull):
            store.complete(lease, end(lease, "d."))
    store.record(lease, line(1))
    store.complete(lease, end(lease, "dd"))

    assert [(lease.unit, 1, line(0) + line(1))] == accepted_lines(store)


def test_a_missing_driver_is_named(monkeypatch):
    """The message says what to install."""
    for name in [name for name in sys.modules if name.startswith("manyfit.stores.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingExtra, match=r"pip install 'manyfit\[postgres\]'"):
        import manyfit.stores.postgres  # noqa: F401


def test_a_store_that_is_forgotten_holds_no_connection(dsn, watcher):
    """Whoever opens a sweep by its URL need not close it: the server has its connection back."""
    counted = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    store = create_postgres(dsn, sweep="tiny")
    assert watcher.execute(counted).fetchone()[0] > 0

    del store
    gc.collect()

    until = time.monotonic() + 20
    while watcher.execute(counted).fetchone()[0] and time.monotonic() < until:
        time.sleep(0.01)
    assert watcher.execute(counted).fetchone()[0] == 0
