"""SQL conditions on the columns of a table."""

import numpy as np
import numpy.typing as npt
import polars as pl

from manyfit.model.mistake import did_you_mean


def rows_where(frame: pl.DataFrame, condition: str) -> npt.NDArray[np.bool_]:
    """
    Return which rows of *frame* fulfil an SQL condition; a row for which it is unknown (NULL) does not.

    NaN is NULL, as everywhere where values are missing; Polars itself takes it for the largest number.
    Raises ValueError with a message for the person who wrote the condition.
    """
    expression = _parsed(condition)
    names = sorted(set(expression.meta.root_names()))
    unknown = [name for name in names if name not in frame.columns]
    if unknown:
        near = did_you_mean(unknown[0], frame.columns)
        shown = ", ".join(f'"{name}"' for name in unknown)
        texts = f"; a text stands in single quotes: '{unknown[0]}'" if not near else ""
        raise ValueError(f"{condition!r} names {shown}, and there is no such column{near}{texts}")
    try:
        used = frame.select(names).fill_nan(None) if names else frame
        found = used.select(expression.alias("found"))["found"]
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{condition!r} does not fit the columns: {_first_line(error)}{_hint(error)}") from error
    if found.dtype != pl.Boolean:
        raise ValueError(f"{condition!r} gives {found.dtype} values; a condition is true or false")
    mask: npt.NDArray[np.bool_] = found.fill_null(False).to_numpy()
    return np.broadcast_to(mask, (len(frame),)) if len(mask) == 1 else mask


def _parsed(condition: str) -> pl.Expr:
    try:
        return pl.sql_expr(condition)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{condition!r} is no SQL condition: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _hint(error: Exception) -> str:
    if "date" in str(error):
        return "; write a date as DATE '2024-01-31'"
    return "; numbers stand without quotes, texts in single quotes" if "string" in str(error) else ""
