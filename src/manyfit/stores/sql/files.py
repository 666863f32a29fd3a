"""Plans, compactions and kept files as rows: each in parts, so that none is in memory as a whole."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from manyfit.contracts.artifacts import ArtifactFile
from manyfit.model.errors import NotFound, Refused, StoreCorrupt
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database

PART_BYTES = 1 << 20

_ARTIFACTS = "artifacts/"
_AFTER_ARTIFACTS = "artifacts0"  # "0" is the character behind "/"


class Files:
    """The files of one sweep that stand in the database. Calls belong into a transaction."""

    def __init__(self, database: Database, sweep: int) -> None:
        self._database = database
        self._sweep = sweep

    def put(self, name: str, content: bytes, at: float) -> None:
        """Store *content* under *name*, unless it is there. Raises `Refused` when another content is."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._database.changed(sql.ADD_FILE, (self._sweep, name, len(content), sha256, at)):
            found = self._database.one(sql.FILE, (self._sweep, name))
            if found is not None and found[1] != sha256:
                raise Refused(f"{name} is kept already, with another content; store it under another name")
            return
        for part, start in enumerate(range(0, len(content), PART_BYTES)):
            piece = content[start : start + PART_BYTES]
            self._database.run(sql.ADD_PART, (self._sweep, name, part, piece))

    def copy(self, name: str, target: BinaryIO) -> str:
        """Write the file *name* to *target* and return its SHA-256. Raises `NotFound`, `StoreCorrupt`."""
        n_bytes, sha256 = self._known(name)
        digest = hashlib.sha256()
        for part in range(_n_parts(n_bytes)):
            piece = self._part(name, part)
            digest.update(piece)
            target.write(piece)
        if digest.hexdigest() != sha256:
            raise StoreCorrupt(
                f"{name} in {self._database.place} does not match its SHA-256; restore the database from a backup"
            )
        return sha256

    def read(self, name: str, offset: int, length: int | None) -> bytes:
        """Return a piece of the file *name*. Raises `NotFound`."""
        n_bytes, _ = self._known(name)
        end = n_bytes if length is None else min(n_bytes, offset + length)
        pieces = []
        while offset < end:
            part, start = divmod(offset, PART_BYTES)
            piece = self._part(name, part)[start : start + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def remove(self, name: str) -> None:
        """Remove the file *name*, if it is there."""
        self._database.run(sql.REMOVE_PARTS, (self._sweep, name))
        self._database.run(sql.REMOVE_FILE, (self._sweep, name))

    def _known(self, name: str) -> tuple[int, str]:
        found = self._database.one(sql.FILE, (self._sweep, name))
        if found is None:
            raise NotFound(f"there is no {name} in {self._database.place}; was it removed?")
        return found[0], found[1]

    def _part(self, name: str, part: int) -> bytes:
        found = self._database.one(sql.PART, (self._sweep, name, part))
        if found is None or not found[0]:
            raise StoreCorrupt(
                f"part {part} of {name} is missing in {self._database.place}; restore the database from a backup"
            )
        return bytes(found[0])


def _n_parts(n_bytes: int) -> int:
    return -(-n_bytes // PART_BYTES)


class Cache:
    """Files of the database as local files, in a temporary folder that goes with the handle."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._folder: Path | None = None
        self._remove: Callable[[], object] = lambda: None

    def path(self, name: str) -> Path:
        """Return a local copy of the file *name*. Raises `NotFound`, `StoreCorrupt`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="manyfit-"))
            # also when nobody closes the handle, or the program ends
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / name.replace("/", "-")
        if not path.exists():
            draft = path.with_suffix(".new")
            with draft.open("wb") as target:
                self._files.copy(name, target)
            draft.rename(path)
        return path

    def close(self) -> None:
        """Remove the copies."""
        self._remove()
        self._folder = None


class TableArtifacts:
    """The `ArtifactStore` in the tables of a database: runners have no folder to write to."""

    folder: Path | None = None

    def __init__(self, database: Database, sweep: int, clock: Callable[[], float]) -> None:
        self._database = database
        self._sweep = sweep
        self._clock = clock
        self._files = Files(database, sweep)

    def put(self, name: str, content: bytes) -> None:
        _check(name)
        self._database.transact(lambda: self._files.put(name, content, self._clock()))
        self._database.sync()

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        _check(name)
        return self._database.look(lambda: self._files.read(name, offset, length))

    def files(self) -> Iterator[ArtifactFile]:
        values = (self._sweep, _ARTIFACTS, _AFTER_ARTIFACTS)
        for name, n_bytes, stored_at in self._database.look(lambda: self._database.all(sql.FILES, values)):
            yield ArtifactFile(name=name, n_bytes=n_bytes, stored_at=stored_at)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            _check(name)
            self._database.transact(lambda name=name: self._files.remove(name))  # type: ignore[misc]


def _check(name: str) -> None:
    if not name.startswith(_ARTIFACTS) or any(not part or part.startswith(".") for part in name.split("/")):
        raise Refused(f"{name!r} is no name of a kept file; such names are like artifacts/ab/abcdef")
