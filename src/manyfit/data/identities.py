"""Keys of single rows: equal for equal values, whatever table, file format or order of rows they came in."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from manyfit.data.fingerprint import NUMERIC, as_text, kind_of

_DIGEST_BYTES = 16
_MISSING, _END = "\0", "\x1f"


def row_keys(frame: pl.DataFrame, columns: Sequence[str]) -> list[bytes]:
    """
    Return the key of each row: a digest of its values in *columns*, by their names.

    Numbers are equal where their doubles are, whatever their width; a NaN is a missing value. The order of
    *columns* does not count.
    """
    names = sorted(columns)
    numeric = [name for name in names if kind_of(frame.schema[name]) in NUMERIC]
    texts = [as_text(frame[name]).fill_null(_MISSING).to_list() for name in names if name not in numeric]
    numbers = _numbers(frame, numeric)
    joined = map(_END.join, zip(*texts, strict=True)) if texts else [""] * len(frame)
    return [
        hashlib.blake2b(row.tobytes() + text.encode(), digest_size=_DIGEST_BYTES).digest()
        for row, text in zip(numbers, joined, strict=True)
    ]


def _numbers(frame: pl.DataFrame, names: Sequence[str]) -> npt.NDArray[np.float64]:
    matrix = np.empty((len(frame), len(names)), dtype="<f8")
    for i, name in enumerate(names):
        column = frame[name]
        whole = column.cast(pl.Int8) if isinstance(column.dtype, pl.Boolean) else column
        matrix[:, i] = whole.cast(pl.Float64).to_numpy()
    matrix[np.isnan(matrix)] = np.nan  # one NaN of the many
    found: npt.NDArray[np.float64] = matrix + 0.0  # turns -0.0 into 0.0
    return found
