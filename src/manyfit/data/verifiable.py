"""Rows to verify models on: a table with its targets as the sweep knows them, and which of them were seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from manyfit.data.encoding import encoded_like, unknown_values
from manyfit.data.findings import Findings, some
from manyfit.data.fingerprint import NUMERIC, as_text, kind_of
from manyfit.data.identities import row_keys
from manyfit.data.sources import TARGET
from manyfit.data.target import read_target
from manyfit.data.unseen import refused
from manyfit.model.encoding import Encoding
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import DataSpec, Problem

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_TARGET = "\x00target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifiable:
    """
    A table whose rows can be predicted and judged.

    `target` are class codes of the sweep (-1: none) or numbers (NaN: none), `contents` the keys of the
    features and the target of each row, `ids` and `groups` the texts of those columns, where the table has them.
    """

    frame: pl.DataFrame
    target: npt.NDArray[Any]
    contents: Sequence[bytes]
    ids: Sequence[str | None] | None
    groups: Sequence[str | None] | None
    notes: tuple[str, ...] = ()

    def judged(self) -> Mask:
        """Return which rows have a target."""
        return self.target >= 0 if self.target.dtype.kind == "i" else ~np.isnan(self.target)

    def keys(self) -> Sequence[bytes]:
        """Return what tells rows apart: the index column where all its values differ, else their content."""
        if self.ids is None or None in self.ids or len(set(self.ids)) < len(self.ids):
            return self.contents
        return [str(text).encode() for text in self.ids]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Which rows of a table stand among training rows: by the text of their index, and by their content alone."""

    by_index: Mask
    by_content: Mask

    @property
    def any(self) -> Mask:
        return self.by_index | self.by_content


def verifiable(
    frame: pl.DataFrame,
    data: DataSpec,
    *,
    problem: Problem,
    classes: Sequence[str],
    columns: Sequence[str],
    file: str,
    encoding: Encoding | None = None,
) -> Verifiable:
    """
    Return the table *frame*, called *file*, as rows that models of a sweep with *data* can be verified on.

    Columns that *encoding* names are encoded as the models know them.

    *columns* are the features of the models, *classes* the classes of the sweep. Raises `UserError` with every
    mistake: no target, classes that the sweep does not have, features that are missing or no numbers.
    """
    findings = Findings(file=file)
    encoding = encoding or Encoding()
    findings.warnings += unknown_values(frame, encoding, columns)
    frame = encoded_like(frame, encoding, columns)
    target = _target(frame, data, problem, classes, findings)
    _check_features(frame, columns, encoding, findings)
    if target is None or findings.mistakes:
        raise refused(findings)
    numbers = pl.Series(_TARGET, target)
    return Verifiable(
        frame=frame,
        target=target,
        contents=row_keys(frame.select(*columns).with_columns(numbers), [*columns, _TARGET]),
        ids=_texts(frame, data.index, "index", "rows are told apart by their content", findings),
        groups=_texts(frame, data.group, "group", "there are no scores by group", findings),
        notes=tuple(findings.warnings),
    )


def _target(
    frame: pl.DataFrame, data: DataSpec, problem: Problem, classes: Sequence[str], findings: Findings
) -> npt.NDArray[Any] | None:
    name = data.target or TARGET
    if name not in frame.columns and data.target is None and data.problem is Problem.ANOMALY:
        findings.mistake("data.target", "is not there: without labels nothing says what is true")
        return None
    if name not in frame.columns:
        near = did_you_mean(name, frame.columns)
        shown = ", ".join(frame.columns[:8]) + (", ..." if len(frame.columns) > 8 else "")
        findings.mistake("data.target", f'there is no column "{name}"{near or f"; columns: {shown}"}')
        return None
    column = frame[name]
    if column.null_count() == len(column):
        findings.mistake("data.target", f'"{name}" is empty: no row says what is true')
        return None
    try:
        found = read_target(column, problem)
    except ValueError as error:
        findings.mistake("data.target", str(error))
        return None
    return found.values if problem is Problem.REGRESSION else _coded(found, classes, findings)


def _coded(found: Any, classes: Sequence[str], findings: Findings) -> npt.NDArray[Any] | None:
    """Return the codes that the sweep has for the classes of a table."""
    code_of = {text: code for code, text in enumerate(classes)}
    strange = {text: int((found.values == code).sum()) for code, text in enumerate(found.classes)}
    strange = {text: n for text, n in strange.items() if text not in code_of}
    if strange:
        n_rows = sum(strange.values())
        shown = some((f"{text} ({n})" for text, n in strange.items()), 6)
        findings.mistake(
            "data.target",
            f'{n_rows} rows are of classes in "{found.name}" that the sweep does not have: {shown}; it has'
            f" {some(classes, 6)}; leave those rows out (`manyfit verify` has --where)",
        )
        return None
    codes: Rows = np.array([*(code_of[text] for text in found.classes), -1], dtype=np.int64)[found.values]
    return codes


def _check_features(frame: pl.DataFrame, columns: Sequence[str], encoding: Encoding, findings: Findings) -> None:
    origins = encoding.origins()
    lacking = {origins.get(name, name): None for name in columns if name not in frame.columns}
    missing = list(lacking)
    if missing:
        near = did_you_mean(missing[0], frame.columns)
        findings.mistake(
            "features", f"{len(missing)} of {len(columns)} features are missing: {some(missing, 6)}{near}"
        )
    texts = [
        f"{name} ({frame.schema[name]})"
        for name in columns
        if name in frame.columns and not _is_numeric(frame[name])
    ]
    if texts:
        findings.mistake("features", f"numbers are wanted in {some(texts, 6)}")


def _is_numeric(column: pl.Series) -> bool:
    return kind_of(column.dtype) in NUMERIC or column.null_count() == len(column)


def _texts(
    frame: pl.DataFrame, name: str | None, role: str, without: str, findings: Findings
) -> Sequence[str | None] | None:
    if name is None:
        return None
    if name not in frame.columns:
        findings.warn(f'{findings.file} has no {role} column "{name}": {without}')
        return None
    return as_text(frame[name]).to_list()


def seen_rows(table: Verifiable, trained: Verifiable, train: Rows) -> Seen:
    """Return which rows of *table* stand among the rows *train* of *trained*."""
    contents = {trained.contents[row] for row in train}
    by_content = np.array([key in contents for key in table.contents], dtype=bool)
    if table.ids is None or trained.ids is None:
        return Seen(by_index=np.zeros(len(table.contents), dtype=bool), by_content=by_content)
    ids = {trained.ids[row] for row in train} - {None}
    by_index = np.array([text in ids for text in table.ids], dtype=bool)
    return Seen(by_index=by_index, by_content=by_content & ~by_index)


def of_unseen_groups(table: Verifiable, train: Rows) -> Mask:
    """Return which rows belong to a group of which no row is in *train*; rows without a group do not."""
    assert table.groups is not None
    trained = {table.groups[row] for row in train}
    return np.array([group is not None and group not in trained for group in table.groups], dtype=bool)


def set_of_rows(sets: Mapping[str, Rows], n_rows: int) -> list[str]:
    """Return the set of each row, "" for rows in none."""
    found = [""] * n_rows
    for name, rows in sets.items():
        for row in rows:
            found[row] = name
    return found
