"""Dynamic time warping, computed by the library dtaidistance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from manyfit.model.errors import MissingExtra
from manyfit.models.signals.series import Floats

_EXTRA = "pip install 'manyfit[signals]'"


def require() -> None:
    """Raise `MissingExtra` where dtaidistance is not installed."""
    _library()


def _library() -> Any:
    try:
        from dtaidistance import dtw, dtw_ndim
    except ImportError as exc:
        raise MissingExtra(f'the distance "dtw" needs the library dtaidistance: {_EXTRA}') from exc
    return dtw, dtw_ndim


def warped(rows: Sequence[Floats], references: Sequence[Floats], window: int | None) -> Floats:
    """
    Return the distance of each row to each reference.

    Series are arrays by sample, or by sample and channel. The distance is the root of the least sum of
    squared differences along a path; a path leaves the diagonal by at most *window* samples, plus the
    difference of the lengths (None: as far as it wants).
    """
    plain, several = _library()
    n_rows, n_references = len(rows), len(references)
    if not n_rows or not n_references:
        return np.zeros((n_rows, n_references))
    series = [np.ascontiguousarray(one) for one in (*rows, *references)]
    options: dict[str, Any] = {
        "block": ((0, n_rows), (n_rows, n_rows + n_references)),
        "compact": True,
        "parallel": False,
        # the library counts the diagonal itself
        "window": None if window is None else window + 1,
    }
    if series[0].ndim == 1:
        found = plain.distance_matrix_fast(series, **options)
    else:
        found = several.distance_matrix_fast(series, ndim=series[0].shape[1], **options)
    return np.asarray(found, dtype=np.float64).reshape(n_rows, n_references)
