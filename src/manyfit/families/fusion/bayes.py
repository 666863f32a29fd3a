"""
Naive Bayes: means, variances and counts once; only the smoothing differs.

Most of such a fit alone is validation. Here rows are validated once, and for Gaussian models the
likelihoods of many fits are computed in one go, with the operations and the memory order of scikit-learn.
"""

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.echoes import heard, repeat
from manyfit.families.fusion.ratios import sums_of_ratios
from manyfit.families.fusion.sources import ComputedSource, predicted_by_largest
from manyfit.families.fusion.tokens import token

GAUSSIAN = "sklearn.naive_bayes:GaussianNB"
COUNTING = frozenset(f"sklearn.naive_bayes:{name}" for name in ("MultinomialNB", "BernoulliNB", "ComplementNB"))
_NUMBERS_AT_A_TIME = 2**17
_SECONDS_A_FIT = 3e-5
_SECONDS_A_NUMBER = 2e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class BayesRule:
    """
    Naive Bayes fits that differ only in how what was counted or measured is smoothed.

    Exact because smoothing comes after counting and measuring: the rest is computed with the operations of
    scikit-learn, in its order. Fits with a smoothing that scikit-learn does not accept, or (Gaussian) with a
    class without prior probability or variances that are zero or not finite, are fitted alone.
    """

    name: str
    covers: frozenset[str]
    axes: tuple[str, ...]
    shares: str
    answers: Callable[[Batch, Sequence[str]], Iterator[tuple[int, Source]]]
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        return None

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        numbers = size.n_rows * size.n_columns * max(size.n_classes, 1)
        each = min(_SECONDS_A_FIT + _SECONDS_A_NUMBER * numbers, *alone)
        return max(alone) + each * (len(alone) - 1)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        yield from self.answers(batch, self.axes)


def _smoothed_variances(batch: Batch, axes: Sequence[str]) -> Iterator[tuple[int, Source]]:
    """Add each `var_smoothing` to the variances of one fit, and answer for many fits in one go."""
    unsmoothed, warned = heard(clone(batch.estimators[0]).set_params(var_smoothing=0.0).fit, batch.X, batch.y)
    if np.any(unsmoothed.class_prior_ <= 0):
        raise CannotFuse("a class has no prior probability")
    checked = {name: _Checked(unsmoothed, rows) for name, rows in batch.sets.items()}
    variances = _variances(unsmoothed, batch)
    smallest = np.cbrt(np.finfo(variances.dtype).tiny)  # less would overflow, and warn, in some fits only
    usable = np.all((variances > smallest) & np.isfinite(variances), axis=(1, 2))
    for some in _parts(np.flatnonzero(usable).tolist(), unsmoothed.theta_.shape[1] * max(_longest(batch), 1)):
        block = _Block(unsmoothed, variances[some], checked)
        for place, position in enumerate(some):
            repeat(warned)
            yield position, block.source(place)


def _smoothed_counts(batch: Batch, axes: Sequence[str]) -> Iterator[tuple[int, Source]]:
    """Smooth the counts of one fit for each of the others."""
    counted, warned = heard(clone(batch.estimators[0]).set_params(alpha=1.0).fit, batch.X, batch.y)
    checked = {name: _Checked(counted, rows) for name, rows in batch.sets.items()}
    for position, estimator in enumerate(batch.estimators):
        part = copy.copy(counted)
        for axis in axes:
            if hasattr(part, axis):
                setattr(part, axis, getattr(estimator, axis))
        try:
            alpha = part._check_alpha()
        except ValueError:  # it is scikit-learn's to raise, in the fit alone
            continue
        repeat(warned)
        part._update_feature_log_prob(alpha)
        part._update_class_log_prior(class_prior=part.class_prior)
        yield position, _counting_source(part, checked)


class _Checked:
    """One set of rows, validated once as the methods of a fitted estimator would each time."""

    def __init__(self, fitted: Any, rows: Any) -> None:
        self._fitted = fitted
        self._given = rows
        self._rows: Any = None

    @property
    def rows(self) -> Any:
        if self._rows is None:
            self._rows = self._fitted._check_X(self._given)
        return self._rows


def _counting_source(part: Any, checked: Mapping[str, _Checked]) -> Source:
    known: dict[str, Any] = {}

    def joint(name: str) -> Any:
        if name not in known:
            known[name] = part._joint_log_likelihood(checked[name].rows)
        return known[name]

    functions = {
        "predict": lambda name: predicted_by_largest(part.classes_, joint(name)),
        "predict_proba": lambda name: _normalised(joint(name), axis=1),
    }
    return ComputedSource(functions, classes=part.classes_)


def _longest(batch: Batch) -> int:
    return max((rows.shape[0] for rows in batch.sets.values()), default=0)


def _parts(positions: Sequence[int], numbers_each: int) -> Iterator[Sequence[int]]:
    """Cut positions into parts whose intermediate arrays stay in the processor's cache."""
    length = max(1, _NUMBERS_AT_A_TIME // max(numbers_each, 1))
    for start in range(0, len(positions), length):
        yield positions[start : start + length]


def _variances(unsmoothed: Any, batch: Batch) -> Any:
    """Return variances (fits, classes, columns) of all members, added up in the precision of scikit-learn."""
    largest = np.max(np.var(unsmoothed._check_X(batch.X), axis=0))
    found = np.empty((len(batch.estimators), *unsmoothed.var_.shape), dtype=unsmoothed.var_.dtype)
    found[:] = unsmoothed.var_
    for at, estimator in enumerate(batch.estimators):
        found[at] += estimator.var_smoothing * largest
    return found


class _Block:
    """Some fits of one Gaussian model with variances (fits, classes, columns); computed when first asked."""

    def __init__(self, fitted: Any, variances: Any, checked: Mapping[str, _Checked]) -> None:
        self._fitted = fitted
        self._variances = variances
        self._checked = checked
        self._joints: dict[str, Any] = {}
        self._predicted: dict[str, Any] = {}
        self._probabilities: dict[str, Any] = {}

    def source(self, place: int) -> Source:
        functions = {"predict": partial(self.predict, place), "predict_proba": partial(self.predict_proba, place)}
        return ComputedSource(functions, classes=self._fitted.classes_)

    def predict(self, place: int, name: str) -> Any:
        if name not in self._predicted:
            self._predicted[name] = self._fitted.classes_[np.argmax(self._joint(name), axis=0)]
        return self._predicted[name][place]

    def predict_proba(self, place: int, name: str) -> Any:
        if self._checked[name].rows.shape[0] < 2:  # sums over classes are then added in another order
            return _normalised(self._joint(name)[:, place].T, axis=1)
        if name not in self._probabilities:
            self._probabilities[name] = _normalised(self._joint(name), axis=0)
        return np.array(self._probabilities[name][:, place].T, order="F")

    def _joint(self, name: str) -> Any:
        if name not in self._joints:
            self._joints[name] = _joint(self._fitted, self._variances, self._checked[name].rows)
        return self._joints[name]


def _joint(fitted: Any, variances: Any, rows: Any) -> Any:
    """Return the joint log likelihoods (classes, fits, rows)."""
    if not rows.flags.c_contiguous:
        return np.stack([_with(fitted, each)._joint_log_likelihood(rows).T for each in variances], axis=1)
    found = []
    for at in range(len(fitted.classes_)):
        mine = variances[:, at, :]
        likelihood = -0.5 * np.sum(np.log(2.0 * np.pi * mine), axis=1)
        exponents = sums_of_ratios((rows - fitted.theta_[at, :]) ** 2, mine)
        found.append(np.log(fitted.class_prior_[at]) + (likelihood[:, np.newaxis] - 0.5 * exponents))
    return np.stack(found)


def _with(fitted: Any, variances: Any) -> Any:
    part = copy.copy(fitted)
    part.var_ = variances
    return part


def _normalised(joint: Any, axis: int) -> Any:
    """Return probabilities from joint log likelihoods, classes along *axis*, rounded as scikit-learn does."""
    largest = np.max(joint, axis=axis, keepdims=True)
    is_largest = joint == largest
    others = np.array(joint, copy=True)
    others[is_largest] = -np.inf
    n_largest = np.sum(is_largest.astype(joint.dtype), axis=axis, keepdims=True, dtype=joint.dtype)
    rest = np.exp(others - np.where(np.isfinite(largest), largest, 0))
    rest = np.sum(rest, axis=axis, keepdims=True, dtype=rest.dtype)
    rest = np.where(rest == 0, rest, rest / n_largest)
    return np.exp(joint - (np.log1p(rest) + np.log(n_largest) + largest))


RULES: tuple[Predicting, ...] = (
    BayesRule(
        name="gaussian-bayes",
        covers=frozenset({GAUSSIAN}),
        axes=("var_smoothing",),
        shares="the means and variances of the classes",
        answers=_smoothed_variances,
    ),
    BayesRule(
        name="counting-bayes",
        covers=COUNTING,
        axes=("alpha", "fit_prior", "norm"),
        shares="the counts of all columns by class",
        answers=_smoothed_counts,
    ),
)
