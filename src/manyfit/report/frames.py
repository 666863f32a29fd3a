"""Accepted results as one frame: compacted ones from Parquet, the rest from the logs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.audit import pattern_of
from manyfit.model.control import rules_off
from manyfit.model.errors import NotFound
from manyfit.report.bases import Base, Epochs, Ranking, read_base
from manyfit.report.lines import COLUMNS, Chunk, chunks
from manyfit.report.planned import PlanTables, n_active, removed_tasks, segments_of

NEEDED = frozenset({"key", "generation", "final"})
"""Columns that decide which results are current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """
    Accepted results and the names in them.

    `scores` are the (set, metric) pairs behind the columns `<set>_<metric>`, in their order.
    `complete` says that every task of the sweep has a row.
    """

    frame: pl.LazyFrame
    scores: tuple[tuple[str, str], ...]
    complete: bool

    def metrics(self) -> tuple[str, ...]:
        """Return the metrics that any result has."""
        return tuple(dict.fromkeys(metric for _, metric in self.scores))


@overload
def results_frame(store: Store, *, lazy: Literal[True], current: bool = True) -> pl.LazyFrame: ...
@overload
def results_frame(store: Store, *, lazy: Literal[False] = False, current: bool = True) -> pl.DataFrame: ...
def results_frame(store: Store, *, lazy: bool = False, current: bool = True) -> pl.DataFrame | pl.LazyFrame:
    """
    Return the accepted results of *store*, one row for each task, in no particular order.

    Columns are those of `manyfit.report.lines.COLUMNS`, `doubtful` (computed by a fusion rule that an audit
    switched off), then `<set>_<metric>` scores and `n_<set>` row counts; what a task does not have is null.
    With `current=False` there is one row for each accepted attempt, also those that were tried again, that a
    later generation replaced and of tasks that left the sweep.
    A lazy frame scans the compacted part only when it is collected.
    """
    frame = load_results(store, current=current).frame
    return frame if lazy else frame.collect(engine="streaming")


def load_results(store: Store, *, current: bool = True, leave_out: frozenset[str] = frozenset()) -> Results:
    """Return the results of *store* without the columns in *leave_out*: `TEXTS` are the dear ones."""
    assert not leave_out & NEEDED
    bases = [read_base(path) for path in store.bases()]
    tables = PlanTables(store, with_params="params" not in leave_out)
    tail = list(chunks(store.accepted(covered_epochs(bases)), tables, leave_out=leave_out))
    frame = _joined(bases, tail, leave_out, rules_off(store.entries()))
    complete = False
    if current:
        removed = removed_tasks(store)
        frame = _current(frame, bases, tail, removed)
        complete = _height(frame, bases, tail, removed) == n_active(store, removed)
    return Results(frame=frame, scores=_pairs(bases, tail), complete=complete)


def ranking_of(store: Store) -> Ranking:
    """Return what the newest segment says about ranking. Raises `NotFound` while nothing was submitted."""
    segments = segments_of(store)
    if not segments:
        raise NotFound(f"{store.url} has no plan yet; submit a sweep first: manyfit run SWEEP")
    for path in reversed(store.bases()):
        ranking = read_base(path).ranking
        if ranking.segment == segments[-1]:
            return ranking
    header = store.segment(segments[-1]).header
    rank_by = str(header.spec.get("rank_by") or next(iter(header.metrics), ""))
    return Ranking(segment=segments[-1], rank_by=rank_by, metrics=tuple(header.metrics))


def covered_epochs(bases: Iterable[Base]) -> Epochs:
    """Return the epochs whose results are in one of *bases*."""
    return frozenset(epoch for base in bases for epoch in base.epochs)


def _pairs(bases: Iterable[Base], tail: Iterable[Chunk]) -> tuple[tuple[str, str], ...]:
    parts: list[Base | Chunk] = [*bases, *tail]
    # Sorted, so that columns stand in one order whatever is compacted by now.
    return tuple(sorted({pair for part in parts for pair in part.scores}, key=_by_set))


def _by_set(pair: tuple[str, str]) -> tuple[int, str, str]:
    name, metric = pair
    return ({"cv": 0, "validate": 1, "test": 2, "train": 4}.get(name, 3), name, metric)


def _sets(bases: Iterable[Base], tail: Iterable[Chunk]) -> tuple[str, ...]:
    parts: list[Base | Chunk] = [*bases, *tail]
    return tuple(sorted({name for part in parts for name in part.sets}))


def _joined(
    bases: Sequence[Base], tail: Sequence[Chunk], leave_out: frozenset[str], off: frozenset[str]
) -> pl.LazyFrame:
    fixed = {name: dtype for name, dtype in COLUMNS.items() if name not in leave_out}
    parts = [pl.scan_parquet(base.path).drop(leave_out, strict=False) for base in bases]
    parts += [chunk.frame.lazy() for chunk in tail]
    joined = pl.concat([pl.LazyFrame(schema=fixed), *parts], how="diagonal")
    pairs = [f"{name}_{metric}" for name, metric in _pairs(bases, tail)]
    doubtful = [] if "fused_by" in leave_out else [_doubtful(off)]
    return joined.select(*fixed, *doubtful, *pairs, *(f"n_{name}" for name in _sets(bases, tail)))


def _doubtful(off: frozenset[str]) -> pl.Expr:
    # Never stored: an audit may come long after the results were compacted.
    used = pl.col("fused_by").str.contains(pattern_of(off)).fill_null(False) if off else pl.lit(False)
    return used.alias("doubtful")


def _superseding(bases: Iterable[Base], tail: Iterable[Chunk]) -> bool:
    if not all(base.current for base in bases):
        return True
    return any(chunk.frame["generation"].max() != 0 or not chunk.frame["final"].all() for chunk in tail)


def _current(
    frame: pl.LazyFrame, bases: Sequence[Base], tail: Sequence[Chunk], removed: frozenset[str]
) -> pl.LazyFrame:
    if _superseding(bases, tail):
        final = frame.filter(pl.col("final"))
        newest = final.group_by("key").agg(pl.col("generation").max())
        frame = final.join(newest, on=["key", "generation"], how="semi")
    if removed:
        frame = frame.join(pl.LazyFrame({"key": sorted(removed)}), on="key", how="anti")
    return frame


def _height(frame: pl.LazyFrame, bases: Sequence[Base], tail: Sequence[Chunk], removed: frozenset[str]) -> int:
    if removed or _superseding(bases, tail):
        return int(frame.select(pl.len()).collect(engine="streaming").item())
    return sum(base.n_rows for base in bases) + sum(chunk.frame.height for chunk in tail)
