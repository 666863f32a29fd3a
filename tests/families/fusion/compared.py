"""Fused fits of linear models and nets compared with stand-alone fits of the same estimators."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from manyfit.contracts.fusion import Batch
from manyfit.families.fusion.sources import METHODS


def grid(estimator: Any, **values: Sequence[Any]) -> list[Any]:
    """Return clones of *estimator* with all combinations of *values*."""
    return [clone(estimator).set_params(**params) for params in ParameterGrid(values)]


def batch_of(path: str, estimators: Sequence[Any], X: Any, y: Any, sets: Mapping[str, Any]) -> Batch:
    """Return a batch whose training rows are a set too, read-only as in a runner."""
    for array in (X, y, *sets.values()):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return Batch(path=path, estimators=estimators, X=X, y=y, sets={**sets, "train": X})


def fused(rule: Any, batch: Batch) -> dict[int, dict[tuple[str, str], Any]]:
    """Return all answers of *rule* by position, then set and method; warnings are left out."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for position, source in rule.run(batch):
            assert position not in found
            found[position] = {
                (name, method): source.answer(name, method) for name in batch.sets for method in source.methods
            } | {("", "classes"): source.classes}
    return found


def alone(estimator: Any, batch: Batch) -> dict[tuple[str, str], Any]:
    """Return the answers of a stand-alone fit in the form of `fused`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(estimator).fit(batch.X, batch.y)
        methods = [method for method in METHODS if hasattr(fitted, method)]
        answers = {
            (name, method): getattr(fitted, method)(rows)
            for name, rows in batch.sets.items()
            for method in methods
        }
    return answers | {("", "classes"): getattr(fitted, "classes_", None)}


def assert_same(rule: Any, batch: Batch, *, within: float = 1e-9, yielded: int | None = None) -> dict[int, Any]:
    """
    Compare every yielded fit with a stand-alone one; return the fused answers.

    Labels and types are equal, numbers within *within* of the spread of the target (0: bit for bit).
    """
    found = fused(rule, batch)
    assert len(found) == (len(batch.estimators) if yielded is None else yielded)
    for position, answers in found.items():
        expected = alone(batch.estimators[position], batch)
        assert list(answers) == list(expected)
        for key, value in expected.items():
            _assert_equal(answers[key], value, within * _spread(batch.y), f"{batch.estimators[position]} {key}")
    return found


def _assert_equal(given: Any, wanted: Any, tolerance: float, where: str) -> None:
    if wanted is None:
        assert given is None, where
        return
    assert given.dtype == wanted.dtype, where
    assert given.shape == wanted.shape, where
    if wanted.dtype.kind == "f" and tolerance:
        np.testing.assert_allclose(given, wanted, rtol=0, atol=tolerance, err_msg=where)
    else:
        np.testing.assert_array_equal(given, wanted, err_msg=where)


def _spread(y: Any) -> float:
    y = np.asarray(y)
    return float(y.std(axis=0).min()) if y.dtype.kind in "fiu" else 1.0
