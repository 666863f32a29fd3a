"""Frames as texts for people: rounding and units happen here and nowhere else."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl

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


def show_key(key: str) -> str:
    """Return enough of a key to name a task or candidate on the command line."""
    return key[:8]


def show_count(count: int) -> str:
    """Return a whole number with separators: ``1,240``."""
    return f"{count:,}"


def show_number(value: float) -> str:
    """Return a score with four significant digits: ``0.9420``, ``-1.235e+05``."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, 3 - size)}f}" if -4 <= size < 5 else f"{value:.3e}"


def show_duration(seconds: float) -> str:
    """Return a duration in the two units that matter: ``0.8ms``, ``12.3s``, ``2m10s``, ``1h05m``, ``2d03h``."""
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, part, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02d}{name}"
    return f"{whole}s"


def show_bytes(size: float) -> str:
    """Return a size in binary units: ``210 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"


def show_instant(at: datetime) -> str:
    """Return an instant of a frame, which is UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%SZ")
