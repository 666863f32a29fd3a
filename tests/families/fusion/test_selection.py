"""Columns selected from scores computed once are those that every fit alone selects."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_selection import (
    SelectKBest,
    SelectPercentile,
    chi2,
    f_classif,
    f_regression,
    mutual_info_classif,
    r_regression,
)
from tests.families.fusion.side_by_side import assert_transformed_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.families.fusion.selection import K_BEST, PERCENTILE, RULES
from manyfit.testing.fusion import FusionSuite, Sample

BEST, SHARE = RULES
SIZE = FitSize(n_rows=60, n_columns=8, n_classes=2)
KEPT = (0, 1, 2, 5, 11, 12, "all")
PERCENT = (0, 5, 10, 33.3, 50, 99, 100)


class TestKBest(FusionSuite):
    """Numbers of columns are held to the law of fusion rules."""

    rule = BEST
    samples = (Sample(path=K_BEST, grid={"k": [1, 2, 3, 5, "all"]}),)
    refused = ((K_BEST, {"score_func": mutual_info_classif}),)
    invalid: Mapping[str, Any] = {"k": -1}


class TestPercentile(FusionSuite):
    """Shares of the columns are held to the law of fusion rules."""

    rule = SHARE
    samples = (Sample(path=PERCENTILE, grid={"percentile": [20, 33.3, 60, 100]}),)
    refused = ((PERCENTILE, {"score_func": mutual_info_classif}),)
    invalid: Mapping[str, Any] = {"percentile": 101}


def rows(n_columns=12):
    """Scores tie: columns are whole numbers, and two are copies of others."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, size=(80, n_columns)).astype(float)
    X[:, 4] = X[:, 5] = X[:, 6]
    return X, rng.integers(0, 3, size=80), rng.integers(0, 4, size=(20, n_columns)).astype(float)


@pytest.mark.parametrize("function", [f_classif, chi2, f_regression, r_regression])
@pytest.mark.filterwarnings("ignore:No features were selected")
def test_columns_are_equal(function):
    """Every number and every share of columns keeps the columns that a fit alone keeps."""
    X, y, new = rows()
    for rule, estimators in (
        (BEST, grid(SelectKBest(function), k=KEPT)),
        (SHARE, grid(SelectPercentile(function), percentile=PERCENT)),
    ):
        answered = assert_transformed_as_alone(rule, batch_of(estimators, X, y, new=new))
        assert answered == set(range(len(estimators)))


@pytest.mark.parametrize("kind", [np.float32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_kinds_of_arrays(kind, order):
    """Types and memory order stay what they are in fits alone; labels may be words."""
    X, y, new = rows()
    X, new = (np.asarray(each.astype(kind), order=order) for each in (X, new))
    labels = np.array(["low", "mid", "top"])[y]
    estimators = grid(SelectKBest(), k=(1, 5))
    assert len(assert_transformed_as_alone(BEST, batch_of(estimators, X, labels, new=new))) == 2


def test_warnings_are_given_for_every_member():
    """A constant column is warned of once in every fit, and so it is here."""
    X, y, _ = rows()
    X[:, 0] = 1.0
    batch = batch_of(grid(SelectKBest(), k=(2, 3)), X, y)
    with warnings.catch_warnings(record=True) as alone:
        warnings.simplefilter("always")
        for estimator in batch.estimators:
            estimator.fit(X, y)
    with warnings.catch_warnings(record=True) as fused:
        warnings.simplefilter("always")
        list(BEST.run(batch))
    assert len(fused) >= 2
    assert [str(each.message) for each in fused] == [str(each.message) for each in alone]


def test_more_columns_than_there_are_is_left_alone():
    """The warning of too large a number belongs to a fit alone."""
    X, y, new = rows()
    estimators = grid(SelectKBest(), k=(3, 13))
    assert assert_transformed_as_alone(BEST, batch_of(estimators, X, y, new=new)) == {0}
    assert list(BEST.run(batch_of(estimators[1:], X, y))) == []


def test_scores_that_are_missing():
    """A column without a score comes last, as it does alone."""
    X, y, new = rows()
    X[:, 1] = 0.0
    estimators = grid(SelectKBest(chi2), k=(1, 11, 12))
    assert len(assert_transformed_as_alone(BEST, batch_of(estimators, X, y, new=new))) == 3


def test_sparse_rows():
    """Sparse rows are scored and cut like others."""
    X, y, _ = rows()
    estimators = grid(SelectKBest(chi2), k=(1, 4))
    for (_, kept, _), estimator in zip(
        BEST.run(batch_of(estimators, sparse.csr_array(X), y)), estimators, strict=True
    ):
        assert np.array_equal(kept.toarray(), estimator.fit_transform(X, y))


def test_scores_that_draw_are_refused():
    """Mutual information draws, and a function of one's own may."""
    for rule, path, cls in ((BEST, K_BEST, SelectKBest), (SHARE, PERCENTILE, SelectPercentile)):
        assert rule.refuses(path, cls().get_params(), SIZE) is None
        assert "each time" in rule.refuses(path, cls(mutual_info_classif).get_params(), SIZE)
        assert "each time" in rule.refuses(path, {"score_func": "mine:f_classif"}, SIZE)
        assert rule.refuses(path, {"score_func": "sklearn.feature_selection:chi2"}, SIZE) is None


def test_groups_agree_in_the_scores():
    """The number of columns may differ, the scores may not."""
    token = BEST.group(K_BEST, SelectKBest(k=2).get_params())
    assert token == BEST.group(K_BEST, SelectKBest(k=5).get_params())
    assert token != BEST.group(K_BEST, SelectKBest(chi2, k=2).get_params())
