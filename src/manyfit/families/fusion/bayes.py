"""
Naive Bayes: means, variances and counts once; only the smoothing differs.

Most of such a fit alone is validation. Here rows are validated once, and for Gaussian models the
likelihoods of many fits are computed in one go, with the operations and the memory order of scikit-learn.
"""

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.naive_bayes import BernoulliNB, ComplementNB

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Block, CannotFuse, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.echoes import heard, repeat
from manyfit.families.fusion.ratios import sums_of_ratios
from manyfit.families.fusion.sources import ComputedSource, predicted_by_largest
from manyfit.families.fusion.tokens import token

GAUSSIAN = "sklearn.naive_bayes:GaussianNB"
COUNTING = frozenset(f"sklearn.naive_bayes:{name}" for name in ("MultinomialNB", "BernoulliNB", "ComplementNB"))
_NUMBERS_AT_A_TIME = 2**17
_LEAST_ALPHA = 1e-10
"""Below, scikit-learn may warn."""
_SECONDS_A_FIT = 5e-6
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
    answers: Callable[[Batch, Sequence[str]], Iterator[tuple[int, Source] | Block]]
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

    def run(self, batch: Batch) -> Iterator[tuple[int, Source] | Block]:
        yield from self.answers(batch, self.axes)


def _smoothed_variances(batch: Batch, axes: Sequence[str]) -> Iterator[Block]:
    """Add each `var_smoothing` to the variances of one fit, and answer for many fits in one go."""
    unsmoothed, warned = heard(clone(batch.estimators[0]).set_params(var_smoothing=0.0).fit, batch.X, batch.y)
    if np.any(unsmoothed.class_prior_ <= 0):
        raise CannotFuse("a class has no prior probability")
    checked = {name: _Checked(unsmoothed, rows) for name, rows in batch.sets.items()}
    variances = _variances(unsmoothed, batch)
    smallest = np.cbrt(np.finfo(variances.dtype).tiny)  # less would overflow, and warn, in some fits only
    usable = np.all((variances > smallest) & np.isfinite(variances), axis=(1, 2))
    for some in _parts(np.flatnonzero(usable).tolist(), unsmoothed.theta_.shape[1] * max(_longest(batch), 1)):
        repeat(warned)
        yield _Smoothed(unsmoothed, variances[some], checked).block(some)


def _smoothed_counts(batch: Batch, axes: Sequence[str]) -> Iterator[tuple[int, Source] | Block]:
    """Smooth the counts of one fit for all others: at once where a number above zero is added to every count."""
    counted, warned = heard(clone(batch.estimators[0]).set_params(alpha=1.0).fit, batch.X, batch.y)
    checked = {name: _Checked(counted, rows) for name, rows in batch.sets.items()}
    left = {*range(len(batch.estimators))}
    for positions in _alike(batch, axes):
        part = _with_axes(counted, batch.estimators[positions[0]], axes)
        part._update_class_log_prior(class_prior=part.class_prior)
        for some in _parts(positions, max(counted.feature_count_.size, len(counted.classes_) * _longest(batch))):
            alphas = np.array([batch.estimators[position].alpha for position in some], dtype=np.float64)
            logs, alarmed = heard(_feature_log_probs, part, alphas)
            if not alarmed:  # what warns for some of them only is computed one by one
                left.difference_update(some)
                repeat(warned)
                yield _Counted(part, logs, checked).block(some)
    for position in sorted(left):
        part = _with_axes(counted, batch.estimators[position], axes)
        try:
            alpha = part._check_alpha()
        except ValueError:  # it is scikit-learn's to raise, in the fit alone
            continue
        repeat(warned)
        part._update_feature_log_prob(alpha)
        part._update_class_log_prior(class_prior=part.class_prior)
        yield position, _counting_source(part, checked)


def _alike(batch: Batch, axes: Sequence[str]) -> list[list[int]]:
    """Return the positions of fits that differ in a plain `alpha` only, and can be answered for at once."""
    if any(issparse(rows) for rows in (batch.X, *batch.sets.values())):
        return []
    groups: dict[Hashable, list[int]] = {}
    for position, estimator in enumerate(batch.estimators):
        if type(estimator.alpha) in (float, int, np.float64) and estimator.alpha >= _LEAST_ALPHA:
            key = tuple(bool(getattr(estimator, axis, False)) for axis in axes if axis != "alpha")
            groups.setdefault(key, []).append(position)
    return [positions for positions in groups.values() if len(positions) > 1]


def _with_axes(counted: Any, estimator: Any, axes: Sequence[str]) -> Any:
    part = copy.copy(counted)
    for axis in axes:
        if hasattr(part, axis):
            setattr(part, axis, getattr(estimator, axis))
    return part


def _feature_log_probs(part: Any, alphas: Any) -> Any:
    """Return what `feature_log_prob_` is for each alpha: (fits, classes, columns)."""
    alpha = alphas[:, np.newaxis, np.newaxis]
    if isinstance(part, ComplementNB):
        others = part.feature_all_ + alpha - part.feature_count_
        logged = np.log(others / others.sum(axis=2, keepdims=True))
        return logged / logged.sum(axis=2, keepdims=True) if part.norm else -logged
    smoothed = part.feature_count_ + alpha
    if isinstance(part, BernoulliNB):
        totals = part.class_count_ + alphas[:, np.newaxis] * 2
    else:
        totals = smoothed.sum(axis=2)
    return np.log(smoothed) - np.log(totals[:, :, np.newaxis])


class _Counted:
    """Some fits of one model of counts with logarithms (fits, classes, columns); computed when first asked."""

    def __init__(self, part: Any, logs: Any, checked: Mapping[str, "_Checked"]) -> None:
        self._part = part
        self._logs = logs
        self._checked = checked
        self._joints: dict[str, Any] = {}
        self._known: dict[tuple[str, str], Any] = {}

    def block(self, positions: Sequence[int]) -> Block:
        answers = {"predict": self._predict, "predict_proba": self._predict_proba}
        return Block(positions=positions, classes=self._part.classes_, answers=answers, source=self._source)

    def _source(self, place: int) -> Source:
        functions = {
            "predict": lambda name: self._predict(name)[place],
            "predict_proba": lambda name: self._predict_proba(name)[place],
        }
        return ComputedSource(functions, classes=self._part.classes_)

    def _predict(self, name: str) -> Any:
        if ("predict", name) not in self._known:
            largest = np.argmax(self._joint(name), axis=2)
            self._known["predict", name] = self._part.classes_.take(largest, axis=0)
        return self._known["predict", name]

    def _predict_proba(self, name: str) -> Any:
        if ("predict_proba", name) not in self._known:
            joint = self._joint(name)
            found = _normalised(joint.reshape(-1, joint.shape[2]), axis=1).reshape(joint.shape)
            self._known["predict_proba", name] = found
        return self._known["predict_proba", name]

    def _joint(self, name: str) -> Any:
        """Return the joint log likelihoods (fits, rows, classes)."""
        if name not in self._joints:
            self._joints[name] = self._computed(self._checked[name].rows)
        return self._joints[name]

    def _computed(self, rows: Any) -> Any:
        part = self._part
        if isinstance(part, BernoulliNB):
            absent = np.log(1 - np.exp(self._logs))
            joint = np.matmul(rows, (self._logs - absent).swapaxes(1, 2))
            joint += (part.class_log_prior_ + absent.sum(axis=2))[:, np.newaxis, :]
            return joint
        joint = np.matmul(rows, self._logs.swapaxes(1, 2))
        if not isinstance(part, ComplementNB) or len(part.classes_) == 1:
            joint = joint + part.class_log_prior_
        return joint


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
    is_checked = type(batch.X) is np.ndarray and batch.X.dtype in (np.float64, np.float32)  # by fit
    largest = np.max(np.var(batch.X if is_checked else unsmoothed._check_X(batch.X), axis=0))
    added = [estimator.var_smoothing * largest for estimator in batch.estimators]
    found = np.empty((len(added), *unsmoothed.var_.shape), dtype=unsmoothed.var_.dtype)
    found[:] = unsmoothed.var_
    # Numbers of another precision are added in that precision, so each kind by itself.
    for kind in {each.dtype for each in added}:
        mine = [at for at, each in enumerate(added) if each.dtype == kind]
        found[mine] += np.array([added[at] for at in mine], dtype=kind)[:, np.newaxis, np.newaxis]
    return found


class _Smoothed:
    """Some fits of one Gaussian model with variances (fits, classes, columns); computed when first asked."""

    def __init__(self, fitted: Any, variances: Any, checked: Mapping[str, _Checked]) -> None:
        self._fitted = fitted
        self._variances = variances
        self._checked = checked
        self._joints: dict[str, Any] = {}
        self._predicted: dict[str, Any] = {}
        self._probabilities: dict[str, Any] = {}

    def block(self, positions: Sequence[int]) -> Block:
        answers = {"predict": self._predict, "predict_proba": self._predict_proba}
        return Block(positions=positions, classes=self._fitted.classes_, answers=answers, source=self._source)

    def _source(self, place: int) -> Source:
        functions = {
            "predict": lambda name: self._predict(name)[place],
            "predict_proba": lambda name: np.array(self._predict_proba(name)[place], order="F"),
        }
        return ComputedSource(functions, classes=self._fitted.classes_)

    def _predict(self, name: str) -> Any:
        if name not in self._predicted:
            self._predicted[name] = self._fitted.classes_[np.argmax(self._joint(name), axis=0)]
        return self._predicted[name]

    def _predict_proba(self, name: str) -> Any:
        """Return the probabilities (fits, rows, classes), one class after the other in memory."""
        if name not in self._probabilities:
            joint = self._joint(name)
            if joint.shape[2] < 2:  # sums over classes are then added in another order
                found = np.stack([_normalised(each.T, axis=1) for each in joint.swapaxes(0, 1)])
            else:
                found = np.moveaxis(_normalised(joint, axis=0), 0, 2)
            self._probabilities[name] = found
        return self._probabilities[name]

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
