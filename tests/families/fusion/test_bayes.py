"""Naive Bayes from shared means and counts answers as every fit alone, bit for bit."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse, one_by_one
from manyfit.families.fusion.bayes import COUNTING, GAUSSIAN, RULES
from manyfit.testing.fusion import FusionSuite, Sample

SMOOTH, COUNTS = RULES
SMOOTHING = tuple(np.logspace(-12, 1, 14))
ALPHAS = (1e-10, 1e-3, 0.1, 0.5, 1, 2.0, 100.0)
COUNTERS = (MultinomialNB(), BernoulliNB(), BernoulliNB(binarize=1.0), ComplementNB())
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=2)


class TestGaussianBayes(FusionSuite):
    """Gaussian models are held to the law of fusion rules."""

    rule = SMOOTH
    samples = (Sample(path=GAUSSIAN, grid={"var_smoothing": [0.0, 1e-9, 1e-6, 1e-3, 1.0]}),)
    invalid: Mapping[str, Any] = {"var_smoothing": -1.0}


class TestCountingBayes(FusionSuite):
    """Models of counts are held to the law of fusion rules, on tables without negative numbers."""

    rule = COUNTS
    samples = tuple(
        Sample(path=path, grid={"alpha": [0.01, 0.5, 1.0, 20.0], "fit_prior": [True, False]})
        for path in sorted(COUNTING)
    )
    invalid: Mapping[str, Any] = {"alpha": -1.0}

    def suited(self, table):
        X = positive(table.X)
        sets = {name: X if rows is table.X else positive(rows) for name, rows in table.sets.items()}
        return replace(table, X=X, sets=sets)


def positive(rows):
    """Return the absolute values, in the same kind of table."""
    return rows.select(pl.all().abs()) if isinstance(rows, pl.DataFrame) else abs(rows)


def rows(n_rows=90, n_columns=6, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, size=n_rows)
    X = rng.normal(size=(n_rows, n_columns)) * 2 + y[:, None]
    return X, y, rng.normal(size=(31, n_columns)) * 3


def counts(seed=0, n_classes=3, n_columns=8):
    rng = np.random.default_rng(seed)
    return (
        rng.poisson(1.5, size=(80, n_columns)),
        rng.integers(0, n_classes, size=80),
        rng.poisson(2, size=(21, n_columns)),
    )


def check(rule, estimators, X, y, **sets):
    assert assert_fused_as_alone(rule, batch_of(estimators, X, y, **sets)) == set(range(len(estimators)))


@pytest.mark.parametrize("shape", [(90, 1), (90, 3), (90, 8), (90, 9), (60, 40), (40, 150)])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_smoothed_variances_are_equal(shape, n_classes):
    """Every var_smoothing gives the classes and probabilities of a fit alone."""
    X, y, new = rows(*shape, n_classes)
    check(SMOOTH, grid(GaussianNB(), var_smoothing=SMOOTHING), X, y, new=new, one=new[:1], two=new[:2])


@pytest.mark.parametrize("kind", [np.float32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_kinds_of_arrays(kind, order):
    """Precision and memory order are kept: both change how numbers are rounded."""
    X, y, new = rows(n_columns=12, n_classes=9)
    X, new = (np.asarray((10 * each).astype(kind), order=order) for each in (X, new))
    plain = [float(each) for each in SMOOTHING]
    check(SMOOTH, grid(GaussianNB(), var_smoothing=plain), X, y, new=new)
    check(SMOOTH, grid(GaussianNB(), var_smoothing=SMOOTHING), X, y, new=new)


def test_every_second_row():
    """Rows that are no block of memory are computed one fit after the other."""
    X, y, new = rows(n_columns=10)
    check(SMOOTH, grid(GaussianNB(), var_smoothing=SMOOTHING), X[::2, ::2], y[::2], new=new[::3, ::2])


def test_labels_priors_and_rare_classes():
    """Words as labels, given priors, and a class with one row."""
    X, y, new = rows()
    labels = np.array(["low", "mid", "top"])[y]
    check(SMOOTH, grid(GaussianNB(priors=[0.2, 0.3, 0.5]), var_smoothing=SMOOTHING), X, labels, new=new)
    y[:] = 5
    y[7] = 2
    check(SMOOTH, grid(GaussianNB(), var_smoothing=SMOOTHING), X, y, new=new)
    check(SMOOTH, grid(GaussianNB(), var_smoothing=SMOOTHING), X, y * 0, new=new)


def test_more_fits_than_one_block():
    """Large rows are taken a few fits at a time, and the answers are the same."""
    X, y, new = rows(n_rows=900, n_columns=30)
    check(SMOOTH, grid(GaussianNB(), var_smoothing=np.logspace(-9, 0, 11)), X, y, new=new)


def test_columns_without_variance_are_left_alone_unless_smoothed():
    """Dividing by no variance warns and gives no number: such fits run alone."""
    X, y, new = rows()
    X[:, 2] = 1.0
    estimators = grid(GaussianNB(), var_smoothing=(0.0, 1e-9))
    assert assert_fused_as_alone(SMOOTH, batch_of(estimators, X, y, new=new)) == {1}


def test_a_prior_of_nothing_is_refused_while_running():
    """The logarithm of no prior warns in every fit alone."""
    X, y, _ = rows()
    with pytest.raises(CannotFuse, match="prior"):
        list(SMOOTH.run(batch_of([GaussianNB(priors=[0, 0.5, 0.5])], X, y)))


def test_what_a_fit_raises():
    """Missing values and priors that do not fit are for scikit-learn to complain of."""
    X, y, _ = rows()
    with pytest.raises(ValueError, match="Number of priors"):
        list(SMOOTH.run(batch_of([GaussianNB(priors=[1.0])], X, y)))
    bad = X.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        list(SMOOTH.run(batch_of([GaussianNB()], bad, y)))
    [(_, source)] = one_by_one(SMOOTH.run(batch_of([GaussianNB()], X, y, bad=bad)))
    with pytest.raises(ValueError, match="NaN"):
        source.answer("bad", "predict")


@pytest.mark.parametrize("estimator", COUNTERS, ids=str)
@pytest.mark.parametrize("n_classes", [1, 2, 3, 9])
@pytest.mark.parametrize("kind", [np.int64, float, np.float32])
def test_smoothed_counts_are_equal(estimator, n_classes, kind):
    """Every alpha, with and without priors, gives the answers of a fit alone."""
    X, y, new = counts(n_classes=n_classes)
    axes = {"alpha": ALPHAS, "fit_prior": (True, False)}
    check(COUNTS, grid(estimator, **axes), X.astype(kind), y, new=new.astype(kind), one=new[:1].astype(kind))


def test_complement_with_and_without_norm():
    """The second normalisation is another way to use the same counts."""
    X, y, new = counts()
    labels = np.array(["low", "mid", "top"])[y]
    check(COUNTS, grid(ComplementNB(), alpha=ALPHAS, norm=(True, False)), X, labels, new=new)


@pytest.mark.parametrize("estimator", COUNTERS, ids=str)
def test_sparse_counts_and_other_orders(estimator):
    """Sparse counts and arrays by column are used as they are."""
    X, y, new = counts()
    estimators = grid(estimator, alpha=ALPHAS)
    check(COUNTS, estimators, sparse.csr_array(X), y, new=sparse.csr_array(new))
    check(COUNTS, estimators, np.asfortranarray(X), y, new=np.asfortranarray(new))


def test_smoothing_by_column_and_given_priors():
    """alpha may be one number a column; priors may be given."""
    X, y, new = counts()
    estimators = grid(MultinomialNB(class_prior=[0.1, 0.2, 0.7]), alpha=[np.linspace(0.1, 2, 8), 1.0])
    check(COUNTS, estimators, X, y, new=new)
    estimators[0].set_params(alpha=[1.0, 2.0])
    assert assert_fused_as_alone(COUNTS, batch_of(estimators, X, y)) == {1}


@pytest.mark.parametrize("force", [True, False])
def test_too_little_smoothing_warns_as_alone(force):
    """Fits without smoothing warn in the step that yields them, each of them."""
    X, y, _ = counts()
    X[:, 0] = 0
    batch = batch_of(grid(MultinomialNB(force_alpha=force), alpha=(0.0, 1.0, 0.0)), X, y)
    with warnings.catch_warnings(record=True) as alone:
        warnings.simplefilter("always")
        for estimator in batch.estimators:
            estimator.fit(X, y)
    with warnings.catch_warnings(record=True) as fused:
        warnings.simplefilter("always")
        list(COUNTS.run(batch))
    assert len(fused) == 2
    assert [str(each.message) for each in fused] == [str(each.message) for each in alone]


def test_negative_counts_raise_as_alone():
    """Counts cannot be negative: scikit-learn says so."""
    X, y, _ = counts()
    with pytest.raises(ValueError, match="Negative values"):
        list(COUNTS.run(batch_of([MultinomialNB()], -X, y)))


def test_data_frames():
    """Frames are converted once, with the memory order that they have."""
    pd = pytest.importorskip("pandas")
    names = list("abcdef")
    X, y, new = rows()
    frames = [pd.DataFrame(each, columns=names) for each in (X, new)]
    check(SMOOTH, grid(GaussianNB(), var_smoothing=SMOOTHING), frames[0], y, new=frames[1])
    frames = [pd.DataFrame(np.abs(each), columns=names) for each in (X, new)]
    check(COUNTS, grid(MultinomialNB(), alpha=ALPHAS), frames[0], y, new=frames[1])


def test_groups_agree_in_all_but_the_axes():
    """Smoothing may differ, priors and thresholds may not."""
    token = SMOOTH.group(GAUSSIAN, GaussianNB().get_params())
    assert token == SMOOTH.group(GAUSSIAN, GaussianNB(var_smoothing=1.0).get_params())
    assert token != SMOOTH.group(GAUSSIAN, GaussianNB(priors=[0.5, 0.5]).get_params())
    path = "sklearn.naive_bayes:BernoulliNB"
    assert path in COUNTING
    token = COUNTS.group(path, BernoulliNB().get_params())
    assert token == COUNTS.group(path, BernoulliNB(alpha=3, fit_prior=False).get_params())
    assert token != COUNTS.group(path, BernoulliNB(binarize=0.5).get_params())


def test_a_further_fit_costs_little():
    """A thousand fits are predicted to take a small part of their time alone."""
    members = [GaussianNB().get_params()] * 1000
    assert SMOOTH.cost_seconds(GAUSSIAN, members, [3e-3] * 1000, SIZE) < 0.1
