"""Shrunk covariances of shared classes give the answers of every fit alone, bit for bit."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.discriminant import PATH, ShrinkageRule
from manyfit.testing.fusion import FusionSuite, Sample

RULE = ShrinkageRule()
SHRINKAGE = (None, 0.0, 0, 0.05, 0.1, 1 / 3, 0.5, 0.9, 1.0, 1)
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=2)


class TestShrinkage(FusionSuite):
    """Held to the law of fusion rules."""

    rule = RULE
    samples = tuple(
        Sample(path=PATH, params={"solver": solver}, grid={"shrinkage": [0.0, 0.1, 0.5, 0.9, 1.0]})
        for solver in ("lsqr", "eigen")
    )
    refused = ((PATH, {"solver": "svd"}), (PATH, {"solver": "lsqr", "shrinkage": "auto"}))
    invalid: Mapping[str, Any] = {"shrinkage": 1.5}


def rows(n_rows=90, n_columns=6, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, size=n_rows)
    X = rng.normal(size=(n_rows, n_columns)) @ rng.normal(size=(n_columns, n_columns)) + y[:, None]
    return X, y, rng.normal(size=(31, n_columns)) * 3


def check(estimators, X, y, **sets):
    assert assert_fused_as_alone(RULE, batch_of(estimators, X, y, **sets)) == set(range(len(estimators)))


@pytest.mark.parametrize("solver", ["lsqr", "eigen"])
@pytest.mark.parametrize("shape", [(90, 1), (90, 6), (200, 40)])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_shrunk_fits_are_equal(solver, shape, n_classes):
    """Every shrinkage gives the classes, probabilities and decision values of a fit alone."""
    X, y, new = rows(*shape, n_classes)
    check(grid(LinearDiscriminantAnalysis(solver=solver), shrinkage=SHRINKAGE), X, y, new=new, one=new[:1])


def test_more_columns_than_rows():
    """A covariance without rank is solved as scikit-learn solves it."""
    X, y, new = rows(40, 60)
    check(grid(LinearDiscriminantAnalysis(solver="lsqr"), shrinkage=SHRINKAGE), X, y, new=new)


@pytest.mark.parametrize("kind", [np.float32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_other_kinds_of_arrays(kind, order, n_classes):
    """Precision and memory order are kept."""
    X, y, new = rows(n_classes=n_classes)
    X, new = (np.asarray((10 * each).astype(kind), order=order) for each in (X, new))
    check(grid(LinearDiscriminantAnalysis(solver="lsqr"), shrinkage=SHRINKAGE), X, y, new=new)


def test_labels_priors_and_constant_columns():
    """Words as labels, priors that do not sum to one, and columns that do not vary."""
    X, y, new = rows()
    X[:, 2] = 1.0
    labels = np.array(["low", "mid", "top"])[y]
    for priors in (None, [0.2, 0.3, 0.5]):
        check(grid(LinearDiscriminantAnalysis("lsqr", priors=priors), shrinkage=SHRINKAGE), X, labels, new=new)


def test_warnings_are_given_for_every_member():
    """Priors that do not sum to one are warned of in every fit, and so is a class with one row."""
    X, y, _ = rows()
    y[:] = np.where(np.arange(len(y)) == 3, 2, y % 2)
    estimator = LinearDiscriminantAnalysis(solver="lsqr", priors=[0.5, 0.5, 0.5])
    batch = batch_of(grid(estimator, shrinkage=(0.1, 0.5)), X, y)
    with warnings.catch_warnings(record=True) as alone:
        warnings.simplefilter("always")
        for each in batch.estimators:
            each.fit(X, y)
    with warnings.catch_warnings(record=True) as fused:
        warnings.simplefilter("always")
        list(RULE.run(batch))
    assert {str(each.message)[:10] for each in fused} == {"The priors", "Only one s"}
    assert [str(each.message) for each in fused] == [str(each.message) for each in alone]


def test_members_that_cannot_be_solved_are_left_alone():
    """Eigenvectors of a covariance without rank raise alone; the other members are answered for."""
    X, y, _ = rows(20, 40)
    estimators = grid(LinearDiscriminantAnalysis(solver="eigen"), shrinkage=(0.5, 0.0, 0.9))
    with pytest.raises(np.linalg.LinAlgError):
        estimators[1].fit(X, y)
    assert assert_fused_as_alone(RULE, batch_of(estimators, X, y)) == {0, 2}


def test_one_class_is_refused_while_running():
    """Nothing is discriminated with one class."""
    X, y, _ = rows()
    with pytest.raises(CannotFuse, match="one class"):
        list(RULE.run(batch_of([LinearDiscriminantAnalysis(solver="lsqr")], X, y * 0)))


def test_data_frames():
    """Frames are converted as in fits alone."""
    pd = pytest.importorskip("pandas")
    X, y, new = rows()
    frames = [pd.DataFrame(each, columns=list("abcdef")) for each in (X, new)]
    estimators = grid(LinearDiscriminantAnalysis(solver="lsqr"), shrinkage=SHRINKAGE)
    check(estimators, frames[0], pd.Series(y), new=frames[1])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"solver": "svd"}, "svd"),
        ({"solver": "lsqr", "shrinkage": "auto"}, "auto"),
        ({"solver": "lsqr", "covariance_estimator": EmpiricalCovariance()}, "covariance_estimator"),
    ],
)
def test_refusals(params, words):
    """What shares no covariance is refused with a reason."""
    assert words in RULE.refuses(PATH, LinearDiscriminantAnalysis(**params).get_params(deep=False), SIZE)


def test_refuses_covariances_that_fill_memory():
    """So many classes of so many columns are not kept."""
    size = FitSize(n_rows=10**4, n_columns=3000, n_classes=20)
    assert "MiB" in RULE.refuses(PATH, LinearDiscriminantAnalysis("lsqr").get_params(), size)
    assert RULE.refuses(PATH, LinearDiscriminantAnalysis("lsqr").get_params(), SIZE) is None
