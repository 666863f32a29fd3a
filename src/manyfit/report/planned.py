"""What the plan says about results: the candidate and the cell of every task, as columns."""

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import AddSegment
from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import CandidateKey, CellKey, SegmentId, TaskKey, UnitId, task_key
from manyfit.model.segment import Segment
from manyfit.model.unit import root_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the tasks of a planned unit stand in the columns of `PlanTables`, and how the unit runs them."""

    start: int
    length: int
    generation: int
    mode: str


class PlanTables:
    """
    The candidates, cells and units of the segments that readers asked for, as columns.

    Segments are read when a unit of theirs is first asked for. Memory is 8 bytes for each task and one
    row for each candidate; no candidate object outlives the loading. `with_params` leaves out the column of
    parameters, which is the dearest, where nobody looks at it.
    """

    def __init__(self, store: Store, *, with_params: bool = True) -> None:
        self._store = store
        self._with_params = with_params
        self._places: dict[UnitId, Place] = {}
        self._loaded: set[SegmentId] = set()
        self._candidate_of = array("I")
        self._cell_of = array("I")
        self._candidates: list[pl.DataFrame] = []
        self._cells: list[pl.DataFrame] = []
        self._n_candidates = 0
        self._n_cells = 0

    def place(self, segment: SegmentId, unit: UnitId) -> Place:
        """Return the place of the planned unit that *unit* is a part of; its segment is loaded if need be."""
        root = root_of(unit)
        if root not in self._places:
            self.load(segment)
        if root not in self._places:
            message = f"results name unit {unit} of segment {segment}, which the plan does not have"
            raise StoreCorrupt(message + "; the store's plan folder was changed by hand or mixed with another's")
        return self._places[root]

    def load(self, segment: SegmentId) -> None:
        """Add the tables of *segment*, once."""
        if segment not in self._loaded:
            self._loaded.add(segment)
            self._add(self._store.segment(segment))

    def _add(self, segment: Segment) -> None:
        for unit in segment.units:
            self._places[unit.id] = Place(
                start=len(self._candidate_of),
                length=len(unit),
                generation=unit.generation,
                mode=unit.mode.value,
            )
            self._candidate_of.extend(_shifted(unit.candidates, self._n_candidates))
            self._cell_of.extend(_shifted(unit.cells, self._n_cells))
        self._candidates.append(_candidate_table(segment.candidates, with_params=self._with_params))
        self._cells.append(_cell_table(segment.cells))
        self._n_candidates += len(segment.candidates)
        self._n_cells += len(segment.cells)

    def candidates(self) -> pl.DataFrame:
        """Return one row for each candidate of the loaded segments: key, pipeline, params (JSON), features."""
        self._candidates = [pl.concat([_candidate_table((), with_params=self._with_params), *self._candidates])]
        return self._candidates[0]

    def cells(self) -> pl.DataFrame:
        """Return one row for each cell of the loaded segments: key, variant, split, fold, held_out, seed."""
        self._cells = [pl.concat([_cell_table(()), *self._cells])]
        return self._cells[0]

    def columns_of(self, tasks: pl.Series) -> pl.DataFrame:
        """Return the candidate and cell columns for *tasks*, given by their position in these tables."""
        candidate_of = _series(self._candidate_of).gather(tasks)
        cell_of = _series(self._cell_of).gather(tasks)
        cells = self.cells().drop("cell_key")[cell_of]
        return pl.concat([self.candidates()[candidate_of], cells], how="horizontal")

    def planned(self, keys: Iterable[str]) -> pl.DataFrame:
        """
        Return the tasks of the first generation of the candidates with these *keys*.

        One row for each: candidate_key, variant, split, cell_key. Later generations run the same tasks again.
        """
        candidates = self.candidates().select("candidate_key").with_row_index("candidate")
        wanted = candidates.filter(pl.col("candidate_key").is_in(list(keys)))
        cells = self.cells().select("cell_key", "variant", "split").with_row_index("cell")
        tasks = pl.DataFrame({"candidate": _series(self._candidate_of), "cell": _series(self._cell_of)})
        for place in self._places.values():
            if place.generation:
                tasks = _without(tasks, self._places)
                break
        return tasks.join(wanted, on="candidate").join(cells, on="cell").drop("candidate", "cell")


def _without(tasks: pl.DataFrame, places: dict[UnitId, Place]) -> pl.DataFrame:
    again = [(place.start, place.length) for place in places.values() if place.generation]
    starts, lengths = (pl.Series(values, dtype=pl.Int64) for values in zip(*again, strict=True))
    gone = pl.select(pl.int_ranges(starts, starts + lengths).alias("row")).explode("row", empty_as_null=False)
    return tasks.with_row_index("row").join(gone.cast({"row": pl.UInt32}), on="row", how="anti").drop("row")


def _shifted(positions: Sequence[int], by: int) -> Iterable[int]:
    return (position + by for position in positions) if by else positions


def _series(values: "array[int]") -> pl.Series:
    # A copy: a view would forbid the array to grow with the next segment.
    return pl.Series(values=np.array(values, dtype=np.uint32))


def _candidate_table(candidates: Sequence[Candidate], *, with_params: bool) -> pl.DataFrame:
    columns: dict[str, list[str]] = {"candidate_key": [], "pipeline": [], "features": []}
    if with_params:
        columns["params"] = []
    for candidate in candidates:
        columns["candidate_key"].append(candidate.key)
        columns["pipeline"].append(candidate.pipeline)
        columns["features"].append(candidate.features)
        if with_params:
            columns["params"].append(json.dumps(dict(candidate.shown), separators=(",", ":"), default=str))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _cell_table(cells: Sequence[Cell]) -> pl.DataFrame:
    rows = [(cell.key, cell.variant, cell.split, cell.fold, cell.held_out or None, cell.seed) for cell in cells]
    texts = dict.fromkeys(("cell_key", "variant", "split"), pl.String)
    schema = {**texts, "fold": pl.Int32, "held_out": pl.String, "seed": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def label_of(params: str) -> str:
    """Return the one line that shows searched parameters, from their JSON text."""
    return Candidate(key=CandidateKey(""), pipeline="", steps=(), shown=json.loads(params)).label()


def segments_of(store: Store) -> list[SegmentId]:
    """Return the segments of the sweep in the order in which they were submitted, each once."""
    actions = (entry.action for entry in store.entries())
    return list(dict.fromkeys(action.segment for action in actions if isinstance(action, AddSegment)))


def removed_tasks(store: Store) -> frozenset[TaskKey]:
    """
    Return the keys of tasks that left the sweep: the last segment that mentions a key decides.

    The first segment is never read for it, since nothing can have left before.
    """
    gone: set[TaskKey] = set()
    for name in segments_of(store)[1:]:
        segment = store.segment(name)
        if gone:
            gone -= _keys_of(segment)
        gone |= set(segment.removed)
    return frozenset(gone)


def _keys_of(segment: Segment) -> set[TaskKey]:
    candidates = [candidate.key for candidate in segment.candidates]
    cells: list[CellKey] = [cell.key for cell in segment.cells]
    return {
        task_key(candidates[candidate], cells[cell])
        for unit in segment.units
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True)
    }


def n_active(store: Store, removed: frozenset[TaskKey]) -> int:
    """Return how many tasks the sweep has, from the control chain alone."""
    added: dict[SegmentId, int] = {}
    for entry in store.entries():
        if isinstance(entry.action, AddSegment):
            added.setdefault(entry.action.segment, entry.action.n_new)
    return sum(added.values()) - len(removed)
