"""Curves from predictions: ROC and precision-recall of each class against the rest, residuals of a regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 201
"""Points of a mean curve."""

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """
    What a candidate answered for the rows of one fold and seed.

    `true` and `predicted` are class codes or numbers. `scores` has one column for each class (None: neither
    probabilities nor decision values); for two classes only the second column counts. `precision` is the same
    for precision-recall curves, where the metrics prefer decision values.
    """

    true: NDArray[np.float64] | NDArray[np.int64]
    predicted: NDArray[np.float64] | NDArray[np.int64]
    scores: Values | None = None
    precision: Values | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One mean curve over folds and seeds on the grid `x`; `area` is the mean of their areas."""

    name: str
    x: Values
    y: Values
    area: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """ROC and precision-recall curves; the macro means stand last where there are more than two classes."""

    roc: tuple[Curve, ...]
    precision: tuple[Curve, ...]
    share: float
    """The part of the rows that is positive, over the classes drawn: what guessing gives as precision."""


def curves_of(parts: Sequence[Answers], classes: Sequence[str]) -> Curves | None:
    """
    Return the mean curves over *parts*, one-vs-rest; of two classes, those of the second one.

    None where a part has no scores, or one class alone: the curves are not defined then.
    """
    codes = [1] if len(classes) == 2 else list(range(len(classes)))
    for part in parts:
        if part.scores is None or part.precision is None or not _defined(part, codes):
            return None
    if not parts or not codes:
        return None
    roc = [_mean(parts, code, classes[code], precision=False) for code in codes]
    precision = [_mean(parts, code, classes[code], precision=True) for code in codes]
    share = float(np.mean([(part.true == code).mean() for part in parts for code in codes]))
    return Curves(roc=(*roc, *_macro(roc)), precision=(*precision, *_macro(precision)), share=share)


def _defined(part: Answers, codes: Sequence[int]) -> bool:
    counts = [int((part.true == code).sum()) for code in codes]
    finite = all(np.isfinite(one).all() for one in (part.scores, part.precision) if one is not None)
    return finite and all(0 < count < len(part.true) for count in counts)


def _mean(parts: Sequence[Answers], code: int, name: str, *, precision: bool) -> Curve:
    grid = np.linspace(0.0, 1.0, STEPS)
    lines, areas = [], []
    for part in parts:
        scores = part.precision if precision else part.scores
        assert scores is not None
        hits, chosen = _ranked(part.true == code, scores[:, code])
        line, area = (_precision if precision else _roc)(hits, chosen, len(part.true), grid)
        lines.append(line)
        areas.append(area)
    return Curve(name=name, x=grid, y=np.mean(lines, axis=0), area=float(np.mean(areas)))


def _ranked(positive: NDArray[np.bool_], scores: Values) -> tuple[Values, Values]:
    """Return how many positive rows, and how many in all, score at least as high as each threshold."""
    order = np.argsort(scores, kind="stable")[::-1]
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return np.cumsum(positive[order])[ends].astype(float), (ends + 1).astype(float)


def _roc(hits: Values, chosen: Values, n_rows: int, grid: Values) -> tuple[Values, float]:
    positive = hits[-1]
    x = np.concatenate([[0.0], (chosen - hits) / (n_rows - positive)])
    y = np.concatenate([[0.0], hits / positive])
    line = np.interp(grid, x, y)
    line[0] = 0.0
    return line, float(np.trapezoid(y, x))


def _precision(hits: Values, chosen: Values, n_rows: int, grid: Values) -> tuple[Values, float]:
    del n_rows
    recall, precision = hits / hits[-1], hits / chosen
    # the precision at the first threshold that reaches this much recall
    line = precision[np.minimum(np.searchsorted(recall, grid, side="left"), len(recall) - 1)]
    return line, float((np.diff(recall, prepend=0.0) * precision).sum())


def _macro(curves: Sequence[Curve]) -> list[Curve]:
    if len(curves) < 2:
        return []
    area = float(np.mean([curve.area for curve in curves]))
    return [Curve(name="macro mean", x=curves[0].x, y=np.mean([one.y for one in curves], axis=0), area=area)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """True and predicted numbers of one candidate, all folds of one seed together."""

    true: Values
    predicted: Values


def residuals_of(parts: Sequence[Answers]) -> Residuals | None:
    """Return true and predicted values of a regression; None without any."""
    if not parts:
        return None
    return Residuals(
        true=np.concatenate([part.true for part in parts]).astype(float),
        predicted=np.concatenate([part.predicted for part in parts]).astype(float),
    )
