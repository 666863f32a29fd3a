"""
A connection to a SQLite database: transactions that take turns, and durability on request.

Everything that writes, and with it every checkpoint of the write-ahead log, happens while this process
holds a lock on a file beside the database. So writers queue in the kernel instead of sleeping and trying
again, and no checkpoint overlaps with a commit: the race by which versions before 3.51.3 can skip
committed pages needs exactly that.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from manyfit.model.errors import StoreCorrupt, StoreError, StoreFull
from manyfit.stores.sql.database import Row, Values

T = TypeVar("T")

BUSY_SECONDS = 60.0
_CHECKPOINT_PAGES = 2000
_LOG_BYTES = 64 << 20
_STATEMENTS = 256

_FULL = (sqlite3.SQLITE_FULL,)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteDatabase:
    """
    A connection to the database in the file *path*, which must be there.

    The lock file beside it comes with the first turn: who finds out before that the file is something
    else leaves nothing beside it.
    """

    lock_row = ""
    share_row = ""
    skip_locked = ""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self._path = path
        self._log: int | None = None
        self._failed = ""
        self._lock: int | None = None
        self._closed = False
        with self._translated():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=_STATEMENTS
            )
        self._execute = self._connection.execute

    def is_database(self) -> bool:
        """Whether the file is a SQLite database, or an empty file, which becomes one."""
        try:
            self._execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as error:
            if _primary(error) != sqlite3.SQLITE_NOTADB:
                raise store_error(error, self.place) from error
            return False
        return True

    def was_store(self) -> bool:
        """Whether there was a turn to write here before, by any process."""
        return os.path.exists(self._lock_path)

    @property
    def _lock_path(self) -> str:
        return f"{self._path}-lock"

    def _opened_lock(self) -> int:
        assert not self._closed
        if self._lock is None:
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return self._lock

    def prepare(self) -> str:
        """Set what holds for one connection; return the journal mode, which is to be "wal"."""
        with self._translated(), self.turn():
            mode: str = self._execute("PRAGMA journal_mode = WAL").fetchone()[0]
            # a commit survives this process; what has to survive the host calls `sync`
            self._execute("PRAGMA synchronous = NORMAL")
            self._execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            return mode

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this process' turn to write."""
        lock = self._opened_lock()
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def transact(self, work: Callable[[], T]) -> T:
        try:
            lock = self._opened_lock()
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._execute("BEGIN IMMEDIATE")
                result = work()
                self._execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.rollback()
                fcntl.flock(lock, fcntl.LOCK_UN)
        except (sqlite3.Error, OSError) as error:
            raise store_error(error, self.place) from error
        return result

    def look(self, work: Callable[[], T]) -> T:
        try:
            self._execute("BEGIN")
            try:
                return work()
            finally:
                if self._connection.in_transaction:
                    self._connection.rollback()
        except sqlite3.Error as error:
            raise store_error(error, self.place) from error

    def all(self, statement: str, values: Values = ()) -> list[Row]:
        return self._execute(statement, values).fetchall()

    def one(self, statement: str, values: Values = ()) -> Row | None:
        found: Row | None = self._execute(statement, values).fetchone()
        return found

    def run(self, statement: str, values: Values = ()) -> None:
        self._execute(statement, values)

    def changed(self, statement: str, values: Values = ()) -> int:
        return self._execute(statement, values).rowcount

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        self._connection.executemany(statement, rows)

    def hold_limits(self, names: Iterable[str]) -> None:
        """Nothing to do: there is one writer at a time."""

    def sync(self) -> None:
        """
        Sync the write-ahead log, in which every commit is that no checkpoint has synced into the database.

        After an error the system may call data safe that it has lost: this connection says so for ever.
        """
        if self._failed:
            raise StoreError(self._failed)
        try:
            os.fdatasync(self._open_log())
        except FileNotFoundError:
            return  # nothing was written since the last checkpoint
        except OSError as error:
            self._failed = (
                f"the disk failed while {self.place} was made durable ({error.strerror}); "
                "check the disk, then start again: what was not accepted runs again"
            )
            raise StoreError(self._failed) from error

    def _open_log(self) -> int:
        """Return the write-ahead log, opened; another one when somebody has removed the first."""
        if self._log is not None and os.fstat(self._log).st_nlink == 0:
            os.close(self._log)
            self._log = None
        if self._log is None:
            self._log = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        return self._log

    def close(self) -> None:
        if self._closed:
            return
        if self._lock is not None or self.was_store():
            # with the last close comes a checkpoint; where nobody ever had a turn nobody waits for one
            with contextlib.suppress(sqlite3.Error, OSError), self.turn():
                self._connection.close()
        self._connection.close()
        for descriptor in (self._log, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._log = self._lock = None
        self._closed = True

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise store_error(error, self.place) from error


def _primary(error: sqlite3.Error) -> int | None:
    """Return the code of *error* without its details; None where the driver itself raised it."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if code is not None else None


def store_error(error: sqlite3.Error | OSError, place: str) -> StoreError:
    """Return *error* of the database *place* in our terms, with what to do."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        text = f"{place} cannot be used: {error.strerror}"
        return (
            StoreFull(f"{text}; free some space") if full else StoreError(f"{text}; check the disk and its rights")
        )
    primary = _primary(error)
    if primary in _FULL:
        return StoreFull(f"no space left for {place}; free some space, then it goes on by itself")
    if primary in _DAMAGED:
        return StoreCorrupt(f"{place} is damaged ({error}); restore it from a backup")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"{place} was locked by another program for {BUSY_SECONDS:g} s; close the programs that have it open"
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"{place} cannot be opened or written ({error}); check the rights of file and folder")
    return StoreError(f"{place} failed: {error}; check the disk and try again")
