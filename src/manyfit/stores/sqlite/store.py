"""The store in a SQLite database: many sweeps in one file, many processes of one host."""

import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from manyfit.model.errors import NotFound, Refused, UserError
from manyfit.stores.artifact_files import FolderArtifacts
from manyfit.stores.files.disk import Disk
from manyfit.stores.sql.opening import open_sweep
from manyfit.stores.sql.store import SqlStore, Times
from manyfit.stores.sql.sweeps import ListedSweep, add_sweep, delete_sweep, list_sweeps, pick_sweep
from manyfit.stores.sqlite.database import SqliteDatabase, store_error
from manyfit.stores.sqlite.place import check_place
from manyfit.stores.sqlite.schema import open_database

SCHEME = "sqlite://"


def open_sqlite(
    path: str | Path,
    *,
    sweep: str | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    patience: float = 120.0,
    by: str | None = None,
) -> SqlStore:
    """
    Open *sweep* of the database in the file *path*; None means the only sweep that it has.

    Kept files lie beside the database, in `<path>.files/<id of the sweep>/artifacts`. `cycle` of the
    handle returns before the end is durable: that happens at the next call 0.05 s later, with `sync`, or
    when somebody reads it. *by* names the handle in control entries and seals. Raises `NotFound`,
    `Refused`, `StoreUnsuitable`.
    """
    file = Path(path).absolute()
    return open_sweep(
        _opened(file),
        sweep,
        url_of=lambda name: url_of(file, name),
        artifacts_of=lambda found: FolderArtifacts(_made(files_of(file, found.id)) / "artifacts"),
        times=Times(clock=clock, monotonic=monotonic, patience=patience),
        by=by,
    )


def create_sqlite(path: str | Path, *, sweep: str, declaration: bytes | None = None, **options: Any) -> SqlStore:
    """
    Open *sweep* of the database in the file *path*, and make whatever of them is missing.

    *declaration* is kept with the sweep, for people. *options* are those of `open_sqlite`. Raises
    `StoreUnsuitable` on network file systems, `Refused` when the file is something else.
    """
    file = Path(path).absolute()
    _make_folder(file.parent)
    check_place(file.parent)
    with closing(open_database(file, create=True)) as database:
        add_sweep(database, sweep, declaration, options.get("clock", time.time)())
    return open_sqlite(path, sweep=sweep, **options)


# -- databases ---------------------------------------------------------------------------------------


def sweeps_in(path: str | Path) -> list[ListedSweep]:
    """Return the sweeps of the database in the file *path*, oldest first. Raises `NotFound`, `Refused`."""
    with closing(_opened(Path(path).absolute())) as database:
        return list_sweeps(database)


def remove_sweep(path: str | Path, name: str) -> None:
    """
    Remove a sweep with all its results and kept files. Raises `NotFound`.

    Its folder is set aside first, and is back in its place when the database keeps the sweep.
    """
    file = Path(path).absolute()
    with closing(_opened(file)) as database:
        found = pick_sweep(database, name)
        folder = files_of(file, found.id)
        aside = folder.with_name(f".removed-{found.id}-{secrets.token_hex(4)}")
        if folder.exists():
            folder.rename(aside)
        try:
            delete_sweep(database, found.number)
            database.sync()
        except BaseException:
            if aside.exists():
                aside.rename(folder)
            raise
    shutil.rmtree(aside, ignore_errors=True)


def url_of(path: Path, sweep: str) -> str:
    """Return the URL of a sweep: four slashes before an absolute path, three before a relative one."""
    return f"{SCHEME}/{quote(str(path))}#{quote(sweep, safe='')}"


def parse_url(url: str) -> tuple[Path, str | None]:
    """Return file and sweep of `sqlite:///f.db#sweep`; no sweep is None. Raises `UserError`."""
    rest, _, sweep = url.partition("#")
    path = rest.removeprefix(f"{SCHEME}/")
    if path == rest or not path:
        raise UserError(
            f"{url} names no file; write sqlite:///name.db for a file here, sqlite:////path/name.db for another"
        )
    return Path(unquote(path)), unquote(sweep) or None


def files_of(path: Path, sweep_id: str) -> Path:
    """Return the folder with the kept files of a sweep."""
    return path.with_name(f"{path.name}.files") / sweep_id


def _opened(file: Path) -> SqliteDatabase:
    if not file.is_file():
        raise NotFound(f"there is no database {file}; check the name, or submit a sweep to it")
    check_place(file.parent)
    return open_database(file, create=False)


def _made(folder: Path) -> Path:
    """Make the folder of the kept files of a sweep, for good."""
    try:
        for part in (folder.parent, folder):
            if not part.is_dir():
                part.mkdir(exist_ok=True)
                Disk().sync_folder(part.parent)
    except OSError as error:
        raise store_error(error, str(folder)) from error
    return folder


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot make {folder}: {error.strerror}; choose another file for the database") from error
