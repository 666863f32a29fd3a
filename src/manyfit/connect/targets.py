"""What a person means who names a sweep: its file, its folder, its name, or a URL."""

import os
import tomllib
from pathlib import Path

from manyfit.connect.addresses import STORE_VARIABLE, Address, Kind, is_url, parse
from manyfit.model.errors import UserError
from manyfit.model.shell import quoted
from manyfit.model.sweep import SweepSpec

STORE_SUFFIX = ".sweep"
MARKER = "manyfit.json"
"""The file that makes a folder the store of a sweep."""


def address_of(spec: SweepSpec, folder: Path, *, store: str = "") -> Address:
    """
    Return where the sweep *spec*, declared in *folder*, is stored.

    That is *store* if given, else what the declaration says, else what the environment says, else the
    folder beside the declaration. Raises `UserError` for an address that cannot be read.
    """
    return _address(spec.name, spec.store, folder, store)


def expected(target: str | Path, *, store: str = "") -> Address:
    """
    Return where the store that *target* means is, or will be once the sweep is submitted.

    Its `sweep` is empty where *target* does not say which one. Raises `UserError`.
    """
    text = os.fspath(target)
    here = Path.cwd()
    if is_url(text):
        return parse(text, here)
    path = Path(text)
    found = parse(text, here)
    if found.kind is Kind.SQLITE:
        return found
    if path.is_file():
        name, stored = _said_in(path)
        return _address(name, stored, path.resolve().parent, store)
    if _is_folder_of_sweep(path):
        return found
    if store and path.name == text:
        return _address(text, "", here, store)
    named = path.with_name(path.name + STORE_SUFFIX) if path.name else path
    if not path.is_dir() and not named.is_dir() and path.name == text and os.environ.get(STORE_VARIABLE):
        return _address(text, "", here, store)
    return found if path.is_dir() and not named.is_dir() else parse(os.fspath(named), here)


def _is_folder_of_sweep(path: Path) -> bool:
    return path.suffix == STORE_SUFFIX or (path / MARKER).is_file()


def _address(name: str, declared: str, folder: Path, store: str) -> Address:
    environment = os.environ.get(STORE_VARIABLE, "")
    if store or (environment and not declared):
        return within(parse(store or environment, Path.cwd()), name)
    if declared:
        return within(parse(declared, folder), name)
    return Address(kind=Kind.DIRECTORY, place=str(folder / f"{name}{STORE_SUFFIX}"), sweep=name)


def within(store: Address, name: str) -> Address:
    """
    Return the address of the sweep *name* in *store*, which may be a folder for many sweeps.

    Raises `UserError` when *store* is the store of another sweep.
    """
    if store.kind is not Kind.DIRECTORY:
        if store.sweep not in ("", name):
            raise UserError(f'{store} is the sweep "{store.sweep}", not "{name}"; leave out the part behind "#"')
        return store.of(name)
    if store.path.suffix == STORE_SUFFIX or (store.path / MARKER).is_file():
        return store.of(name)
    return Address(kind=Kind.DIRECTORY, place=str(store.path / f"{name}{STORE_SUFFIX}"), sweep=name)


def _said_in(path: Path) -> tuple[str, str]:
    """Return name and store that a sweep file declares, without checking the rest of it."""
    text = path.read_bytes()
    try:
        if path.suffix in {".yaml", ".yml"}:
            import yaml

            found = yaml.safe_load(text)
        else:
            found = tomllib.loads(text.decode())
        return str(found["name"]), str(found.get("store", ""))
    except (KeyError, TypeError, ValueError, AttributeError):
        next_step = f"next: manyfit plan {quoted(path)}"
        raise UserError(f"{path} declares no name that could be read; {next_step}") from None
