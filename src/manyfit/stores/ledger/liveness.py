"""Which workers seem dead: those that ended, and those that were silent for too long."""

from collections.abc import Callable
from pathlib import Path

from manyfit.model.keys import WorkerId
from manyfit.model.worker import Beat, WorkerInfo, WorkerState

_PROC = Path("/proc")


class Liveness:
    """
    Judges workers by what one handle has seen of them itself.

    A worker is silent from the moment of *monotonic* (seconds) at which its heartbeat was first seen with
    the counter that it still has; after *patience* seconds it seems dead. *info_of* returns what a worker
    registered as.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        patience: float,
        info_of: Callable[[WorkerId], WorkerInfo | None],
    ) -> None:
        self._monotonic = monotonic
        self._patience = patience
        self._info_of = info_of
        self._heard: dict[WorkerId, tuple[int, float]] = {}

    def seems_dead(self, worker: WorkerId, beat: Beat | None) -> bool:
        """Whether *worker*, whose last heartbeat is *beat*, ended or was silent for too long."""
        if self._is_silent(worker, beat.counter if beat else 0):
            return True
        if beat is not None and beat.state is WorkerState.STOPPED:
            return True
        info = self._info_of(worker)
        return info is not None and is_gone(info) is True

    def _is_silent(self, worker: WorkerId, counter: int) -> bool:
        now = self._monotonic()
        heard = self._heard.get(worker)
        if heard is None or heard[0] != counter:
            self._heard[worker] = (counter, now)
            return False
        return now - heard[1] >= self._patience


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
