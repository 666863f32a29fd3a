"""Fitting a correction: ridge regression of logarithms, drawn towards the formula."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from manyfit.plan.costs import Accuracy, Correction, Term, Trait

Floats = NDArray[np.float64]

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 1e6)
"""How strongly weights are drawn to 0; the last leaves the intercept alone. Which one is found by holding out."""
INTERCEPT_PENALTY = 0.5
"""The formula counts as much as half a finished task."""
N_PARTS = 5
MOST_TEXTS = 12
"""Texts of one trait that get a term of their own, the most frequent ones."""
MARGIN = float(np.log(2.0))
"""How far, as a logarithm, a correction may go beyond what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A correction, and the logarithms of real over predicted of tasks that it had not seen."""

    correction: Correction
    unseen: Floats


def fit_correction(
    steps: tuple[str, ...],
    traits: Sequence[Mapping[str, Trait]],
    errors: Sequence[float],
    groups: Sequence[str],
) -> Fitted:
    """
    Return the correction that explains *errors*, the logarithms of real over formula, by *traits*.

    Its accuracy is measured on held-out *groups* (candidates), so it is that for parameters never tried; with too
    few groups, on held-out tasks.
    """
    terms = list(_terms(traits))
    design = _design(terms, traits)
    y = np.array(errors, dtype=np.float64)
    parts = _parts(groups)
    unseen = {penalty: _held_out(design, y, parts, penalty) for penalty in PENALTIES}
    best = min(PENALTIES, key=lambda penalty: (float(np.abs(unseen[penalty]).mean()), -penalty))
    weights = _solve(design, y, best)
    correction = Correction(
        steps=steps,
        intercept=float(weights[0]),
        terms=tuple(_weighed(terms, design, weights)),
        low=float(y.min()) - MARGIN,
        high=float(y.max()) + MARGIN,
        accuracy=accuracy_of(unseen[best]),
    )
    return Fitted(correction=correction, unseen=unseen[best])


def accuracy_of(errors: Floats) -> Accuracy:
    """Return how far predictions are off, given the logarithms of real over predicted."""
    median, p90 = np.exp(np.quantile(np.abs(errors), (0.5, 0.9)))
    return Accuracy(n_tasks=len(errors), median=float(median), p90=float(p90))


def _terms(traits: Sequence[Mapping[str, Trait]]) -> Iterator[Term]:
    """Yield a term of weight 1 for everything that varies; texts that are never alone say nothing."""
    for name in sorted({name for found in traits for name in found}):
        values = [found.get(name) for found in traits]
        numbers = [value for value in values if isinstance(value, float)]
        if len(set(numbers)) > 1:
            centre = float(np.mean(numbers))
            yield Term(trait=name, value=None, weight=1.0, centre=centre, low=min(numbers), high=max(numbers))
        texts = Counter(value for value in values if isinstance(value, str))
        if len(texts) > 1 or 0 < texts.total() < len(values):
            for text, n in sorted(texts.most_common(MOST_TEXTS)):
                yield Term(trait=name, value=text, weight=1.0, centre=n / len(values))


def _design(terms: Sequence[Term], traits: Sequence[Mapping[str, Trait]]) -> Floats:
    """Return a column of ones, and one column for each term."""
    columns = [[term.of(found.get(term.trait)) for found in traits] for term in terms]
    return np.array([[1.0] * len(traits), *columns], dtype=np.float64).T


def _weighed(terms: Sequence[Term], design: Floats, weights: Floats) -> Iterator[Term]:
    scales = _scales(design)
    for term, weight, scale in zip(terms, weights[1:], scales[1:], strict=True):
        if abs(weight) > 1e-12:
            yield replace(term, weight=float(weight / scale))


def _scales(design: Floats) -> Floats:
    scales: Floats = design.std(axis=0)
    scales[0] = 1.0
    return scales


def _solve(design: Floats, y: Floats, penalty: float, scales: Floats | None = None) -> Floats:
    """Return the weights of the scaled columns, with outliers weighed less in a second round."""
    scaled = design / (_scales(design) if scales is None else scales)
    ridge = np.diag([INTERCEPT_PENALTY, *[penalty] * (design.shape[1] - 1)])
    trust: Floats = np.ones(len(y))
    weights: Floats = np.zeros(design.shape[1])
    for _ in range(2):
        trusted = scaled * trust[:, None]
        weights = np.asarray(np.linalg.solve(scaled.T @ trusted + ridge, trusted.T @ y), dtype=np.float64)
        left = np.abs(y - scaled @ weights)
        limit = 2.0 * max(1.4826 * float(np.median(left)), 0.05)
        trust = np.minimum(1.0, limit / np.maximum(left, 1e-12))
    return weights


def _parts(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return for each task the part in which it is held out."""
    names = {name: at for at, name in enumerate(sorted(set(groups)))}
    if len(names) < N_PARTS:
        return np.arange(len(groups)) % N_PARTS
    return np.array([names[name] % N_PARTS for name in groups])


def _held_out(design: Floats, y: Floats, parts: NDArray[np.int64], penalty: float) -> Floats:
    """Return what is left of *y* for each task, by a fit without its part."""
    left = y.copy()
    scales = _scales(design)
    for part in range(N_PARTS):
        out = parts == part
        if not out.any() or out.all():
            continue
        weights = _solve(design[~out], y[~out], penalty, scales)
        seen = y[~out]
        predicted = np.clip((design[out] / scales) @ weights, seen.min() - MARGIN, seen.max() + MARGIN)
        left[out] = y[out] - predicted
    return left
