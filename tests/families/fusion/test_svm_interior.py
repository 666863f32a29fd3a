"""The interior-point rescue of support vector classifiers that libsvm cannot finish."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC
from tests.families.fusion.side_by_side import CLOSE, assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.families.fusion import svm_interior
from manyfit.families.fusion.svm_interior import InteriorRule, dense, interior_point, low_rank
from manyfit.testing.fusion import FusionSuite, Sample
from manyfit.testing.tables import KINDS

RULE = InteriorRule()
SIZE = FitSize(n_rows=100, n_columns=5, n_classes=3)


class TestSvmInterior(FusionSuite):
    """What libsvm finishes is its own."""

    rule = RULE
    samples = (
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [0.1, 1.0, 10.0], "kernel": ["rbf", "poly", "linear"], "class_weight": [None, "balanced"]},
            params={"decision_function_shape": "ovo", "max_iter": 15_000},
        ),
    )
    refused = (("sklearn.svm:SVC", {"kernel": "sigmoid"}), ("sklearn.svm:SVC", {"probability": True}))
    kinds = tuple(kind for kind in KINDS if kind != "scales")  # libsvm takes minutes for unscaled columns


def _classes(n=160, d=6, k=3, seed=0):
    X, y = make_classification(n, d, n_informative=5, n_redundant=0, n_classes=k, random_state=seed, class_sep=0.7)
    return X[:120], y[:120], X[120:]


@pytest.fixture
def never_libsvm(monkeypatch):
    """Give libsvm so few iterations that every pair is left to the interior-point method."""
    monkeypatch.setattr(svm_interior, "budget_of", lambda sizes: 5)


@pytest.mark.usefixtures("never_libsvm")
@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("weight", [None, "balanced"])
def test_it_finds_the_optimum(kernel, k, weight):
    """The solution is where libsvm's is when it is made to go on."""
    X, y, test = _classes(k=k)
    y[:25] = 0
    estimators = grid(SVC(kernel=kernel, decision_function_shape="ovo", class_weight=weight), C=[0.5, 1.0, 3.0])
    answered = []
    for position, source in RULE.run(batch_of(estimators, X, y, test=test)):
        alone = clone(estimators[position]).set_params(tol=1e-5).fit(X, y)
        found = source.answer("test", "decision_function")
        np.testing.assert_allclose(found, alone.decision_function(test), rtol=0, atol=2e-3)
        np.testing.assert_array_equal(source.answer("test", "predict"), alone.predict(test))
        np.testing.assert_array_equal(source.functions["predict"].__self__.fitted().support_, alone.support_)
        answered.append(position)
    assert sorted(answered) == [0, 1, 2]


def test_unscaled_columns_are_solved_in_seconds():
    """Where libsvm needs millions of iterations, the answer is as good and comes without a warning."""
    X, y, test = _classes(n=260, d=8, k=3)
    size = 10 ** np.linspace(0, 3, 8)
    estimator = SVC(kernel="linear", C=10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ((_, source),) = RULE.run(batch_of([estimator], X * size, y, test=test * size))
    mine = source.functions["predict"].__self__.fitted()
    with pytest.warns(ConvergenceWarning):
        alone = SVC(kernel="linear", C=10.0, max_iter=50_000).fit(X * size, y)
    assert mine.score(X * size, y) >= alone.score(X * size, y) - 0.02
    assert _objective(mine, X * size, y) < _objective(alone, X * size, y)
    assert mine.score(X * size, y) > 0.5


def _objective(model, X, y):
    """Return the sum of the primal objectives of all pairs: what training minimises."""
    total, pair = 0.0, 0
    coefficients, intercepts = model.coef_, model.intercept_
    for i in range(3):
        for j in range(i + 1, 3):
            rows = (y == i) | (y == j)
            signs = np.where(y[rows] == i, 1.0, -1.0)
            margins = signs * (X[rows] @ coefficients[pair] + intercepts[pair])
            loss = model.C * np.maximum(0, 1 - margins).sum()
            total += 0.5 * coefficients[pair] @ coefficients[pair] + loss
            pair += 1
    return total


@pytest.mark.parametrize("spread", [0, 3])
@pytest.mark.parametrize("C", [0.01, 1.0, 1e3])
def test_few_columns_and_a_kernel_give_one_solution(C, spread):
    """The two ways to take a step agree where both arrive."""
    rng = np.random.default_rng(0)
    y = np.repeat([1.0, -1.0], 60)
    X = (rng.normal(size=(120, 6)) + 0.4 * y[:, None]) * 10 ** np.linspace(0, spread, 6)
    upper = np.full(120, C)
    low, intercept, violation = interior_point(low_rank(X, y, upper), 1e-3)
    assert violation <= 1e-3
    high, other, reached = interior_point(dense(X @ X.T, y, upper), 1e-3)
    if reached <= 1e-3:
        np.testing.assert_allclose(X @ (X.T @ (low * y)) + intercept, X @ (X.T @ (high * y)) + other, atol=5e-3)
    assert ((low >= 0) & (low <= C)).all()


def test_pairs_that_libsvm_finishes_are_kept(monkeypatch):
    """Only what is not finished is solved otherwise."""
    X, y, test = _classes(k=3)
    estimator = SVC(C=20.0, gamma=0.2)
    alone = clone(estimator).fit(X, y)
    budget = int(np.median(alone.n_iter_)) + 1
    monkeypatch.setattr(svm_interior, "budget_of", lambda sizes: budget)
    solved = []
    real = interior_point
    monkeypatch.setattr(
        svm_interior, "interior_point", lambda problem, tol: solved.append(1) or real(problem, tol)
    )
    ((_, source),) = RULE.run(batch_of([estimator], X, y, test=test))
    assert 0 < len(solved) < 3
    assert len(solved) == (alone.n_iter_ >= budget).sum()
    found = source.functions["predict"].__self__.fitted()
    done = alone.n_iter_ < budget
    np.testing.assert_array_equal(found.intercept_[done], alone.intercept_[done])


def test_a_limit_of_the_user_is_kept():
    """With a limit below the budget the fit is scikit-learn's own, its warning included."""
    X, y, test = _classes()
    batch = batch_of([SVC(kernel="linear", C=100.0, max_iter=50)], X, y, test=test)
    assert assert_fused_as_alone(RULE, batch, within=CLOSE) == {0}
    with pytest.warns(ConvergenceWarning, match="max_iter=50"):
        list(RULE.run(batch))


@pytest.mark.usefixtures("never_libsvm")
def test_what_does_not_converge_warns(monkeypatch):
    """A pair that neither solver finishes says so, and the better of the two is used."""
    monkeypatch.setattr(svm_interior, "MOST_STEPS", 2)
    X, y, test = _classes()
    with pytest.warns(ConvergenceWarning):
        ((_, source),) = RULE.run(batch_of([SVC(kernel="linear")], X, y, test=test))
    assert source.answer("test", "predict").shape == (40,)


def test_the_budget_grows_with_the_rows():
    """libsvm gets what an interior-point solution would cost."""
    assert svm_interior.budget_of([30, 40]) == 20_000
    assert svm_interior.budget_of([30, 1000]) == 1_000_000


def test_a_kernel_without_a_single_optimum_is_refused():
    """The reason is told in words."""
    assert "no single optimum" in RULE.refuses("sklearn.svm:SVC", SVC(kernel="sigmoid").get_params(), SIZE)
