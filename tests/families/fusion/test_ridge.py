"""Ridge regression and classification along alpha, beside stand-alone fits."""

import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.linalg import LinAlgWarning
from sklearn.datasets import load_diabetes, load_digits, make_classification, make_regression
from sklearn.linear_model import Ridge, RidgeClassifier
from tests.families.fusion.side_by_side import CLOSE, alone, assert_all_fused_as_alone, batch_of, fused, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.ridge import CLASSIFIER, REGRESSOR, RidgeRule, certain
from manyfit.families.fusion.sources import FittedSource
from manyfit.testing.fusion import FusionSuite, Sample

RULE = RidgeRule()
MANY = list(np.logspace(-3, 4, 40))
FEW = [0.01, 1.0, 100.0]
SIZE = FitSize(n_rows=100, n_columns=10, n_classes=0)


def _regression(n=120, d=8, seed=0, **options):
    X, y = make_regression(n, d, noise=5, random_state=seed, **options)
    return X[: n - 30], y[: n - 30], X[n - 30 :]


def _classes(k=3, n=160, seed=0):
    X, y = make_classification(n, 8, n_informative=6, n_redundant=0, n_classes=k, random_state=seed)
    return X[:120], y[:120], X[120:]


@pytest.mark.parametrize("alphas", [FEW, MANY])
@pytest.mark.parametrize("solver", ["auto", "cholesky", "svd"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(120, 8), (70, 90)])
def test_regression_agrees(alphas, solver, fit_intercept, shape):
    """Every alpha gives the stand-alone answers, for tall and wide rows."""
    X, y, test = _regression(*shape)
    estimators = grid(Ridge(solver=solver, fit_intercept=fit_intercept), alpha=alphas)
    assert_all_fused_as_alone(RULE, batch_of(estimators, X, y, test=test), within=CLOSE)


@pytest.mark.parametrize("solver", ["auto", "svd"])
@pytest.mark.parametrize("shape", [(120, 8), (70, 90)])
def test_few_alphas_agree_bit_for_bit(solver, shape):
    """Few alphas are solved from shared products exactly as scikit-learn does."""
    X, y, test = _regression(*shape)
    assert_all_fused_as_alone(RULE, batch_of(grid(Ridge(solver=solver), alpha=FEW), X, y, test=test))


@pytest.mark.parametrize("alphas", [FEW, MANY])
@pytest.mark.parametrize("columns", [1, 3])
def test_several_targets_agree(alphas, columns):
    """Targets with columns keep their shape, one column included."""
    X, y, test = _regression()
    Y = np.column_stack([y, X[:, 0], X[:, 1] - y])[:, :columns]
    assert_all_fused_as_alone(RULE, batch_of(grid(Ridge(), alpha=alphas), X, Y, test=test), within=CLOSE)


@pytest.mark.parametrize("alphas", [FEW, MANY])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_classification_agrees(alphas, k, class_weight):
    """Labels are equal and decision values agree, for two classes and more."""
    X, y, test = _classes(k)
    estimators = grid(RidgeClassifier(class_weight=class_weight), alpha=alphas)
    assert_all_fused_as_alone(RULE, batch_of(estimators, X, y, test=test), within=CLOSE)


def test_words_are_predicted_as_words():
    """Labels that are strings come back as strings, weighted by a mapping of labels."""
    X, y, test = _classes(3)
    words = np.array(["low", "mid", "high"])[y]
    weights = {"low": 1.0, "mid": 2.0, "high": 0.5}
    estimators = grid(RidgeClassifier(class_weight=weights), alpha=MANY)
    assert_all_fused_as_alone(RULE, batch_of(estimators, X, words, test=test), within=CLOSE)


def test_a_missing_class_and_a_single_class_work():
    """Rows of a fold without one of the classes, or with one class only, are fitted like any others."""
    X, y, test = _classes(4)
    assert_all_fused_as_alone(
        RULE, batch_of(grid(RidgeClassifier(), alpha=MANY), X[y != 2], y[y != 2], test=test), within=CLOSE
    )
    assert_all_fused_as_alone(
        RULE, batch_of(grid(RidgeClassifier(), alpha=MANY), X, y * 0 + 3, test=test), within=CLOSE
    )


def test_labels_in_columns_agree():
    """Several labels for each row are predicted by scikit-learn's own estimator."""
    X, y, test = _classes(4)
    Y = np.column_stack([y > 1, y % 2 == 0]).astype(int)
    assert_all_fused_as_alone(RULE, batch_of(grid(RidgeClassifier(), alpha=MANY), X, Y, test=test), within=CLOSE)


@pytest.mark.parametrize(
    "estimator", [Ridge(), RidgeClassifier(), RidgeClassifier(class_weight={0: 0.3, 1: 0.7, 2: 1.1})]
)
def test_float32_agrees_bit_for_bit(estimator):
    """Rows of 32 bits are fitted with 32 bits, where only the same steps give the same answers."""
    X, y, test = _classes(3)
    batch = batch_of(grid(estimator, alpha=MANY), X.astype(np.float32), y, test=test.astype(np.float32))
    assert_all_fused_as_alone(RULE, batch)


@pytest.mark.parametrize("estimator", [Ridge(), RidgeClassifier()])
def test_whole_numbers_agree(estimator):
    """Rows of whole numbers are converted as scikit-learn converts them."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.int64)
    assert_all_fused_as_alone(
        RULE, batch_of(grid(estimator, alpha=MANY), X[:300], y[:300], test=X[300:400]), within=CLOSE
    )


def test_frames_and_column_order_agree():
    """Data frames and rows in Fortran order are accepted."""
    X, y, test = _regression()
    names = [f"c{j}" for j in range(X.shape[1])]
    frames = pd.DataFrame(X, columns=names), pd.DataFrame(test, columns=names)
    assert_all_fused_as_alone(
        RULE, batch_of(grid(Ridge(), alpha=MANY), frames[0], y, test=frames[1]), within=CLOSE
    )
    batch = batch_of(grid(Ridge(), alpha=FEW), np.asfortranarray(X), y, test=test)
    assert_all_fused_as_alone(RULE, batch)


@pytest.mark.parametrize("alphas", [[0.0, 1e-14, 1e-9], list(np.logspace(-16, 2, 40))])
@pytest.mark.parametrize("shape", [(120, 8), (70, 90)])
def test_bad_conditioning_leaves_no_difference(alphas, shape):
    """Copied and constant columns, huge scales and offsets: what is yielded agrees all the same."""
    X, y, test = _regression(*shape)
    wide = np.column_stack([X, X[:, 0], np.ones(len(X)), 1e6 * X[:, 1], X[:, 2] + 1e7])
    wide_test = np.column_stack([test, test[:, 0], np.ones(30), 1e6 * test[:, 1], test[:, 2] + 1e7])
    batch = batch_of(grid(Ridge(), alpha=alphas), wide, y + 1e5, test=wide_test)
    found = fused(RULE, batch)
    assert len(found) > 0.5 * len(alphas)
    for position, answers in found.items():
        expected = alone(batch.estimators[position], batch).values["test", "predict"]
        np.testing.assert_allclose(answers.values["test", "predict"], expected, rtol=0, atol=1e-9 * y.std())


def test_doubtful_alphas_are_solved_exactly():
    """An alpha for which the bound is too large gives the very bits of scikit-learn."""
    X, y, test = _regression()
    X = X * np.logspace(0, 6, X.shape[1])
    batch = batch_of(grid(Ridge(), alpha=[1e-9 * (k + 1) for k in range(20)]), X, y, test=test)
    assert_all_fused_as_alone(RULE, batch)


def test_the_order_of_alphas_does_not_matter():
    """Doubtful alphas are tried from the smallest on, whatever their order: the same bits come out."""
    X, y, test = _regression()
    X, test = (rows * np.logspace(0, 3, rows.shape[1]) for rows in (X, test))
    estimators = grid(Ridge(), alpha=list(np.logspace(-6, 3, 30)))
    forth = fused(RULE, batch_of(estimators, X, y, test=test))
    back = fused(RULE, batch_of(estimators[::-1], X, y, test=test))
    for position, answers in forth.items():
        assert np.array_equal(answers.values["test", "predict"], back[29 - position].values["test", "predict"])
    assert next(iter(back)) == 29


def test_ties_between_classes_are_decided_as_alone():
    """Rows at the same distance from two classes get the class that a stand-alone fit gives them."""
    half = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, -0.1], [1.1, 0.3]])
    X = np.vstack([half, half[:, ::-1], half - 2])
    y = np.repeat([0, 1, 2], 4)
    tied = np.array([[t, t] for t in np.linspace(-1, 1, 21)])
    assert_all_fused_as_alone(RULE, batch_of(grid(RidgeClassifier(), alpha=MANY), X, y, test=tied), within=CLOSE)
    signs = np.array([[1.0, 2.0], [-1.0, -2.0], [0.5, 0.1], [-0.5, -0.1]])
    batch = batch_of(grid(RidgeClassifier(), alpha=MANY), signs, [1, 0, 1, 0], test=signs * 0)
    assert_all_fused_as_alone(RULE, batch, within=CLOSE)
    assert all(isinstance(source, FittedSource) for _, source in RULE.run(batch))


def test_certain_needs_a_gap_between_classes():
    """Values within the bound of one another, or of zero, are doubtful."""
    assert certain(np.array([0.5, -0.2]), 0.1)
    assert not certain(np.array([0.5, -0.05]), 0.1)
    assert certain(np.array([[0.5, 0.2, 0.1]]), 0.1)
    assert not certain(np.array([[0.5, 0.35, 0.1]]), 0.1)


def test_singular_products_warn_as_alone():
    """Where scikit-learn warns of an ill-conditioned matrix, so does the fused fit."""
    X, y, test = _regression()
    X = X * np.array([1e-10] + [1.0] * 7)
    estimators = grid(Ridge(), alpha=[1e-17, 2e-17])
    batch = batch_of(estimators, X, y, test=test)
    with pytest.warns(LinAlgWarning):
        estimators[0].fit(X, y)
    with pytest.warns(LinAlgWarning):
        next(RULE.run(batch))


def test_well_conditioned_alphas_warn_of_nothing():
    """No warning arises that a stand-alone fit would not give."""
    X, y, test = _regression()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(RULE.run(batch_of(grid(Ridge(), alpha=MANY), X, y, test=test)))) == 40


def test_one_row_and_no_rows_to_answer():
    """A fold of two rows and an empty set do no harm."""
    X, y, test = _regression()
    assert_all_fused_as_alone(RULE, batch_of(grid(Ridge(), alpha=MANY), X[:2], y[:2], test=test), within=CLOSE)
    assert len(
        fused(
            RULE,
            batch_of(
                grid(Ridge(), alpha=MANY),
                X,
                y,
            ),
        )
    ) == len(MANY)


def test_a_constant_target_agrees():
    """A target without spread has no tolerance: it is solved exactly."""
    X, y, test = _regression()
    batch = batch_of(grid(Ridge(), alpha=MANY), X, y * 0 + 3.7, test=test)
    assert_all_fused_as_alone(RULE, batch)


def test_sparse_rows_are_left_alone():
    """Sparse rows have solvers of their own."""
    X, y, test = _regression()
    with pytest.raises(CannotFuse, match="sparse"):
        next(RULE.run(batch_of(grid(Ridge(), alpha=FEW), scipy.sparse.csr_array(X), y, test=test)))
    with pytest.raises(CannotFuse, match="sparse"):
        next(RULE.run(batch_of(grid(Ridge(), alpha=FEW), X, y, test=scipy.sparse.csr_array(test))))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"solver": "lsqr"}, "solver=lsqr"),
        ({"solver": "sag"}, "solver=sag"),
        ({"positive": True}, "positive=True"),
        ({"alpha": [1.0, 2.0]}, "each target"),
    ],
)
def test_refusals(changes, reason):
    """Other solvers, positive coefficients and alphas by target are refused with a reason."""
    assert reason in (RULE.refuses(REGRESSOR, Ridge().get_params() | changes, SIZE) or "")


def test_large_orders_are_refused():
    """The shared matrix is bounded by the smaller side of the rows."""
    params = Ridge().get_params()
    assert RULE.refuses(REGRESSOR, params, FitSize(n_rows=10**6, n_columns=4000, n_classes=0)) is None
    assert "4,096" in (RULE.refuses(REGRESSOR, params, FitSize(n_rows=5000, n_columns=5000, n_classes=0)) or "")


def test_groups_differ_in_all_but_alpha():
    """Alpha may differ in a group; class weights and intercepts may not."""
    one = RidgeClassifier(alpha=1.0).get_params()
    assert RULE.group(CLASSIFIER, one) == RULE.group(CLASSIFIER, one | {"alpha": 2.0})
    for other in ({"class_weight": "balanced"}, {"class_weight": {"a": 2}}, {"fit_intercept": False}):
        assert RULE.group(CLASSIFIER, one) != RULE.group(CLASSIFIER, one | other)


def test_costs_grow_slowly_with_alphas():
    """A hundred alphas are predicted to cost a few fits, never less than one."""
    size = FitSize(n_rows=2400, n_columns=200, n_classes=0)
    alone_seconds = [0.02] * 100
    cost = RULE.cost_seconds(REGRESSOR, [{}] * 100, alone_seconds, size)
    assert 0.02 < cost < 0.2


def test_diabetes_agrees_for_all_alphas():
    """A small real table with a long list of alphas."""
    X, y = load_diabetes(return_X_y=True)
    estimators = grid(Ridge(), alpha=list(np.logspace(-6, 6, 100)))
    assert_all_fused_as_alone(RULE, batch_of(estimators, X[:350], y[:350], test=X[350:]), within=CLOSE)


class TestRidge(FusionSuite):
    """The suite for fusion rules."""

    rule = RULE
    samples = (
        Sample(path=REGRESSOR, grid={"alpha": [1e-6, 0.1, 1.0, 10.0]}),
        Sample(path=REGRESSOR, grid={"alpha": MANY}),
        Sample(path=REGRESSOR, grid={"alpha": MANY}, params={"solver": "svd"}),
        Sample(path=CLASSIFIER, grid={"alpha": [0.01, 1.0, 100.0]}, params={"class_weight": "balanced"}),
        Sample(path=CLASSIFIER, grid={"alpha": MANY}),
    )
    refused = (
        (REGRESSOR, {"solver": "lsqr"}),
        (REGRESSOR, {"positive": True}),
        (CLASSIFIER, {"solver": "sag"}),
    )
    invalid: ClassVar[dict[str, float]] = {"alpha": -1.0}
