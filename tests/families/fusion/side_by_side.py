"""Fused answers held against those of estimators that scikit-learn fits alone."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from manyfit.contracts.fusion import Batch, Predicting, Transforming
from manyfit.families.fusion.sources import METHODS


def path_of(estimator: BaseEstimator) -> str:
    """Return the public import path of a scikit-learn class."""
    cls = type(estimator)
    public = ".".join(part for part in cls.__module__.split(".") if not part.startswith("_"))
    return f"{public}:{cls.__name__}"


def batch_of(estimators: Sequence[BaseEstimator], X: Any, y: Any, **sets: Any) -> Batch:
    """Return a batch that answers for the training rows ("train") and other sets."""
    return Batch(path=path_of(estimators[0]), estimators=estimators, X=X, y=y, sets={"train": X, **sets})


def grid(estimator: BaseEstimator, axes: Mapping[str, Sequence[Any]]) -> list[BaseEstimator]:
    """Return clones of the estimator for all combinations of values of the axes."""
    found = [estimator]
    for name, values in axes.items():
        found = [clone(each).set_params(**{name: value}) for each in found for value in values]
    return found


def assert_fused_as_alone(
    rule: Predicting, batch: Batch, *, exact: bool = True, methods: Sequence[str] = METHODS
) -> set[int]:
    """Compare every answer of the rule with a fit alone; return the positions that it answered for."""
    answered = set()
    for position, source in rule.run(batch):
        assert position not in answered
        answered.add(position)
        alone = quietly(clone(batch.estimators[position]).fit, batch.X, batch.y)
        assert tuple(source.methods) == tuple(name for name in METHODS if hasattr(alone, name))
        _assert_equal(source.classes, getattr(alone, "classes_", None), True, "classes")
        for name, rows in batch.sets.items():
            for method in source.methods:
                if method in methods:
                    expected = quietly(getattr(alone, method), rows)
                    label = f"{batch.estimators[position]} {name} {method}"
                    _assert_equal(source.answer(name, method), expected, exact, label)
    return answered


def assert_transformed_as_alone(rule: Transforming, batch: Batch) -> set[int]:
    """Compare all transformed rows, values and memory order, with those of fits alone; return the positions."""
    answered = set()
    for position, rows, sets in rule.run(batch):
        answered.add(position)
        alone = clone(batch.estimators[position])
        expected = quietly(alone.fit_transform, batch.X, batch.y)
        _assert_equal(rows, expected, True, f"{batch.estimators[position]} rows")
        assert rows.strides == expected.strides
        for name, given in batch.sets.items():
            expected = quietly(alone.transform, given)
            _assert_equal(sets[name], expected, True, f"{batch.estimators[position]} {name}")
            assert sets[name].strides == expected.strides
    return answered


def quietly(function: Any, *arguments: Any) -> Any:
    """Call without the warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def _assert_equal(fused: Any, alone: Any, exact: bool, label: str) -> None:
    if alone is None:
        assert fused is None, label
        return
    assert type(fused) is type(alone), label
    assert fused.dtype == alone.dtype, f"{label}: {fused.dtype} is not {alone.dtype}"
    assert fused.shape == alone.shape, f"{label}: {fused.shape} is not {alone.shape}"
    if exact or fused.dtype.kind not in "fc":
        assert np.array_equal(fused, alone), f"{label}: {np.flatnonzero((fused != alone).ravel())[:5]}"
    else:
        np.testing.assert_allclose(fused, alone, rtol=1e-9, atol=1e-9, err_msg=label)
