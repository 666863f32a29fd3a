import os

import pytest

from manyfit.model.errors import NotFound

if os.environ.get("MANYFIT_REQUIRE_POSTGRES") == "1":
    import psycopg  # noqa: F401 - nothing may be skipped for want of it


@pytest.fixture(scope="session")
def postgres():
    """One private PostgreSQL server for the whole run."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    from manyfit.testing.postgres import REQUIRED, PrivatePostgres

    try:
        server = PrivatePostgres()
    except NotFound as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture
def dsn(postgres):
    """An empty database."""
    return postgres.new_database()
