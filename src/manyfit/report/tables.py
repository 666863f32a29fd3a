"""Frames as texts for people."""

from collections.abc import Callable
from typing import Any

import polars as pl

from manyfit.report.texts import show_bytes, show_count, show_duration, show_instant, show_key, show_number

MISSING = "-"


def rows(frame: pl.DataFrame) -> tuple[list[str], list[list[str]]]:
    """
    Return headers and cells of *frame* as texts, columns in order.

    Numbers have four significant digits, `time_*` columns and `*_seconds` are durations, `*_bytes` are sizes,
    counts have separators, keys are cut to eight characters.
    """
    formats = [_format(name, dtype) for name, dtype in frame.schema.items()]
    cells = [
        [MISSING if value is None else show(value) for value, show in zip(row, formats, strict=True)]
        for row in frame.iter_rows()
    ]
    return list(frame.columns), cells


def is_number(dtype: pl.DataType) -> bool:
    """Whether values of *dtype* stand at the right of their column."""
    return dtype.is_numeric()


def _format(name: str, dtype: pl.DataType) -> Callable[[Any], str]:
    if name.startswith("time_") or name.endswith("_seconds"):
        return show_duration
    if name.endswith("_bytes"):
        return show_bytes
    if name in ("key", "candidate_key"):
        return show_key
    if dtype == pl.Datetime:
        return show_instant
    if dtype.is_float():
        return show_number
    return show_count if dtype.is_integer() and name not in ("seed", "fold") else str
