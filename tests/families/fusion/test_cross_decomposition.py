"""Fewer components of partial least squares are a prefix of more: equal to every fit alone, bit for bit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.cross_decomposition import PATH, LeastSquaresComponentsRule
from manyfit.testing.fusion import FusionSuite, Sample

RULE = LeastSquaresComponentsRule()
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=0)


class TestPlsComponents(FusionSuite):
    """Held to the law of fusion rules."""

    rule = RULE
    samples = (
        Sample(path=PATH, grid={"n_components": [1, 2, 3, 4, 5]}),
        Sample(path=PATH, params={"scale": False}, grid={"n_components": [1, 2, 3, 4, 5]}),
    )
    refused = ((PATH, {"copy": False}),)
    invalid: Mapping[str, Any] = {"n_components": 0}


def rows(n_rows=90, n_columns=8, n_targets=0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns)) @ rng.normal(size=(n_columns, n_columns))
    weights = rng.normal(size=(n_columns, n_targets) if n_targets else n_columns)
    y = X @ weights
    return X, y + rng.normal(size=y.shape), rng.normal(size=(31, n_columns)) * 3


def check(estimators, X, y, **sets):
    assert assert_fused_as_alone(RULE, batch_of(estimators, X, y, **sets)) == set(range(len(estimators)))


@pytest.mark.parametrize("n_targets", [0, 1, 3])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("shape", [(90, 8), (30, 50), (40, 1)])
def test_components_are_a_prefix(n_targets, scale, shape):
    """Every number of components predicts what a fit alone predicts, for one target and for several."""
    X, y, new = rows(*shape, n_targets)
    numbers = range(1, min(10, *shape) + 1)
    check(grid(PLSRegression(scale=scale), n_components=numbers), X, y, new=new, one=new[:1])


@pytest.mark.parametrize("kind", [np.float32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_kinds_of_arrays(kind, order):
    """Precision and memory order are kept; columns that do not vary are as they are alone."""
    X, y, new = rows()
    X[:, 3] = 0.1
    X, new = (np.asarray((10 * each).astype(kind), order=order) for each in (X, new))
    check(grid(PLSRegression(), n_components=(1, 2, 5, 7)), X, y.astype(kind), new=new)


def test_components_beyond_the_target_are_left_alone():
    """Once the target is explained a fit alone warns, so fits with more components are not answered for."""
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.normal(size=(40, 6)))[0]
    X -= X.mean(axis=0)
    X = np.linalg.qr(X)[0] * np.array([4, 2, 1, 1, 1, 1])
    y = X[:, 0].copy()
    estimators = grid(PLSRegression(scale=False), n_components=(1, 2, 3))
    answered = assert_fused_as_alone(RULE, batch_of(estimators, X, y))
    with pytest.warns(UserWarning, match="residual is constant at iteration 1"):
        estimators[1].fit(X, y)
    assert answered == {0}


def test_fits_that_do_not_converge_are_left_alone():
    """Several targets are iterated; where the largest fit warns of it no fit is shared."""
    X, y, _ = rows(n_targets=3)
    with pytest.raises(CannotFuse, match="warnings"):
        list(RULE.run(batch_of(grid(PLSRegression(max_iter=1), n_components=(1, 2)), X, y)))


def test_more_components_than_columns_are_left_alone():
    """scikit-learn raises for them; the others are shared all the same."""
    X, y, new = rows()
    estimators = grid(PLSRegression(), n_components=(2, 8, 9))
    assert assert_fused_as_alone(RULE, batch_of(estimators, X, y, new=new)) == {0, 1}
    with pytest.raises(CannotFuse, match="fewer"):
        list(RULE.run(batch_of(estimators[2:], X, y)))


def test_rows_are_not_changed():
    """Centring happens on a copy."""
    X, y, new = rows()
    before = X.copy()
    check(grid(PLSRegression(), n_components=(1, 2)), X, y, new=new)
    assert np.array_equal(X, before)


def test_data_frames():
    """Frames are converted as in fits alone."""
    pd = pytest.importorskip("pandas")
    X, y, new = rows()
    frames = [pd.DataFrame(each, columns=list("abcdefgh")) for each in (X, new)]
    check(grid(PLSRegression(), n_components=(1, 3)), frames[0], pd.Series(y), new=frames[1])


def test_changing_the_rows_in_place_is_refused():
    """copy=False would change what other fits share."""
    assert "copy=False" in RULE.refuses(PATH, PLSRegression(copy=False).get_params(), SIZE)
    assert RULE.refuses(PATH, PLSRegression().get_params(), SIZE) is None


def test_groups_agree_in_all_but_the_number():
    """Scaling and tolerance are not shared."""
    token = RULE.group(PATH, PLSRegression(2).get_params())
    assert token == RULE.group(PATH, PLSRegression(3).get_params())
    assert token != RULE.group(PATH, PLSRegression(2, scale=False).get_params())
