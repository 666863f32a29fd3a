"""Who a worker is: an id that is never used twice, and what lets others see that its process is dead."""

import os
import re
import secrets
import socket
from collections.abc import Callable, Iterable

from manyfit._version import __version__
from manyfit.model.errors import UserError
from manyfit.model.keys import WorkerId
from manyfit.model.worker import LABEL_CHARACTERS, WorkerInfo, is_label
from manyfit.run.libraries import all_versions
from manyfit.run.machine import gpu_memory, usable_cores, usable_memory

LABELS_VARIABLE = "MANYFIT_LABELS"


def worker_info(threads: int, clock: Callable[[], float], labels: Iterable[str] = ()) -> WorkerInfo:
    """
    Return what this process registers as: a new id on every call, everything else as the machine says.

    *labels* are what its operator says of it, beside those in the environment variable MANYFIT_LABELS
    (separated by commas). Raises `UserError` for a text that is no label.
    """
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
        memory_bytes=usable_memory(),
        gpu_bytes=gpu_memory(),
        labels=worker_labels(labels),
        libraries=all_versions(),
    )


def worker_labels(given: Iterable[str]) -> tuple[str, ...]:
    """Return a worker's labels, each once: those *given*, then those of the environment. Raises `UserError`."""
    named = os.environ.get(LABELS_VARIABLE, "")
    sources = [*((label, "the label") for label in given)]
    sources += [(label.strip(), f"{LABELS_VARIABLE}: the label") for label in named.split(",") if label.strip()]
    for label, where in sources:
        if not is_label(label):
            raise UserError(f'{where} "{label}" is none; a label has {LABEL_CHARACTERS}, for example gpu=a100')
    return tuple(dict.fromkeys(label for label, _ in sources))


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
