"""What a store already has of a sweep, by task key."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import AddSegment, Cancel
from manyfit.model.keys import CandidateKey, TaskKey, UnitId, task_key
from manyfit.model.lease import TaskMark
from manyfit.model.segment import Segment
from manyfit.model.sweep import Models
from manyfit.model.unit import Mode, root_of
from manyfit.plan.difference import KnownTask

Marks = dict[UnitId, dict[int, TaskMark]]


def segments_of(store: Store) -> Iterator[Segment]:
    """Yield the segments of the sweep in the order of the control chain."""
    for entry in store.entries():
        if isinstance(entry.action, AddSegment):
            yield store.segment(entry.action.segment)


def known_tasks(store: Store) -> dict[TaskKey, KnownTask]:
    """
    Return every task that the store knows, as its latest segment has it.

    Equal values are one object, so that a million tasks need little more than their keys.
    """
    marks = _marks(store)
    known: dict[TaskKey, KnownTask] = {}
    for entry in store.entries():
        if isinstance(entry.action, AddSegment):
            segment = store.segment(entry.action.segment)
            for key in segment.removed:
                if key in known:
                    known[key] = replace(known[key], active=False)
            _add(known, segment, marks)
        elif isinstance(entry.action, Cancel):
            _cancel(known, entry.action.tasks or tuple(known))
    return known


def _add(known: dict[TaskKey, KnownTask], segment: Segment, marks: Marks) -> None:
    keep = dict(segment.header.spec.get("keep", {}))
    shared: dict[tuple[TaskMark, int, CandidateKey | None, str], KnownTask] = {}
    for unit in segment.units:
        of_unit = marks.get(unit.id, {})
        only_kept = unit.mode is Mode.KEEP and keep.get("models") == Models.BEST.value
        for index, (candidate, cell) in enumerate(zip(unit.candidates, unit.cells, strict=True)):
            candidate_key = segment.candidates[candidate].key
            key = task_key(candidate_key, segment.cells[cell].key)
            extra = only_kept and (key not in known or known[key].kept_of is not None)
            mark = of_unit.get(index, TaskMark.LEFT)
            state = (mark, unit.generation, candidate_key if extra else None, unit.pipeline)
            if state not in shared:
                shared[state] = KnownTask(
                    mark=mark,
                    generation=unit.generation,
                    active=True,
                    metrics=segment.header.metrics,
                    predictions=bool(keep.get("predictions", False)),
                    kept_of=state[2],
                    pipeline=unit.pipeline,
                )
            known[key] = shared[state]


def _cancel(known: dict[TaskKey, KnownTask], keys: Iterable[TaskKey]) -> None:
    """Mark what had not ended when it was cancelled: nobody claims it, so no unit says so."""
    for key in keys:
        if key in known and known[key].mark is TaskMark.LEFT:
            known[key] = replace(known[key], mark=TaskMark.CANCELLED)


def _marks(store: Store) -> Marks:
    """Return the settled tasks of each planned unit, its children included."""
    marks: Marks = {}
    for state in store.units():
        if state.end is not None:
            settled = marks.setdefault(root_of(state.unit), {})
            for index, mark in zip(state.end.indices, state.end.marks, strict=True):
                if mark != TaskMark.LEFT.value:
                    settled[index] = TaskMark(mark)
    return marks


def find_tasks(store: Store, keys: frozenset[TaskKey]) -> dict[TaskKey, tuple[Candidate, Cell]]:
    """Return candidate and cell of the tasks with these keys, as the latest segment has them."""
    found = {}
    for segment in segments_of(store):
        for unit in segment.units:
            for candidate, cell in zip(unit.candidates, unit.cells, strict=True):
                key = task_key(segment.candidates[candidate].key, segment.cells[cell].key)
                if key in keys:
                    found[key] = (segment.candidates[candidate], segment.cells[cell])
    return found
