"""Fused answers held against those of estimators that scikit-learn fits alone."""

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from manyfit.contracts.fusion import CLOSE_ENOUGH, Batch, Block, Predicting, Source, Transforming
from manyfit.families.fusion.sources import METHODS, classes_of, methods_of

CLOSE = CLOSE_ENOUGH
"""Largest difference of numbers for rules that are close, in terms of the spread and size of the values."""


def path_of(estimator: BaseEstimator) -> str:
    """Return the public import path of a scikit-learn class."""
    cls = type(estimator)
    public = ".".join(part for part in cls.__module__.split(".") if not part.startswith("_"))
    return f"{public}:{cls.__name__}"


def grid(estimator: BaseEstimator, **axes: Sequence[Any]) -> list[BaseEstimator]:
    """Return clones of the estimator for all combinations of values, the last axis varying fastest."""
    combinations = itertools.product(*axes.values())
    return [clone(estimator).set_params(**dict(zip(axes, values, strict=True))) for values in combinations]


def batch_of(estimators: Sequence[BaseEstimator], X: Any, y: Any, **sets: Any) -> Batch:
    """Return a batch that answers for the training rows ("train") and other sets, read-only as in a runner."""
    rows = _read_only(X)
    others = {name: _read_only(given) for name, given in sets.items()}
    return Batch(
        path=path_of(estimators[0]), estimators=estimators, X=rows, y=_read_only(y), sets={"train": rows, **others}
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """What a fit answers, by set and method; its classes; and the kinds of warnings that it gave."""

    values: Mapping[tuple[str, str], Any]
    classes: Any
    warned: frozenset[type[Warning]]


def fused(rule: Predicting, batch: Batch) -> dict[int, Answered]:
    """Return what each fit that the rule takes answers, by its position."""
    found: dict[int, Answered] = {}
    steps = iter(rule.run(batch))
    end = (-1, None)
    while (step := _heard(next, steps, end))[0] is not end:
        item, warned = step
        for position, source in _singles(item, batch):
            assert position not in found, "a fit was answered for twice"
            values = {
                (name, method): quietly(source.answer, name, method)
                for name in batch.sets
                for method in source.methods
            }
            found[position] = Answered(values, source.classes, warned)
    return found


def _singles(item: Any, batch: Batch) -> list[tuple[int, Source]]:
    """Return single fits; those of a block must answer what the block answers, bit for bit."""
    if not isinstance(item, Block):
        return [item]
    singles = [(position, item.source(place)) for place, position in enumerate(item.positions)]
    for _, source in singles:
        assert list(source.methods) == list(item.answers)
        _assert_equal(item.classes, source.classes, 0.0, 1.0, "classes of a block")
    for name in batch.sets:
        for method, answer in item.answers.items():
            wanted = np.stack([quietly(source.answer, name, method) for _, source in singles])
            _assert_equal(quietly(answer, name), wanted, 0.0, 1.0, f"block {name} {method}")
    return singles


def alone(estimator: BaseEstimator, batch: Batch) -> Answered:
    """Return what a stand-alone fit answers."""
    fitted, warned = _heard(clone(estimator).fit, batch.X, batch.y)
    values = {
        (name, method): quietly(getattr(fitted, method), rows)
        for name, rows in batch.sets.items()
        for method in methods_of(fitted)
    }
    return Answered(values, classes_of(fitted), warned)


def assert_fused_as_alone(
    rule: Predicting, batch: Batch, *, within: float = 0.0, methods: Sequence[str] = METHODS
) -> set[int]:
    """
    Compare every answer of the rule with a fit alone; return the positions that it answered for.

    Warnings, types, shapes and classes are equal, and so are numbers, bit for bit or *within*.
    """
    found = fused(rule, batch)
    for position, given in found.items():
        label = f"{batch.estimators[position]}"
        wanted = alone(batch.estimators[position], batch)
        spread = _spread(batch.y) if wanted.classes is None else 1.0
        _assert_equal(given.classes, wanted.classes, 0.0, 1.0, f"{label} classes")
        assert given.warned == wanted.warned, label
        assert list(given.values) == list(wanted.values)
        for (name, method), values in wanted.values.items():
            if method in methods:
                _assert_equal(given.values[name, method], values, within, spread, f"{label} {name} {method}")
    return set(found)


def assert_all_fused_as_alone(rule: Predicting, batch: Batch, *, within: float = 0.0) -> None:
    """Compare as `assert_fused_as_alone` does; the rule must answer for every fit."""
    assert assert_fused_as_alone(rule, batch, within=within) == set(range(len(batch.estimators)))


def assert_transformed_as_alone(rule: Transforming, batch: Batch) -> set[int]:
    """Compare all transformed rows, values and memory order, with those of fits alone; return the positions."""
    answered = set()
    for position, rows, sets in rule.run(batch):
        answered.add(position)
        fitted = clone(batch.estimators[position])
        expected = {"rows": quietly(fitted.fit_transform, batch.X, batch.y)}
        expected |= {name: quietly(fitted.transform, given) for name, given in batch.sets.items()}
        for name, values in expected.items():
            given = {"rows": rows, **sets}[name]
            _assert_equal(given, values, 0.0, 1.0, f"{batch.estimators[position]} {name}")
            assert given.strides == values.strides
    return answered


def quietly(function: Any, *arguments: Any) -> Any:
    """Call without the warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def _heard(function: Any, *arguments: Any) -> tuple[Any, frozenset[type[Warning]]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = function(*arguments)
    return result, frozenset(one.category for one in found)


def _read_only(values: Any) -> Any:
    if not isinstance(values, np.ndarray):
        return values
    seen = values.view()
    seen.flags.writeable = False
    return seen


def _assert_equal(given: Any, wanted: Any, within: float, spread: float, label: str) -> None:
    if wanted is None:
        assert given is None, label
        return
    assert type(given) is type(wanted), label
    assert given.dtype == wanted.dtype, f"{label}: {given.dtype} is not {wanted.dtype}"
    assert given.shape == wanted.shape, f"{label}: {given.shape} is not {wanted.shape}"
    if within and wanted.dtype.kind in "fc":
        np.testing.assert_allclose(given, wanted, rtol=within, atol=within * spread, err_msg=label)
    else:
        np.testing.assert_array_equal(given, wanted, err_msg=label)


def _spread(y: Any) -> float:
    """The smallest standard deviation of a target."""
    return float(np.asarray(y).std(axis=0).min())
