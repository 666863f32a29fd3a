"""How many tasks run at once on a host: all workers together, or one alone because memory ran out."""

import contextlib
import enum
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 60.0
"""Nobody waits longer than this for others; then it runs all the same."""

_GATE, _ROOM = "host.gate", "host.room"


class Alone(enum.Enum):
    """Whether a worker that wants the host for itself has it."""

    NOT_YET = enum.auto()
    YES = enum.auto()
    IN_VAIN = enum.auto()
    """Others did not end in time, or there is no way to tell them."""


class Crowd:
    """
    The workers of one user on one host, as far as they run tasks.

    Who runs tasks holds the room together with others; who needs all memory holds it alone. The gate
    keeps newcomers out while somebody waits for the room. Both are advisory locks on files in a local
    folder, which the kernel gives up when a process ends: no file system is shared, no clock is read by
    two. Nothing here blocks; ask again until the answer changes. Where the folder cannot be used,
    everybody is let in and nobody is ever alone. The files are closed with the object.
    """

    def __init__(self, folder: Path | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._gate: int | None = None
        self._room: int | None = None
        self._monotonic = monotonic
        self._gate, self._room = _opened(folder or local_folder())
        self._inside = False
        self._waiting_since: float | None = None

    def join(self) -> bool:
        """Run tasks beside others from here on; False while one wants, or has, the host for itself."""
        if self._room is None or self._gate is None:
            return True
        if not _lock(self._gate, fcntl.LOCK_SH):
            _unlock(self._room)
            self._inside = False
            return self._waited_in_vain()
        self._inside = self._inside or _lock(self._room, fcntl.LOCK_SH)
        _unlock(self._gate)
        if not self._inside:
            return self._waited_in_vain()
        self._waiting_since = None
        return True

    def alone(self) -> Alone:
        """Ask for the host. Who asks runs nothing until the answer is not `Alone.NOT_YET`; `join` ends it."""
        if self._room is None or self._gate is None:
            return Alone.IN_VAIN
        if self._inside:
            _unlock(self._room)
            self._inside = False
        if _lock(self._gate, fcntl.LOCK_EX) and _lock(self._room, fcntl.LOCK_EX):
            self._waiting_since = None
            return Alone.YES
        return Alone.IN_VAIN if self._waited_in_vain() else Alone.NOT_YET

    def rejoin(self) -> None:
        """Let others in again after `alone`, and go on beside them."""
        if self._room is None or self._gate is None:
            return
        # The room first: while the gate is shut nobody can take it between the two.
        self._inside, self._waiting_since = _lock(self._room, fcntl.LOCK_SH), None
        _unlock(self._gate)

    def leave(self) -> None:
        """Run no tasks from here on."""
        self._inside, self._waiting_since = False, None
        for file in (self._room, self._gate):
            if file is not None:
                _unlock(file)

    def close(self) -> None:
        """Leave for good."""
        for file in (self._room, self._gate):
            if file is not None:
                os.close(file)
        self._room = self._gate = None

    def __del__(self) -> None:
        self.close()

    def _waited_in_vain(self) -> bool:
        now = self._monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since >= PATIENCE_SECONDS


def local_folder() -> Path:
    """Return where the locks of this user on this host are: in the folder for temporary files."""
    return Path(tempfile.gettempdir()) / f"manyfit-{os.getuid()}"


def _opened(folder: Path) -> tuple[int | None, int | None]:
    """Return gate and room as open files; nothing where the folder is somebody else's or cannot be made."""
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return None, None
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(folder / _GATE, flags, 0o600), os.open(folder / _ROOM, flags, 0o600)
    except OSError:
        return None, None


def _lock(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(file: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
