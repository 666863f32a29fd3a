"""The store in a PostgreSQL database: many sweeps, many hosts."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from manyfit.stores.postgres.database import PostgresDatabase
from manyfit.stores.postgres.place import parameters_of, url_of
from manyfit.stores.postgres.schema import prepare
from manyfit.stores.sql.files import TableArtifacts
from manyfit.stores.sql.opening import open_sweep
from manyfit.stores.sql.store import SqlStore, Times
from manyfit.stores.sql.sweeps import ListedSweep, add_sweep, delete_sweep, list_sweeps, pick_sweep


def open_postgres(
    dsn: str,
    *,
    sweep: str | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    patience: float = 120.0,
    by: str | None = None,
) -> SqlStore:
    """
    Open *sweep* of the database that *dsn* names; None means the only sweep that it has.

    *dsn* is a URL (`postgresql://user@host:5432/database`) or a connection string of libpq. Every call of
    the handle is one transaction. After a lost connection it is made again and finds out what the first
    try has done: for a minute at most, then `StoreError`. *by* names the handle in control entries and
    seals. Raises `NotFound`, `Refused`.
    """
    database = _opened(dsn, create=False)
    return open_sweep(
        database,
        sweep,
        url_of=lambda name: url_of(database.place, name),
        artifacts_of=lambda found: TableArtifacts(database, found.number, clock),
        times=Times(clock=clock, monotonic=monotonic, patience=patience),
        by=by,
    )


def create_postgres(dsn: str, *, sweep: str, declaration: bytes | None = None, **options: Any) -> SqlStore:
    """
    Open *sweep* of the database that *dsn* names, and make tables and sweep when they are missing.

    *declaration* is kept with the sweep, for people. *options* are those of `open_postgres`. The database
    itself must be there.
    """
    with closing(_opened(dsn, create=True)) as database:
        add_sweep(database, sweep, declaration, options.get("clock", time.time)())
    return open_postgres(dsn, sweep=sweep, **options)


# -- databases ---------------------------------------------------------------------------------------


def sweeps_in(dsn: str) -> list[ListedSweep]:
    """Return the sweeps of the database that *dsn* names, oldest first. Raises `NotFound`."""
    with closing(_opened(dsn, create=False)) as database:
        return list_sweeps(database)


def remove_sweep(dsn: str, name: str) -> None:
    """Remove a sweep with all its results and kept files, in one transaction. Raises `NotFound`."""
    with closing(_opened(dsn, create=False)) as database:
        delete_sweep(database, pick_sweep(database, name).number)


def _opened(dsn: str, *, create: bool) -> PostgresDatabase:
    database = PostgresDatabase(parameters_of(dsn.partition("#")[0]))
    try:
        prepare(database, create=create)
    except BaseException:
        database.close()
        raise
    return database
