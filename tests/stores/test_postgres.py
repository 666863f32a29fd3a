"""The PostgreSQL store passes the laws of every store."""

import pytest
from tests.stores.sql_stores import suite_times

from manyfit.testing.stores import StoreSuite


@pytest.fixture(scope="module")
def database(postgres):
    """One database for all laws."""
    return postgres.new_database()


class TestPostgresStore(StoreSuite):
    backend = "postgres"

    @pytest.fixture
    def open_store(self, database, clock):
        from manyfit.stores.postgres import create_postgres, remove_sweep

        opened = []

        def open_store():
            store = create_postgres(database, sweep="tiny", **suite_times(clock))
            opened.append(store)
            return store

        yield open_store
        for store in opened:
            store.close()
        if opened:
            remove_sweep(database, "tiny")
