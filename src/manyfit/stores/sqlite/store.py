"""The store in a SQLite database: many sweeps in one file, many processes of one host."""

import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.contracts.artifacts import ArtifactStore
from manyfit.contracts.store import Wanted
from manyfit.model.control import Action, AddSegment, Entry
from manyfit.model.errors import NotFound, Refused, UserError
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot
from manyfit.model.unit import Unit
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.artifact_files import FolderArtifacts
from manyfit.stores.files.disk import Disk
from manyfit.stores.sql.store import SqlStore, Sweep, Times
from manyfit.stores.sql.sweeps import ListedSweep, add_sweep, delete_sweep, list_sweeps, pick_sweep
from manyfit.stores.sqlite.database import SqliteDatabase, store_error
from manyfit.stores.sqlite.place import check_place
from manyfit.stores.sqlite.schema import open_database

SCHEME = "sqlite://"


class SqliteStore:
    """
    One handle on *sweep* of the database in the file *path*; None means the only sweep that it has.

    Kept files lie beside the database, in `<path>.files/<id of the sweep>/artifacts`. `cycle` returns
    before the end is durable: that happens at the next call 0.05 s later, with `sync`, or when somebody
    reads it. *by* names this handle in control entries and seals.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sweep: str | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = 120.0,
        by: str | None = None,
    ) -> None:
        file = Path(path).absolute()
        database = _opened(file)
        try:
            found = pick_sweep(database, sweep)
        except BaseException:
            database.close()
            raise
        self._store = SqlStore(
            database,
            Sweep(number=found.number, name=found.name, id=found.id, url=url_of(file, found.name)),
            FolderArtifacts(_made(files_of(file, found.id)) / "artifacts"),
            Times(clock=clock, monotonic=monotonic, patience=patience),
            by or f"{socket.gethostname()}-{os.getpid()}",
        )
        self.url = self._store.url
        self.sweep = found.name
        self.id = found.id
        self.artifacts: ArtifactStore = self._store.artifacts

    @classmethod
    def create(
        cls, path: str | Path, *, sweep: str, declaration: bytes | None = None, **options: Any
    ) -> "SqliteStore":
        """
        Open *sweep* of the database in the file *path*, and make whatever of them is missing.

        *declaration* is kept with the sweep, for people. *options* are those of the constructor. Raises
        `StoreUnsuitable` on network file systems, `Refused` when the file is something else.
        """
        file = Path(path).absolute()
        _make_folder(file.parent)
        check_place(file.parent)
        database = open_database(file, create=True)
        try:
            add_sweep(database, sweep, declaration, options.get("clock", time.time)())
        finally:
            database.close()
        return cls(path, sweep=sweep, **options)

    # -- the contract: see `Store` -------------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        return self._store.entries(since)

    def append(self, action: Action, *, position: int, by: str | None = None, at: float | None = None) -> Entry:
        return self._store.append(action, position=position, by=by, at=at)

    def submit(self, segment: Segment, *, position: int, more: bool = False, n_new: int) -> AddSegment:
        return self._store.submit(segment, position=position, more=more, n_new=n_new)

    def segment(self, segment: SegmentId) -> Segment:
        return self._store.segment(segment)

    def unit(self, unit: UnitId) -> Unit:
        return self._store.unit(unit)

    def register(self, worker: WorkerInfo) -> None:
        self._store.register(worker)

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        self._store.beat(worker, beat)

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        return self._store.claim(worker, wanted=wanted, request=request)

    def finished(self) -> bool:
        return self._store.finished()

    def record(self, lease: Lease, lines: bytes) -> None:
        self._store.record(lease, lines)

    def sync(self) -> int:
        return self._store.sync()

    def complete(self, lease: Lease, end: End) -> None:
        self._store.complete(lease, end)

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        return self._store.cycle(lease, end, wanted=wanted, request=request)

    def expire(self, workers: Sequence[WorkerId] | None = None) -> int:
        return self._store.expire(workers)

    def snapshot(self) -> Snapshot:
        return self._store.snapshot()

    def units(self) -> Iterator[UnitState]:
        return self._store.units()

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        return self._store.accepted(skip)

    def epochs(self) -> Iterator[EndedEpoch]:
        return self._store.epochs()

    def adopt(self, ended: EndedEpoch) -> bool:
        return self._store.adopt(ended)

    def bases(self) -> Sequence[Path]:
        return self._store.bases()

    def publish_base(self, parquet: Path, *, position: int) -> Entry:
        return self._store.publish_base(parquet, position=position)

    def close(self) -> None:
        self._store.close()


# -- databases ---------------------------------------------------------------------------------------


def sweeps_in(path: str | Path) -> list[ListedSweep]:
    """Return the sweeps of the database in the file *path*, oldest first. Raises `NotFound`, `Refused`."""
    database = _opened(Path(path).absolute())
    try:
        return list_sweeps(database)
    finally:
        database.close()


def remove_sweep(path: str | Path, name: str) -> None:
    """
    Remove a sweep with all its results and kept files. Raises `NotFound`.

    Its folder is set aside first, and is back in its place when the database keeps the sweep.
    """
    file = Path(path).absolute()
    database = _opened(file)
    try:
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
    finally:
        database.close()
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
