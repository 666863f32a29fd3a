"""Limits that a runner keeps by itself: wall time by an alarm, memory by its cgroup or its address space."""

import contextlib
import enum
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Protocol, TypeVar

from manyfit.model.sweep import Limits
from manyfit.run.cgroups import LeafMemory
from manyfit.run.limits import ThreadPools
from manyfit.run.processes import LINUX, children_of
from manyfit.run.scratch import TaskScratch

_PAGE = resource.getpagesize()
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_WORTH_MEASURING = 0.001
"""Seconds a task must take for its peak to be measured anew, and pools looked at: that costs 20 microseconds."""
Item = TypeVar("Item")


class MemoryBound(enum.Enum):
    """What holds the memory limit of a task."""

    CGROUP = "cgroup"
    """The kernel counts the pages of the runner and all that it started, and kills them above the limit."""
    ADDRESS_SPACE = "address space"
    """The kernel refuses memory to the runner process; the worker looks at its children."""
    POLLING = "polling"
    """The worker looks at the memory a few times a second, and kills the runner above the limit."""


MOST_SHARED = 2
"""A group has the time of so many tasks until its first result: what they share, and one task of its own."""


class TaskTimeout(BaseException):
    """
    The task in progress has used up its wall time.

    Not an `Exception`: code that survives the errors of an estimator must not survive this.
    """


class Guard(Protocol):
    """Watches the tasks that run in this process."""

    def enter(self, n_tasks: int, limits: Limits) -> None:
        """Begin to watch *n_tasks* tasks that run together: each adds its wall time."""

    def leave(self) -> None:
        """Stop watching; memory is free again to report what happened."""

    def memory_by(self) -> MemoryBound | None:
        """Return what holds the memory limit of the tasks that were entered last; None: they have none."""

    def spent(self) -> bool:
        """
        Whether a task that was interrupted left threads or processes: only the runner's end ends them.

        True once for each such task.
        """

    def peak_bytes(self) -> int:
        """
        Return the largest memory of one process since `enter`; for a very short task, that of an earlier one.

        A child counts once it has ended; where the runner has a cgroup, all that it started counts together.
        """

    def step(self, items: Iterator[Item]) -> Item | None:
        """Return the next of *items*, None after the last. Raises `TaskTimeout` inside of it."""


class Unguarded:
    """No limits: for tasks that run in the worker's own process."""

    def enter(self, n_tasks: int, limits: Limits) -> None:
        """See `Guard`."""

    def leave(self) -> None:
        """See `Guard`."""

    def memory_by(self) -> MemoryBound | None:
        return None

    def spent(self) -> bool:
        return False

    def peak_bytes(self) -> int:
        return 0

    def step(self, items: Iterator[Item]) -> Item | None:
        return next(items, None)


class ProcessGuard:
    """
    The guard of a runner process. Owns SIGALRM and the soft limit of the address space.

    `memory` is the leaf cgroup that this process is in; `scratch` is cleared, and `pools` are held to their
    number of threads, when tasks end.
    """

    def __init__(
        self,
        *,
        memory: LeafMemory | None = None,
        scratch: TaskScratch | None = None,
        pools: ThreadPools | None = None,
    ) -> None:
        self._memory = memory
        self._scratch = scratch
        self._pools = pools
        self._watching = False
        self._inside = False
        self._late = False
        self._bound: MemoryBound | None = None
        self._interrupted = False
        self._peak_reset = _open_or_none("/proc/self/clear_refs")
        self._peak = 0
        self._peak_is_old = False
        self._is_long = False
        self._of_children = _Children()
        self._entered = 0.0
        signal.signal(signal.SIGALRM, self._on_alarm)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        """Raise only inside the executor: anywhere else a frame would be cut in two."""
        if self._watching and self._inside:
            self._interrupted = True
            raise TaskTimeout
        self._late = self._watching

    def enter(self, n_tasks: int, limits: Limits) -> None:
        self._late, self._watching = False, True
        self._entered = time.monotonic()
        if self._peak_is_old:
            self._begin_peak()
        self._bound = None if limits.memory_bytes is None else self._limit_memory(limits.memory_bytes)
        signal.setitimer(signal.ITIMER_REAL, limits.time_seconds * n_tasks)

    def _limit_memory(self, n_bytes: int) -> MemoryBound:
        """Allow *n_bytes* above the present size: the libraries and the mapped data are not the task's."""
        if self._memory is not None:
            with contextlib.suppress(OSError):
                self._memory.limit(n_bytes)
                return MemoryBound.CGROUP
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = _address_space() + n_bytes
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
        except (OSError, ValueError):
            return MemoryBound.POLLING
        # Elsewhere the call succeeds and binds nothing.
        return MemoryBound.ADDRESS_SPACE if LINUX else MemoryBound.POLLING

    def leave(self) -> None:
        self._watching = False
        if self._bound is not None:
            self._lift_memory()
        if self._scratch is not None:
            self._scratch.clear()
        if self._is_long and self._pools is not None:
            self._pools.hold()

    def _lift_memory(self) -> None:
        if self._bound is MemoryBound.CGROUP and self._memory is not None:
            self._memory.lift()
        elif self._bound is MemoryBound.ADDRESS_SPACE:
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    def memory_by(self) -> MemoryBound | None:
        return self._bound

    def spent(self) -> bool:
        interrupted, self._interrupted = self._interrupted, False
        return interrupted and (threading.active_count() > 1 or _has_company())

    def peak_bytes(self) -> int:
        self._is_long = time.monotonic() - self._entered >= _WORTH_MEASURING
        if self._peak and not self._is_long:
            return self._peak
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
        together = self._memory.peak_bytes() if self._memory is not None else 0
        self._peak = max(own, self._of_children.peak_bytes(), together)
        self._peak_is_old = self._is_long
        return self._peak

    def _begin_peak(self) -> None:
        """Forget the peak of earlier tasks; here, since what they held is free by now."""
        self._peak, self._peak_is_old = 0, False
        self._of_children.begin()
        if self._peak_reset is not None:
            os.write(self._peak_reset, b"5")
        if self._memory is not None:
            self._memory.begin_peak()

    def step(self, items: Iterator[Item]) -> Item | None:
        if self._late:
            self._late, self._interrupted = False, True
            raise TaskTimeout
        self._inside = True
        try:
            return next(items, None)
        finally:
            self._inside = False


class _Children:
    """The memory of children that ended: the system tells the largest of all of them so far."""

    def __init__(self) -> None:
        self._n_faults = 0

    def begin(self) -> None:
        """Count those that end from now on."""
        self._n_faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt

    def peak_bytes(self) -> int:
        """Return the largest child so far if any has ended since `begin`, else 0."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_maxrss * _MAXRSS_UNIT if usage.ru_minflt != self._n_faults else 0


def _has_company() -> bool:
    """Whether this runner has children, or descendants whose own parent ended: those went to the template."""
    return bool(children_of(os.getpid())) or children_of(os.getppid()) != [os.getpid()]


def _open_or_none(path: str) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _address_space() -> int:
    """Return the size of this process's address space; where only Linux tells, a large guess."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * _PAGE
    except OSError:
        return 16 << 30
