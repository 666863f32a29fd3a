"""Small sweeps in a real store, with results of the test's choosing."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import (
    CandidateKey,
    CellKey,
    SegmentId,
    TaskKey,
    UnitId,
    WorkerId,
    content_key,
    task_key,
)
from manyfit.model.lease import End, EndKind
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode, Unit
from manyfit.model.worker import WorkerInfo
from manyfit.stores.directory import DirectoryStore

Body = Mapping[str, Any]
Outcome = Callable[[Candidate, Cell], Body]
"""What a test says of a task: the fields of its result line that matter."""


def candidate(pipeline: str = "svc", *, features: str = "", variant: str = "", **shown: Any) -> Candidate:
    """Return a candidate whose key follows from all arguments but the variant."""
    key = CandidateKey(content_key([pipeline, features, sorted(shown.items())]))
    step = Step(name="model", use="sklearn.svm:SVC", params=shown)
    return Candidate(key=key, pipeline=pipeline, steps=(step,), shown=shown, features=features, variant=variant)


def cell(split: str = "s", fold: int | None = 0, seed: int = 0, variant: str = "") -> Cell:
    """Return a cell whose key follows from the arguments."""
    key = CellKey(content_key([split, fold, seed, variant]))
    return Cell(key=key, split=split, fold=fold, seed=seed, variant=variant, n_train=100)


def cells(n_folds: int = 3, seeds: Sequence[int] = (0,), split: str = "s", variant: str = "") -> list[Cell]:
    """Return one cell for each fold and seed."""
    return [cell(split, fold, seed, variant) for seed in seeds for fold in range(n_folds)]


def key_of(of: Candidate, on: Cell) -> TaskKey:
    """Return the key of the task that fits *of* on *on*."""
    return task_key(of.key, on.key)


def segment(
    candidates: Sequence[Candidate],
    on: Sequence[Cell],
    *,
    tasks: Sequence[tuple[int, int]] | None = None,
    unit_size: int = 4,
    generation: int = 0,
    mode: Mode = Mode.FIT,
    removed: Sequence[TaskKey] = (),
    rank_by: str = "accuracy",
    metrics: Sequence[str] = ("accuracy", "f1_macro"),
) -> Segment:
    """Return a segment of all candidates on all cells of their variants, or of the given tasks by position."""
    if tasks is None:
        tasks = [
            (n, m)
            for n, one in enumerate(candidates)
            for m, place in enumerate(on)
            if one.variant == place.variant
        ]
    name = SegmentId(
        content_key([[c.key for c in candidates], [c.key for c in on], tasks, generation, removed])[:16]
    )
    units = [
        Unit(
            id=UnitId(f"{name[:8]}-{n}"),
            segment=name,
            candidates=tuple(task[0] for task in part),
            cells=tuple(task[1] for task in part),
            cost_seconds=1.0,
            pipeline=pipeline,
            mode=mode,
            generation=generation,
        )
        for n, (pipeline, part) in enumerate(_parts(candidates, tasks, unit_size))
    ]
    header = SegmentHeader(sweep="vowels", executor="none:none", spec={"rank_by": rank_by}, metrics=tuple(metrics))
    return Segment(id=name, header=header, candidates=candidates, cells=on, units=units, removed=tuple(removed))


def _parts(
    candidates: Sequence[Candidate], tasks: Sequence[tuple[int, int]], size: int
) -> list[tuple[str, list[tuple[int, int]]]]:
    parts = []
    for pipeline in dict.fromkeys(one.pipeline for one in candidates):
        own = [task for task in tasks if candidates[task[0]].pipeline == pipeline]
        parts += [(pipeline, own[at : at + size]) for at in range(0, len(own), size)]
    return parts


def submit(store: DirectoryStore, *segments: Segment, n_new: int | None = None) -> DirectoryStore:
    """Submit *segments*; all their tasks count as new unless *n_new* says otherwise."""
    for one in segments:
        position = len(store.entries()) + 1
        store.submit(one, position=position, n_new=one.n_tasks if n_new is None else n_new)
    return store


def new_store(folder: Path, *segments: Segment) -> DirectoryStore:
    """Return a fresh directory store with *segments*."""
    return submit(DirectoryStore.create(folder / "vowels.sweep", sweep="vowels", refresh_seconds=0.0), *segments)


def register(
    store: DirectoryStore, name: str = "w-1", host: str = "here", libraries: Mapping[str, str] | None = None
) -> WorkerId:
    """Register a worker."""
    info = WorkerInfo(
        id=WorkerId(name),
        host=host,
        boot="b",
        pid=1,
        pid_started="1",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
        libraries=libraries or {},
    )
    store.register(info)
    return info.id


def run(
    store: DirectoryStore,
    outcome: Outcome,
    *,
    worker: str = "w-1",
    host: str = "here",
    units: int | None = None,
    at: float = 1e9,
    libraries: Mapping[str, str] | None = None,
) -> int:
    """Run *units* units (None: all that can be claimed), each task with the result that *outcome* gives."""
    name = register(store, worker, host, libraries)
    done = 0
    while units is None or done < units:
        lease = store.claim(name)
        if lease is None:
            break
        unit = store.unit(lease.unit)
        planned = store.segment(unit.segment)
        bodies = []
        for task in lease.tasks:
            of, on = planned.candidates[unit.candidates[task.index]], planned.cells[unit.cells[task.index]]
            known = {
                "index": task.index,
                "key": key_of(of, on),
                "attempt": task.attempts + 1,
                "outcome": "succeeded",
                "final": True,
                "finished_at": at + done,
            }
            bodies.append({**known, **outcome(of, on)})
        lines = b"".join(json.dumps(body, separators=(",", ":")).encode() + b"\n" for body in bodies)
        store.record(lease, lines)
        marks = "".join(_mark(body) for body in bodies)
        kind = EndKind.DONE if "." not in marks else EndKind.YIELDED
        indices = tuple(task.index for task in lease.tasks)
        attempts = tuple((body["index"], body["attempt"]) for body in bodies if not body["final"])
        store.complete(lease, End(kind=kind, indices=indices, marks=marks, attempts=attempts, by=name))
        done += 1
    return done


def _mark(body: Body) -> str:
    if not body["final"]:
        return "."
    return "d" if body["outcome"] == "succeeded" else "f"


def scored(**sets: Mapping[str, float | None]) -> Body:
    """Return the fields of a success with scores by set."""
    return {
        "scores": sets,
        "timings": {"load": 0.1, "fit": 2.0, "predict": 0.1, "score": 0.1},
        "n_rows": {"train": 100, **dict.fromkeys(sets, 50)},
        "peak_bytes": 1 << 20,
    }


def failed(cls: str = "user", error: str = "ValueError", message: str = "no", fingerprint: str = "f0") -> Body:
    """Return the fields of a final failure."""
    failure = {"cls": cls, "error": error, "message": message, "traceback": "tb", "fingerprint": fingerprint}
    return {"outcome": "failed", "failure": failure}
