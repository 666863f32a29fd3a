"""Small tables of every kind that estimators meet, for the conformance suites of fusion."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyfit.fit.fusing import Table

N_COLUMNS = 5


def make_table(kind: str, problem: str, *, seed: int, n: int) -> Table:
    """
    Return a table of about *n* training rows, read-only, with the sets "train" and "test".

    *kind* is one of `KINDS`; *problem* is that of the estimator ("regressor": real targets, anything else:
    classes). The same arguments give the same table.
    """
    rng = np.random.default_rng(seed)
    n_classes = 2 + seed % 3
    y: NDArray[Any] = rng.integers(0, n_classes, size=n + 20)
    y[:n_classes] = range(n_classes)
    X = rng.normal(size=(n + 20, N_COLUMNS)) + 0.8 * y[:, None] * np.array([1.0, 0.5, 0.0, 0.0, -0.7])
    X, y = _KINDS[kind](X, y, rng)
    if problem == "regressor":
        y = rng.normal(size=len(y)) + (y.astype(float) if y.dtype.kind == "i" else 0.0)
    return _divided(X, y, n, 0 if problem == "regressor" else n_classes)


def _divided(X: Any, y: NDArray[Any], n: int, n_classes: int) -> Table:
    train, test = X[:n], X[n:]
    for part in (train, test, y):
        if isinstance(part, np.ndarray):
            part.setflags(write=False)
    return Table(X=train, y=y[:n], sets={"train": train, "test": test}, n_classes=n_classes)


Maker = Callable[[NDArray[Any], NDArray[Any], np.random.Generator], tuple[Any, NDArray[Any]]]


def _plain(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return X, y


def _ties(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return np.clip(np.rint(X), 0, 2), y


def _constant(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    X[:, 1] = 3.0
    return X, y


def _duplicates(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    rows = rng.integers(0, len(X) // 2, size=len(X))
    rows[: len(X) // 4] = range(len(X) // 4)
    return X[rows], y


def _imbalanced(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    y[4:] = np.where(rng.random(len(y) - 4) < 0.9, 0, y[4:])
    return X, y


def _absent_class(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    if y.max() > 1:
        y[:-3] = np.where(y[:-3] == 1, 0, y[:-3])  # class 1 is in the test rows only
    return X, y


def _texts(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return X, np.array(["zeta", "alpha", "mid", "beta"])[y]


def _float32(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return X.astype(np.float32), y


def _whole(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return np.clip(np.rint(4 * X + 8), 0, 40).astype(np.int64), y


def _columns_in_order(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return np.asfortranarray(X), y


def _scales(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return X * np.array([1.0, 1e3, 1e-3, 10.0, 1.0]), y


def _wide(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    return np.hstack([X, rng.normal(size=(len(X), 90))]), y


def _missing(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def _sparse(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    from scipy.sparse import csr_array

    return csr_array(np.where(np.abs(X) > 0.5, X, 0.0)), y


def _frame(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    import pandas as pd

    return pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])]), y


def _polars(X: NDArray[Any], y: NDArray[Any], rng: np.random.Generator) -> tuple[Any, NDArray[Any]]:
    import polars as pl

    return pl.DataFrame(X, schema=[f"c{i}" for i in range(X.shape[1])]), y


_KINDS: Mapping[str, Maker] = {
    "plain": _plain,
    "ties": _ties,
    "constant": _constant,
    "duplicates": _duplicates,
    "imbalanced": _imbalanced,
    "absent class": _absent_class,
    "texts": _texts,
    "float32": _float32,
    "whole numbers": _whole,
    "columns in order": _columns_in_order,
    "scales": _scales,
    "wide": _wide,
    "missing": _missing,
    "sparse": _sparse,
    "pandas": _frame,
    "polars": _polars,
}
KINDS = tuple(_KINDS)
"""Names of the kinds of tables."""
