"""Comparisons of two models on the same rows, against scikit-learn, scipy and resampling written out."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from manyfit.report.calibration import brier_by_row, expected_calibration_error, log_loss_by_row
from manyfit.report.paired import (
    OF_CLASSES,
    OF_NUMBERS,
    Gain,
    mcnemar,
    paired_bootstrap,
    sums_of_classes,
    sums_of_losses,
    sums_of_numbers,
)

N = 240


def _scorers() -> dict:
    def of(score, average):
        return lambda y, told: score(y, told, average=average, zero_division=0)

    kinds = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
    found = {f"{name}_{mean}": of(score, mean) for name, score in kinds.items() for mean in ("macro", "weighted")}
    return {**found, "accuracy": metrics.accuracy_score, "balanced_accuracy": metrics.balanced_accuracy_score}


REGRESSION = {
    "r2": metrics.r2_score,
    "mae": metrics.mean_absolute_error,
    "mse": metrics.mean_squared_error,
    "rmse": metrics.root_mean_squared_error,
}


def _classes(seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, N)
    told = [np.where(rng.random(N) < share, y, rng.integers(0, 4, N)) for share in (0.7, 0.8)]
    return y, *told


def _numbers() -> tuple:
    rng = np.random.default_rng(1)
    y = rng.normal(size=N) * 3 + 1e4
    return y, y + rng.normal(size=N), y + 1.2 * rng.normal(size=N)


def _gain(sums, **named) -> Gain:
    usual = {"smaller_is_better": False, "confidence": 0.95, "resamples": 2000, "seed": 0}
    found = paired_bootstrap(sums, **{**usual, **named})
    assert found is not None
    return found


@pytest.mark.parametrize("metric", OF_CLASSES)
def test_gains_of_classes_are_those_of_scikit_learn(metric: str) -> None:
    """Both scores are scikit-learn's, and the bounds are those of resampling rows one by one."""
    y, own, other = _classes()
    score = _scorers()[metric]
    found = _gain(sums_of_classes(metric, y, own, other, 5))
    assert (found.model, found.champion) == (pytest.approx(score(y, own)), pytest.approx(score(y, other)))
    assert found.gain == pytest.approx(score(y, own) - score(y, other))
    rng = np.random.default_rng(5)
    draws = [rng.integers(0, N, N) for _ in range(120)]
    gains = [score(y[rows], own[rows]) - score(y[rows], other[rows]) for rows in draws]
    assert (found.low, found.high) == pytest.approx(np.quantile(gains, [0.05, 0.95]), abs=0.02)


@pytest.mark.parametrize("metric", OF_NUMBERS)
def test_gains_of_numbers_are_those_of_scikit_learn(metric: str) -> None:
    """Both scores are scikit-learn's; a smaller error is a gain."""
    y, own, other = _numbers()
    score, smaller = REGRESSION[metric], metric != "r2"
    found = _gain(sums_of_numbers(metric, y, own, other), smaller_is_better=smaller)
    assert (found.model, found.champion) == (pytest.approx(score(y, own)), pytest.approx(score(y, other)))
    assert found.gain > 0
    assert found.low < found.gain < found.high


def test_models_that_agree_have_no_gain_and_no_doubt() -> None:
    """The same predictions give a gain of exactly 0 in every draw: rows are drawn together for both."""
    y, own, _ = _classes()
    found = _gain(sums_of_classes("f1_macro", y, own, own, 4))
    assert (found.gain, found.low, found.high) == (0.0, 0.0, 0.0)


def test_bounds_are_one_sided() -> None:
    """At 0.95 a twentieth of the draws is below the lower bound: the quantiles of a normal distribution."""
    rng = np.random.default_rng(0)
    losses = rng.normal(size=4000), rng.normal(size=4000)
    found = _gain(sums_of_losses(*losses), smaller_is_better=True, resamples=6000)
    error = np.std(losses[0] - losses[1]) / np.sqrt(4000)
    assert found.gain == pytest.approx(losses[1].mean() - losses[0].mean())
    assert found.gain - found.low == pytest.approx(1.645 * error, rel=0.05)
    assert found.high - found.gain == pytest.approx(1.645 * error, rel=0.05)


def test_the_seed_decides_the_bounds() -> None:
    """The same seed gives the same bits, another one other bounds."""
    sums = sums_of_classes("accuracy", *_classes(), 4)
    assert _gain(sums, seed=3) == _gain(sums, seed=3)
    assert _gain(sums, seed=3).low != _gain(sums, seed=4, resamples=999).low


def test_groups_are_drawn_whole() -> None:
    """Where the rows of a group are alike, drawing groups gives wider bounds than drawing rows."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 20)
    right = (rng.random(12) < 0.6)[groups]
    y = np.zeros(N, dtype=np.int64)
    own, other = np.where(right, 0, 1), np.where(rng.random(N) < 0.6, 0, 1)
    rows = _gain(sums_of_classes("accuracy", y, own, other, 2))
    whole = _gain(sums_of_classes("accuracy", y, own, other, 2, groups))
    assert whole.gain == pytest.approx(rows.gain)
    assert whole.n_units == 12
    assert whole.high - whole.low > 2 * (rows.high - rows.low)
    losses = rng.random(N), rng.random(N)
    assert _gain(sums_of_losses(*losses, groups)).gain == pytest.approx(losses[0].mean() - losses[1].mean())


def test_undefined_metrics_give_no_gain() -> None:
    """R2 of a constant target is not defined."""
    y = np.ones(20)
    sums = sums_of_numbers("r2", y, y + 1, y + 2)
    assert paired_bootstrap(sums, smaller_is_better=False, confidence=0.95, resamples=200, seed=0) is None


def test_mcnemar_is_the_sign_test_of_rows_that_differ() -> None:
    """Of 12 rows that one alone gets right the champion has 10: p is that of 10 or more heads in 12 throws."""
    own = np.array([True] * 30 + [True] * 2 + [False] * 10)
    champion = np.array([True] * 30 + [False] * 2 + [True] * 10)
    found = mcnemar(own, champion)
    assert (found.model_only, found.champion_only) == (2, 10)
    assert found.p == pytest.approx(79 / 4096)
    assert found.p == pytest.approx(stats.binomtest(10, 12, alternative="greater").pvalue)
    assert mcnemar(champion, own).p > 0.99
    assert mcnemar(own, own).p == 1.0


def test_calibration_error_by_hand() -> None:
    """Two bins: confidence 0.9 with 1 of 2 right, 0.6 with 3 of 3 right: (2 x 0.4 + 3 x 0.4) / 5."""
    chances = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
    y = np.array([0, 1, 0, 0, 0])
    assert expected_calibration_error(chances, y, bins=4) == pytest.approx(0.4)
    assert expected_calibration_error(chances, y, bins=1) == pytest.approx(abs(3.6 / 5 - 4 / 5))


def test_bins_are_closed_above() -> None:
    """A confidence of exactly 0.75 belongs to the third of four bins, 1.0 to the last."""
    chances = np.array([[0.75, 0.25], [0.7, 0.3], [1.0, 0.0]])
    y = np.array([0, 1, 0])
    assert expected_calibration_error(chances, y, bins=4) == pytest.approx(0.45 / 3)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_brier_and_log_loss_are_those_of_scikit_learn(n_classes: int) -> None:
    """The means over rows agree with scikit-learn, whose Brier score of two classes is halved."""
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(n_classes), 50)
    y = rng.integers(0, n_classes, 50)
    told = chances[:, 1] if n_classes == 2 else chances
    assert brier_by_row(chances, y).mean() == pytest.approx(metrics.brier_score_loss(y, told))
    assert log_loss_by_row(chances, y).mean() == pytest.approx(metrics.log_loss(y, chances))
