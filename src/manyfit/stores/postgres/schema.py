"""The schema of a database, its version, and how an older one is brought up to date."""

import secrets
from collections.abc import Iterator, Mapping
from importlib import resources

from manyfit.model.errors import NotFound, StoreError
from manyfit.stores.postgres.database import SCHEMA_NAME, PostgresDatabase

SCHEMA = 1
"""The version of the schema that this code reads and writes."""

MIGRATIONS: Mapping[int, str] = {}
"""SQL that makes schema n + 1 out of schema n."""

_LOCK = f"the tables of {SCHEMA_NAME}"
# to_regclass would answer from a cache that may be older than the lock
_TABLES = (
    "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = ? AND c.relname = 'meta'"
)
_VERSION = "SELECT value FROM meta WHERE name = 'schema'"


def prepare(database: PostgresDatabase, *, create: bool) -> None:
    """
    Bring the tables up to date; with *create*, make those that are missing.

    Raises `NotFound` when there are none, `StoreError` for those of a newer version.
    """
    found = database.look(lambda: _version(database))
    if found == 0 and not create:
        raise NotFound(f"{database.place} has no tables of manyfit yet; submit a sweep to it")
    if found > SCHEMA:
        raise StoreError(
            f"{database.place} has schema {found}, this version of manyfit reads schema {SCHEMA}; "
            "upgrade manyfit: pip install --upgrade manyfit"
        )
    if found < SCHEMA:
        database.transact(lambda: _bring_up(database))


def _version(database: PostgresDatabase) -> int:
    """Return the version of the schema, 0 for a database without tables."""
    found = database.one(_TABLES, (SCHEMA_NAME,))
    if found is None or found[0] is None:
        return 0
    version = database.one(_VERSION)
    return int(version[0]) if version else 0


def _bring_up(database: PostgresDatabase) -> None:
    """Make the tables, or change those of an older schema; another process may have been first."""
    database.hold_limits([_LOCK])
    found = _version(database)
    if found == 0:
        database.run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA_NAME}")
        _script(database, resources.files(__package__).joinpath("schema.sql").read_text())
        database.run("INSERT INTO meta (name, value) VALUES ('id', ?)", (secrets.token_hex(8),))
        database.run("INSERT INTO meta (name, value) VALUES ('schema', ?)", (str(SCHEMA),))
        return
    while found < SCHEMA:
        _script(database, MIGRATIONS[found])
        found += 1
    database.run("UPDATE meta SET value = ? WHERE name = 'schema'", (str(SCHEMA),))


def _script(database: PostgresDatabase, text: str) -> None:
    for statement in statements_of(text):
        database.run(statement)


def statements_of(text: str) -> Iterator[str]:
    """Yield the statements of an SQL script, each of which ends with a semicolon at the end of a line."""
    statement: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("--"):
            continue
        statement.append(line)
        if line.endswith(";"):
            yield "\n".join(statement)[:-1]
            statement.clear()
