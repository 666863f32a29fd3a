"""Addresses of stores as people write them: a path, or a URL with the sweep as its fragment."""

import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from manyfit.model.errors import UserError
from manyfit.model.mistake import did_you_mean

STORE_VARIABLE = "MANYFIT_STORE"
"""Environment variable with the store that is meant where neither an option nor a sweep file names one."""

PASSWORD_VARIABLE = "PGPASSWORD"  # noqa: S105 - the name of a variable
"""Environment variable from which the PostgreSQL client reads a password that no URL contains."""


class Kind(enum.Enum):
    """Which backend an address belongs to."""

    DIRECTORY = "directory"
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


FORMS: Mapping[str, str] = {
    "sqlite": "sqlite:///FILE.db",
    "postgresql": "postgresql://USER@HOST/DATABASE",
}
"""The schemes of URLs with the form of each."""

_ALIASES = {"postgres": "postgresql", "sqlite3": "sqlite"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_SQLITE_ENDINGS = frozenset({".db", ".sqlite", ".sqlite3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """
    Where a sweep is, or with an empty `sweep` a store of sweeps.

    `place` is the absolute path of a sweep's folder or of a database file, or a connection URL without
    fragment and password. `password` is shown nowhere: `url` and `str` leave it out.
    """

    kind: Kind
    place: str
    sweep: str = ""
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Return the address as a person would write it, without a password."""
        if self.kind is Kind.DIRECTORY:
            return self.place
        if self.kind is Kind.SQLITE:
            return f"sqlite:///{quote(self.place)}{self._fragment}"
        return f"{self.place}{self._fragment}"

    @property
    def _fragment(self) -> str:
        return f"#{quote(self.sweep, safe='')}" if self.sweep else ""

    @property
    def shown(self) -> str:
        """Return the address as it is shortest from here, without a password."""
        if self.kind is Kind.POSTGRESQL:
            return self.url
        relative = os.path.relpath(self.place)
        short = self.place if relative.startswith("..") else relative
        if self.kind is Kind.DIRECTORY:
            return short
        return f"sqlite:///{quote(short)}{self._fragment}"

    @property
    def path(self) -> Path:
        """Return the folder or the database file."""
        assert self.kind is not Kind.POSTGRESQL, "a PostgreSQL store has no path"
        return Path(self.place)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what a process needs in its environment to open `url`."""
        return {PASSWORD_VARIABLE: self.password} if self.password else {}

    @property
    def dsn(self) -> str:
        """Return the connection URL with everything in it. Never show it."""
        if not self.password:
            return self.place
        parts = urlsplit(self.place)
        user, at, host = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}:{quote(self.password, safe='')}{at or '@'}{host}"))

    def of(self, sweep: str) -> "Address":
        """Return the address of *sweep* in this store."""
        return replace(self, sweep=sweep)

    def __str__(self) -> str:
        return self.url


def is_url(text: str) -> bool:
    """Whether *text* is meant as a URL rather than as a path or a name."""
    found = _SCHEME.match(text)
    if found is None:
        return False
    scheme = found[1].lower()
    return scheme in FORMS or scheme in _ALIASES or text[found.end() :].startswith("//")


def parse(text: str, base: Path) -> Address:
    """
    Return the address that *text* says; relative paths start from *base*.

    A path is a folder, unless it is an SQLite file or has the ending of one. Raises `UserError`.
    """
    if not is_url(text):
        path, _, sweep = text.partition("#") if _looks_like_sqlite(text, base) else (text, "", "")
        kind = Kind.SQLITE if _looks_like_sqlite(text, base) else Kind.DIRECTORY
        return Address(kind=kind, place=_absolute(path, base), sweep=sweep)
    scheme, _, rest = text.partition(":")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if scheme not in FORMS:
        forms = " or ".join(FORMS.values())
        raise UserError(
            f'there is no kind of store "{scheme}"{did_you_mean(scheme, FORMS)}; a store is a folder, {forms}'
        )
    return _sqlite(rest, base) if scheme == "sqlite" else _postgresql(rest)


def _looks_like_sqlite(text: str, base: Path) -> bool:
    """
    Tell a database by its name, or by the lock file that its stores keep beside it.

    The file itself is not opened: closing it would drop the locks of every connection to it that this
    process has open.
    """
    path = base / text.partition("#")[0]
    return not path.is_dir() and (path.suffix in _SQLITE_ENDINGS or Path(f"{path}-lock").is_file())


def _absolute(path: str, base: Path) -> str:
    return os.path.abspath(base / Path(path).expanduser())


def _sqlite(rest: str, base: Path) -> Address:
    path, _, sweep = rest.partition("#")
    if not path.startswith("///") or not path.strip("/"):
        raise UserError(f'"sqlite:{path}" names no file; write {FORMS["sqlite"]}, with four slashes for /FILE.db')
    path = path.partition("?")[0].removeprefix("//").removeprefix("/")
    # A fourth slash begins an absolute path.
    return Address(kind=Kind.SQLITE, place=_absolute(unquote(path), base), sweep=unquote(sweep))


def _splits_a_password(netloc: str, behind: str) -> bool:
    """Return whether a part of a password seems to stand for a port, database or sweep, which are shown."""
    ports = re.findall(r":([^:,\]]+)(?=,|$)", netloc) if "@" not in netloc else []
    return "@" in behind or not all(port.isdigit() for port in ports)


def _postgresql(rest: str) -> Address:
    try:
        parts = urlsplit(f"postgresql:{rest}")
        options = parse_qsl(parts.query, keep_blank_values=True)
        password = unquote(parts.password or "")
    except ValueError:
        raise UserError(f"the PostgreSQL URL cannot be read; write {FORMS['postgresql']}") from None
    if _splits_a_password(parts.netloc, parts.path + parts.fragment):
        raise UserError(
            "the PostgreSQL URL cannot be read: in a password, write / as %2F, ? as %3F, # as %23 and @ as %40, or"
            " put it into PGPASSWORD; a port is a number"
        )
    if not parts.path.strip("/"):
        raise UserError(f"the PostgreSQL URL names no database; write {FORMS['postgresql']}")
    if any(key == "sslpassword" for key, _ in options):
        raise UserError("the PostgreSQL URL has an sslpassword in it; put it into pg_service.conf")
    password = next((value for key, value in options if key == "password"), password)
    user, at, host = parts.netloc.rpartition("@")
    query = urlencode([(key, value) for key, value in options if key != "password"])
    netloc = f"{user.partition(':')[0]}{at}{host}"
    place = urlunsplit(("postgresql", netloc, parts.path, query, ""))
    return Address(kind=Kind.POSTGRESQL, place=place, sweep=unquote(parts.fragment), password=password)
