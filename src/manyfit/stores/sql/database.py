"""What a SQL store asks of its database: transactions, statements, durability, locks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Row = tuple[Any, ...]
Values = Sequence[Any]


class Database(Protocol):
    """
    One connection to a database that holds the tables of many sweeps.

    Statements have `?` where values go. `lock_row`, `share_row` and `skip_locked` are what a SELECT of this
    dialect ends with to hold the rows that it finds, against everybody or against those who change them,
    or to pass over those that others hold. `place` names the database in messages, without a password.
    All methods raise `StoreError`.
    """

    place: str
    lock_row: str
    share_row: str
    skip_locked: str

    def transact(self, work: Callable[[], T]) -> T:
        """
        Do *work* in one transaction that writes, and return what it returns; an exception undoes it.

        *work* may be done again from its beginning, also when the first time was committed and the
        answer was lost: it has to begin by looking at what is there.
        """

    def look(self, work: Callable[[], T]) -> T:
        """Do *work*, which only reads, on one consistent state of the database."""

    def all(self, statement: str, values: Values = ()) -> list[Row]:
        """Return every row that *statement* finds."""

    def one(self, statement: str, values: Values = ()) -> Row | None:
        """Return the first row that *statement* finds, None when there is none."""

    def run(self, statement: str, values: Values = ()) -> None:
        """Execute *statement*, whose answer nobody needs; what is wrong with it may show at the next answer."""

    def changed(self, statement: str, values: Values = ()) -> int:
        """Execute *statement* and return how many rows it changed."""

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        """Execute *statement* for each of *rows*."""

    def hold_limits(self, names: Iterable[str]) -> None:
        """Keep every other transaction that asks for one of *names* waiting until this one ends."""

    def sync(self) -> None:
        """Make everything that this connection has seen or committed survive the death of the host."""

    def close(self) -> None:
        """Release the connection."""
