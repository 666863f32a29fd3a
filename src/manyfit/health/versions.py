"""Checks of versions: Python, manyfit, the libraries that it needs or can use, SQLite, OpenMP."""

import importlib
import importlib.metadata
import platform
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from manyfit._version import __version__
from manyfit.health.finding import Area, Check, Seen, bad, doubtful, fine
from manyfit.health.ranges import Requirement, numbers, requirement_of, within

PACKAGE = "manyfit"
SHOWN = ("numpy", "scipy", "scikit-learn", "polars")
OPTIONAL = ("xgboost", "lightgbm", "torch", "psycopg")
_LOADING = ("numpy", "scipy.linalg", "sklearn", "xgboost", "lightgbm")
"""Imported to see which OpenMP libraries end up in one process; torch would take too long."""
_WAL_FIXED = (3, 51, 3)
_WAL_FIXED_BRANCHES = ((3, 44, 6), (3, 50, 7))
_WAL_SINCE = (3, 7, 0)
_OPENMP = {"libgomp": "GNU", "libomp": "LLVM", "libiomp5": "Intel", "vcomp": "Microsoft"}
_OPENMP_FILE = re.compile(r"^(libgomp|libomp|libiomp5|vcomp)\b")
InstalledVersion = Callable[[str], str | None]


def checks() -> Sequence[Check]:
    """Return the checks of versions."""
    looks: dict[str, Callable[[], Seen]] = {"python": _python, "manyfit": lambda: fine(__version__)}
    looks |= {name: _looking_at(name) for name in SHOWN}
    looks["other libraries"] = _others
    looks |= {name: _looking_at_optional(name) for name in OPTIONAL}
    looks["sqlite"] = lambda: sqlite(sqlite3.sqlite_version)
    found = [Check(area=Area.VERSIONS, name=name, look=look) for name, look in looks.items()]
    return [*found, Check(area=Area.VERSIONS, name="openmp", look=_openmp, limit_seconds=60)]


def _looking_at(name: str) -> Callable[[], Seen]:
    return lambda: needed(name, declared(), installed_version)


def _looking_at_optional(name: str) -> Callable[[], Seen]:
    return lambda: optional(name, declared(), installed_version)


def declared() -> list[Requirement]:
    """Return what the installed manyfit declares; nothing where it runs from a folder without being installed."""
    try:
        texts = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [entry for entry in map(requirement_of, texts) if not entry.conditional]


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> Seen:
    try:
        wanted = importlib.metadata.metadata(PACKAGE)["Requires-Python"]
    except (importlib.metadata.PackageNotFoundError, KeyError):
        wanted = ""
    return python(platform.python_version(), wanted)


def python(version: str, wanted: str) -> Seen:
    """Return whether Python is within *wanted*."""
    text = f"{platform.python_implementation()} {version}"
    if not within(version, wanted):
        return bad(f"{text}; manyfit needs {wanted}", f"install manyfit into an environment of Python {wanted}")
    return fine(text, version=version)


def needed(name: str, known: Iterable[Requirement], installed: InstalledVersion) -> Seen:
    """Return whether a library that manyfit needs is there and within its range."""
    wanted = next((entry for entry in known if entry.name == name and not entry.extra), None)
    version = installed(name)
    range_text = wanted.specifiers if wanted else ""
    install = f"pip install '{name}{range_text}'"
    if version is None:
        return bad(f"not installed; manyfit needs it{f' ({range_text})' if range_text else ''}", install)
    if not within(version, range_text):
        return bad(f"{version}; manyfit needs {range_text}", install, version=version)
    return fine(f"{version} ({range_text})" if range_text else version, version=version)


def optional(name: str, known: Iterable[Requirement], installed: InstalledVersion) -> Seen:
    """Return whether an optional library can be used."""
    wanted = next((entry for entry in known if entry.name == name and entry.extra), None)
    version = installed(name)
    if version is None:
        how = f"pip install 'manyfit[{wanted.extra}]'" if wanted else f"pip install {name}"
        return fine(f"not installed; where wanted: {how}", version=None)
    if wanted and not within(version, wanted.specifiers):
        return doubtful(
            f"{version}; manyfit supports {wanted.specifiers}",
            f"pip install '{name}{wanted.specifiers}'",
            version=version,
        )
    return fine(version, version=version)


def _others() -> Seen:
    known = declared()
    names = sorted({entry.name for entry in known if not entry.extra} - set(SHOWN))
    return others({name: needed(name, known, installed_version) for name in names})


def others(found: dict[str, Seen]) -> Seen:
    """Return the libraries that deserve no line of their own as one finding."""
    wrong = {name: seen for name, seen in found.items() if seen.do}
    if wrong:
        return bad(
            "; ".join(f"{name}: {seen.text}" for name, seen in wrong.items()),
            "; ".join(seen.do for seen in wrong.values()),
        )
    versions = {name: seen.facts.get("version") for name, seen in found.items()}
    return fine(", ".join(f"{name} {version}" for name, version in versions.items()) or "not told", **versions)


def has_wal_reset_bug(version: str) -> bool:
    """
    Whether this SQLite can damage a database in WAL mode.

    Two connections that write or checkpoint at the same instant can make a checkpoint skip a part of a
    write-ahead log that was reset meanwhile (https://www.sqlite.org/wal.html#walresetbug): from 3.7.0 to
    3.51.2, without 3.44.6 and 3.50.7 and what follows them on their branches.
    """
    found = numbers(version)
    repaired = any(found[:2] == branch[:2] and found >= branch for branch in _WAL_FIXED_BRANCHES)
    return _WAL_SINCE <= found < _WAL_FIXED and not repaired


def sqlite(version: str) -> Seen:
    """Return whether the SQLite that Python uses is safe in WAL mode."""
    if has_wal_reset_bug(version):
        return doubtful(
            f"{version} has the WAL-reset bug: a database in WAL mode can, rarely, be damaged when two processes"
            " write or checkpoint it at the same instant; manyfit's own take turns",
            "open the database of a SQLite store with no other program while workers run, or use a Python with"
            " SQLite 3.51.3 or later (or 3.50.7, 3.44.6); directory stores are not concerned",
            version=version,
        )
    return fine(version, version=version)


def _openmp() -> Seen:
    for name in _LOADING:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 - a missing or broken library is another check's finding
            continue
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return fine("cannot be seen on this system")
    return openmp({line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/")})


def openmp(files: Iterable[str]) -> Seen:
    """Return which OpenMP libraries are among the *files* that a process with all numerical libraries has open."""
    runtimes: dict[str, set[str]] = {}
    for file in files:
        if found := _OPENMP_FILE.match(Path(file).name):
            runtimes.setdefault(found[1], set()).add(file)
    texts = [
        f"{len(paths)} x {name} ({_OPENMP[name]})" if len(paths) > 1 else f"{name} ({_OPENMP[name]})"
        for name, paths in sorted(runtimes.items())
    ]
    facts = {"files": sorted(file for paths in runtimes.values() for file in paths)}
    if len(runtimes) > 1:
        return doubtful(
            f"{' and '.join(texts)} in one process: fits can hang or crash",
            "install all numerical libraries from one source: all with pip, or all with conda",
            **facts,
        )
    return fine(", ".join(texts) or "none loaded", **facts)
