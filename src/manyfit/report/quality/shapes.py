"""What the shape of a series of training says, on the standard library alone: it runs beside the fits, too."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

LOSSES = frozenset(
    {
        "loss_curve",
        "logloss",
        "mlogloss",
        "binary_logloss",
        "multi_logloss",
        "error",
        "merror",
        "binary_error",
        "multi_error",
        "rmse",
        "mae",
        "mape",
        "l1",
        "l2",
    }
)
"""Series, or the part of their names behind ":", of which less is better."""

FEWEST = 3
"""Shorter series say nothing of how training went."""
FLAT_FROM = 5
FLAT = 1e-6
"""Change of a flat loss, relative to where it began."""
ABSURD = -10.0
"""An R2 below this is no poor fit but one that ran away: ten times the variance of the target is left."""
BOUNDED = ("r2", "explained_variance")

NOT_CONVERGED = "ConvergenceWarning"
SHARE_NOT_CONVERGED = 0.1
"""Up to this part of the fits of a pipeline may fail to converge without a word."""

Values = Sequence[float | None]


def is_loss(name: str) -> bool:
    """Whether less is better in the series *name*."""
    return name.rpartition(":")[2] in LOSSES


def diverged(name: str, values: Values) -> bool:
    """Whether training ran away: a value that is no number, or a loss that ended above where it began."""
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    if len(numbers) < len(values):
        return True
    return is_loss(name) and len(numbers) >= FEWEST and numbers[-1] > numbers[0] + FLAT * abs(numbers[0])


def flat(name: str, values: Values) -> bool:
    """Whether a loss never changed."""
    numbers = [value for value in values if value is not None]
    if not is_loss(name) or len(numbers) < FLAT_FROM:
        return False
    return max(numbers) - min(numbers) <= FLAT * max(abs(numbers[0]), FLAT)


def series_in(details: Mapping[str, Any] | None) -> Mapping[str, Values]:
    """Return the series in the details of a result."""
    found = ((details or {}).get("train") or {}).get("series")
    return found if isinstance(found, Mapping) else {}


def floats(values: Values) -> list[float | None]:
    """Return *values* as floats: JSON has whole numbers among them."""
    return [None if value is None else float(value) for value in values]


def lengths_in(details: Mapping[str, Any]) -> Mapping[str, int]:
    """Return how long each series was that has been thinned."""
    found = (details.get("train") or {}).get("n_values")
    return found if isinstance(found, Mapping) else {}


def absurd(scores: Mapping[str, Mapping[str, float | None]] | None) -> bool:
    """Whether a score says that a fit ran away."""
    found = (metrics.get(name) for metrics in (scores or {}).values() for name in BOUNDED)
    return any(score is not None and score < ABSURD for score in found)


def ran_away(result: Mapping[str, Any]) -> bool:
    """Whether the fit of a result, as it stands in a log, diverged."""
    series = series_in(result.get("details"))
    return any(diverged(name, values) for name, values in series.items()) or absurd(result.get("scores"))
