"""Tests of differences against published examples, scipy, and their own promises under simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from manyfit.report.statistics import (
    alike,
    corrected_t_test,
    critical_difference,
    friedman,
    holm,
    practical_difference,
    wilcoxon,
)

DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],  # ranked 2 and 3 in the paper, which rounds to three decimals
        [0.957, 0.978, 0.946, 0.970],
    ]
)
"""Table 6 of Demsar (2006): C4.5, and with other parameters (m, cf, m+cf), on 14 data sets."""


def test_friedman_is_that_of_the_published_example() -> None:
    """Mean ranks, Friedman's chi-squared and the F of Iman and Davenport are those of Demsar, section 3.2.2."""
    found = friedman(DEMSAR, correct_ties=False)
    assert found.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert found.chi2 == pytest.approx(9.28, abs=0.005)
    assert found.f == pytest.approx(3.69, abs=0.005)
    assert found.p_f == pytest.approx(stats.f.sf(3.69, 3, 39), abs=1e-3)


def test_friedman_with_ties_is_that_of_scipy() -> None:
    """With the correction for ties, the statistic and its p-value agree with scipy's."""
    other = stats.friedmanchisquare(*DEMSAR.T)
    found = friedman(DEMSAR)
    assert found.chi2 == pytest.approx(other.statistic)
    assert found.p == pytest.approx(other.pvalue)


def test_friedman_of_equal_scores_and_of_full_agreement() -> None:
    """Nothing is said where all scores are ties; full agreement has an infinite F and p 0."""
    assert friedman(np.ones((4, 3))).p is None
    found = friedman(np.array([[3.0, 2.0, 1.0]] * 6))
    assert found.ranks == (1.0, 2.0, 3.0)
    assert (found.f, found.p_f) == (math.inf, 0.0)


@pytest.mark.parametrize(
    ("n_competitors", "alpha", "q"),
    [(2, 0.05, 1.960), (4, 0.05, 2.569), (10, 0.05, 3.164), (2, 0.10, 1.645), (4, 0.10, 2.291), (10, 0.10, 2.920)],
)
def test_critical_values_are_those_of_the_published_table(n_competitors: int, alpha: float, q: float) -> None:
    """The quantiles behind the critical difference are those of table 5 of Demsar (2006)."""
    n = 14
    found = critical_difference(n_competitors, n, alpha=alpha)
    assert found == pytest.approx(q * math.sqrt(n_competitors * (n_competitors + 1) / (6 * n)), rel=5e-4)


def test_critical_difference_of_the_published_example() -> None:
    """On 14 data sets four competitors differ from 1.25 ranks on at 0.05, from 1.12 on at 0.10."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)


def test_groups_are_the_largest_runs_that_do_not_differ() -> None:
    """Groups overlap, none is part of another, a difference that is just critical separates."""
    assert alike([1.0, 2.0, 2.9, 4.5], 2.0) == [(0, 1, 2), (2, 3)]
    assert alike([4.5, 1.0, 2.0, 2.9], 2.0) == [(1, 2, 3), (3, 0)]
    assert alike([1.0, 2.0, 3.0], 1.0) == []
    assert alike([1.0, 1.5, 2.0], 5.0) == [(0, 1, 2)]


def test_signed_ranks_of_the_published_example() -> None:
    """Demsar, section 3.1.3: C4.5 against C4.5+m has the smaller rank sum 12, which is below the critical 21."""
    differences = DEMSAR[:, 1] - DEMSAR[:, 0]
    other = stats.wilcoxon(np.round(differences, 12), zero_method="zsplit", method="asymptotic")
    assert other.statistic == 12.0
    assert wilcoxon(list(differences)) < 0.05


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-40, 40).filter(bool), min_size=2, max_size=14, unique_by=abs))
def test_signed_ranks_without_ties_are_exactly_those_of_scipy(values: list[int]) -> None:
    """The p-value is that of scipy's exact distribution."""
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


def test_signed_ranks_with_ties_and_zeros_are_those_of_all_signs() -> None:
    """With ties and zeros, p is the share of all assignments of signs that are as extreme."""
    values = [1.0, 1.0, -1.0, 2.0, 0.0, 0.0, 3.0, -2.0]
    ranks = stats.rankdata(np.abs(values))
    own = sum(rank for rank, value in zip(ranks, values, strict=True) if value > 0)
    moving = [rank for rank, value in zip(ranks, values, strict=True) if value]
    sums = [sum(rank for bit, rank in enumerate(moving) if signs >> bit & 1) for signs in range(2 ** len(moving))]
    least = min(own, sum(moving) - own)
    assert wilcoxon(values) == pytest.approx(2 * np.mean(np.array(sums) <= least))
    assert wilcoxon([0.0, 0.0, 0.0]) == 1.0
    assert wilcoxon([0.1, 0.3, 0.2, 0.4, 0.5]) == pytest.approx(0.0625)


def test_corrected_t_test_by_hand() -> None:
    """Ten folds: t = mean / (s sqrt(1/10 + 1/9)) with 9 degrees of freedom, and the interval belonging to it."""
    differences = [0.02, 0.01, -0.01, 0.03, 0.00, 0.02, 0.01, 0.04, -0.02, 0.00]
    # mean 0.01, sum of squared deviations 0.003, s = sqrt(0.003 / 9) = 0.0182574
    error = 0.0182574 * math.sqrt(0.1 + 1 / 9)
    found = corrected_t_test(differences, ratio=1 / 9)
    assert found.mean == pytest.approx(0.01)
    assert found.p == pytest.approx(2 * stats.t.sf(0.01 / error, 9), rel=1e-4)
    assert found.low == pytest.approx(0.01 - 2.262157 * error, rel=1e-4)
    assert found.high == pytest.approx(0.01 + 2.262157 * error, rel=1e-4)


def test_without_overlap_it_is_the_paired_t_test_of_scipy() -> None:
    """With the ratio 0 p-value and interval are those of scipy's paired t-test."""
    one, two = np.random.default_rng(3).normal(size=(2, 12))
    other = stats.ttest_rel(one, two)
    interval = other.confidence_interval(0.9)
    found = corrected_t_test(list(one - two), ratio=0.0, confidence=0.9)
    assert found.p == pytest.approx(other.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_without_spread_nothing_is_said() -> None:
    """Equal differences give no p-value, but for rounding too; all of them 0 give p 1; one gives nothing."""
    assert corrected_t_test([0.1 + 0.2, 0.3, 0.3], ratio=0.1).p is None
    assert corrected_t_test([0.0] * 5, ratio=0.1).p == 1.0
    assert corrected_t_test([0.4], ratio=0.1).p is None


def _equal_learners(seed: int, n_folds: int, n_seeds: int) -> tuple[list[float], float]:
    """Return differences over folds of two learners that are equally good on the whole, and the ratio."""
    rng = np.random.default_rng(seed)
    n = 60
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 6)) + 0.5 * y[:, None]
    differences = []
    for _ in range(n_seeds):
        fold = rng.permutation(np.arange(n) % n_folds)
        for held in range(n_folds):
            train, test = fold != held, fold == held
            scores = [_nearest_mean(X[:, own], y, train, test) for own in (slice(0, 3), slice(3, 6))]
            differences.append(scores[0] - scores[1])
    return differences, 1 / (n_folds - 1)


def _nearest_mean(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    means = [X[train & (y == label)].mean(axis=0) for label in (0, 1)]
    distances = [((X[test] - mean) ** 2).sum(axis=1) for mean in means]
    return float(np.mean((distances[1] < distances[0]) == y[test]))


def test_false_positives_are_as_few_as_promised() -> None:
    """
    Learners that do not differ are told apart in about 5 of 100 data sets, by the plain t-test far more often.

    Two nearest-mean classifiers on features of the same distribution, 5 folds x 4 seeds, 400 data sets.
    """
    plain = corrected = 0
    for seed in range(400):
        differences, ratio = _equal_learners(seed, 5, 4)
        plain += (corrected_t_test(differences, ratio=0.0).p or 0.0) < 0.05
        corrected += (corrected_t_test(differences, ratio=ratio).p or 0.0) < 0.05
    assert plain / 400 > 0.25
    assert corrected / 400 < 0.08


def test_holm_by_hand() -> None:
    """Four comparisons: 0.01 x 4, 0.02 x 3, 0.03 x 2, and none below the one before; None is not counted."""
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.2, 0.25]) == pytest.approx([0.4, 0.4])
    assert holm([None, 0.03]) == [None, pytest.approx(0.03)]
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_practical_difference_agrees_with_the_corrected_t_test() -> None:
    """With a rope of 0 the probability of being below is the one-sided p-value; a wide rope holds everything."""
    differences = [0.02, 0.01, -0.01, 0.03, 0.005]
    test = corrected_t_test(differences, ratio=0.25)
    found = practical_difference(differences, ratio=0.25, rope=0.0)
    assert found is not None
    assert test.p is not None
    assert found.below == pytest.approx(test.p / 2)
    assert found.within == pytest.approx(0.0)
    wide = practical_difference(differences, ratio=0.25, rope=10.0)
    assert wide is not None
    assert wide.within == pytest.approx(1.0, abs=1e-6)
    assert practical_difference([0.1, 0.1], ratio=0.25, rope=0.01) is None
