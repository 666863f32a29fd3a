"""
A connection to a PostgreSQL database: transactions in few round trips, tried again after lost connections.

Inside a transaction statements are sent without waiting for the answers of those before, except for
rows that somebody asks for.
"""

import contextlib
import functools
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import psycopg
from psycopg import errors

from manyfit.model.errors import StoreCorrupt, StoreError, StoreFull
from manyfit.stores.postgres.place import shown, without_secrets
from manyfit.stores.sql.database import Row, Values

T = TypeVar("T")

SCHEMA_NAME = "manyfit"
RECONNECT_SECONDS = 60.0
"""For so long a lost server is waited for."""

_MOST_CONFLICTS = 20
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 1.0
_WRITE = "BEGIN"
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SESSION: Mapping[str, str] = {
    "search_path": SCHEMA_NAME,
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    # a worker that is stopped in the middle of a transaction must not hold up the others
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "60s",
}
_OF_CONNECTION: Mapping[str, str] = {
    "application_name": "manyfit",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)
_STARTING = "57P03"
_STARTING_TEXTS = ("starting up", "not yet accepting connections")
_GONE = frozenset(("57P01", "57P02", _STARTING, "57P05", "25P03"))
"""What the server says when it ends a connection: it stops, crashed, starts, or waited too long."""


@functools.cache
def _translated(statement: str) -> str:
    """Return *statement* with the placeholders of this driver."""
    return statement.replace("?", "%s")


def _is_starting(error: psycopg.Error) -> bool:
    """Whether the server is there and takes connections soon; libpq gives no SQLSTATE for a refused connection."""
    return error.sqlstate == _STARTING or any(text in str(error) for text in _STARTING_TEXTS)


def _close_here(pid: int, connection: "psycopg.Connection[Row]") -> None:
    """Close a connection in the process that made it; closing a forked copy would end that of the parent."""
    if os.getpid() == pid:
        with contextlib.suppress(psycopg.Error):
            connection.close()


class PostgresDatabase:
    """A connection with the *parameters* of libpq."""

    lock_row = " FOR UPDATE"
    share_row = " FOR SHARE"
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, parameters: Mapping[str, str], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._parameters = {**_OF_CONNECTION, **parameters}
        self._monotonic = monotonic
        self.place = shown(parameters)
        self._connection = self._connected()
        info = self._connection.info
        known = {"user": info.user, "host": info.host, "port": str(info.port), "dbname": info.dbname}
        self.place = shown({**parameters, **known})

    # -- transactions --------------------------------------------------------------------------------

    def transact(self, work: Callable[[], T]) -> T:
        return self._try(_WRITE, work)

    def look(self, work: Callable[[], T]) -> T:
        return self._try(_READ, work)

    def _try(self, begin: str, work: Callable[[], T]) -> T:
        """Do *work* in a transaction, again after conflicts and lost connections."""
        n_conflicts = 0
        give_up_at = wait = 0.0
        while True:
            try:
                if self._connection.closed:
                    self._connection = self._connect()
                return self._once(begin, work)
            except _CONFLICTS as error:
                n_conflicts += 1
                if n_conflicts > _MOST_CONFLICTS:
                    raise self._error(error) from error
            except psycopg.Error as error:
                now = self._monotonic()
                give_up_at = give_up_at or now + RECONNECT_SECONDS
                if not self._is_lost(error) or now >= give_up_at:
                    raise self._error(error) from error
                self._drop()
                wait = min(_LONGEST_WAIT, 2 * wait or _FIRST_WAIT)
                time.sleep(wait)

    def _once(self, begin: str, work: Callable[[], T]) -> T:
        connection = self._connection
        try:
            with connection.pipeline():
                connection.execute(begin)
                result = work()
                connection.execute("COMMIT")
        except BaseException:
            # an error of a statement leaves the transaction open, a lost connection leaves nothing
            with contextlib.suppress(psycopg.Error):
                if not connection.closed:
                    connection.execute("ROLLBACK")
            raise
        return result

    def _is_lost(self, error: psycopg.Error) -> bool:
        """Whether the server or the connection went away, rather than refused what was asked."""
        state = error.sqlstate or ""
        lost = state.startswith("08") or state in _GONE
        return lost or self._connection.closed or (not state and isinstance(error, psycopg.OperationalError))

    def _drop(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    # -- statements ----------------------------------------------------------------------------------

    def all(self, statement: str, values: Values = ()) -> list[Row]:
        return self._connection.execute(_translated(statement), values).fetchall()

    def one(self, statement: str, values: Values = ()) -> Row | None:
        return self._connection.execute(_translated(statement), values).fetchone()

    def run(self, statement: str, values: Values = ()) -> None:
        self._connection.execute(_translated(statement), values)

    def changed(self, statement: str, values: Values = ()) -> int:
        return len(self._connection.execute(_translated(f"{statement} RETURNING 1"), values).fetchall())

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        self._connection.cursor().executemany(_translated(statement), rows)

    def hold_limits(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            self.run("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (name,))

    def sync(self) -> None:
        """Nothing to do: every commit is on the server's disk before it is answered and before it is seen."""

    def close(self) -> None:
        self._drop()

    # -- connecting ----------------------------------------------------------------------------------

    def _connected(self) -> "psycopg.Connection[Row]":
        """Connect for the first time; only a server that is just starting is waited for."""
        give_up_at = self._monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return self._connect()
            except psycopg.Error as error:
                if not _is_starting(error) or self._monotonic() >= give_up_at:
                    raise self._unreachable(error) from error
                time.sleep(_LONGEST_WAIT / 4)

    def _connect(self) -> "psycopg.Connection[Row]":
        connection = cast(
            "psycopg.Connection[Row]", psycopg.connect(**cast("Any", self._parameters), autocommit=True)
        )
        # Stores that a caller opens by name and forgets must not keep one of the server's connections.
        weakref.finalize(self, _close_here, os.getpid(), connection).atexit = False
        settings = ", ".join("set_config(%s, %s, false)" for _ in _SESSION)
        pairs = [text for pair in _SESSION.items() for text in pair]
        connection.execute(f"SELECT {settings}", pairs)
        return connection

    def _unreachable(self, error: psycopg.Error) -> StoreError:
        return StoreError(
            f"{self.place} cannot be reached: {self._said(error)}; check host, port, user and password "
            "(a password may stand in PGPASSWORD or ~/.pgpass) and whether the server runs"
        )

    def _said(self, error: psycopg.Error) -> str:
        text = str(error).strip() or type(error).__name__
        return without_secrets(" ".join(text.split()), self._parameters)

    def _error(self, error: psycopg.Error) -> StoreError:
        """Return *error* in our terms, with what to do."""
        said = self._said(error)
        match error:
            case errors.DiskFull():
                return StoreFull(
                    f"no space left on the server of {self.place}; free some, then it goes on by itself"
                )
            case errors.DataCorrupted() | errors.IndexCorrupted():
                return StoreCorrupt(f"{self.place} is damaged: {said}; restore the database from a backup")
            case errors.InsufficientPrivilege() | errors.ReadOnlySqlTransaction():
                return StoreError(
                    f"{self.place} does not let this user write: {said}; it needs the schema {SCHEMA_NAME!r}: "
                    f"GRANT CREATE ON DATABASE, or make the schema for it"
                )
            case errors.LockNotAvailable():
                return StoreError(
                    f"{self.place} was locked for too long: {said}; look for old transactions in pg_stat_activity"
                )
            case _:
                if self._is_lost(error):
                    return StoreError(
                        f"{self.place} went away and did not come back for {RECONNECT_SECONDS:g} s: {said}; "
                        "nothing acknowledged is lost. Start the server, then start the workers again"
                    )
                return StoreError(f"{self.place} failed: {said}; look at the server's log")
