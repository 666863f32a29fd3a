"""Rows of unequal length, padded with NaN, as the transformers of signals take them."""

import numpy as np


def padded(*series):
    """Return series of any lengths as rows."""
    width = max(len(one) for one in series)
    X = np.full((len(series), width), np.nan)
    for i, one in enumerate(series):
        X[i, : len(one)] = one
    return X


def waves(lengths, seed=0):
    """Return noisy waves with these lengths, padded."""
    draw = np.random.default_rng(seed)
    return padded(*[np.sin(np.arange(n) / (3 + i)) + 0.3 * draw.normal(size=n) + i for i, n in enumerate(lengths)])


def rows_of(X):
    """Return the series without their padding."""
    return [row[~np.isnan(row)] for row in X]
