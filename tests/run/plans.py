"""Plans of scripted tasks in a real directory store, and what became of them."""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import CandidateKey, CellKey, SegmentId, UnitId, content_key, task_key
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.sweep import Limits
from manyfit.model.unit import Mode, Unit
from manyfit.run.crowd import Crowd
from manyfit.run.forked import ForkedRunner
from manyfit.run.identity import worker_info
from manyfit.run.inline import InlineRunner
from manyfit.run.runner import Runner
from manyfit.run.worker import Worker, WorkerOptions, WorkerReport
from manyfit.run.workplace import workplace
from manyfit.stores.directory.store import DirectoryStore

SCRIPTED = "tests.run.executors:scripted"
TRIVIAL = "tests.run.executors:trivial"
QUICK = WorkerOptions(beat_seconds=0.05, expire_seconds=0.1, idle_timeout=20, backoff_seconds=0.05)


_host = tempfile.TemporaryDirectory(prefix="manyfit-test-host-")
"""Where workers of these tests meet: those of other programs on this machine are none of their business."""


def candidate(params: Mapping[str, Any], pipeline: str = "p") -> Candidate:
    key = CandidateKey(content_key([pipeline, dict(params)]))
    return Candidate(
        key=key, pipeline=pipeline, steps=(Step(name="s", use="u:U", params=dict(params)),), shown=params
    )


CELL = Cell(key=CellKey(content_key("cell")), split="all", fold=None, seed=0)


def plan(
    tasks: Sequence[Mapping[str, Any]],
    *,
    folder: Path,
    per_unit: int = 1000,
    limits: Limits = Limits(),
    executor: str = SCRIPTED,
    cost_seconds: float = 1.0,
    pipeline: str = "p",
    mode: Mode = Mode.FIT,
) -> Segment:
    """Return a segment with one task for each of *tasks*: parameters, and `n` to tell them apart."""
    candidates = [candidate({"n": n, **params}, pipeline) for n, params in enumerate(tasks)]
    header = SegmentHeader(sweep="t", executor=executor, spec={}, folder=str(folder), limits=limits)
    id_ = SegmentId(
        hashlib.sha256(json.dumps([pipeline, *(dict(c.shown) for c in candidates)]).encode()).hexdigest()[:16]
    )
    units = [
        Unit(
            id=UnitId(f"{id_[:8]}-{n}"),
            segment=id_,
            candidates=list(range(start, min(start + per_unit, len(tasks)))),
            cells=[0] * len(range(start, min(start + per_unit, len(tasks)))),
            cost_seconds=cost_seconds,
            pipeline=pipeline,
            mode=mode,
        )
        for n, start in enumerate(range(0, len(tasks), per_unit))
    ]
    return Segment(id=id_, header=header, candidates=candidates, cells=[CELL], units=units)


def submit(store: Store, segment: Segment) -> None:
    store.submit(segment, position=len(store.entries()) + 1, n_new=segment.n_tasks)


def make_store(folder: Path) -> DirectoryStore:
    return DirectoryStore.create(folder / "t.sweep", sweep="t", refresh_seconds=0.02)


def work(
    store: Store,
    *,
    runner: Runner | None = None,
    options: WorkerOptions = QUICK,
    log: Any = lambda line: None,
    **more: Any,
) -> WorkerReport:
    """Run one worker in this process until it ends."""
    info = worker_info(1, time.time)
    crowd = more.pop("crowd", None) or Crowd(Path(_host.name))
    more = {"place": workplace(info, options.backoff_seconds, crowd), **more}
    return Worker(store, info, runner=runner or ForkedRunner(), options=options, log=log, **more).run()


def inline() -> InlineRunner:
    return InlineRunner(time.time)


def records(store: Store) -> list[dict[str, Any]]:
    """Return all accepted result lines, those of attempts that were tried again included."""
    return [json.loads(line) for block in store.accepted() for line in block.lines.splitlines()]


def results(store: Store) -> dict[str, dict[str, Any]]:
    """Return the final accepted records by task key; each task has at most one."""
    final = [record for record in records(store) if record["final"]]
    by_key = {record["key"]: record for record in final}
    assert len(by_key) == len(final), "a task has two final records"
    return by_key


def by_number(store: Store, segment: Segment) -> dict[int, dict[str, Any]]:
    """Return the final records by the `n` of the task's parameters."""
    found = results(store)
    numbers = {task_key(c.key, CELL.key): c.shown["n"] for c in segment.candidates}
    return {numbers[key]: record for key, record in found.items()}  # type: ignore[index]
