"""The system calls that an examination of a file system makes, in one place, so that tests can make them lie."""

import fcntl
import os
from pathlib import Path


class Disk:
    """A file system. Every method is one system call, or a short run of them that always is the same."""

    def stat(self, path: Path) -> os.stat_result:
        return os.stat(path)

    def statvfs(self, path: Path) -> os.statvfs_result:
        return os.statvfs(path)

    def mkdir(self, path: Path) -> None:
        path.mkdir(exist_ok=True)

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def close(self, fd: int) -> None:
        os.close(fd)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def allocate(self, fd: int, n_bytes: int) -> None:
        """Reserve space for real: by `posix_fallocate` where there is one, else by writing."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, n_bytes)
        else:
            os.write(fd, bytes(n_bytes))

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def symlink(self, text: str, target: Path) -> None:
        os.symlink(text, target)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def exists(self, path: Path) -> bool:
        return os.path.lexists(path)

    def flock(self, fd: int, how: int) -> None:
        fcntl.flock(fd, how)

    def lockf(self, fd: int, how: int) -> None:
        fcntl.lockf(fd, how)

    def read(self, path: Path) -> bytes:
        """Return the content of a freshly opened file."""
        fd = self.open(path, os.O_RDONLY)
        try:
            parts = []
            while part := os.read(fd, 1 << 16):
                parts.append(part)
            return b"".join(parts)
        finally:
            self.close(fd)

    def create(self, path: Path, data: bytes, *, sync: bool = False) -> None:
        """Make a file that must not exist yet."""
        fd = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            self.write(fd, data)
            if sync:
                self.fsync(fd)
        finally:
            self.close(fd)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in *folder* durable."""
        fd = self.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync(fd)
        finally:
            self.close(fd)
