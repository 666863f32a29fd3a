"""The queues that are compared: the stores of manyfit, and what else people use for the same purpose."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.crowds import Drain
from benchmarks.sweeps import SPEC, plan_of
from manyfit.contracts.store import Store
from manyfit.model.errors import MissingExtra
from manyfit.model.keys import SegmentId, UnitId, WorkerId, content_key
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Unit
from manyfit.model.worker import WorkerInfo

Queue = Callable[[Path, int, int], Drain]
"""Makes a queue in a folder, with so many tasks in units of so many, and returns what drains it."""

_RESULT = {"key": "0" * 64, "outcome": "succeeded", "scores": {"cv": {"accuracy": 0.9731}}, "finished_at": 0.0}
_LINE = b'{"attempt":1,"final":true,"index":%d,' + json.dumps(_RESULT).encode()[1:] + b"\n"


def manyfit_queue(open_store: Callable[[Path], Store]) -> Queue:
    """Return the queue of a manyfit store: one lease for a unit, a result line for each task."""

    def make(folder: Path, n_tasks: int, unit: int) -> Drain:
        fill(open_store(folder), n_tasks, unit)
        return lambda number: _drain_store(open_store(folder), number)

    return make


def fill(store: Store, n_tasks: int, unit: int) -> None:
    """Submit *n_tasks* tasks in units of *unit* to an empty store, and close it."""
    plan = plan_of([1.0] * n_tasks)
    id_ = SegmentId(content_key([n_tasks, unit])[:16])
    segment = Segment(
        id=id_,
        header=SegmentHeader(sweep="bench", executor="none:none", spec=SPEC, metrics=("accuracy",)),
        candidates=plan.candidates,
        cells=plan.cells,
        units=[_unit(id_, n, range(start, start + unit)) for n, start in enumerate(range(0, n_tasks, unit))],
    )
    store.submit(segment, position=1, n_new=n_tasks)
    store.close()


def _unit(segment: SegmentId, number: int, candidates: range) -> Unit:
    return Unit(
        id=UnitId(f"{segment[:8]}-{number}"),
        segment=segment,
        candidates=tuple(candidates),
        cells=(0,) * len(candidates),
        cost_seconds=float(len(candidates)),
        pipeline="p",
    )


def _drain_store(store: Store, number: int) -> Iterator[int]:
    worker = WorkerId(f"w{number}-{uuid.uuid4().hex[:6]}")
    store.register(_info(worker))
    yield 0
    lease = store.claim(worker)
    while True:
        if lease is None:
            if store.finished():
                return
            time.sleep(0.001)
            lease = store.claim(worker)
            continue
        for task in lease.tasks:
            store.record(lease, _LINE % task.index)
        held, lease = lease, store.cycle(lease, _end(lease), request=uuid.uuid4().hex)
        yield len(held.tasks)


def _end(lease: Lease) -> End:
    return End(kind=EndKind.DONE, indices=tuple(t.index for t in lease.tasks), marks="d" * len(lease.tasks))


def _info(worker: WorkerId) -> WorkerInfo:
    return WorkerInfo(
        id=worker,
        host="bench",
        boot="none",
        pid=1,
        pid_started="0",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
    )


def directory(folder: Path) -> Store:
    """Open the directory store of the benchmark."""
    from manyfit.stores.directory import DirectoryStore

    return DirectoryStore.create(folder / "bench.sweep", sweep="bench")


def sqlite(folder: Path) -> Store:
    """Open the SQLite store of the benchmark."""
    from manyfit.stores.sqlite import create_sqlite

    return create_sqlite(folder / "bench.db", sweep="bench")


def postgres(dsn: str) -> Callable[[Path], Store]:
    """Return what opens the PostgreSQL store of the benchmark: one sweep for each folder."""

    def open_store(folder: Path) -> Store:
        from manyfit.stores.postgres import create_postgres

        return create_postgres(dsn, sweep=f"bench-{folder.name}")

    return open_store


def pgqueuer_queue(dsn: str) -> Queue:
    """Return pgqueuer's queue: rows picked with SKIP LOCKED, moved to its log when done, *unit* at a time."""

    def make(folder: Path, n_tasks: int, unit: int) -> Drain:
        asyncio.run(_fill_pgqueuer(dsn, n_tasks))
        return lambda number: _drain_pgqueuer(dsn, unit)

    return make


async def _fill_pgqueuer(dsn: str, n_tasks: int) -> None:
    import asyncpg
    from pgqueuer import Queries

    connection = await asyncpg.connect(dsn)
    queries = Queries.from_asyncpg_connection(connection)
    with contextlib.suppress(asyncpg.PostgresError):
        await queries.uninstall()
    await queries.install()
    for start in range(0, n_tasks, 1000):
        n = min(1000, n_tasks - start)
        await queries.enqueue(["fit"] * n, [b"task"] * n, [0] * n)
    await connection.close()


def _drain_pgqueuer(dsn: str, unit: int) -> Iterator[int]:
    import asyncpg
    from pgqueuer import Queries

    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(dsn))
    queries = Queries.from_asyncpg_connection(connection)
    own = uuid.uuid4()
    yield 0
    while taken := loop.run_until_complete(_pgqueuer_cycle(queries, own, unit)):
        yield taken
    loop.run_until_complete(connection.close())
    loop.close()


async def _pgqueuer_cycle(queries: Any, own: uuid.UUID, unit: int) -> int:
    from datetime import timedelta

    from pgqueuer.ports.repository import EntrypointExecutionParameter

    entrypoints = {"fit": EntrypointExecutionParameter(concurrency_limit=0)}
    found = await queries.dequeue(unit, entrypoints, own, None, timedelta(seconds=120))
    if found:
        await queries.log_jobs([(one, "successful", None) for one in found])
    return len(found)


def huey_queue(folder: Path, n_tasks: int, unit: int) -> Drain:
    """Return huey's SQLite queue, synced at each commit: one task at a time, its result stored."""
    huey, task = _huey(folder)
    for number in range(n_tasks):
        task(number)
    huey.storage.close()
    return lambda number: _drain_huey(folder)


def _huey(folder: Path) -> tuple[Any, Any]:
    from huey import SqliteHuey

    huey = SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=True, timeout=60)

    @huey.task()
    def fit(number: int) -> dict[str, Any]:
        return _RESULT

    return huey, fit


def _drain_huey(folder: Path) -> Iterator[int]:
    huey, _ = _huey(folder)
    yield 0
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
        yield 1


def optuna_queue(storage: str) -> Queue:
    """Return an Optuna study on a journal file or on SQLite: ask, one suggestion, tell."""

    def make(folder: Path, n_tasks: int, unit: int) -> Drain:
        _study(folder, storage)
        return lambda number: _drain_optuna(folder, storage, n_tasks)

    return make


def _study(folder: Path, storage: str) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    where: Any = f"sqlite:///{folder / 'optuna.db'}"
    if storage == "journal":
        where = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(storage=where, study_name="bench", load_if_exists=True, sampler=sampler)


def _drain_optuna(folder: Path, storage: str, n_tasks: int) -> Iterator[int]:
    study = _study(folder, storage)
    yield 0
    while True:
        trial = study.ask()
        if trial.number >= n_tasks:
            return
        trial.suggest_float("x", 0.0, 1.0)
        study.tell(trial, 0.9)
        yield 1


def installed(*names: str) -> bool:
    """Whether all of these libraries can be imported."""
    try:
        for name in names:
            __import__(name)
    except (ImportError, MissingExtra):
        return False
    return True
