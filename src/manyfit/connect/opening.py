"""Opening, making, listing and removing stores, whatever their backend is."""

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

from manyfit.connect.addresses import Address, Kind, parse
from manyfit.connect.targets import MARKER, STORE_SUFFIX, expected
from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, UserError
from manyfit.model.mistake import did_you_mean
from manyfit.model.shell import quoted

REMOVED = ".removed-"
"""Begins the name of a folder that is being removed: renamed first, so that no half of a sweep is left."""

LISTED = 10


def open_store(target: str | Path | Address, *, store: str = "") -> Store:
    """Open the one sweep that *target* means (see `resolve`). Raises `NotFound`, `StoreError`, `UserError`."""
    return open_address(resolve(target, store=store))


def resolve(target: str | Path | Address, *, store: str = "") -> Address:
    """
    Return the address of the one sweep that *target* means, which exists.

    *target* is a store folder, a sweep file, the name of a sweep, a database file or a URL; *store* says
    where names and files without a store of their own are looked for. Raises `NotFound` when there is no
    such sweep, and `UserError` when there are several and *target* does not say which.
    """
    address = target if isinstance(target, Address) else expected(target, store=store)
    if address.kind is Kind.DIRECTORY:
        return _folder(address, target)
    return _in_database(address, target)


def _folder(address: Address, target: object) -> Address:
    path = address.path
    if (path / MARKER).is_file():
        return address
    written = Path(str(target))
    if path.is_dir():
        inside = found_in(address)
        if inside:
            names = ", ".join(found.path.name for found in inside[:LISTED])
            raise UserError(f"{path} is no sweep, but a folder with {len(inside)} of them; name one: {names}")
        raise NotFound(f"{path} is a folder without a sweep in it (no {MARKER})")
    if written.is_file():
        next_step = f"next: manyfit run {quoted(written)}"
        raise NotFound(f"{written} has not been submitted yet (no {path.name}); {next_step}")
    raise NotFound(
        f"there is no sweep {target}; give a sweep file, the folder of a store (*{STORE_SUFFIX}), or a URL"
    )


def _in_database(address: Address, target: object) -> Address:
    names = [found.sweep for found in found_in(address)]
    if not address.sweep and len(names) == 1:
        return address.of(names[0])
    if address.sweep in names:
        return address
    store = address.of("")
    if not names:
        raise NotFound(f"{store} holds no sweep yet; next: manyfit submit sweep.toml --store {quoted(store)}")
    listed = ", ".join(names[:LISTED])
    if not address.sweep:
        one = quoted(address.of(names[0]))
        raise UserError(f"{store} holds {len(names)} sweeps ({listed}); say which one, such as {one}")
    if Path(str(target)).is_file():
        raise NotFound(f"{target} has not been submitted to {store} yet; next: manyfit run {quoted(target)}")
    meant = did_you_mean(address.sweep, names)
    raise NotFound(f'{store} holds no sweep "{address.sweep}"{meant}; it holds: {listed}')


def found_in(address: Address) -> list[Address]:
    """
    Return the sweeps at *address*: itself, all in a folder, or all in a database, oldest first.

    Nothing is made: an absent folder or database file holds none.
    """
    match address.kind:
        case Kind.DIRECTORY:
            return _found_in_folder(address)
        case Kind.SQLITE:
            if not address.path.is_file():
                return []
            from manyfit.stores import sqlite

            found = sqlite.sweeps_in(address.path)
        case Kind.POSTGRESQL:
            found = _postgres().sweeps_in(address.dsn)
        case _:
            assert_never(address.kind)
    return [address.of(listed.name) for listed in found]


def _found_in_folder(address: Address) -> list[Address]:
    path = address.path
    if (path / MARKER).is_file():
        return [address]
    if not path.is_dir():
        return []
    folders = [folder for folder in path.glob(f"*{STORE_SUFFIX}") if (folder / MARKER).is_file()]
    folders.sort(key=lambda folder: ((folder / MARKER).stat().st_mtime, folder.name))
    return [
        Address(kind=Kind.DIRECTORY, place=str(folder), sweep=folder.name.removesuffix(STORE_SUFFIX))
        for folder in folders
        if not folder.name.startswith(".")
    ]


def sweeps_of(target: str | Path | Address, *, store: str = "") -> Sequence[Address]:
    """Return all existing sweeps that *target* means: one, or all of a folder or database. Raises `NotFound`."""
    address = target if isinstance(target, Address) else expected(target, store=store)
    several = found_in(address) if not address.sweep or address.kind is Kind.DIRECTORY else []
    return several or [resolve(target, store=store)]


def open_address(address: Address, **options: Any) -> Store:
    """Open the sweep at *address*, which says which one. *options* are those of every backend."""
    match address.kind:
        case Kind.DIRECTORY:
            from manyfit.stores.directory import DirectoryStore

            return DirectoryStore(address.path, **options)
        case Kind.SQLITE:
            from manyfit.stores.sqlite import open_sqlite

            return open_sqlite(address.path, sweep=address.sweep or None, **options)
        case Kind.POSTGRESQL:
            return _opened(_postgres().open_postgres(address.dsn, sweep=address.sweep or None, **options))
        case _:
            assert_never(address.kind)


def create(address: Address, declaration: bytes | None = None, **options: Any) -> Store:
    """Open the sweep at *address*, making it, its file or its folder when there is none yet."""
    match address.kind:
        case Kind.DIRECTORY:
            from manyfit.stores.directory import DirectoryStore

            return DirectoryStore.create(address.path, sweep=address.sweep, declaration=declaration, **options)
        case Kind.SQLITE:
            from manyfit.stores.sqlite import create_sqlite

            return create_sqlite(address.path, sweep=address.sweep, declaration=declaration, **options)
        case Kind.POSTGRESQL:
            made = _postgres().create_postgres(
                address.dsn, sweep=address.sweep, declaration=declaration, **options
            )
            return _opened(made)
        case _:
            assert_never(address.kind)


def tenant_leases(store: Store) -> int | None:
    """Return the open leases of the tenant of *store* in all its sweeps; None where its tenant has no limit."""
    terms = store.snapshot().terms
    address = parse(store.url, Path.cwd())
    if terms.concurrency.tenant is None or not terms.tenant:
        return None
    place = (
        address.of("") if address.kind is not Kind.DIRECTORY else replace(address, place=str(address.path.parent))
    )
    n_open = 0
    for other in found_in(place):
        opened = open_address(other)
        snapshot = opened.snapshot()
        n_open += len(snapshot.open_units) if snapshot.terms.tenant == terms.tenant else 0
        opened.close()
    return n_open


def _opened(store: Any) -> Store:
    found: Store = store
    return found


def _postgres() -> Any:
    """Return the backend, or say what installs its driver."""
    from manyfit.stores import postgres

    return postgres


def remove(address: Address) -> None:
    """
    Remove the sweep at *address* with everything that belongs to it on this machine.

    Killed at any point, it leaves the sweep whole or not at all; what is left aside goes with the next
    call of `leftovers`. Whether anybody works on it is for the caller to know.
    """
    match address.kind:
        case Kind.DIRECTORY:
            _remove_folder(address.path)
        case Kind.SQLITE:
            from manyfit.stores import sqlite

            sqlite.remove_sweep(address.path, address.sweep)
        case Kind.POSTGRESQL:
            files = _files_of(address)
            _postgres().remove_sweep(address.dsn, address.sweep)
            _remove_folder(files)
        case _:
            assert_never(address.kind)


def _files_of(address: Address) -> Path:
    from manyfit.connect.files import local_files

    store = open_address(address)
    try:
        return local_files(store).folder
    finally:
        store.close()


def made_at(address: Address) -> float:
    """Return when the sweep at *address* was made in its store, in seconds by the store's clock."""
    match address.kind:
        case Kind.DIRECTORY:
            # The marker is published once: the time of the file is when that was.
            return (address.path / MARKER).stat().st_mtime
        case Kind.SQLITE:
            from manyfit.stores import sqlite

            found = sqlite.sweeps_in(address.path)
        case Kind.POSTGRESQL:
            found = _postgres().sweeps_in(address.dsn)
        case _:
            assert_never(address.kind)
    return max((listed.created_at for listed in found if listed.name == address.sweep), default=0.0)


def _remove_folder(folder: Path) -> None:
    if folder.exists():
        aside = folder.with_name(f"{REMOVED}{secrets.token_hex(4)}-{folder.name}")
        os.rename(folder, aside)
        shutil.rmtree(aside, ignore_errors=True)


def leftovers(address: Address) -> list[Path]:
    """Return the folders that a removal which was killed left aside, in the store at *address*."""
    if address.kind is Kind.POSTGRESQL:
        return []
    path = address.path
    folder = path if address.kind is Kind.DIRECTORY and not (path / MARKER).is_file() else path.parent
    if address.kind is Kind.SQLITE:
        folder = path.with_name(f"{path.name}.files")
    return sorted(folder.glob(f"{REMOVED}*"))
