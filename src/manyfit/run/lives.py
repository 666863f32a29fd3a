"""Lives: names of processes that are never used twice, to tell what the dead left from what the living use."""

import hashlib
import os

from manyfit.run.identity import boot_identity, process_started

_PARTS = 3


def own_life() -> str:
    """
    Return the name of this process in this life: "<boot and pid namespace>-<pid>-<when it started>".

    It has no slash and is short: it stands in names of folders, cgroups and environment variables.
    """
    pid = os.getpid()
    return f"{_boot()}-{pid}-{process_started(pid)}"


def is_dead(name: str) -> bool:
    """
    Whether *name*, which begins with a life, is of a process that is known to be gone.

    Names of another boot, another pid namespace or another host say nothing, and neither do texts
    that are no life: the answer is then False, and what carries the name must be left alone.
    """
    parts = name.split("-")
    if len(parts) < _PARTS or parts[0] != _boot() or not parts[1].isdecimal():
        return False
    pid, started = int(parts[1]), parts[2]
    return process_started(pid) != started or _is_zombie(pid)


def _boot() -> str:
    return hashlib.sha256(boot_identity().encode()).hexdigest()[:8]


def _is_zombie(pid: int) -> bool:
    """A killed process that its parent has not collected looks alive but for its state."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return False
