"""
Content keys of tables: equal for the same values in the same columns, whatever file format they came in.

The order of columns counts: forests, and whatever breaks ties by position, give other models in another order.
"""

import hashlib
import json
from typing import Any

import numpy as np
import polars as pl

from manyfit.model.keys import KEY_LENGTH, canonical_json, content_key

NUMERIC = frozenset({"int", "float", "bool"})
"""Kinds of columns that can be features."""


def kind_of(dtype: pl.DataType) -> str:
    """Return the class of a column's type: the width of numbers and the unit of times do not count."""
    if dtype.is_integer():
        return "int"
    if dtype.is_float() or isinstance(dtype, pl.Decimal):
        return "float"
    if dtype.is_temporal():
        return "date"
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return "text"
    return "bool" if isinstance(dtype, pl.Boolean) else "other"


def column_fingerprint(column: pl.Series) -> str:
    """Return the content key of a column: its name, its kind, which values are missing and the others."""
    kind = kind_of(column.dtype)
    missing, body = _content(column, kind)
    digest = hashlib.sha256(canonical_json([column.name, kind, len(column)]))
    digest.update(np.packbits(missing).tobytes())
    digest.update(body)
    return digest.hexdigest()[:KEY_LENGTH]


def table_fingerprint(columns: dict[str, str]) -> str:
    """Return the content key of a table from those of its columns, which are in its order."""
    return content_key(list(columns.items()))


def unordered_fingerprint(columns: dict[str, str]) -> str:
    """Return the content key that plans of manyfit 0.1.0 have: the order of columns did not count."""
    return content_key(sorted(columns.items()))


def _content(column: pl.Series, kind: str) -> tuple[np.ndarray[Any, Any], bytes]:
    """Return which values are missing and the bytes of all values; a NaN is a missing value."""
    if kind == "float":
        values = column.cast(pl.Float64).to_numpy().astype("<f8")
        missing = np.isnan(values)
        return missing, (np.where(missing, 0.0, values) + 0.0).tobytes()  # + 0.0 turns -0.0 into 0.0
    missing = column.is_null().to_numpy()
    if kind == "bool" or (kind == "int" and not isinstance(column.dtype, (pl.UInt64, pl.Int128))):
        values = column.cast(pl.Int64).fill_null(0).to_numpy()
        return missing, values.astype("<i8").tobytes()
    return missing, _texts(as_text(column))


def as_text(column: pl.Series) -> pl.Series:
    """Return a column as texts: times as ISO 8601 in UTC with microseconds, lists and structs as JSON."""
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return utc.dt.cast_time_unit("us").cast(pl.String)
    if kind_of(dtype) == "other":
        listed = [None if value is None else json.dumps(value, default=str) for value in column.to_list()]
        return pl.Series(column.name, listed, dtype=pl.String)
    return column.cast(pl.String)


def _texts(column: pl.Series) -> bytes:
    lengths = column.str.len_bytes().fill_null(0).to_numpy().astype("<i8")
    return lengths.tobytes() + "".join(column.fill_null("").to_list()).encode()
