"""Several processes that drain one queue together: what a task costs, and how long a claim takes."""

import gc
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Drain = Callable[[int], Iterator[int]]
"""Called in a process of its own with its number; yields, after each claim, how many tasks it has just ended."""

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """Seconds for each task over all processes, and the latency of claims in seconds."""

    per_task: float
    claim_median: float
    claim_p99: float


def drain(n_processes: int, n_tasks: int, process: Drain) -> Drained:
    """
    Have *n_processes* forked processes drain *n_tasks* tasks, and return what it cost.

    Each opens the queue before the start. The clock runs from the common start until the last task has
    ended. Raises `RuntimeError` when not exactly *n_tasks* were done.
    """
    forks = multiprocessing.get_context("fork")
    start, reports = forks.Barrier(n_processes + 1), forks.SimpleQueue()
    crowd = [forks.Process(target=_run, args=(process, n, start, reports)) for n in range(n_processes)]
    for member in crowd:
        member.start()
    start.wait(PATIENCE_SECONDS)
    began = time.monotonic()
    found = [reports.get() for _ in crowd]
    for member in crowd:
        member.join()
    if broken := [error for error in found if isinstance(error, str)]:
        raise RuntimeError(f"a process of the crowd failed: {broken[0]}")
    done = sum(n for n, _, _ in found)
    if done != n_tasks:
        raise RuntimeError(f"{done} of {n_tasks} tasks were done")
    latencies = sorted(latency for _, _, some in found for latency in some)
    return Drained(
        per_task=(max(ended for _, ended, _ in found) - began) / n_tasks,
        claim_median=latencies[len(latencies) // 2],
        claim_p99=latencies[min(len(latencies) - 1, math.ceil(0.99 * len(latencies)))],
    )


def _run(process: Drain, number: int, start, reports) -> None:
    try:
        reports.put(_timed(process(number), start))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent waits for a word
        start.abort()
        reports.put(f"{type(error).__name__}: {error}")


def _timed(steps: Iterator[int], start) -> tuple[int, float, list[float]]:
    """Return how many tasks were done, when the last one was, and how long each claim took."""
    next(steps)  # opens the queue
    gc.disable()
    start.wait(PATIENCE_SECONDS)
    n, latencies, ended = 0, [], time.monotonic()
    before = time.perf_counter()
    for n_more in steps:
        now = time.perf_counter()
        if n_more:
            latencies.append(now - before)
            n, ended = n + n_more, time.monotonic()
        before = time.perf_counter()
    return n, ended, latencies or [0.0]
