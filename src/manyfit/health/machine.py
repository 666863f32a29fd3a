"""Checks of the machine: processors, memory, limits, temporary space, GPUs."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from manyfit.health.cgroups import Group, own_group
from manyfit.health.finding import Area, Check, Seen, bad, doubtful, fine
from manyfit.health.texts import GIBI, MEBI, error_advice, error_text, size_text

GPU_SECONDS = 6.0
_PINNING = ("GOMP_CPU_AFFINITY", "KMP_AFFINITY", "OMP_PLACES", "OMP_PROC_BIND")
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def checks() -> Sequence[Check]:
    """Return the checks of the machine."""
    looks = {
        "cores": lambda: cores(os.cpu_count() or 1, _usable(), own_group().cpus),
        "load": lambda: load(os.getloadavg()[0], _usable()),
        "memory": _memory,
        "swap": _swap,
        "memory limits": lambda: delegation(own_group()),
        "process limits": _limits,
        "thread settings": lambda: thread_settings(os.environ, _usable()),
        "temporary files": lambda: temporary_files(Path(tempfile.gettempdir())),
        "shared memory": _shared_memory,
    }
    found = [Check(area=Area.MACHINE, name=name, look=look) for name, look in looks.items()]
    return [*found, Check(area=Area.MACHINE, name="gpu", look=_gpu, limit_seconds=GPU_SECONDS + 2)]


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores(there: int, usable: int, quota: float | None) -> Seen:
    """Return what can be computed on: cores *there*, those *usable* by this process, the *quota* of its group."""
    text = f"{usable} of {there} usable" if usable < there else f"{there}, all usable"
    facts = {"cores": there, "usable_cores": usable, "quota_cores": quota}
    if quota is not None and quota < usable:
        return doubtful(
            f"{text}, but a quota of {quota:g} (cgroup): more workers than that slow each other down",
            f"start {max(1, int(quota))} workers: manyfit run SWEEP --workers {max(1, int(quota))}",
            **facts,
        )
    return fine(text, **facts)


def load(last_minute: float, usable: int) -> Seen:
    """Return whether other processes want the cores."""
    text = f"{last_minute:.1f} in the last minute, for {usable} cores"
    if last_minute > 1.5 * usable:
        return doubtful(
            text, "fits will be slower than predicted; see who else works here (top)", load=last_minute
        )
    return fine(text, load=last_minute)


def _memory() -> Seen:
    import psutil

    found = psutil.virtual_memory()
    return memory(found.total, found.available, own_group().memory_bytes)


def memory(total: int, available: int, limit: int | None) -> Seen:
    """Return what memory there is; *limit* is that of the control group."""
    text = f"{size_text(available)} free of {size_text(total)}"
    facts = {"total_bytes": total, "available_bytes": available, "limit_bytes": limit}
    usable = available
    if limit is not None and limit < total:
        text += f"; this process and its like may use {size_text(limit)} (cgroup)"
        usable = min(available, limit)
    if usable < GIBI:
        return doubtful(text, "end other programs, or set memory in [limits] of the sweep", **facts)
    return fine(text, **facts)


def _swap() -> Seen:
    import psutil

    found = psutil.swap_memory()
    return swap(found.total, found.used)


def swap(total: int, used: int) -> Seen:
    """Return whether the machine swaps already."""
    if not total:
        return fine("none", total_bytes=0, used_bytes=0)
    text = f"{size_text(used)} used of {size_text(total)}"
    if used > total / 2:
        return doubtful(text, "memory is short here: start fewer workers", total_bytes=total, used_bytes=used)
    return fine(text, total_bytes=total, used_bytes=used)


def delegation(group: Group) -> Seen:
    """Return how the memory limit of a task can be kept."""
    facts = {"cgroup_version": group.version, "delegated": group.delegated}
    if group.delegated:
        return fine("the kernel can keep them for each task (cgroup v2, delegated)", **facts)
    why = {0: "no cgroups", 1: "cgroup v1"}.get(group.version, "cgroup v2, not delegated")
    return fine(f"kept by address space, not by the kernel ({why})", **facts)


def _limits() -> Seen:
    names = {"open files": resource.RLIMIT_NOFILE, "processes": resource.RLIMIT_NPROC}
    names |= {"address space": resource.RLIMIT_AS, "file size": resource.RLIMIT_FSIZE}
    return process_limits({name: resource.getrlimit(which)[0] for name, which in names.items()})


def process_limits(soft: Mapping[str, int]) -> Seen:
    """Return whether the limits (in bytes or pieces; below 0: none) let workers work."""
    unlimited = {name: sys.maxsize if value < 0 else value for name, value in soft.items()}
    low = []
    if unlimited["open files"] < 1024:
        low.append((f"only {unlimited['open files']} open files", "ulimit -n 4096"))
    if unlimited["processes"] < 256:
        low.append((f"only {unlimited['processes']} processes and threads", "ulimit -u 4096"))
    if unlimited["address space"] < sys.maxsize:
        text = f"{size_text(unlimited['address space'])} of address space, of which libraries take several GiB"
        low.append((text, "ulimit -v unlimited"))
    if unlimited["file size"] < GIBI:
        low.append((f"files of at most {size_text(unlimited['file size'])}", "ulimit -f unlimited"))
    if low:
        return doubtful("; ".join(text for text, _ in low), "; ".join(do for _, do in low), **soft)
    shown = {name: "no limit" if soft[name] < 0 else f"{soft[name]:,}" for name in ("open files", "processes")}
    return fine(", ".join(f"{name}: {value}" for name, value in shown.items()), **soft)


def thread_settings(environment: Mapping[str, str], usable: int) -> Seen:
    """Return which variables would make the threads of workers hinder each other."""
    pinning = [f"{name}={environment[name]}" for name in _PINNING if _pins(name, environment.get(name, ""))]
    if pinning:
        return doubtful(
            f"{', '.join(pinning)}: the threads of all workers may end up on the same cores",
            f"unset {' '.join(text.partition('=')[0] for text in pinning)}",
        )
    if environment.get("OMP_WAIT_POLICY", "").lower() == "active":
        return doubtful("OMP_WAIT_POLICY=active: waiting threads keep cores busy", "unset OMP_WAIT_POLICY")
    many = [f"{name}={environment[name]}" for name in _THREADS if _above(environment.get(name, ""), usable)]
    if many:
        names = " ".join(text.partition("=")[0] for text in many)
        return doubtful(f"{', '.join(many)}: more than {usable} usable cores", f"unset {names}")
    found = [f"{name}={environment[name]}" for name in _THREADS if name in environment]
    if found:
        return fine(f"{', '.join(found)} (workers set their own)")
    return fine("none in the environment; workers set their own")


def _pins(name: str, value: str) -> bool:
    return bool(value) and not (name == "OMP_PROC_BIND" and value.lower() == "false")


def _above(value: str, usable: int) -> bool:
    first = value.partition(",")[0]
    return first.isdigit() and int(first) > usable


def temporary_files(folder: Path) -> Seen:
    """Return whether *folder* takes files."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"manyfit")
            file.flush()
    except OSError as error:
        return bad(f"nothing can be written to {folder}: {error_text(error)}", f"TMPDIR: {error_advice(error)}")
    return room_for_temporary_files(folder, shutil.disk_usage(folder).free)


def room_for_temporary_files(folder: Path, free: int) -> Seen:
    """Return whether *free* bytes are enough."""
    text = f"{folder}: {size_text(free)} free"
    if free < GIBI:
        return doubtful(text, "clear it, or set TMPDIR to a folder with more room", free_bytes=free)
    return fine(text, free_bytes=free)


def _shared_memory() -> Seen:
    folder = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    return shared_memory(shutil.disk_usage(folder).total if folder.is_dir() else None)


def shared_memory(total: int | None) -> Seen:
    """Return whether libraries that share arrays between processes find room."""
    if total is None:
        return fine("no /dev/shm on this system")
    text = f"{size_text(total)} in /dev/shm"
    if total < 256 * MEBI:
        return doubtful(
            f"{text}: libraries that share arrays there crash when it is full",
            "start the container with more, such as --shm-size=2g",
            total_bytes=total,
        )
    return fine(text, total_bytes=total)


def _gpu() -> Seen:
    program = shutil.which("nvidia-smi")
    if program is None:
        return fine("none seen (no nvidia-smi on the PATH)", gpus=[])
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=GPU_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return gpus(None, f"nvidia-smi gave no answer within {GPU_SECONDS:g} s")
    except OSError as error:
        return gpus(None, f"nvidia-smi: {error_text(error)}")
    if done.returncode:
        said = (done.stdout or done.stderr).strip().splitlines()
        return gpus(None, f"nvidia-smi failed: {said[0] if said else f'exit {done.returncode}'}")
    return gpus(done.stdout.strip().splitlines(), "")


def gpus(names: Sequence[str] | None, failure: str) -> Seen:
    """Return which GPUs there are; None: they could not be asked, for the reason *failure*."""
    if names is None:
        return doubtful(failure, "look at the driver (dmesg); fits on the CPU are not concerned")
    return fine("; ".join(names) or "none", gpus=list(names))
