"""The stores side by side with other queues: what one task costs, and how long a claim takes."""

import contextlib
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import queues
from benchmarks.crowds import Drained, drain
from benchmarks.measure import grid
from manyfit.model.errors import NotFound

_ENOUGH = {1: 2_000, 100: 100_000}
"""Tasks drained by the queues of this comparison, by tasks in a unit."""
_SLOW = {"optuna, journal file": 10, "optuna, SQLite": 20}
"""What costs milliseconds a task drains a fraction of that."""


def stores(quick: bool) -> None:
    """What a task costs in each store and in other queues: units of 1 and 100 tasks, 1, 2 and 8 processes."""
    with contextlib.ExitStack() as stack:
        sides = dict(_sides(stack))
        for unit in (1, 100):
            rows = [_row(name, queue, unit, quick) for name, queue in sides.items() if _takes(name, unit)]
            title = "one commit for each task" if unit == 1 else f"units of {unit} tasks"
            grid(f"{title}: ms for a task (p99 of a claim, ms), by processes", ["queue", "1", "2", "8"], rows)
    print(
        "\n  aims: 0.05 ms in units, SQLite 0.1 ms one by one, PostgreSQL no slower than pgqueuer; p99 at 8: 50 ms"
    )


def _sides(stack: contextlib.ExitStack) -> Iterator[tuple[str, queues.Queue]]:
    yield "manyfit, directory", queues.manyfit_queue(queues.directory)
    yield "manyfit, SQLite", queues.manyfit_queue(queues.sqlite)
    if queues.installed("huey"):
        yield "huey, SQLite", queues.huey_queue
    dsn = _postgres(stack)
    if dsn:
        yield "manyfit, PostgreSQL", queues.manyfit_queue(queues.postgres(dsn))
    if dsn and queues.installed("pgqueuer", "asyncpg"):
        yield "pgqueuer", queues.pgqueuer_queue(dsn)
    if queues.installed("optuna"):
        yield "optuna, journal file", queues.optuna_queue("journal")
    if queues.installed("optuna", "sqlalchemy"):
        yield "optuna, SQLite", queues.optuna_queue("sqlite")


def _postgres(stack: contextlib.ExitStack) -> str:
    """Start a PostgreSQL of our own and return where it is; "" where there is none."""
    if not queues.installed("psycopg"):
        return ""
    from manyfit.testing.postgres import PrivatePostgres

    try:
        return stack.enter_context(PrivatePostgres()).dsn()
    except NotFound as why:
        print(f"\n  without PostgreSQL: {why}")
        return ""


def _takes(name: str, unit: int) -> bool:
    """Whether a queue knows batches at all: huey and Optuna take one task at a time."""
    return unit == 1 or name.startswith(("manyfit", "pgqueuer"))


def _row(name: str, queue: queues.Queue, unit: int, quick: bool) -> list[str]:
    n_tasks = _ENOUGH[unit] // _SLOW.get(name, 1) // (10 if quick else 1)
    return [name, *(_figure(queue, n_tasks, unit, n, 1 if quick else 3) for n in (1, 2, 8))]


def _figure(queue: queues.Queue, n_tasks: int, unit: int, n_processes: int, repetitions: int) -> str:
    found = [_once(queue, n_tasks, unit, n_processes) for _ in range(repetitions)]
    per_task = statistics.median(one.per_task for one in found)
    p99 = statistics.median(one.claim_p99 for one in found)
    return f"{per_task * 1e3:.3f} ({p99 * 1e3:.1f})"


def _once(queue: queues.Queue, n_tasks: int, unit: int, n_processes: int) -> Drained:
    with tempfile.TemporaryDirectory(dir=os.environ.get("MANYFIT_BENCH_FOLDER")) as folder:
        return drain(n_processes, n_tasks, queue(Path(folder), n_tasks, unit))
