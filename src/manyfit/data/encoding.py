"""
Encoding: columns of texts become columns of numbers, one for each value or one with the places in an order.

The values of a sweep are those of its whole table, so that they are one list on every machine and in every
fold. A table that a model meets later is encoded by the features of the model, whatever values it has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import polars as pl

from manyfit.data.encoded_names import code_name, onehot_name
from manyfit.data.findings import Findings, some
from manyfit.data.fingerprint import as_text, kind_of
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import EncodeSpec

KEY = "data.encode"
_ENCODABLE = frozenset({"text", "int", "bool"})


def encoded(
    frame: pl.DataFrame, encode: EncodeSpec, roles: Sequence[str], findings: Findings
) -> pl.DataFrame | None:
    """
    Return *frame* with the encoded columns behind its own; None when *findings* got a mistake.

    One-hot columns (bool) stand by column and value, and are false where the value is missing; codes
    (float64, from 0) are missing there. Patterns leave out the columns with *roles*.
    """
    before = len(findings.mistakes)
    onehot = _onehot_columns(frame, encode, roles, findings)
    for name in encode.ordinal:
        _check_column(frame, name, f"{KEY}.ordinal.{name}", findings)
    if len(findings.mistakes) > before:
        return None
    made: list[pl.Series] = []
    for name in onehot:
        made += _onehot(frame[name], _values(frame[name], encode, findings))
    made += [_codes(frame[name], encode, findings) for name in sorted(encode.ordinal)]
    if taken := [column.name for column in made if column.name in frame.columns]:
        findings.mistake(KEY, f"the table already has {some(taken)}; rename what encoding is to add")
    return None if len(findings.mistakes) > before else frame.with_columns(made)


def encoded_like(frame: pl.DataFrame, encode: EncodeSpec | None, features: Sequence[str]) -> pl.DataFrame:
    """
    Return *frame* with those of *features* that encode columns of it, where it lacks them.

    They stand behind its own columns in the order of *features*. Values that no feature knows are encoded
    as a missing value is, see `unknown_values`.
    """
    if encode is None:
        return frame
    lacking = [name for name in features if name not in frame.columns]
    found = (_feature(frame, encode, name) for name in lacking)
    return frame.with_columns([column for column in found if column is not None])


def unknown_values(frame: pl.DataFrame, encode: EncodeSpec | None, features: Sequence[str]) -> list[str]:
    """Return sentences about values of *frame* that a model with *features* was not fitted on."""
    if encode is None:
        return []
    known: dict[str, set[str]] = {}
    for feature in features:
        if feature in frame.columns:
            continue  # the table is encoded already
        for name in encode.ordinal:
            if code_name(name) == feature:
                known[name] = set(encode.ordinal[name])
        for name in _origins(feature, frame.columns, encode)[:1]:
            known.setdefault(name, set()).add(feature[len(name) + 1 :])
    return [
        f'{sum(counts.values())} rows have a value of "{name}" that the model does not know, and count as'
        f" missing there: {some((f'{value} ({count})' for value, count in counts.items()), 6)}"
        for name, values in known.items()
        if name in frame.columns and (counts := _others(frame[name], values))
    ]


def _onehot_columns(
    frame: pl.DataFrame, encode: EncodeSpec, roles: Sequence[str], findings: Findings
) -> list[str]:
    """Return the columns that are to have one column for each value, in table order."""
    chosen: set[str] = set()
    for i, pattern in enumerate(encode.onehot):
        key = f"{KEY}.onehot[{i}]"
        if pattern in frame.columns:
            _check_column(frame, pattern, key, findings)
            chosen.add(pattern)
            continue
        matching = [
            name
            for name in frame.columns
            if fnmatchcase(name, pattern) and kind_of(frame.schema[name]) == "text" and name not in roles
        ]
        if not matching:
            near = did_you_mean(pattern, frame.columns) or f"; columns: {some(frame.columns, 6)}"
            findings.mistake(key, f'"{pattern}" matches no column of texts{near}')
        chosen.update(matching)
    return [name for name in frame.columns if name in chosen and name not in encode.ordinal]


def _check_column(frame: pl.DataFrame, name: str, key: str, findings: Findings) -> None:
    if name not in frame.columns:
        near = did_you_mean(name, frame.columns) or f"; columns: {some(frame.columns, 6)}"
        findings.mistake(key, f'there is no column "{name}"{near}')
    elif frame[name].null_count() == len(frame):
        findings.mistake(key, f'"{name}" is empty: it has no values to encode')
    elif (kind := kind_of(frame.schema[name])) not in _ENCODABLE:
        findings.mistake(key, f'"{name}" is a {kind} column; texts, integers and truth values can be encoded')


def _values(column: pl.Series, encode: EncodeSpec, findings: Findings) -> list[str]:
    values: list[str] = as_text(column).drop_nulls().unique().sort().to_list()
    if len(values) > encode.max_values:
        findings.mistake(
            f"{KEY}.onehot",
            f'"{column.name}" has {len(values):,} values, and each would be a column; max_values is'
            f" {encode.max_values}: raise it, or put rare values together in the table",
        )
        return []
    return values


def _onehot(column: pl.Series, values: Iterable[str]) -> Iterator[pl.Series]:
    texts = as_text(column)
    for value in values:
        yield (texts == value).fill_null(False).alias(onehot_name(column.name, value))


def _codes(column: pl.Series, encode: EncodeSpec, findings: Findings) -> pl.Series:
    order = encode.ordinal[column.name]
    if others := _others(column, set(order)):
        shown = some((f"{value} ({count})" for value, count in others.items()), 6)
        findings.mistake(f"{KEY}.ordinal.{column.name}", f"the column has values that the order lacks: {shown}")
    return _coded(column, order)


def _coded(column: pl.Series, order: Sequence[str]) -> pl.Series:
    codes = {value: float(code) for code, value in enumerate(order)}
    found = as_text(column).replace_strict(codes, default=None, return_dtype=pl.Float64)
    return found.alias(code_name(column.name))


def _others(column: pl.Series, known: set[str]) -> Mapping[str, int]:
    """Return how often each value stands in *column* that is not *known*, the first in order first."""
    counts = as_text(column).drop_nulls().value_counts().sort(column.name)
    return {str(value): int(count) for value, count in counts.iter_rows() if value not in known}


def _feature(frame: pl.DataFrame, encode: EncodeSpec, feature: str) -> pl.Series | None:
    """Return the column *feature* as it encodes a column of *frame*; None where it encodes none."""
    for name in encode.ordinal:
        if code_name(name) == feature and name in frame.columns:
            return _coded(frame[name], encode.ordinal[name])
    for name in _origins(feature, frame.columns, encode)[:1]:
        return next(_onehot(frame[name], [feature[len(name) + 1 :]]))
    return None


def _origins(feature: str, columns: Sequence[str], encode: EncodeSpec) -> list[str]:
    """Return the columns that *feature* may be a one-hot column of, the longest name first."""
    return sorted(
        (
            name
            for name in columns
            if feature.startswith(f"{name}=")
            and any(name == pattern or fnmatchcase(name, pattern) for pattern in encode.onehot)
        ),
        key=len,
        reverse=True,
    )
