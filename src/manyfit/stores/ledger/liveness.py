"""Whether a worker of this host is known to have ended."""

from pathlib import Path

from manyfit.model.worker import WorkerInfo

_PROC = Path("/proc")


def is_gone(info: WorkerInfo) -> bool | None:
    """
    Return whether the process of *info* has ended; None when that cannot be known from here.

    It can be known on the same running kernel and in the same process namespace. A process with the
    same number that started at another time is another process; a zombie has ended.
    """
    if info.boot != here():
        return None
    try:
        stat = (_PROC / str(info.pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return None
    # the name of the program stands in parentheses and may hold anything, also spaces and parentheses
    fields = stat.rpartition(")")[2].split()
    return fields[0] in "ZX" or fields[19] != info.pid_started


def here() -> str | None:
    """Return what identifies the running kernel and process namespace, or None where that is unknown."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None
