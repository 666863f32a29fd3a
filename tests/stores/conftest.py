"""Databases of the PostgreSQL store, handles on them, and files for every store."""

import pytest

pytest.register_assert_rewrite("tests.stores.crashes", "tests.stores.sql_stores")


@pytest.fixture
def dsn(postgres):
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def opened(dsn):
    """A function that opens a handle on a sweep of that database, closed with the test."""
    from manyfit.stores.postgres import create_postgres

    handles = []

    def open_store(sweep="tiny"):
        handles.append(create_postgres(dsn, sweep=sweep))
        return handles[-1]

    yield open_store
    for handle in handles:
        handle.close()


@pytest.fixture
def watcher(dsn):
    """A connection to that database beside the stores."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = manyfit, public")
        yield connection


@pytest.fixture
def parquet(tmp_path):
    """A file to publish as a base."""
    file = tmp_path / "base.parquet"
    file.write_bytes(b"PAR1 pretended PAR1")
    return file
