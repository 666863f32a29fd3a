"""Sweeps of synthetic tasks in real directory stores, run by real workers."""

import json
from array import array
from collections.abc import Sequence
from pathlib import Path

from manyfit import connect
from manyfit.api.driver import Drive, DriveOptions
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import CandidateKey, CellKey, content_key
from manyfit.model.segment import SegmentHeader
from manyfit.plan.tasks import Plan, TaskTable
from manyfit.run.submit import Submission, submit
from manyfit.stores.directory import DirectoryStore

SPEC = {"name": "bench", "rank_by": "accuracy", "metrics": ["accuracy"]}


def plan_of(seconds: Sequence[float], *, n_cells: int = 1, predicted: float | None = None) -> Plan:
    """Return a plan with one candidate for each entry of *seconds*, on every cell."""
    candidates = []
    table = TaskTable(array("I"), array("I"), array("f"))
    for i, cost in enumerate(seconds):
        key = CandidateKey(content_key([i, cost]))
        candidates.append(Candidate(key=key, pipeline="p", steps=(), shown={"i": i, "seconds": cost}))
        for cell in range(n_cells):
            table.add(i, cell, cost if predicted is None else predicted)
    cells = [Cell(key=CellKey(content_key(["cell", i])), split="cv", fold=i, seed=0) for i in range(n_cells)]
    return Plan(candidates=candidates, cells=cells, tasks={"p": table}, n_merged=0)


def submitted(folder: Path, plan: Plan, executor: str, n_workers: int = 2) -> DirectoryStore:
    """Return a new store in *folder* with *plan* in it."""
    store = DirectoryStore.create(folder, sweep="bench")
    header = SegmentHeader(
        sweep="bench", executor=f"benchmarks.executors:{executor}", spec=SPEC, metrics=("accuracy",)
    )
    submit(store, Submission(plan=plan, header=header, n_workers=n_workers))
    return store


def drained(store: DirectoryStore, folder: Path, n_workers: int = 2) -> float:
    """
    Run workers until nothing is left, and return the seconds from the first result to the last end.

    Starting interpreters is left out, as it is for the peers, whose workers are warm; making everything
    durable is not.
    """
    address = connect.parse(str(folder), Path.cwd())
    drive = Drive(store, address, DriveOptions(n_workers=n_workers), compacting=False)
    drive.watch(drive.start())
    assert store.finished()
    firsts = (json.loads(block.lines[: block.lines.index(b"\n")]) for block in store.accepted())
    ends = (entry.stat().st_mtime for units in (folder / "units").iterdir() for entry in units.iterdir())
    return max(ends) - min(first["finished_at"] for first in firsts)
