"""What many rules demand of rows, targets and memory, and the words in which they refuse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse

from manyfit.contracts.fusion import Batch, CannotFuse, Params

MEBIBYTE = 2**20


def require_dense(batch: Batch) -> None:
    """Raise `CannotFuse` when the training rows are sparse."""
    if issparse(batch.X):
        raise CannotFuse("the rows are sparse")


def require_dense_sets(sets: Mapping[str, Any]) -> None:
    """Raise `CannotFuse` when a set to answer for is sparse."""
    if any(issparse(rows) for rows in sets.values()):
        raise CannotFuse("a set has sparse rows")


def require_one_target(batch: Batch) -> None:
    """Raise `CannotFuse` when the target is not one column."""
    if np.ndim(batch.y) != 1:
        raise CannotFuse("the target has several columns")


def memory_refusal(what: str, n_bytes: int, most: int) -> str | None:
    """Return why *what* is not kept when it takes more than *most* bytes, or None."""
    if n_bytes <= most:
        return None
    return f"{what} would take {n_bytes / MEBIBYTE:,.0f} MiB, more than {most / MEBIBYTE:,.0f}"


def several_jobs_refusal(params: Params, why: str) -> str | None:
    """Return *why* fits with this `n_jobs` are not shared, or None for a single job."""
    return None if params.get("n_jobs") in (None, 1) else f"n_jobs={params['n_jobs']}: {why}"
