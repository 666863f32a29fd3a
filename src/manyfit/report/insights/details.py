"""What results hold beside numbers: confusion matrices and series of training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manyfit.contracts.store import Store
from manyfit.model.series import steps_of
from manyfit.report.frames import NEEDED, load_results
from manyfit.report.insights.standing import Standing
from manyfit.report.lines import COLUMNS
from manyfit.report.quality.shapes import lengths_in

_READ = NEEDED | {
    "candidate_key",
    "variant",
    "split",
    "fold",
    "seed",
    "details",
    "artifacts",
    "time_fit",
    "outcome",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result of a candidate: where it was computed, its scores by set and metric, details and artifacts."""

    key: str
    fold: int | None
    seed: int
    seconds: float
    scores: Mapping[tuple[str, str], float | None]
    details: Mapping[str, Any]
    artifacts: Mapping[str, Any]


def results_of(store: Store, standing: Standing, rows: Sequence[Mapping[str, Any]]) -> list[list[Result]]:
    """Return for each of *rows* the results that give its score, by seed and fold, with details and artifacts."""
    if not rows:
        return []
    whole = load_results(store, leave_out=frozenset(COLUMNS) - _READ)
    keys = pl.LazyFrame({name: [row[name] for row in rows] for name in ("candidate_key", "variant")})
    mine = whole.frame.filter((pl.col("split") == standing.split) & (pl.col("outcome") == "succeeded"))
    table = mine.join(keys, on=["candidate_key", "variant"], how="semi").collect(engine="streaming")
    table = table.filter(pl.col(f"{standing.set}_{standing.metric}").is_not_null()).sort("seed", "fold", "key")
    by_key = table.partition_by("candidate_key", "variant", as_dict=True)
    empty = table.clear()
    parts = [by_key.get((row["candidate_key"], row["variant"]), empty) for row in rows]
    return [[_result(one, whole.scores) for one in part.iter_rows(named=True)] for part in parts]


def _result(row: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> Result:
    return Result(
        key=row["key"],
        fold=row["fold"],
        seed=row["seed"],
        seconds=row["time_fit"] or 0.0,
        scores={(name, metric): row[f"{name}_{metric}"] for name, metric in pairs},
        details=json.loads(row["details"] or "{}"),
        artifacts=json.loads(row["artifacts"] or "{}"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Counts by true class (rows) and predicted class (columns), summed over *n_results* folds and seeds."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    set: str
    n_results: int

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each row as parts of its sum: 0 where a class has no rows."""
        rows = self.counts.sum(axis=1, keepdims=True)
        shares: NDArray[np.float64] = np.zeros(self.counts.shape)
        np.divide(self.counts, rows, out=shares, where=rows > 0)
        return shares

    def confused(self, most: int) -> list[tuple[str, str, int]]:
        """Return true class, predicted class and count of what was confused most often."""
        pairs = [(-int(n), i, j) for (i, j), n in np.ndenumerate(self.counts) if i != j and n]
        return [(self.names[i], self.names[j], -n) for n, i, j in sorted(pairs)[:most]]


def matrix_of(found: Sequence[Result], name: str, classes: Sequence[str]) -> Matrix | None:
    """Return the confusion matrix of all classes on the set *name*; None where the results have none."""
    parts = [
        result.details[name]["confusion_matrix"] for result in found if _has(result, name, "confusion_matrix")
    ]
    if not parts:
        return None
    counts = np.sum([np.asarray(part, dtype=np.int64) for part in parts], axis=0)
    names = tuple(classes) if len(classes) == len(counts) else tuple(f"class {i + 1}" for i in range(len(counts)))
    return Matrix(names=names, counts=counts, set=name, n_results=len(parts))


def category_matrix_of(found: Sequence[Result], name: str) -> Matrix | None:
    """Return the confusion matrix of the categories on the set *name*; None where the sweep has none."""
    parts = [result.details[name] for result in found if _has(result, name, "category_confusion_matrix")]
    if not parts:
        return None
    counts = np.sum([np.asarray(part["category_confusion_matrix"], dtype=np.int64) for part in parts], axis=0)
    return Matrix(names=tuple(parts[0]["categories"]), counts=counts, set=name, n_results=len(parts))


def _has(result: Result, name: str, kind: str) -> bool:
    return kind in result.details.get(name, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    One series of training of one candidate: the values of each fold and seed, step by step.

    Of a long series some values were kept, evenly spread: `n_steps` is how long it was, 0 where all were kept.
    """

    name: str
    label: str
    pipeline: str
    lines: tuple[tuple[float, ...], ...]
    n_steps: int = 0

    def steps(self, n_kept: int) -> list[int]:
        """Return the steps of a line of *n_kept* values, counted from 1."""
        longest = max(map(len, self.lines), default=0)
        n_steps = max(self.n_steps, longest) if n_kept == longest else n_kept
        return [step + 1 for step in steps_of(n_steps, n_kept)]

    def mean(self) -> list[float]:
        """Return the mean at each step over the lines that go on to it."""
        longest = max(map(len, self.lines), default=0)
        columns = ([line[step] for line in self.lines if step < len(line)] for step in range(longest))
        return [float(np.mean(column)) for column in columns]


def series_of(label: str, pipeline: str, found: Sequence[Result]) -> list[Series]:
    """Return the series that fitted models of one candidate left, by name; one number alone is no series."""
    by_name: dict[str, list[tuple[float, ...]]] = {}
    lengths: dict[str, int] = {}
    for result in found:
        for name, n_steps in lengths_in(result.details).items():
            lengths[name] = max(lengths.get(name, 0), n_steps)
        for name, values in (result.details.get("train", {}).get("series") or {}).items():
            numbers = tuple(float(value) for value in values if value is not None)
            if len(numbers) > 1:
                by_name.setdefault(str(name), []).append(numbers)
    return [
        Series(name=name, label=label, pipeline=pipeline, lines=tuple(lines), n_steps=lengths.get(name, 0))
        for name, lines in sorted(by_name.items())
    ]
