"""What this machine has for a worker: cores and memory as far as its control group allows, GPUs."""

import math
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from shutil import which

GPU_PROGRAM = "nvidia-smi"
GPU_SECONDS = 5.0
"""A driver in trouble keeps its program waiting for ever: after this time there are no GPUs."""

_GPU_QUERY = ("--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")
_MEBIBYTE = 2**20


def usable_cores() -> int:
    """Return the cores that this process may use: a cluster or a container often gives fewer than there are."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = ControlGroup.of_this_process().cores()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def usable_memory() -> int:
    """Return the bytes of memory that this process may use, 0 where the machine does not say."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        physical = 0
    limit = ControlGroup.of_this_process().memory_bytes()
    return physical if limit is None else min(physical or limit, limit)


class ControlGroup:
    """
    The limits of the control groups (Linux, versions 1 and 2) that a process is in.

    *membership* is the text of ``/proc/PID/cgroup``, *root* where the groups are mounted. A group's limit
    holds for the groups inside of it. Inside a container the path of the membership may not be visible;
    then the limits of the root are those of the container.
    """

    def __init__(self, membership: str, root: Path) -> None:
        self._root = root
        self._paths = dict(_memberships(membership))

    @classmethod
    def of_this_process(cls) -> "ControlGroup":
        """Return the group of this process; one without limits where there are no control groups."""
        return cls(_text(Path("/proc/self/cgroup")) or "", Path("/sys/fs/cgroup"))

    def cores(self) -> float | None:
        """Return how many cores may be busy on average; None: no limit."""
        old = zip(self._read("cpu", "cpu.cfs_quota_us"), self._read("cpu", "cpu.cfs_period_us"), strict=False)
        texts = [*self._read("", "cpu.max"), *map(" ".join, old)]
        return min((quota for quota in map(_quota, texts) if quota is not None), default=None)

    def memory_bytes(self) -> int | None:
        """Return how much memory may be taken; None: no limit."""
        texts = [*self._read("", "memory.max"), *self._read("memory", "memory.limit_in_bytes")]
        return min((int(text) for text in texts if text.isdigit()), default=None)

    def _read(self, controller: str, file: str) -> Iterator[str]:
        """Yield the content of *file* in the group of *controller* ("": version 2) and in all above it."""
        path = self._paths.get(controller)
        if path is None:
            return
        mounts = [self._root / controller] if controller else [self._root, self._root / "unified"]
        for mount in mounts:
            for group in (path, *PurePosixPath(path).parents):
                text = _text(mount / str(group).lstrip("/") / file)
                if text is not None:
                    yield text.strip()


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    """Yield (controller, path) of each line ``number:controllers:path``; version 2 has no controllers."""
    for line in text.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for controller in controllers.split(","):
            yield controller, path


def _quota(text: str) -> float | None:
    """Return the cores of "quota period"; None where the quota is no number ("max", or -1 in version 1)."""
    quota, period = [*text.split(), "", ""][:2]
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def gpu_memory(limit_seconds: float = GPU_SECONDS) -> tuple[int, ...]:
    """
    Return the bytes of memory of each NVIDIA GPU that this process sees, none where there is no driver.

    ``CUDA_VISIBLE_DEVICES`` chooses among them, by number (as nvidia-smi counts them) or by the beginning
    of a UUID; as for CUDA itself, the first name of no GPU ends the list, and an empty text means none.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    program = which(GPU_PROGRAM)
    if program is None or (chosen is not None and not chosen.strip()):
        return ()
    found = list(_gpus(_output([program, *_GPU_QUERY], limit_seconds)))
    return tuple(n_bytes for _, _, n_bytes in (found if chosen is None else _chosen(found, chosen)))


_Gpu = tuple[str, str, int]
"""Number, UUID, bytes of memory."""


def _gpus(output: str) -> Iterator[_Gpu]:
    for line in output.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and parts[2].isdigit():
            yield parts[0], parts[1], int(parts[2]) * _MEBIBYTE


def _chosen(found: Sequence[_Gpu], names: str) -> Iterator[_Gpu]:
    for name in map(str.strip, names.split(",")):
        matching = [
            gpu for gpu in found if gpu[0] == name or (name.startswith("GPU-") and gpu[1].startswith(name))
        ]
        if len(matching) != 1:
            return
        yield matching[0]


def _output(command: Sequence[str], limit_seconds: float) -> str:
    """Return what *command* writes; nothing when it fails or takes longer."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    except OSError:
        return ""
    try:
        output = process.communicate(timeout=limit_seconds)[0]
    except (subprocess.TimeoutExpired, UnicodeDecodeError):
        _end(process)
        return ""
    return output if process.returncode == 0 else ""


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill *process* and its children; one that hangs inside its driver is left to the kernel."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=1.0)
    except (OSError, subprocess.TimeoutExpired):
        pass
    if process.stdout is not None:
        process.stdout.close()
