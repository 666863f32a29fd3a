"""The sweeps of a database."""

import secrets
from dataclasses import dataclass

from manyfit.model.errors import NotFound, Refused
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSweep:
    """A sweep of a database: its number there, its name, its id, and when it was made (seconds, UTC)."""

    number: int
    name: str
    id: str
    created_at: float


def list_sweeps(database: Database) -> list[ListedSweep]:
    """Return the sweeps of a database, oldest first."""
    rows = database.look(lambda: database.all(sql.SWEEPS))
    return [ListedSweep(number=n, name=name, id=id_, created_at=at) for n, name, id_, at in rows]


def pick_sweep(database: Database, name: str | None) -> ListedSweep:
    """Return the sweep called *name*; for None, the only one. Raises `NotFound`, `Refused`."""
    found = list_sweeps(database)
    names = ", ".join(sweep.name for sweep in found) or "none"
    if name is None:
        if len(found) > 1:
            raise Refused(f"{database.place} has several sweeps: {names}; add #NAME to say which")
        if not found:
            raise NotFound(f"{database.place} has no sweep yet; submit one")
        return found[0]
    for sweep in found:
        if sweep.name == name:
            return sweep
    raise NotFound(f"{database.place} has no sweep {name!r}; it has: {names}")


def add_sweep(database: Database, name: str, declaration: bytes | None, at: float) -> None:
    """Make a sweep called *name*, unless there is one."""
    if any(sweep.name == name for sweep in list_sweeps(database)):
        return
    values = (name, secrets.token_hex(8), at, declaration)
    database.transact(lambda: database.run(sql.ADD_SWEEP, values))
    database.sync()


def delete_sweep(database: Database, number: int) -> None:
    """Remove a sweep with everything that belongs to it, in one transaction."""
    database.transact(lambda: _delete(database, number))


def _delete(database: Database, number: int) -> None:
    for statement in sql.REMOVE:
        database.run(statement, (number,))
