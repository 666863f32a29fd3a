"""Two models on the same rows: how much better one is, and how sure that is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Values = NDArray[np.float64]

OF_CLASSES = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
)
"""Metrics of predicted classes that can be compared."""
OF_CHANCES = ("log_loss", "brier")
"""Metrics of probabilities that can be compared."""
OF_NUMBERS = ("r2", "mae", "mse", "rmse")
"""Metrics of a regression that can be compared."""

SMALLER_IS_BETTER = frozenset({*OF_CHANCES, "mae", "mse", "rmse"})

_MOST_AT_ONCE = 4_000_000
"""Weights in memory at once: 32 MB."""

Metric = Callable[[Values], Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """
    What the metric of both models is computed from, for each unit that is drawn: a row, or a group of rows.

    `model` and `champion` hold sums, units x columns; `metric` turns sums of many draws (draws x columns) into
    metrics. `chances` are how probable each unit is in a draw, `n_drawn` how many one draw has.
    """

    model: Values
    champion: Values
    metric: Metric
    chances: Values
    n_drawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """
    By how much the model is better than the champion, in units of the metric: negative where it is worse.

    `low` and `high` are one-sided bounds: the gain is above `low` at the confidence, and below `high` at it.
    """

    model: float
    champion: float
    gain: float
    low: float
    high: float
    n_units: int


def paired_bootstrap(
    sums: Sums, *, smaller_is_better: bool, confidence: float, resamples: int, seed: int
) -> Gain | None:
    """
    Return the gain of the model with bounds from resampling rows, or groups, together for both models.

    None where the metric is not defined for one of them. Percentile bounds. A class that a draw misses takes no
    part in its macro means.

    Sources: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3; paired as in P.
    Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004; of groups as in C.
    Field and A. Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69 (2007).
    """
    sign = -1.0 if smaller_is_better else 1.0
    weight = sums.chances * sums.n_drawn
    own, other = (float(sums.metric(weight[None, :] @ part)[0]) for part in (sums.model, sums.champion))
    gains = np.concatenate([sign * part for part in _differences(sums, resamples, seed)])
    gains = gains[np.isfinite(gains)]
    if not len(gains) or not np.isfinite([own, other]).all():
        return None
    low, high = (float(np.quantile(gains, share)) for share in (1 - confidence, confidence))
    return Gain(model=own, champion=other, gain=sign * (own - other), low=low, high=high, n_units=sums.n_drawn)


def _differences(sums: Sums, resamples: int, seed: int) -> Iterator[Values]:
    """Yield model less champion of each draw, some draws at a time."""
    draw = np.random.default_rng(seed)
    at_once = max(1, _MOST_AT_ONCE // len(sums.chances))
    for start in range(0, resamples, at_once):
        weights = draw.multinomial(sums.n_drawn, sums.chances, size=min(at_once, resamples - start)).astype(
            np.float64
        )
        with np.errstate(invalid="ignore"):  # not defined in this draw
            yield sums.metric(weights @ sums.model) - sums.metric(weights @ sums.champion)


def sums_of_classes(
    metric: str, y: Codes, model: Codes, champion: Codes, n_classes: int, groups: Codes | None = None
) -> Sums:
    """
    Return what a metric of `OF_CLASSES` is computed from.

    Codes from 0 to *n_classes* - 1 in all three; *groups* are codes of the units to draw, None for rows.
    """
    eye = np.eye(n_classes)
    # Rows with the same three classes are one unit with their joint probability: it is the same distribution.
    joint = (y * n_classes + model) * n_classes + champion
    cells, of_row, counts = np.unique(joint, return_inverse=True, return_counts=True)
    true, own, other = cells // n_classes**2, cells // n_classes % n_classes, cells % n_classes
    parts = [np.hstack([eye[true] * (true == told)[:, None], eye[true], eye[told]]) for told in (own, other)]
    if groups is None:
        chances, n_drawn = counts / len(y), len(y)
    else:
        parts = [_by_group(part[of_row], groups) for part in parts]
        n_drawn = len(parts[0])
        chances = np.full(n_drawn, 1 / n_drawn)
    return Sums(model=parts[0], champion=parts[1], metric=_of_classes(metric), chances=chances, n_drawn=n_drawn)


def sums_of_losses(model: Values, champion: Values, groups: Codes | None = None) -> Sums:
    """Return what the mean of a loss by row is computed from."""
    parts = [np.column_stack([np.ones(len(model)), loss]) for loss in (model, champion)]
    return _of_rows(parts, lambda sums: sums[:, 1] / sums[:, 0], groups)


def sums_of_numbers(metric: str, y: Values, model: Values, champion: Values, groups: Codes | None = None) -> Sums:
    """Return what a metric of `OF_NUMBERS` is computed from."""
    shifted = y - y.mean()  # sums of squares of large numbers would lose digits
    parts = [
        np.column_stack([np.ones(len(y)), (told - y) ** 2, np.abs(told - y), shifted, shifted**2])
        for told in (model, champion)
    ]
    return _of_rows(parts, _of_numbers(metric), groups)


def _of_rows(parts: Sequence[Values], metric: Metric, groups: Codes | None) -> Sums:
    if groups is not None:
        parts = [_by_group(part, groups) for part in parts]
    n = len(parts[0])
    return Sums(model=parts[0], champion=parts[1], metric=metric, chances=np.full(n, 1 / n), n_drawn=n)


def _by_group(rows: Values, groups: Codes) -> Values:
    _, of_row = np.unique(groups, return_inverse=True)
    found = np.zeros((int(of_row.max()) + 1, rows.shape[1]))
    np.add.at(found, of_row, rows)
    return found


def _of_classes(metric: str) -> Metric:
    def compute(sums: Values) -> Values:
        hits, true, told = np.split(sums, 3, axis=1)
        if metric == "accuracy":
            return np.asarray(hits.sum(axis=1) / true.sum(axis=1))
        if metric == "balanced_accuracy":
            return _mean(_share(hits, true), true > 0)
        kind, _, mean = metric.rpartition("_")
        values = {"precision": (hits, told), "recall": (hits, true), "f1": (2 * hits, true + told)}[kind]
        shares = _share(*values)
        return (
            _mean(shares, true + told > 0) if mean == "macro" else (shares * true).sum(axis=1) / true.sum(axis=1)
        )

    return compute


def _of_numbers(metric: str) -> Metric:
    def compute(sums: Values) -> Values:
        n, squares, sizes, total, total_squares = sums.T
        if metric == "mae":
            return np.asarray(sizes / n)
        if metric == "r2":
            spread = total_squares - total**2 / n
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(1 - squares / spread)
        return np.asarray(squares / n if metric == "mse" else np.sqrt(squares / n))

    return compute


def _share(part: Values, whole: Values) -> Values:
    out = np.zeros_like(part)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _mean(values: Values, there: NDArray[np.bool_]) -> Values:
    return np.asarray((values * there).sum(axis=1) / there.sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordant:
    """Rows that one model alone gets right, and the one-sided p-value of the champion being better."""

    model_only: int
    champion_only: int
    p: float


def mcnemar(model_right: NDArray[np.bool_], champion_right: NDArray[np.bool_]) -> Discordant:
    """
    Test whether the champion is right more often than the model on the same rows, exactly.

    Sources: Q. McNemar, "Note on the Sampling Error of the Difference between Correlated Proportions or
    Percentages", Psychometrika 12 (1947); T. Dietterich, "Approximate Statistical Tests for Comparing Supervised
    Classification Learning Algorithms", Neural Computation 10 (1998). The exact version is the sign test of the
    rows on which they differ.
    """
    from scipy import stats

    own = int((model_right & ~champion_right).sum())
    other = int((champion_right & ~model_right).sum())
    p = float(stats.binom.sf(other - 1, own + other, 0.5)) if own + other else 1.0
    return Discordant(model_only=own, champion_only=other, p=p)
