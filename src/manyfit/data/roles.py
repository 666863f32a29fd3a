"""What the columns of a table mean: target, groups, time and row ids, as arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from manyfit.data.ahead import ends_column
from manyfit.data.findings import Findings
from manyfit.data.fingerprint import as_text, kind_of
from manyfit.data.sources import TARGET
from manyfit.data.target import Target, doubtful, read_target, unlabelled
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import DataSpec, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """
    The target and, where declared, the groups, times and ids of all rows.

    `groups` are codes of `group_names`, -1 where the group is missing. `times` are ranks: equal times
    have equal ranks, missing ones -1. `ends`, where the target lies ahead, is the rank of the first time that
    is not before the target's; past the last rank where no row is that late. `ids` are the values of the index
    column as texts.
    """

    target: Target
    groups: npt.NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    times: npt.NDArray[np.int64] | None = None
    ends: npt.NDArray[np.int64] | None = None
    ids: npt.NDArray[Any] | None = None


def read_roles(frame: pl.DataFrame, data: DataSpec, findings: Findings) -> Roles | None:
    """Return the roles of the columns of *frame*; None when the target cannot be read."""
    target = _target(frame, data, findings)
    group = _column(frame, data.group, "data.group", findings)
    time = _column(frame, data.time, "data.time", findings)
    index = _column(frame, data.index, "data.index", findings)
    if target is None:
        return None
    groups, names = _coded(group) if group is not None else (None, ())
    return Roles(
        target=target,
        groups=groups,
        group_names=names,
        times=_coded(time, ordered=True)[0] if time is not None else None,
        ends=_ends(frame, time, data),
        ids=np.array(as_text(index).fill_null("").to_list(), dtype=str) if index is not None else None,
    )


def _ends(frame: pl.DataFrame, time: pl.Series | None, data: DataSpec) -> npt.NDArray[np.int64] | None:
    """Return the ranks of the times of targets that lie ahead, None where they do not."""
    if data.lags is None or time is None or data.time is None or ends_column(data.time) not in frame.columns:
        return None
    known = time.drop_nulls().unique().sort()
    ends: npt.NDArray[np.int64] = known.search_sorted(frame[ends_column(data.time)], side="left").to_numpy()
    return ends.astype(np.int64)


def _column(frame: pl.DataFrame, name: str | None, key: str, findings: Findings) -> pl.Series | None:
    if name is None:
        return None
    if name not in frame.columns:
        findings.mistake(key, f'there is no column "{name}"{_known(name, frame)}')
        return None
    return frame[name]


def _known(name: str, frame: pl.DataFrame) -> str:
    near = did_you_mean(name, frame.columns)
    shown = ", ".join(frame.columns[:12]) + (", ..." if len(frame.columns) > 12 else "")
    return near or f"; columns: {shown}"


def _target(frame: pl.DataFrame, data: DataSpec, findings: Findings) -> Target | None:
    if data.target is None and data.problem is Problem.ANOMALY:
        return unlabelled(len(frame))
    if data.target is None and TARGET not in frame.columns:
        findings.mistake("data.target", f"is missing: name the column to predict{_known('', frame)}")
        return None
    column = _column(frame, data.target or TARGET, "data.target", findings)
    if column is None:
        return None
    if column.null_count() == len(column):
        findings.mistake("data.target", f'"{column.name}" is empty: no row has a value')
        return None
    try:
        target = read_target(column, data.problem)
    except ValueError as error:
        findings.mistake("data.problem" if data.problem else "data.target", str(error))
        return None
    if target.classes and len(target.classes) < 2:
        findings.mistake("data.target", f'"{column.name}" has one class only: "{target.classes[0]}"')
    if warning := doubtful(column, target.problem, data.problem):
        findings.warn(warning)
    return target


def _coded(column: pl.Series, *, ordered: bool = False) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Return codes in the order of the values, and the texts of the codes. Missing values have the code -1."""
    plain = column if ordered or kind_of(column.dtype) in {"int", "float", "bool"} else as_text(column)
    if kind_of(plain.dtype) == "float":
        plain = plain.fill_nan(None)
    elif isinstance(plain.dtype, (pl.Categorical, pl.Enum)):
        plain = plain.cast(pl.String)
    ranks = plain.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
    return ranks, tuple(as_text(plain.drop_nulls().unique().sort()).to_list())
