"""Limits that a runner keeps by itself: wall time by an alarm, memory by its address space."""

import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Protocol, TypeVar

from manyfit.model.sweep import Limits

_PAGE = resource.getpagesize()
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_WORTH_MEASURING = 0.001
"""Seconds a task must take for its peak to be measured anew: asking costs 20 microseconds."""
Item = TypeVar("Item")


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

    def peak_bytes(self) -> int:
        """Return the largest resident size since `enter`; for a very short task, that of an earlier one."""

    def step(self, items: Iterator[Item]) -> Item | None:
        """Return the next of *items*, None after the last. Raises `TaskTimeout` inside of it."""


class Unguarded:
    """No limits: for tasks that run in the worker's own process."""

    def enter(self, n_tasks: int, limits: Limits) -> None:
        """See `Guard`."""

    def leave(self) -> None:
        """See `Guard`."""

    def peak_bytes(self) -> int:
        return 0

    def step(self, items: Iterator[Item]) -> Item | None:
        return next(items, None)


class ProcessGuard:
    """The guard of a runner process. Owns SIGALRM and the soft limit of the address space."""

    def __init__(self) -> None:
        self._watching = False
        self._inside = False
        self._late = False
        self._limited = False
        self._peak_reset = _open_or_none("/proc/self/clear_refs")
        self._peak = 0
        self._entered = 0.0
        signal.signal(signal.SIGALRM, self._on_alarm)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        """Raise only inside the executor: anywhere else a frame would be cut in two."""
        if self._watching and self._inside:
            raise TaskTimeout
        self._late = self._watching

    def enter(self, n_tasks: int, limits: Limits) -> None:
        self._late, self._watching = False, True
        self._entered = time.monotonic()
        if limits.memory_bytes is not None:
            self._limit_memory(limits.memory_bytes)
        signal.setitimer(signal.ITIMER_REAL, limits.time_seconds * n_tasks)

    def _limit_memory(self, n_bytes: int) -> None:
        """Allow *n_bytes* above the present size: the libraries and the mapped data are not the task's."""
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = _address_space() + n_bytes
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
        self._limited = True

    def leave(self) -> None:
        self._watching = False
        if self._limited:
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            self._limited = False

    def peak_bytes(self) -> int:
        if self._peak and time.monotonic() - self._entered < _WORTH_MEASURING:
            return self._peak
        self._peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
        if self._peak_reset is not None:
            os.write(self._peak_reset, b"5")
        return self._peak

    def step(self, items: Iterator[Item]) -> Item | None:
        if self._late:
            self._late = False
            raise TaskTimeout
        self._inside = True
        try:
            return next(items, None)
        finally:
            self._inside = False


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
