"""File systems that lie: each breaks one promise."""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import NoReturn

from manyfit.health.disk import Disk


def _fail(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


class SharedLinks(Disk):
    """A link replaces what is there: several processes win one name."""

    def link(self, source: Path, target: Path) -> None:
        aside = Path(f"{source}-{target.name}-{os.getpid()}")
        os.link(source, aside)
        os.rename(aside, target)


class NoLinks(Disk):
    """No hard links, as on FAT."""

    def link(self, source: Path, target: Path) -> None:
        _fail(errno.EPERM)


class NoLinksOfAnyKind(NoLinks):
    """Neither hard nor symbolic links."""

    def symlink(self, text: str, target: Path) -> None:
        _fail(errno.EOPNOTSUPP)


class StaleNames(Disk):
    """Whoever came second to a name does not find it for a while."""

    def __init__(self) -> None:
        self._lost: set[Path] = set()

    def link(self, source: Path, target: Path) -> None:
        try:
            super().link(source, target)
        except FileExistsError:
            self._lost.add(target)
            raise

    def read(self, path: Path) -> bytes:
        if path in self._lost:
            raise FileNotFoundError(path)
        return super().read(path)


class OpenToAll(Disk):
    """O_EXCL is ignored, as by NFS of version 2."""

    def open(self, path: Path, flags: int) -> int:
        return super().open(path, flags & ~os.O_EXCL)


class CopyingRename(Disk):
    """A rename takes the old file away first."""

    def rename(self, source: Path, target: Path) -> None:
        if os.path.lexists(target):
            os.unlink(target)
            time.sleep(0.001)
        os.rename(source, target)


class FailingSync(Disk):
    """The disk gives back errors when it is to write."""

    def fsync(self, fd: int) -> None:
        _fail(errno.EIO)


class FailingSyncOfAppends(Disk):
    """Only files that are appended to cannot be synced."""

    def open(self, path: Path, flags: int) -> int:
        fd = super().open(path, flags)
        self._failing = fd if path.name.startswith("synced-") and not flags & os.O_CREAT else -1
        return fd

    def fsync(self, fd: int) -> None:
        if fd == self._failing:
            _fail(errno.EIO)
        super().fsync(fd)


class NoFolderSync(Disk):
    """Folders cannot be synced."""

    def sync_folder(self, folder: Path) -> None:
        _fail(errno.EINVAL)


class Buffered(Disk):
    """What is appended stays in the process until the file is closed or synced."""

    def open(self, path: Path, flags: int) -> int:
        fd = super().open(path, flags)
        self._held = b"" if flags & os.O_APPEND else None
        return fd

    def write(self, fd: int, data: bytes) -> int:
        if self._held is None:
            return super().write(fd, data)
        self._held += data
        return len(data)


class LateFiles(Disk):
    """Other processes see new names a minute late."""

    def read(self, path: Path) -> bytes:
        if path.name.startswith("seen-"):
            raise FileNotFoundError(path)
        return super().read(path)


class NoLocks(Disk):
    """The lock server is gone."""

    def flock(self, fd: int, how: int) -> None:
        _fail(errno.ENOLCK)


class PrivateLocks(Disk):
    """Locks are granted to everybody."""

    def lockf(self, fd: int, how: int) -> None:
        return None


class StickyLocks(Disk):
    """A lock is never given back."""

    def flock(self, fd: int, how: int) -> None:
        if how != fcntl.LOCK_UN:
            super().flock(fd, how)


class ShortNames(Disk):
    """Names of more than 64 characters do not fit."""

    def open(self, path: Path, flags: int) -> int:
        if len(path.name) > 64:
            _fail(errno.ENAMETOOLONG)
        return super().open(path, flags)


class NoCase(Disk):
    """Names that differ in case are the same."""

    def exists(self, path: Path) -> bool:
        return path.name.lower() in [name.lower() for name in os.listdir(path.parent)]


class ReadOnly(Disk):
    """Mounted read-only."""

    def mkdir(self, path: Path) -> None:
        _fail(errno.EROFS)


class Full(Disk):
    """No space for more than small files."""

    def allocate(self, fd: int, n_bytes: int) -> None:
        _fail(errno.ENOSPC)


class QuotaUsed(Disk):
    """The quota is used up."""

    def write(self, fd: int, data: bytes) -> int:
        _fail(errno.EDQUOT)


class Garbled(Disk):
    """What is read is not what was written."""

    def read(self, path: Path) -> bytes:
        return bytes(reversed(super().read(path)))


class WrongClock(Disk):
    """The server's clock is an hour ahead."""

    def stat(self, path: Path) -> os.stat_result:
        found = super().stat(path)
        os.utime(path, (found.st_atime + 3600, found.st_mtime + 3600))
        return super().stat(path)


class HangingLocks(Disk):
    """A lock is waited for without end."""

    def flock(self, fd: int, how: int) -> None:
        time.sleep(3600)


class Gone(Disk):
    """The server is gone: every call waits without end."""

    def statvfs(self, path: Path) -> os.statvfs_result:
        time.sleep(3600)
        return super().statvfs(path)

    def mkdir(self, path: Path) -> None:
        time.sleep(3600)


class Crashing(Disk):
    """A call ends the process."""

    def flock(self, fd: int, how: int) -> None:
        os.kill(os.getpid(), 11)


class Slow(Disk):
    """Works, on a server far away."""

    def link(self, source: Path, target: Path) -> None:
        time.sleep(0.05)
        super().link(source, target)

    def fsync(self, fd: int) -> None:
        time.sleep(0.3)
        super().fsync(fd)
