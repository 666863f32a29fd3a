"""The schema of a database, its version, and how an older one is brought up to date."""

import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from manyfit.model.errors import Refused, StoreCorrupt, StoreError, StoreUnsuitable
from manyfit.stores.sqlite.database import SqliteDatabase, store_error

SCHEMA = 1
"""The version of the schema that this code reads and writes, in `PRAGMA user_version`."""
APPLICATION = 0x6D666974
"""What `PRAGMA application_id` says of a database of manyfit: "mfit"."""

MIGRATIONS: Mapping[int, str] = {}
"""SQL that makes schema n + 1 out of schema n."""


def open_database(path: Path, *, create: bool) -> SqliteDatabase:
    """
    Open the database *path*, bring its schema up to date, and return the connection.

    A file that is empty becomes a database with *create*. Raises `Refused` for a file or a database of
    something else, beside which nothing is made, `StoreError` for a newer schema, `StoreUnsuitable`
    where there can be no write-ahead log.
    """
    database = SqliteDatabase(path)
    try:
        found = _own_version(database, create=create)
        if found > SCHEMA:
            raise StoreError(
                f"{path} has schema {found}, this version of manyfit reads schema {SCHEMA}; "
                "upgrade manyfit: pip install --upgrade manyfit"
            )
        if database.prepare() != "wal":
            raise StoreUnsuitable(f"{path} cannot have a write-ahead log here; put it on a local disk")
        if found < SCHEMA:
            _bring_up(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _own_version(database: SqliteDatabase, *, create: bool) -> int:
    """Return the version of the schema, 0 for what may be *create*d. Raises `Refused` for what is not ours."""
    if not database.is_database() and not database.was_store():
        raise Refused(f"{database.place} is not a SQLite database; check the name")
    found = _version(database)
    if found == 0 and not create:
        raise Refused(f"{database.place} is not a database of manyfit; check the name")
    return found


def _version(database: SqliteDatabase) -> int:
    """Return the version of the schema, 0 for a database without tables. Raises `Refused` for a strange one."""
    return database.look(lambda: _version_of(database))


def _version_of(database: SqliteDatabase) -> int:
    (application,) = database.one("PRAGMA application_id") or (0,)
    (version,) = database.one("PRAGMA user_version") or (0,)
    if application != APPLICATION and database.one("SELECT 1 FROM sqlite_master LIMIT 1"):
        raise Refused(f"{database.place} is a database of another program; choose another file")
    return int(version) if application == APPLICATION else 0


def _bring_up(database: SqliteDatabase, path: Path) -> None:
    found = _version(database)
    if 0 < found < SCHEMA:
        _back_up(path, Path(f"{path}.schema{found}"))
    database.transact(lambda: _migrate(database))
    database.sync()


def _migrate(database: SqliteDatabase) -> None:
    """Make the tables, or change those of an older schema; another process may have been first."""
    found = _version_of(database)
    if found == 0:
        _script(database, resources.files(__package__).joinpath("schema.sql").read_text())
        database.run("INSERT INTO meta (name, value) VALUES ('id', ?)", (secrets.token_hex(8),))
        found = SCHEMA
    while found < SCHEMA:
        _script(database, MIGRATIONS[found])
        found += 1
    database.run(f"PRAGMA application_id = {APPLICATION}")
    database.run(f"PRAGMA user_version = {SCHEMA}")


def _script(database: SqliteDatabase, text: str) -> None:
    for statement in statements_of(text):
        database.run(statement)


def statements_of(text: str) -> Iterator[str]:
    """Yield the statements of an SQL script."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _back_up(path: Path, copy: Path) -> None:
    """Copy the database to *copy*, unless that is there: an earlier try was cut off behind it."""
    if copy.exists():
        return
    draft = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
    try:
        source = sqlite3.connect(path)
        try:
            source.execute("VACUUM INTO ?", (str(draft),))
        finally:
            source.close()
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.rename(copy)
    except (sqlite3.Error, OSError) as error:
        draft.unlink(missing_ok=True)
        raise store_error(error, str(copy)) from error


def damage_in(path: Path) -> list[str]:
    """Return what SQLite's own check finds wrong with the database *path*: nothing, for a sound one."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = connection.execute("PRAGMA integrity_check").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        found = store_error(error, str(path))
        if isinstance(found, StoreCorrupt):
            return [str(error)]
        raise found from error
    return [row[0] for row in rows if row[0] != "ok"]
