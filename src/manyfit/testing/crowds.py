"""
Many real processes on one store: who got what and when, and whether that was right.

`drain` lets workers run a plan of tiny tasks until the sweep is finished and returns what each of them
did, by the monotonic clock of this host, which all its processes share. `judged` compares that with what
the store says. The store is opened in each process by an *opener*, a picklable function of the worker's
number, which may give every handle another patience and another clock.
"""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from manyfit.contracts.store import Store
from manyfit.model.errors import LeaseLost
from manyfit.model.keys import WorkerId
from manyfit.model.lease import Lease
from manyfit.testing.stores.acting import accepted_lines, counts
from manyfit.testing.stores.builders import beat, end, line

Opener = Callable[[int], Store]
"""Opens a handle for the worker with this number; picklable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stint:
    """One lease as its holder saw it, from its claim to just before its end; *kept*: the end was accepted."""

    worker: str
    unit: str
    epoch: int
    pipeline: str
    indices: tuple[int, ...]
    began: float
    ended: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """
    How many work, how they go about it, and how they are disturbed.

    Each task takes *task_seconds*. With *n_pauses*, that many times a worker is stopped by SIGSTOP for
    *pause_seconds* and then goes on. Nobody works longer than *most_seconds*.
    """

    n_workers: int
    task_seconds: float = 0.0
    n_pauses: int = 0
    pause_seconds: float = 0.0
    most_seconds: float = 200.0
    seed: int = 0
    start: Literal["fork", "spawn", "forkserver"] = "fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it: all leases, and how many were lost to others."""

    stints: tuple[Stint, ...]
    n_failed: int
    """Workers that ended with an error."""

    @property
    def n_lost(self) -> int:
        return sum(not stint.kept for stint in self.stints)


def drain(opener: Opener, crowd: Crowd, folder: Path) -> Outcome:
    """Let a crowd run what is in the store; notes of each worker are left in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    context: Any = multiprocessing.get_context(crowd.start)
    args = [(opener, crowd, number, folder / f"{number}.jsonl") for number in range(crowd.n_workers)]
    processes = [context.Process(target=_work, args=arg, daemon=True) for arg in args]
    for process in processes:
        process.start()
    try:
        _disturb(crowd, [process.pid for process in processes if process.pid])
    finally:
        for process in processes:
            process.join(crowd.most_seconds + 60)
    stints = [stint for *_, notes in args for stint in _noted(notes)]
    return Outcome(stints=tuple(stints), n_failed=sum(process.exitcode != 0 for process in processes))


def judged(store: Store, outcome: Outcome, n_tasks: int) -> None:
    """Check that nothing was lost, doubled or left: every task ran to its end once, and all workers did."""
    assert outcome.n_failed == 0
    assert store.finished()
    found = counts(store)
    assert (found.planned, found.done) == (n_tasks, n_tasks), found
    ran = Counter(
        (unit.partition(".")[0], json.loads(text)["index"])
        for unit, _, lines in accepted_lines(store)
        for text in lines.splitlines()
    )
    assert n_tasks == len(ran) == ran.total()
    leases = Counter((stint.unit, stint.epoch) for stint in outcome.stints)
    assert not leases or max(leases.values()) == 1, "two workers were given the same lease"


def most_at_once(stints: Iterable[Stint]) -> int:
    """Return how many of *stints* were open at the same moment, at most."""
    moments = [moment for stint in stints for moment in ((stint.began, 1), (stint.ended, -1))]
    # of equal moments an end comes first: what ends as another begins is not open with it
    return max(accumulate(step for _, step in sorted(moments)), default=0)


def _work(opener: Opener, crowd: Crowd, number: int, notes: Path) -> None:
    """Claim, run and complete until the sweep is finished, as the worker with this *number*."""
    store, worker = opener(number), WorkerId(f"w{number}")
    deadline, idle, counter = time.monotonic() + crowd.most_seconds, 0.02, 0
    with notes.open("a") as file:
        while time.monotonic() < deadline:
            counter += 1
            store.expire()
            lease = store.claim(worker, request=f"{worker}/{counter}")
            if lease is not None:
                stint = _run(store, lease, crowd.task_seconds)
                file.write(json.dumps(asdict(stint)) + "\n")
                idle = 0.02
            elif store.finished():
                store.close()
                return
            else:
                time.sleep(idle)
                idle = min(1.0, 2 * idle)
    raise TimeoutError(worker)


def _run(store: Store, lease: Lease, task_seconds: float) -> Stint:
    began, kept = time.monotonic(), True
    try:
        for task in lease.tasks:
            store.beat(lease.worker, beat(time.monotonic_ns(), lease, index=task.index))
            if task_seconds:
                time.sleep(task_seconds)
            store.record(lease, line(task.index, attempt=task.attempts + 1))
        ended = time.monotonic()
        store.complete(lease, end(lease, "d" * len(lease.tasks)))
    except LeaseLost:
        ended, kept = time.monotonic(), False
    return Stint(
        worker=lease.worker,
        unit=lease.unit,
        epoch=lease.epoch,
        pipeline=store.unit(lease.unit).pipeline,
        indices=tuple(task.index for task in lease.tasks),
        began=began,
        ended=ended,
        kept=kept,
    )


def _disturb(crowd: Crowd, pids: Sequence[int]) -> None:
    """Stop workers for a while, one after another; each goes on afterwards."""
    chosen = random.Random(crowd.seed)
    for _ in range(crowd.n_pauses):
        pid = chosen.choice(pids)
        try:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(crowd.pause_seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


def _noted(notes: Path) -> Iterable[Stint]:
    for text in notes.read_text().splitlines() if notes.exists() else ():
        value = json.loads(text)
        yield Stint(**{**value, "indices": tuple(value["indices"])})
