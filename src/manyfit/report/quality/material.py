"""What the rules look at: the plan of a sweep and its results, as frames."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.keys import CandidateKey, CellKey, task_key
from manyfit.model.snapshot import Snapshot
from manyfit.report.frames import load_results, ranking_of
from manyfit.report.lines import COLUMNS
from manyfit.report.planned import PlanTables, removed_tasks, segments_of
from manyfit.report.quality.shapes import Values, lengths_in, series_in

CELL = ("variant", "split", "fold", "seed")
TASK = ("candidate_key", *CELL)
NEEDED = frozenset({"key", "generation", "final", "pipeline", "params", "features", "outcome", "fused_by", *TASK})
Curve = tuple[str, str, Values, int]
"""A series: key of the task, name, values as kept, how long the whole series was."""

SERIES_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "key": pl.String,
    "series": pl.String,
    "n_values": pl.Int64,
}


@dataclass(frozen=True, kw_only=True)
class Material:
    """
    One look at a sweep.

    `results` has one row for each task that has a result, `scores` the (set, metric) pairs behind its columns
    `<set>_<metric>`. The other frames are read when a rule asks for them.
    """

    store: Store
    snapshot: Snapshot
    results: pl.DataFrame
    scores: tuple[tuple[str, str], ...]
    rank_by: str

    @cached_property
    def done(self) -> pl.DataFrame:
        """Results of tasks that succeeded."""
        return self.results.filter(pl.col("outcome") == "succeeded")

    @cached_property
    def planned(self) -> pl.DataFrame:
        """One row for each task of the sweep: candidate_key, pipeline, variant, split, fold, seed, cell_key."""
        tables = PlanTables(self.store, with_params=False)
        for segment in segments_of(self.store):
            tables.load(segment)
        names = tables.candidates().select("candidate_key", "pipeline").unique("candidate_key", keep="first")
        cells = tables.cells().select("cell_key", "fold", "seed").unique("cell_key", keep="first")
        tasks = tables.planned(names["candidate_key"].to_list()).unique()
        joined = tasks.join(names, on="candidate_key").join(cells, on="cell_key")
        return self._without_removed(joined)

    def _without_removed(self, tasks: pl.DataFrame) -> pl.DataFrame:
        removed = removed_tasks(self.store)
        if not removed:
            return tasks
        gone = [key in removed for key in keys_of(tasks)]
        return tasks.filter(~pl.Series(gone, dtype=pl.Boolean))

    @cached_property
    def guessing(self) -> frozenset[str]:
        """Names of the pipelines that are meant to guess: all of their candidates are scikit-learn's dummies."""
        last = {
            (candidate.pipeline, candidate.steps[-1].use.startswith("sklearn.dummy:"))
            for segment in segments_of(self.store)
            for candidate in self.store.segment(segment).candidates
        }
        return frozenset(name for name, is_dummy in last if is_dummy and (name, False) not in last)

    @cached_property
    def missing(self) -> pl.DataFrame:
        """Rows of `planned` that have no result."""
        return self.planned.join(self.results.select(TASK), on=TASK, how="anti", nulls_equal=True)

    @cached_property
    def warned(self) -> pl.DataFrame:
        """The results that warned: key, pipeline, warnings (JSON)."""
        return self._with_text("warnings").filter(pl.col("warnings").is_not_null())

    @cached_property
    def details(self) -> pl.DataFrame:
        """The results that have details: key, pipeline, details (JSON)."""
        return self._with_text("details").filter(pl.col("details").is_not_null())

    @cached_property
    def curves(self) -> Sequence[Curve]:
        """Every series of every result."""
        having = self.details.filter(pl.col("details").str.contains('"series"', literal=True))
        found: list[Curve] = []
        for key, text in having.select("key", "details").iter_rows():
            details = json.loads(text)
            lengths = lengths_in(details)
            found += [
                (key, name, values, lengths.get(name, len(values))) for name, values in series_in(details).items()
            ]
        return found

    @cached_property
    def series(self) -> pl.DataFrame:
        """One row for each series, without its values: key, series, n_values (the whole length); with its task."""
        rows = [(key, name, n_values) for key, name, _, n_values in self.curves]
        frame = pl.DataFrame(rows, schema=dict(SERIES_SCHEMA), orient="row")
        return frame.join(self.results.select("key", "pipeline", *TASK), on="key", how="left")

    def _with_text(self, column: str) -> pl.DataFrame:
        kept = {"key", "generation", "final", "pipeline", column}
        frame = load_results(self.store, leave_out=frozenset(COLUMNS) - kept).frame
        return frame.select("key", "pipeline", column).collect(engine="streaming")

    @property
    def held_out(self) -> Sequence[str]:
        """The sets that score how good a candidate is: all but the training rows."""
        return list(dict.fromkeys(name for name, _ in self.scores if name != "train"))


def material(store: Store) -> Material:
    """Return what the rules look at. Raises `NotFound` while nothing was submitted."""
    found = load_results(store, leave_out=frozenset(COLUMNS) - NEEDED)
    return Material(
        store=store,
        snapshot=store.snapshot(),
        results=found.frame.collect(engine="streaming"),
        scores=found.scores,
        rank_by=ranking_of(store).rank_by,
    )


def keys_of(tasks: pl.DataFrame) -> list[str]:
    """Return the task keys of rows with candidate_key and cell_key."""
    pairs = tasks.select("candidate_key", "cell_key").iter_rows()
    return [task_key(CandidateKey(candidate), CellKey(cell)) for candidate, cell in pairs]
