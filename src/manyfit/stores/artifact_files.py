"""Kept files in a folder, which runners of the same host or file system may also write by themselves."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from manyfit.contracts.artifacts import ArtifactFile
from manyfit.model.errors import NotFound, Refused
from manyfit.stores.files.disk import Disk, store_error
from manyfit.stores.files.publish import publish

PREFIX = "artifacts/"


class FolderArtifacts:
    """
    The `ArtifactStore` of the folder *folder*, which exists once the first file is put.

    *symbolic* says that the file system has no hard links (see `publish`). Names with a part that begins
    with a dot are refused: such files are unfinished ones.
    """

    folder: Path | None

    def __init__(self, folder: Path, *, disk: Disk | None = None, symbolic: bool = False) -> None:
        self.folder = self._root = folder
        self._disk = disk or Disk()
        self._symbolic = symbolic

    def put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        try:
            kept = self._keep(path, content)
        except OSError as error:
            raise store_error(error, f"cannot keep {path}") from error
        if not kept:
            raise Refused(f"{name} is kept already, with another content; store it under another name")

    def _keep(self, path: Path, content: bytes) -> bool:
        """Make *content* durable as *path*; whether *path* has no other one."""
        found = self._disk.read(path)
        if found is None:
            self._make_folders(path.parent)
            return publish(self._disk, path, content, symbolic=self._symbolic)
        if found == content:
            self._make_durable(path)
        return found == content

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        path = self._path(name)
        try:
            content = self._disk.read(path, offset, length)
        except OSError as error:
            raise store_error(error, f"cannot read {path}") from error
        if content is None:
            raise NotFound(f"no kept file {name} in {self._root}; was it removed?")
        return content

    def files(self) -> Iterator[ArtifactFile]:
        for folder, folders, names in os.walk(self._root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if not name.startswith(".") and (stat := _stat(path)) is not None:
                    kept = PREFIX + path.relative_to(self._root).as_posix()
                    yield ArtifactFile(name=kept, n_bytes=stat.st_size, stored_at=stat.st_mtime)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            path = self._path(name)
            aside = path.parent / os.readlink(path) if path.is_symlink() else None
            self._unlink(path)
            if aside is not None:
                self._unlink(aside)

    def _unlink(self, path: Path) -> None:
        try:
            self._disk.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise store_error(error, f"cannot remove {path}") from error

    def _path(self, name: str) -> Path:
        """Return where *name* is: never outside of the folder."""
        parts = name.split("/")
        if parts[0] + "/" != PREFIX or len(parts) < 2 or any(not part or part.startswith(".") for part in parts):
            raise Refused(f"{name!r} is no name of a kept file; such names are like artifacts/ab/abcdef")
        return self._root.joinpath(*parts[1:])

    def _make_folders(self, folder: Path) -> None:
        """Make *folder* durable, also when another process has just made it and not yet synced it."""
        if folder != self._root:
            self._make_folders(folder.parent)
        self._disk.mkdir(folder)
        self._disk.sync_folder(folder.parent)

    def _make_durable(self, path: Path) -> None:
        """Sync a file that another process put: it may have died before it did so."""
        fd = self._disk.open(path, os.O_RDONLY)
        try:
            self._disk.fsync(fd)
        finally:
            os.close(fd)
        self._disk.sync_folder(path.parent)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
