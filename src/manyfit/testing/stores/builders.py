"""Tiny values for tests of stores."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import CandidateKey, CellKey, SegmentId, TaskKey, UnitId, WorkerId, content_key, task_key
from manyfit.model.lease import End, EndKind, Lease, TaskMark
from manyfit.model.result import Outcome
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode, Unit
from manyfit.model.worker import Beat, WorkerInfo, WorkerState

A, B, C = WorkerId("a"), WorkerId("b"), WorkerId("c")


def segment(
    *units: Sequence[int],
    name: str = "s",
    priority: int = 10,
    generation: int = 0,
    removed: Sequence[TaskKey] = (),
    supersedes: dict[str, int] | None = None,
) -> Segment:
    """Return a segment with one unit for each sequence of task numbers; a number is a task of the whole sweep."""
    id_ = SegmentId(content_key([name, [list(unit) for unit in units], generation])[:16])
    numbers = sorted({number for unit in units for number in unit})
    return Segment(
        id=id_,
        header=SegmentHeader(
            sweep="tiny",
            executor="tiny:executor",
            spec={"n": 1},
            priority=priority,
            supersedes=supersedes or {},
        ),
        candidates=tuple(candidate(number) for number in numbers),
        cells=(CELL,),
        units=tuple(
            Unit(
                id=UnitId(f"{id_[:8]}-{n}"),
                segment=id_,
                candidates=tuple(numbers.index(number) for number in unit),
                cells=(0,) * len(unit),
                cost_seconds=float(len(unit)),
                pipeline="even" if n % 2 == 0 else "odd",
                mode=Mode.FIT,
                generation=generation,
            )
            for n, unit in enumerate(units)
        ),
        removed=tuple(removed),
    )


CELL = Cell(key=CellKey(content_key("cell")), split="all", fold=None, seed=0)


def candidate(number: int) -> Candidate:
    """Return the candidate of task *number*."""
    steps = (Step(name="model", use="tiny:Model", params={"n": number}),)
    key = CandidateKey(content_key(["candidate", number]))
    return Candidate(key=key, pipeline="tiny", steps=steps, shown={"n": number})


def key_of(number: int) -> TaskKey:
    """Return the key of task *number*."""
    return task_key(candidate(number).key, CELL.key)


def worker_info(worker: WorkerId, **offers: Any) -> WorkerInfo:
    """Return a worker of some other machine, which offers one core and one byte, or *offers*."""
    found = WorkerInfo(
        id=worker,
        host="far",
        boot="another kernel",
        pid=1,
        pid_started="0",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
    )
    return replace(found, **offers)


def beat(counter: int, lease: Lease | None = None, **fields: Any) -> Beat:
    """Return a heartbeat of the holder of *lease*."""
    unit, epoch = (lease.unit, lease.epoch) if lease else (None, 0)
    return Beat(counter=counter, at=0.0, state=WorkerState.RUNNING, unit=unit, epoch=epoch, **fields)


def line(
    index: int, *, attempt: int = 1, ok: bool = True, final: bool = True, outcome: Outcome | None = None
) -> bytes:
    """Return a result line; *outcome* where it is neither success nor failure."""
    outcome = outcome or (Outcome.SUCCEEDED if ok else Outcome.FAILED)
    value = {
        "index": index,
        "key": "",
        "attempt": attempt,
        "outcome": outcome.value,
        "final": final,
        "finished_at": 0.0,
    }
    return json.dumps(value).encode() + b"\n"


def end(lease: Lease, marks: str, kind: EndKind | None = None, **fields: Any) -> End:
    """Return what the holder of *lease* says of its tasks; DONE when nothing is left."""
    kind = kind or (EndKind.YIELDED if TaskMark.LEFT.value in marks else EndKind.DONE)
    return End(kind=kind, indices=tuple(task.index for task in lease.tasks), marks=marks, **fields)
