"""Lasso and elastic net along alpha and l1_ratio, beside stand-alone fits."""

import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes, load_digits, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression
from tests.families.fusion.side_by_side import CLOSE, assert_all_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.catalog import FusionCatalog
from manyfit.families.fusion.coordinate import ELASTIC_NET, LASSO, CoordinateRule, descended, prepare, products_of
from manyfit.families.fusion.sources import ComputedSource
from manyfit.testing.fusion import FusionSuite, Sample

RULE = CoordinateRule()
ALPHAS = list(np.logspace(-3, 1, 8))
RATIOS = [0.1, 0.5, 1.0]
SIZE = FitSize(n_rows=1000, n_columns=20, n_classes=0)


def _rows(n=150, d=8, seed=0, **options):
    X, y = make_regression(n, d, noise=5, random_state=seed, **options)
    return X[: n - 30], y[: n - 30], X[n - 30 :]


def _batch(estimators, X, y, test):
    return batch_of(estimators, X, y, test=test)


def _on_products(batch):
    """Return how many fits were descended on products."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sum(isinstance(source, ComputedSource) for _, source in RULE.run(batch))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [True, False])
def test_tall_rows_agree(fit_intercept, positive):
    """Fits on products agree with stand-alone fits, also with coefficients held above zero."""
    X, y, test = _rows()
    estimators = grid(ElasticNet(fit_intercept=fit_intercept, positive=positive), alpha=ALPHAS, l1_ratio=RATIOS)
    batch = _batch(estimators, X + 3, y + 10, test + 3)
    assert_all_fused_as_alone(RULE, batch, within=CLOSE)
    assert _on_products(batch) == len(estimators)


def test_lasso_agrees():
    """The lasso has no l1_ratio among its parameters."""
    X, y = load_diabetes(return_X_y=True)
    estimators = grid(Lasso(), alpha=list(np.logspace(-4, 1, 30)))
    batch = _batch(estimators, X[:350], y[:350], X[350:])
    assert_all_fused_as_alone(RULE, batch, within=CLOSE)
    assert _on_products(batch) == len(estimators)


def test_wide_rows_agree_bit_for_bit():
    """Rows that are not tall are descended on as scikit-learn does."""
    X, y, test = _rows(100, 60)
    batch = _batch(grid(ElasticNet(), alpha=ALPHAS, l1_ratio=RATIOS), X, y, test)
    assert _on_products(batch) == 0
    assert_all_fused_as_alone(RULE, batch)


def test_given_products_agree_bit_for_bit():
    """Where the estimator itself asks for products, they are computed once and nothing else changes."""
    X, y, test = _rows()
    batch = _batch(grid(ElasticNet(precompute=True), alpha=ALPHAS, l1_ratio=RATIOS), X, y, test)
    assert_all_fused_as_alone(RULE, batch)


def test_float32_agrees_bit_for_bit():
    """Rows of 32 bits are descended on with 32 bits."""
    X, y, test = _rows()
    batch = _batch(grid(ElasticNet(), alpha=ALPHAS), X.astype(np.float32), y, test.astype(np.float32))
    assert_all_fused_as_alone(RULE, batch)


def test_several_targets_agree_bit_for_bit():
    """Targets with columns are fitted by scikit-learn itself."""
    X, y, test = _rows()
    batch = _batch(grid(ElasticNet(), alpha=ALPHAS), X, np.column_stack([y, X[:, 0]]), test)
    assert_all_fused_as_alone(RULE, batch)


def test_whole_numbers_constant_columns_and_copies_agree():
    """Rows of whole numbers with constant and doubled columns."""
    X, y = load_digits(return_X_y=True)
    X = np.column_stack([X, X[:, 20:30]]).astype(np.int64)
    batch = _batch(grid(ElasticNet(), alpha=ALPHAS, l1_ratio=[0.5, 1.0]), X[:400], y[:400], X[400:500])
    assert_all_fused_as_alone(RULE, batch, within=CLOSE)


def test_frames_agree():
    """Data frames are accepted, names of columns included."""
    X, y, test = _rows()
    names = [f"c{j}" for j in range(X.shape[1])]
    frames = pd.DataFrame(X, columns=names), pd.DataFrame(test, columns=names)
    assert_all_fused_as_alone(
        RULE, _batch(grid(ElasticNet(), alpha=ALPHAS), frames[0], pd.Series(y), frames[1]), within=CLOSE
    )


def test_no_l1_penalty_agrees_bit_for_bit():
    """Without an l1 penalty scikit-learn converges by another measure: it is left to it."""
    X, y, test = _rows()
    batch = _batch([ElasticNet(alpha=1e-3, l1_ratio=0), ElasticNet(alpha=0)], X, y, test)
    assert _on_products(batch) == 0
    assert_all_fused_as_alone(RULE, batch)


def test_rows_far_out_are_not_answered_from_products():
    """Where a set reaches far beyond the training rows, differences would show: bit for bit then."""
    X, y, test = _rows()
    test[0] *= 1e12
    batch = _batch(grid(ElasticNet(), alpha=[0.01, 0.1]), X, y, test)
    assert _on_products(batch) == 0
    assert_all_fused_as_alone(RULE, batch)


def test_large_offsets_are_not_answered_from_products():
    """A target far from zero leaves no digits for its spread."""
    X, y, test = _rows()
    batch = _batch(grid(ElasticNet(), alpha=[0.01, 0.1]), X, y + 1e12, test)
    assert _on_products(batch) == 0
    assert_all_fused_as_alone(RULE, batch)


def _tolerance_at_the_edge(X, y, estimator, n_sweeps):
    """Return the tolerance that equals the duality gap after so many sweeps."""
    estimator.set_params(max_iter=n_sweeps, tol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y)
    return float(estimator.dual_gap_ * len(y) / ((y - y.mean()) ** 2).sum())


@pytest.mark.parametrize("n_sweeps", [4, 6, 9])
@pytest.mark.parametrize("side", [1 - 1e-9, 1.0, 1 + 1e-9])
def test_a_gap_at_the_tolerance_is_doubtful(n_sweeps, side):
    """A descent that would stop, or go on, by rounding is made on the rows."""
    X, y, test = _rows(300, 20, effective_rank=8)
    tol = side * _tolerance_at_the_edge(X, y, ElasticNet(alpha=1e-4, l1_ratio=0.9), n_sweeps)
    batch = _batch([ElasticNet(alpha=1e-4, l1_ratio=0.9, tol=tol)], X, y, test)
    assert _on_products(batch) == 0
    assert_all_fused_as_alone(RULE, batch)


def test_a_nudge_that_shows_is_doubtful():
    """Coefficients that move with the last digits of the products are not used."""
    X, y, test = _rows()
    estimators = grid(ElasticNet(), alpha=[0.01])
    prepared = prepare(_batch(estimators, X, y, test))
    products = products_of(prepared, {"test": test})
    assert descended(prepared, products, estimators[0]) is not None
    products.nudged_gram[...] *= 1.001
    assert descended(prepared, products, estimators[0]) is None


def test_the_same_warnings_are_given():
    """A fit that does not converge warns once, and converged ones not at all."""
    X, y, test = _rows()
    estimators = [ElasticNet(alpha=1e-3, max_iter=2, tol=1e-6), ElasticNet(alpha=1e-3, max_iter=2, tol=0.9)]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        answers = RULE.run(_batch(estimators, X, y, test))
        next(answers)
        assert [warning.category for warning in seen] == [ConvergenceWarning]
        assert "Duality gap" in str(seen[0].message)
        next(answers)
        assert len(seen) == 1
    with pytest.warns(UserWarning, match="alpha=0"):
        next(RULE.run(_batch([Lasso(alpha=0, max_iter=100000)], X, y, test)))


def test_an_alpha_beyond_all_coefficients_agrees():
    """All coefficients are zero, before the first sweep."""
    X, y, test = _rows()
    assert_all_fused_as_alone(RULE, _batch(grid(Lasso(), alpha=[1e3, 1e9]), X, y, test), within=CLOSE)


def test_estimators_are_not_changed():
    """The given estimators stay unfitted and keep their parameters."""
    X, y, test = _rows(100, 60)
    estimators = grid(ElasticNet(), alpha=[0.1, 1.0])
    before = [(vars(estimator) | {}) for estimator in estimators]
    assert_all_fused_as_alone(RULE, _batch(estimators, X, y, test))
    assert [vars(estimator) for estimator in estimators] == before


def test_sparse_rows_are_left_alone():
    """Sparse rows are never centred, so nothing is shared."""
    X, y, test = _rows()
    with pytest.raises(CannotFuse, match="sparse"):
        next(RULE.run(_batch(grid(ElasticNet(), alpha=ALPHAS), scipy.sparse.csc_array(X), y, test)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"selection": "random"}, "selection=random"), ({"precompute": [[1.0]]}, "array of products")],
)
def test_refusals(changes, reason):
    """Random coordinates and products of the user's are refused with a reason."""
    params = ElasticNet().get_params()
    assert RULE.refuses(ELASTIC_NET, params, SIZE) is None
    assert reason in (RULE.refuses(ELASTIC_NET, params | changes, SIZE) or "")


def test_large_rows_are_refused():
    """The centred copy that all fits share is bounded."""
    size = FitSize(n_rows=10**6, n_columns=100, n_classes=0)
    assert "MiB, more than 512" in (RULE.refuses(ELASTIC_NET, ElasticNet().get_params(), size) or "")


def test_groups_differ_in_all_but_the_axes():
    """Alpha and l1_ratio may differ in a group, the tolerance may not."""
    one = ElasticNet().get_params()
    assert RULE.group(ELASTIC_NET, one) == RULE.group(ELASTIC_NET, one | {"alpha": 2.0, "l1_ratio": 0.1})
    assert RULE.group(ELASTIC_NET, one) != RULE.group(ELASTIC_NET, one | {"tol": 1e-6})


def test_costs_tell_tall_from_wide():
    """Tall rows promise much, wide rows little."""
    wide = RULE.cost_seconds(ELASTIC_NET, [{}] * 10, [0.1] * 10, FitSize(n_rows=100, n_columns=1000, n_classes=0))
    tall = RULE.cost_seconds(
        ELASTIC_NET, [{}] * 10, [0.024] * 10, FitSize(n_rows=2400, n_columns=200, n_classes=0)
    )
    assert 0.8 < wide < 1.0
    assert tall < 0.12


def test_no_rule_covers_logistic_regression():
    """Warm starts along C are not what a stand-alone fit gives, and cold ones share nothing."""
    path = f"sklearn.linear_model:{LogisticRegression.__name__}"
    assert not FusionCatalog().of(path)
    assert path not in RULE.covers


class TestCoordinate(FusionSuite):
    """The suite for fusion rules."""

    rule = RULE
    samples = (
        Sample(path=ELASTIC_NET, grid={"alpha": ALPHAS, "l1_ratio": RATIOS}),
        Sample(path=ELASTIC_NET, grid={"alpha": ALPHAS}, params={"precompute": True}),
        Sample(path=ELASTIC_NET, grid={"alpha": ALPHAS}, params={"positive": True, "max_iter": 5}),
        Sample(path=LASSO, grid={"alpha": ALPHAS}),
    )
    refused = ((LASSO, {"selection": "random"}),)
    invalid: ClassVar[dict[str, float]] = {"alpha": -1.0}
