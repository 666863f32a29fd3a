"""The system calls that the store makes, in one place, so that tests can stop or fail each of them."""

import errno
import os
from pathlib import Path

from manyfit.model.errors import StoreError, StoreFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Disk:
    """The file system. Every method is one system call or a fixed short run of them."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, 0o666)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        return os.write(fd, data)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def symlink(self, text: str, target: Path) -> None:
        os.symlink(text, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def mkdir(self, path: Path) -> None:
        path.mkdir(exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def exists(self, path: Path) -> bool:
        return os.access(path, os.F_OK)

    def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes | None:
        """Return *length* bytes (None: all) from *start* of a freshly opened file; None: no such file."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return _read_all(fd, start) if length is None else os.pread(fd, length, start)
        finally:
            os.close(fd)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in *folder* durable."""
        fd = self.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)

    def write_all(self, fd: int, data: bytes) -> None:
        """Write *data*, normally with one call; a short write goes on and meets its reason."""
        done = self.write(fd, data)
        while done < len(data):
            done += self.write(fd, memoryview(data)[done:])


def _read_all(fd: int, start: int) -> bytes:
    parts = []
    while chunk := os.pread(fd, max(65536, os.fstat(fd).st_size - start), start):
        parts.append(chunk)
        start += len(chunk)
        if len(chunk) < 65536:
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


def is_full(error: OSError) -> bool:
    """Whether *error* says that space or quota ran out."""
    return error.errno in _FULL


def store_error(error: OSError, what: str) -> StoreError:
    """Return the store's error for *error*, which happened while doing *what*."""
    if is_full(error):
        return StoreFull(
            f"{what}: {error.strerror}; nothing acknowledged is lost. "
            "Free some space on that disk (or raise the quota) and go on."
        )
    return StoreError(
        f"{what}: {error.strerror or error}; nothing acknowledged is lost. Look at the disk and retry."
    )
