"""Readings of 13 kinds of devices: 868 rows, 52 columns in units of their own. The same numbers every time."""

from typing import Any

import numpy as np

N_ROWS, N_COLUMNS, N_KINDS, N_CAUSES = 868, 52, 13, 10


def load() -> dict[str, Any]:
    """Return the columns by name, the target "kind" among them."""
    rng = np.random.default_rng(571)
    kind = np.arange(N_ROWS) % N_KINDS
    effects = rng.normal(size=(N_CAUSES, N_COLUMNS))
    causes = rng.normal(size=(N_ROWS, N_CAUSES)) + rng.normal(size=(N_KINDS, N_CAUSES))[kind]
    values = causes @ effects / np.sqrt(N_CAUSES) + 0.05 * rng.normal(size=(N_ROWS, N_COLUMNS))
    values *= np.logspace(0, 3, N_COLUMNS)  # volts, milliamperes, degrees, pascals: spreads from 1 to 1000
    columns = {f"reading_{i:02d}": values[:, i] for i in range(N_COLUMNS)}
    return {**columns, "kind": [f"kind {code:02d}" for code in kind]}
