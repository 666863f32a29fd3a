"""
Tests of differences between scores, as functions of numbers.

Every function names its source. None of them knows where the scores come from: which pairs belong together, and
what the scores of one division of the rows have in common with those of another, is `manyfit.report.comparing`'s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_SPREAD = 1e-12
"""Differences that vary by less than this part of the largest are equal: what remains is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TTest:
    """
    A mean difference with its confidence interval and the two-sided p-value against no difference.

    `p`, `low` and `high` are None where all differences are equal or there is one only: without any spread a
    t-test says nothing. All differences 0 are the exception: p is 1.
    """

    n: int
    mean: float
    p: float | None
    low: float | None
    high: float | None


def corrected_t_test(differences: Sequence[float], *, ratio: float, confidence: float = 0.95) -> TTest:
    """
    Test paired differences of scores over folds or resamples whose training rows overlap.

    *ratio* is rows tested to rows trained on (1/9 with ten folds); 0 gives the plain paired t-test, which takes
    the folds for independent and finds differences where there are none.

    The variance of the mean is (1/n + ratio) s^2 in place of s^2/n. Source: C. Nadeau and Y. Bengio, "Inference
    for the Generalization Error", Machine Learning 52 (2003), equation 10 and section 5.1.1; for repeated
    cross-validation R. Bouckaert and E. Frank, "Evaluating the Replicability of Significance Tests for Comparing
    Learning Algorithms", PAKDD 2004.
    """
    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean())
    scale = _scale(values, ratio)
    if scale is None:
        nothing = not np.any(values) and len(values) > 1
        return TTest(
            n=len(values),
            mean=mean,
            p=1.0 if nothing else None,
            low=0.0 if nothing else None,
            high=0.0 if nothing else None,
        )
    from scipy import stats

    df = len(values) - 1
    half = float(stats.t.ppf(0.5 + confidence / 2, df)) * scale
    p = float(2 * stats.t.sf(abs(mean) / scale, df))
    return TTest(n=len(values), mean=mean, p=p, low=mean - half, high=mean + half)


def _scale(values: NDArray[np.float64], ratio: float) -> float | None:
    """Return the standard error of the mean; None where there is no spread."""
    if len(values) < 2:
        return None
    deviation = float(values.std(ddof=1))
    if deviation <= NO_SPREAD * float(np.abs(values).max()):
        return None
    return math.sqrt(1 / len(values) + ratio) * deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Practical:
    """Probabilities that a difference is below, within and above what matters in practice; they sum to 1."""

    below: float
    within: float
    above: float


def practical_difference(differences: Sequence[float], *, ratio: float, rope: float) -> Practical | None:
    """
    Return how probable a mean difference below -*rope*, within it, and above *rope* is; None without spread.

    The Bayesian correlated t-test: the posterior of the mean difference under the uninformative prior is a
    Student distribution with n - 1 degrees of freedom and the scale of the corrected resampled t-test. Source:
    G. Corani and A. Benavoli, "A Bayesian approach for comparing cross-validated algorithms on multiple data
    sets", Machine Learning 100 (2015); A. Benavoli et al., "Time for a Change", JMLR 18 (2017).
    """
    values = np.asarray(differences, dtype=np.float64)
    scale = _scale(values, ratio)
    if scale is None:
        return None
    from scipy import stats

    posterior = stats.t(len(values) - 1, loc=float(values.mean()), scale=scale)
    below, above = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return Practical(below=below, within=max(0.0, 1 - below - above), above=above)


def wilcoxon(differences: Sequence[float]) -> float:
    """
    Return the two-sided p-value of the signed-rank test of paired differences.

    Exact, with ties and zeros as they are: ranks of equal sizes are averaged, half of the ranks of zeros counts
    for each side. Differences that agree but for rounding are ties. Source: F. Wilcoxon, "Individual Comparisons
    by Ranking Methods", Biometrics Bulletin 1 (1945); zeros as in J. Demsar, "Statistical Comparisons of
    Classifiers over Multiple Data Sets", JMLR 7 (2006), section 3.1.3.
    """
    values = np.asarray(differences, dtype=np.float64)
    sizes: NDArray[np.float64] = np.abs(np.round(values, 12))
    doubled = (2 * _average_ranks(sizes)).round().astype(np.int64)
    signed = doubled[sizes > 0]
    positive = int(doubled[(sizes > 0) & (values > 0)].sum())
    ways = _ways(signed)
    # Half of the ranks of zeros on each side would move the statistic and its distribution alike.
    least = min(positive, int(signed.sum()) - positive)
    return min(1.0, 2 * float(ways[: least + 1].sum() / ways.sum()))


def _ways(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return in how many ways signs give each sum of positive ranks."""
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1.0
    for rank in ranks:
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
    return ways


def _average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import stats

    return np.asarray(stats.rankdata(values), dtype=np.float64)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """
    Return p-values adjusted for being several, in the given order; None stays None and is not counted.

    Step-down: the smallest is multiplied by how many there are, the next by one less, and none is below the one
    before. Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6 (1979).
    """
    known = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for place, (p, at) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - place)))
        adjusted[at] = largest
    return adjusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Friedman:
    """
    Whether competitors differ at all over data sets.

    `ranks` are mean ranks, 1 the best, in the order of the columns; `p` is of the chi-squared statistic, `p_f` of
    the F statistic of Iman and Davenport, which is less conservative. None where all rows are ties.
    """

    n_sets: int
    ranks: tuple[float, ...]
    chi2: float | None
    p: float | None
    f: float | None
    p_f: float | None


def friedman(scores: NDArray[np.float64], *, correct_ties: bool = True) -> Friedman:
    """
    Compare the columns of *scores* (data sets x competitors, greater is better, no missing values) by ranks.

    Equal scores share their mean rank. Source: M. Friedman, "The Use of Ranks to Avoid the Assumption of
    Normality", JASA 32 (1937); R. Iman and J. Davenport, "Approximations of the Critical Region of the Friedman
    Statistic", Communications in Statistics (1980); both as in Demsar (2006), section 3.2.2, which does not
    correct for ties (*correct_ties*: W. Conover, "Practical Nonparametric Statistics", 1999, section 5.8).
    """
    n, k = scores.shape
    ranks = np.apply_along_axis(_average_ranks, 1, -np.round(scores, 12))
    means = ranks.mean(axis=0)
    chi2 = 12 * n / (k * (k + 1)) * (float((means**2).sum()) - k * (k + 1) ** 2 / 4)
    tied = sum(int(t) ** 3 - int(t) for row in ranks for t in np.unique(row, return_counts=True)[1])
    part = 1 - tied / (n * k * (k * k - 1)) if correct_ties else 1.0
    mean_ranks = tuple(float(rank) for rank in means)
    if part <= NO_SPREAD or k < 2:
        return Friedman(n_sets=n, ranks=mean_ranks, chi2=None, p=None, f=None, p_f=None)
    return _with_p(n, k, mean_ranks, max(0.0, chi2 / part))


def _with_p(n: int, k: int, ranks: tuple[float, ...], chi2: float) -> Friedman:
    from scipy import stats

    rest = n * (k - 1) - chi2
    f = math.inf if rest <= NO_SPREAD * n * k else (n - 1) * chi2 / rest
    p_f = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))) if n > 1 else None
    return Friedman(
        n_sets=n, ranks=ranks, chi2=chi2, p=float(stats.chi2.sf(chi2, k - 1)), f=f if n > 1 else None, p_f=p_f
    )


def critical_difference(n_competitors: int, n_sets: int, *, alpha: float = 0.05) -> float:
    """
    Return the difference of mean ranks from which on two competitors differ.

    Source: P. Nemenyi, "Distribution-free Multiple Comparisons", Princeton (1963), as in Demsar (2006), section
    3.2.2: q sqrt(k (k + 1) / (6 N)), with q the quantile of the studentized range over the root of 2.
    """
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - alpha, n_competitors, math.inf)) / math.sqrt(2)
    return q * math.sqrt(n_competitors * (n_competitors + 1) / (6 * n_sets))


def alike(ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """
    Return the largest groups of competitors whose mean ranks are less than *difference* apart, best group first.

    Positions in *ranks*, best first. A competitor alone is no group, and no group is part of another.
    """
    order = sorted(range(len(ranks)), key=lambda at: (ranks[at], at))
    groups: list[tuple[int, ...]] = []
    end = 0
    for start, first in enumerate(order):
        stop = start
        while stop < len(order) and ranks[order[stop]] - ranks[first] < difference:
            stop += 1
        if stop > end and stop - start > 1:
            groups.append(tuple(order[start:stop]))
        end = max(end, stop)
    return groups
