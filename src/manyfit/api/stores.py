"""What is done to whole stores: sweeps copied from one to another."""

from collections.abc import Callable
from pathlib import Path

from manyfit import connect
from manyfit.connect import Address, Kind
from manyfit.contracts.store import Store
from manyfit.model.control import Entry
from manyfit.model.errors import UserError
from manyfit.run.copying import Copied, CopyProgress, require_quiet
from manyfit.run.copying import copy_sweep as copied

OnProgress = Callable[[CopyProgress], None]


def copy_sweep(
    source: str | Path, target: str | Path, *, on_progress: OnProgress = lambda progress: None
) -> Copied:
    """
    Copy a sweep with everything it has to another store, and compare the two.

    *source* is a folder, file, name or URL of a sweep; *target* a folder or URL that has no sweep of this
    name, or an unfinished copy of it. Killed anywhere and called again, it goes on. Nothing in *source*
    changes. Raises `NotFound`, and `Refused` when living workers hold leases of *source*, or when
    *target* has a history of its own.
    """
    store = connect.open_store(source)
    try:
        require_quiet(store)
        place = target_of(store, target)
        if place.url == connect.parse(store.url, Path.cwd()).url:
            raise UserError(f"{place} is where the sweep is already; name another store to copy it to")
        made = connect.create(place, declaration_of(store))
        try:
            return copied(
                store,
                made,
                open_as=lambda entry: _as_of(place, entry),
                reopened=lambda: connect.open_address(place),
                on_progress=on_progress,
            )
        finally:
            made.close()
    finally:
        store.close()


def target_of(source: Store, target: str | Path) -> Address:
    """Return where the copy of *source* in *target* is, which may be a folder for many sweeps."""
    return connect.within(connect.parse(str(target), Path.cwd()), source.sweep)


def declaration_of(store: Store) -> bytes | None:
    """Return the sweep file that a folder keeps, for people."""
    address = connect.parse(store.url, Path.cwd())
    file = address.path / "sweep.toml" if address.kind is Kind.DIRECTORY else None
    return file.read_bytes() if file is not None and file.is_file() else None


def _as_of(place: Address, entry: Entry) -> Store:
    """Open the target under the name and the clock of *entry*: submissions keep who made them, and when."""
    return connect.open_address(place, by=entry.by, clock=lambda: entry.at)
