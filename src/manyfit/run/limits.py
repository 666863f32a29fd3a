"""How many workers and threads fit on a machine, and how libraries are told."""

import sys
from collections.abc import Mapping
from typing import Any

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def thread_environment(threads: int) -> Mapping[str, str]:
    """Return the environment that holds numerical libraries to *threads* threads, if set before their import."""
    return dict.fromkeys(_THREAD_VARIABLES, str(threads))


class ThreadPools:
    """
    The thread pools of the numerical libraries in this process, held to *threads* threads.

    A task may change a pool for all that come after it in its process. Only threadpoolctl knows how to
    ask the libraries; it is used if the executor has imported it (scikit-learn does).
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._n_modules = 0
        self._pools: list[Any] = []

    def hold(self) -> None:
        """Set back what a task has changed: 2 microseconds, or some milliseconds after new libraries came."""
        if len(sys.modules) != self._n_modules:
            self._n_modules = len(sys.modules)
            library = sys.modules.get("threadpoolctl")
            self._pools = list(library.ThreadpoolController().lib_controllers) if library else []
        for pool in self._pools:
            if pool.get_num_threads() != self._threads:
                pool.set_num_threads(self._threads)


def capped(
    workers: int | None, threads: int, cores: int, *, oversubscribe: bool = False
) -> tuple[int, int, str | None]:
    """
    Return how many workers and threads each to start on *cores* cores, and a note when that is less than asked.

    Workers x threads never exceeds the cores unless *oversubscribe*: threads that wait for each other's
    core make every fit slower. `workers` None means as many as fit.
    """
    cores, threads = max(1, cores), max(1, threads)
    if oversubscribe:
        return max(1, cores // threads if workers is None else workers), threads, None
    fewer_threads = min(threads, cores)
    room = max(1, cores // fewer_threads)
    fewer_workers = room if workers is None else min(max(1, workers), room)
    if (fewer_workers, fewer_threads) == (workers or fewer_workers, threads):
        return fewer_workers, fewer_threads, None
    asked = f"{threads} threads" if workers is None else f"{workers} workers x {threads} threads"
    note = f"{asked} would exceed {cores} cores: starting {fewer_workers} workers x {fewer_threads} threads"
    return fewer_workers, fewer_threads, note
