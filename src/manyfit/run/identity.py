"""Who a worker is: an id that is never used twice, and what lets others see that its process is dead."""

import os
import re
import secrets
import socket
from collections.abc import Callable

from manyfit._version import __version__
from manyfit.model.keys import WorkerId
from manyfit.model.worker import WorkerInfo


def worker_info(threads: int, clock: Callable[[], float]) -> WorkerInfo:
    """Return what this process registers as: a new id on every call, everything else as the machine says."""
    host, pid = socket.gethostname(), os.getpid()
    return WorkerInfo(
        id=WorkerId(f"{sanitised(host)}-{pid}-{secrets.token_hex(3)}"),
        host=host,
        boot=boot_identity(),
        pid=pid,
        pid_started=process_started(pid) or "",
        version=__version__,
        threads=threads,
        started_at=clock(),
        cores=usable_cores(),
        memory_bytes=machine_memory(),
    )


def sanitised(host: str) -> str:
    """Return *host* with nothing but a-z, 0-9 and dashes, so that it can stand in a file name."""
    return re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:40] or "host"


def boot_identity() -> str:
    """
    Return what two processes have in common exactly when they can see each other's pids.

    On Linux this is the boot id of the kernel and the pid namespace; elsewhere the host name.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"host/{socket.gethostname()}"


def process_started(pid: int) -> str | None:
    """Return when process *pid* started, as a text that only equality has a meaning for; None: no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except FileNotFoundError:
        return None if os.path.exists("/proc/self/stat") else _started_elsewhere(pid)
    except (ProcessLookupError, IndexError):
        return None


def _started_elsewhere(pid: int) -> str | None:
    """Ask psutil, where there is no /proc."""
    import psutil

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def usable_cores() -> int:
    """Return the cores that this process may run on, which a cluster often makes fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> int:
    """Return the bytes of memory of the machine, 0 where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0
