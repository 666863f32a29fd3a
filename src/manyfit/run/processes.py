"""
What the operating system knows of processes: children, memory, who ends with whom.

Linux answers through /proc and prctl. Elsewhere psutil answers, and what only Linux can do is left out.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def adopt_orphans(adopt: bool = True) -> None:
    """Make this process the parent of descendants whose own parent ends, so that it can find and end them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(adopt))


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when *parent*, which has just forked it, ends; ends it now if it has."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def offer_to_oom_killer() -> None:
    """Make the kernel choose this process, and not its worker, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def children_of(pid: int) -> list[int]:
    """Return the direct children of *pid*, zombies included."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return _children_elsewhere(pid)


def _children_elsewhere(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def tree_of(pid: int) -> list[int]:
    """Return *pid* and all its descendants at this moment."""
    found = [pid]
    for parent in found:
        found.extend(child for child in children_of(parent) if child not in found)
    return found


def private_bytes(pids: Iterable[int]) -> int:
    """
    Return the memory that belongs to *pids* alone: resident, without mapped files.

    Data that all workers of a host map from one file is nobody's own and does not count.
    """
    return sum(_private_bytes(pid) for pid in pids)


def grown_bytes(template: int, start_bytes: int) -> int:
    """
    Return the memory of all that *template* has started, without the *start_bytes* that they share with it.

    Daemons count that left the tree of their parent, if *template* adopts orphans.
    """
    tree = tree_of(template)
    if len(tree) > 2 and (shares := [_share_of_memory(pid) for pid in tree]) and None not in shares:
        # Forked children share pages, with each other too: each counts its share.
        return max(0, sum(share or 0 for share in shares) - start_bytes)
    return max(0, private_bytes(tree[1:]) - start_bytes)


def _share_of_memory(pid: int) -> int | None:
    """Return the anonymous memory of *pid*, pages that n processes share divided by n; None: nobody knows."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith(b"Pss_Anon:")), None)
    except ProcessLookupError:
        return 0
    except OSError:
        return None if os.path.exists(f"/proc/{pid}") else 0


def _private_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = file.read().split()
        return (int(resident) - int(shared)) * _PAGE
    except OSError:
        return 0 if LINUX else _private_bytes_elsewhere(pid)


def _private_bytes_elsewhere(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def kernel_oom_kills() -> int:
    """Return how many processes the kernel has killed for memory since it booted (0 where it does not say)."""
    try:
        with open("/proc/vmstat", "rb") as file:
            lines = file.read().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith(b"oom_kill ")), 0)
    except OSError:
        return 0


def kill_children(*, patience_seconds: float = 5.0, marked: bytes | None = None) -> None:
    """
    Kill the children of this process, and what they leave behind, until none is left.

    Orphans come to this process when it adopts them, so that each round reaches one generation
    further. With *marked*, only processes whose environment holds that text are meant.
    """
    until = time.monotonic() + patience_seconds
    while time.monotonic() < until:
        _reap_children(marked)
        children = [pid for pid in children_of(os.getpid()) if marked is None or carries_mark(pid, marked)]
        if not children:
            return
        for pid in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def _reap_children(marked: bytes | None) -> None:
    """Collect children that ended; those without the mark belong to somebody else in this process."""
    with contextlib.suppress(ChildProcessError):
        if marked is None:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            return
        for pid in children_of(os.getpid()):
            if carries_mark(pid, marked):
                os.waitpid(pid, os.WNOHANG)


def carries_mark(pid: int, marked: bytes) -> bool:
    """Whether the environment that *pid* was started with holds the text *marked*."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return marked in file.read()
    except OSError:
        return False


def kill_marked(variable: str, doomed: Callable[[str], bool], *, patience_seconds: float = 5.0) -> int:
    """
    Kill this user's processes that were started with environment *variable* set to a value that is *doomed*.

    Looks again until none is left, as they may be forking; returns how many were killed. Linux only: elsewhere
    none is found.
    """
    n_killed, until = 0, time.monotonic() + patience_seconds
    while LINUX and time.monotonic() < until:
        found = [pid for pid in _pids_of_this_user() if _kill_if_marked(pid, variable.encode(), doomed)]
        if not found:
            break
        n_killed += len(found)
        time.sleep(0.001)
    return n_killed


def _pids_of_this_user() -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == os.getuid():
                    found.append(int(name))
    return found


def _kill_if_marked(pid: int, variable: bytes, doomed: Callable[[str], bool]) -> bool:
    """Kill exactly the process whose mark was read: its pid may be another's a moment later."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            value = _marked_value(pid, variable)
            if value is not None and doomed(value):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return True
        finally:
            os.close(handle)
    return False


def _marked_value(pid: int, variable: bytes) -> str | None:
    """Return what *pid* was started with as *variable*; a zombie shows none. Raises OSError."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        entries = file.read().split(b"\0")
    values = [entry[len(variable) + 1 :] for entry in entries if entry.startswith(variable + b"=")]
    return values[0].decode(errors="replace") if values else None


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
