"""The target: what kind of problem it is, its classes and the codes of its rows."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from manyfit.data.fingerprint import as_text, kind_of
from manyfit.model.sweep import Problem

MAX_INTEGER_CLASSES = 100
"""More distinct integers than this are numbers, not classes, unless the sweep says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    The target of every row: class codes (int64, -1 where it is missing) or numbers (NaN where it is).

    `classes` are the texts of the codes: in order of number where the classes are numbers, else in
    alphabetical order. With `detects` the second of two classes is that of anomalies, and training rows may
    all be normal.
    """

    name: str
    problem: Problem
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    classes: tuple[str, ...]
    warning: str | None = None
    detects: bool = False

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return which rows have no target."""
        return np.isnan(self.values) if self.problem is Problem.REGRESSION else self.values < 0


def read_target(column: pl.Series, declared: Problem | None) -> Target:
    """Return the target in *column*. Raises ValueError when its values do not fit the declared problem."""
    kind = kind_of(column.dtype)
    if declared is Problem.ANOMALY:
        return _anomalies(_classes(column, kind))
    problem = declared or detect(column)
    if problem is Problem.REGRESSION:
        if kind not in {"int", "float"}:
            raise ValueError(f'a regression needs numbers, and "{column.name}" holds {_KINDS[kind]}')
        numbers = column.cast(pl.Float64).to_numpy()
        if np.isinf(numbers).any():
            raise ValueError(f'{int(np.isinf(numbers).sum())} values of "{column.name}" are infinite')
        return Target(name=column.name, problem=problem, values=numbers, classes=())
    return _classes(column, kind)


_KINDS = {
    "int": "integers",
    "float": "numbers",
    "bool": "truth values",
    "text": "texts",
    "date": "times",
    "other": "lists or structures",
}


def detect(column: pl.Series) -> Problem:
    """Return the problem: floats are a regression, and so are integers with many distinct values."""
    kind = kind_of(column.dtype)
    if kind == "float":
        return Problem.REGRESSION
    if kind != "int":
        return Problem.CLASSIFICATION
    n_distinct, n_rows = column.drop_nulls().n_unique(), len(column)
    few = n_distinct <= 2 or (n_distinct <= 20 and 2 * n_distinct <= n_rows)
    repeated = n_distinct <= MAX_INTEGER_CLASSES and 10 * n_distinct <= n_rows
    return Problem.CLASSIFICATION if few or repeated else Problem.REGRESSION


def _classes(column: pl.Series, kind: str) -> Target:
    if kind == "float":
        whole = column.fill_nan(None).cast(pl.Float64)
        column = whole.cast(pl.Int64) if (whole == whole.floor()).all() else whole
    elif kind not in {"int", "bool"}:
        column = as_text(column)
    codes = column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
    classes = tuple(as_text(column.drop_nulls().unique().sort()).to_list())
    return Target(name=column.name, problem=Problem.CLASSIFICATION, values=codes, classes=classes)


def unlabelled(n_rows: int) -> Target:
    """Return the target of rows that nobody has told apart: all of them count as normal."""
    values = np.zeros(n_rows, dtype=np.int64)
    return Target(
        name="", problem=Problem.CLASSIFICATION, values=values, classes=("normal", "anomaly"), detects=True
    )


def _anomalies(target: Target) -> Target:
    """Return *target* with the rarer of its two classes, which is that of anomalies, as the second."""
    if len(target.classes) != 2:
        raise ValueError(
            f'an anomaly problem has two classes, normal rows and anomalies, and "{target.name}" has'
            f" {len(target.classes)}; leave target out for rows without labels"
        )
    values, classes = target.values, target.classes
    if (values == 0).sum() < (values == 1).sum():
        values, classes = np.where(values < 0, values, 1 - values), classes[::-1]
    return replace(target, values=values, classes=classes, detects=True)


def doubtful(column: pl.Series, problem: Problem, declared: Problem | None) -> str | None:
    """Return a warning when the problem was detected and may be meant otherwise."""
    if declared is not None or kind_of(column.dtype) not in {"int", "float"} or problem is Problem.CLASSIFICATION:
        return None
    n_distinct = column.drop_nulls().n_unique()
    if n_distinct > 10:
        return None
    return (
        f'the target "{column.name}" has only {n_distinct} distinct numbers and is taken as a regression;'
        ' for classes write problem = "classification" in [data]'
    )
