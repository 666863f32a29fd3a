"""How far the probabilities of a classifier can be believed."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def expected_calibration_error(chances: Values, y: NDArray[np.int64], *, bins: int = 15) -> float:
    """
    Return the mean distance between the confidence of predictions and the share of them that is right.

    *chances* are rows x classes, *y* true codes. The confidence is the largest probability of a row. Bins have
    equal width over (0, 1], and each counts by its rows. Source: M. Naeini, G. Cooper and M. Hauskrecht,
    "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015; C. Guo, G. Pleiss, Y. Sun and K.
    Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    confidence = chances.max(axis=1)
    right = chances.argmax(axis=1) == y
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    total = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(total).sum() / len(y))


def brier_by_row(chances: Values, y: NDArray[np.int64]) -> Values:
    """
    Return the squared distance of each row's probabilities from the truth; the mean is the Brier score.

    From 0 to 2 for several classes; of two classes half of that, as scikit-learn has it. Source: G. Brier,
    "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 78 (1950).
    """
    truth = np.zeros_like(chances)
    truth[np.arange(len(y)), y] = 1.0
    squares = ((chances - truth) ** 2).sum(axis=1)
    return np.asarray(squares / 2 if chances.shape[1] == 2 else squares)


def log_loss_by_row(chances: Values, y: NDArray[np.int64]) -> Values:
    """Return the negative log probability of the true class of each row, clipped as scikit-learn clips it."""
    eps = np.finfo(np.float64).eps
    return np.asarray(-np.log(np.clip(chances[np.arange(len(y)), y], eps, 1 - eps)))
