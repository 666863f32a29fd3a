"""Support vector machines on shared kernels: what libsvm finds, bit for bit, and every guard around it."""

import math
import tracemalloc
import warnings
from types import MappingProxyType

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC, SVR, NuSVC
from tests.families.fusion.side_by_side import CLOSE, assert_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse
from manyfit.families.fusion import svm
from manyfit.families.fusion.kernels import (
    SetKernels,
    TrainingKernels,
    _rounded_alike,
    kernel_of,
    own_products,
    squares_of,
)
from manyfit.families.fusion.pairwise import Solution
from manyfit.families.fusion.svm import KernelsRule, fitted, solve, training_of
from manyfit.families.fusion.svm_loading import Compiled
from manyfit.testing.fusion import FusionSuite, Sample

RULE = KernelsRule(compiled=Compiled(seconds=-math.inf))  # as without numba
SIZE = FitSize(n_rows=100, n_columns=5, n_classes=3)
KERNELS = ["linear", "rbf", "poly", "sigmoid"]


class TestSvmKernel(FusionSuite):
    """The rule beside scikit-learn on every kind of table."""

    rule = RULE
    samples = (
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [0.1, 1.0, 30.0], "kernel": KERNELS, "gamma": ["scale", "auto", 0.2], "coef0": [0.0, 0.5]},
            params={"max_iter": 3000},
        ),
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [0.1, 5.0], "class_weight": [None, "balanced"], "break_ties": [False, True]},
            params={"decision_function_shape": "ovr"},
        ),
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [0.1, 5.0], "shrinking": [True, False], "tol": [1e-3, 1e-5]},
            params={"decision_function_shape": "ovo"},
        ),
        Sample(
            path="sklearn.svm:NuSVC",
            grid={"nu": [0.1, 0.3], "kernel": ["rbf", "linear"]},
            params={"max_iter": 3000},
        ),
        Sample(
            path="sklearn.svm:SVR",
            grid={"C": [0.1, 3.0], "epsilon": [0.01, 0.3], "kernel": KERNELS, "degree": [2, 3]},
            params={"max_iter": 3000},
        ),
        Sample(path="sklearn.svm:NuSVR", grid={"nu": [0.2, 0.6], "C": [0.3, 2.0], "gamma": ["scale", 0.1]}),
    )
    refused = (
        ("sklearn.svm:SVC", {"kernel": "precomputed"}),
        ("sklearn.svm:SVC", {"probability": True}),
        ("sklearn.svm:SVR", {"kernel": "precomputed"}),
    )
    invalid = MappingProxyType({"C": -1.0, "nu": 2.0})


def _classes(n=150, d=6, k=3, seed=0):
    X, y = make_classification(n, d, n_informative=5, n_redundant=0, n_classes=k, random_state=seed)
    return X[:100], y[:100], X[100:]


# -- training is libsvm's, bit for bit ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("k", [2, 5])
def test_what_libsvm_finds_is_equal_bit_for_bit(kernel, scale, k):
    """Support vectors, coefficients, intercepts and iterations are those of a stand-alone fit."""
    X, y, test = _classes(k=k)
    estimator = SVC(kernel=kernel, C=7.0, coef0=0.3, max_iter=20_000)
    _assert_same_model(estimator, X * scale, y, test * scale)


def test_digits_are_equal_bit_for_bit():
    """Real data with many equal values and pairs of ten classes."""
    X, y = load_digits(return_X_y=True)
    for estimator in (SVC(C=10.0), SVC(kernel="poly", gamma=0.001, coef0=1.0), SVC(kernel="linear", C=0.1)):
        _assert_same_model(estimator, X[:600], y[:600], X[600:700])


def test_regressions_and_nu_are_equal_bit_for_bit():
    """The other machines of libsvm see the same kernels."""
    X, y, test = _classes(k=3)
    _assert_same_model(NuSVC(nu=0.2, class_weight="balanced"), X, y, test)
    _assert_same_model(SVR(C=3.0, epsilon=0.05), X, X[:, 0] * 2 + y, test)


def _assert_same_model(estimator, X, y, test):
    batch = batch_of([estimator], X, y)
    training = training_of(batch)
    kernel = kernel_of(estimator.get_params(), training.X)
    made = training.checked(estimator)
    solution = solve(made, training, training.kernels.matrix(kernel))
    found, alone = fitted(made, training, solution), clone(estimator).fit(X, y)
    names = ["support_", "n_support_", "dual_coef_", "intercept_", "n_iter_", "support_vectors_", "fit_status_"]
    names += ["_gamma", "_dual_coef_", "_intercept_", "_n_support", "shape_fit_", "n_features_in_"]
    for name in [*names, *(["classes_", "class_weight_"] if hasattr(alone, "classes_") else [])]:
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), err_msg=name)
    np.testing.assert_array_equal(found.predict(test), alone.predict(test))
    assert set(vars(alone)) <= set(vars(found))


def test_kernels_round_as_the_c_library_does():
    """Where numpy's exponential is off in the last place, single precision does not see it."""
    X = np.random.default_rng(0).normal(size=(300, 8))
    kernel = kernel_of(SVC(gamma=0.3).get_params(), X)
    products = own_products(X)
    squares = np.diagonal(products)
    exact = np.vectorize(math.exp)(-0.3 * (squares[:, None] + squares[None] - 2 * products))
    mine = TrainingKernels(X).matrix(kernel)
    np.testing.assert_array_equal(mine.astype(np.float32), exact.astype(np.float32))
    np.testing.assert_array_equal(mine, mine.T)
    np.testing.assert_array_equal(np.diagonal(mine), 1.0)


def test_values_between_two_single_precision_numbers_are_computed_exactly():
    """Where the last place decides which number a kernel is rounded to, the C library's function is asked."""
    half = np.float64(np.float32(0.3)) + 2.0**-26
    arguments = np.log(np.full((2, 2), half))
    asked = []
    values = _rounded_alike(np.array([[half, 0.5], [0.25, half * (1 + 2**-51)]]), arguments, asked.append)
    assert len(asked) == 2
    assert np.isnan(values).sum() == 2


def test_inner_products_are_libsvms():
    """They are not those of a matrix product, whose last places differ."""
    X = np.random.default_rng(1).normal(size=(80, 40)) * 100
    mine = own_products(X)
    np.testing.assert_array_equal(mine, np.vecdot(X[:, None], X[None, :]))
    np.testing.assert_array_equal(mine, mine.T)
    np.testing.assert_array_equal(squares_of(X), np.diagonal(mine))
    assert (mine != X @ X.T).any()


TABLES = {
    "normal": lambda rng: rng.normal(size=(150, 37)),
    "far from zero": lambda rng: rng.normal(size=(150, 37)) + 1000,
    "whole numbers": lambda rng: rng.integers(-3, 4, (150, 37)) / 8,
    "one column": lambda rng: rng.normal(size=(150, 1)),
    "tiny": lambda rng: rng.normal(size=(150, 37)) * 1e-20,
}


@pytest.mark.parametrize("gamma", [None, 1e-3, 0.1, 5.0])
@pytest.mark.parametrize("table", TABLES)
def test_matrix_products_round_as_libsvms_inner_products(table, gamma):
    """What the solver sees (single precision, and the diagonal in double) is what libsvm's own products give."""
    X = TABLES[table](np.random.default_rng(3))
    kernel = kernel_of(SVC(kernel="rbf" if gamma else "linear", gamma=gamma or 1.0).get_params(), X)
    own = own_products(X)
    if gamma:
        squares = np.diagonal(own)
        own = np.vectorize(math.exp)(-gamma * (squares[:, None] + squares[None] - 2 * own))
    for dtype in (np.float64, np.float32):
        mine = TrainingKernels(X).matrix(kernel, dtype)
        assert mine.dtype == dtype
        np.testing.assert_array_equal(mine.astype(np.float32), own.astype(np.float32))
        np.testing.assert_array_equal(np.diagonal(mine), np.diagonal(own).astype(dtype))


def _nearly_orthogonal(n_pairs):
    """Return rows of which some pairs have a product of nothing but rounding errors."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(120, 60))
    for i in range(n_pairs):
        X[119 - i] -= X[i] * (X[i] @ X[119 - i]) / (X[i] @ X[i])
    return X


@pytest.mark.parametrize("n_pairs", [6, 55])
def test_products_that_decide_a_rounding_are_asked_of_libsvm(n_pairs):
    """Few are asked for one by one."""
    X = _nearly_orthogonal(n_pairs)
    own = own_products(X)
    assert ((X @ X.T).astype(np.float32) != own.astype(np.float32)).sum() >= n_pairs
    kernels = TrainingKernels(X)
    found = kernels.matrix(kernel_of(SVC(kernel="linear").get_params(), X))
    np.testing.assert_array_equal(found.astype(np.float32), own.astype(np.float32))
    assert kernels._exact is None


def test_when_too_many_are_in_doubt_all_products_are_libsvms(monkeypatch):
    """The matrix product is given up for the other kernels, too."""
    monkeypatch.setattr("manyfit.families.fusion.kernels.MOST_IN_DOUBT", 1e-4)
    X = _nearly_orthogonal(6)
    kernels = TrainingKernels(X)
    found = kernels.matrix(kernel_of(SVC(kernel="linear").get_params(), X))
    np.testing.assert_array_equal(found, own_products(X))
    assert kernels._near is None
    assert kernels._exact is not None


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_kernels_that_are_near_are_within_their_error(kernel, scale):
    """Kernels for signs may be off by what they say, and no more."""
    rng = np.random.default_rng(4)
    X, rows = rng.normal(size=(90, 40)) * scale, rng.normal(size=(60, 40)) * scale
    name = kernel_of(SVC(kernel=kernel, gamma=0.02 / scale).get_params(), X)
    kernels = SetKernels(rows, X, squares_of(X))
    near, _, error = kernels.matrix(name, near=True)
    exact, _, _ = kernels.matrix(name)
    assert (near != exact).any()
    assert (np.abs(near - exact) <= error[:, None] + 1e-14 * np.abs(exact)).all()


# -- answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["ovr", "ovo"])
@pytest.mark.parametrize("k", [2, 4])
def test_labels_that_are_texts(shape, k):
    """Classes are texts with weights by text, and one of them may be missing."""
    X, y, test = _classes(k=k)
    words = np.array(["low", "mid", "high", "top"])[y]
    weights = {"low": 1.0, "mid": 2.0}
    estimators = grid(SVC(class_weight=weights, decision_function_shape=shape), C=[0.5, 5.0])
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, words, test=test), within=CLOSE)) == 2


@pytest.mark.parametrize("change", ["float32", "int", "fortran", "frame"])
def test_rows_of_other_types(change):
    """Rows are converted as scikit-learn converts them."""
    import pandas as pd

    X, y, test = _classes()
    made = {
        "float32": lambda rows: rows.astype(np.float32),
        "int": lambda rows: (rows * 10).astype(int),
        "fortran": np.asfortranarray,
        "frame": lambda rows: pd.DataFrame(rows, columns=list("abcdef")),
    }[change]
    estimators = grid(SVC(), C=[0.5, 5.0], kernel=["rbf", "linear"])
    batch = batch_of(estimators, made(X), y, test=made(test))
    assert len(assert_fused_as_alone(RULE, batch, within=CLOSE)) == 4


def test_break_ties_needs_ovr():
    """The answer fails as scikit-learn's does."""
    X, y, test = _classes()
    estimator = SVC(break_ties=True, decision_function_shape="ovo")
    ((_, source),) = RULE.run(batch_of([estimator], X, y, test=test))
    with pytest.raises(ValueError, match="break_ties must be False"):
        source.answer("test", "predict")


def test_equal_rows_keep_equal_values():
    """Equal rows have equal decision values wherever they stand, as ranks of a score need."""
    X, y, test = _classes(k=2)
    test = np.vstack([test, test[::-1], test[:7]])
    batch = batch_of(grid(SVC(), C=[0.3, 3.0, 100.0]), X, y, test=test)
    for position, source in RULE.run(batch):
        alone = clone(batch.estimators[position]).fit(X, y).decision_function(test)
        found = source.answer("test", "decision_function")
        np.testing.assert_array_equal(found, alone)
        truth = np.arange(len(test)) % 2
        assert roc_auc_score(truth, found) == roc_auc_score(truth, alone)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_rows_on_a_boundary_are_asked_of_libsvm(kernel, k):
    """Where a decision value is zero but for rounding, its sign is that of the estimator."""
    X, y, test = _classes(k=k)
    estimator = SVC(kernel=kernel, C=3.0, decision_function_shape="ovo")
    alone = clone(estimator).fit(X, y)
    boundary = np.vstack([_boundary(alone, test[i], test[i + 1]) for i in range(30)])
    batch = batch_of([estimator], X, y, test=boundary)
    assert assert_fused_as_alone(RULE, batch, within=CLOSE) == {0}
    for _, source in RULE.run(batch):
        answers = source.functions["predict"].__self__
        sums, slack = answers.sums.of("test", near=True)
        assert (np.abs(sums) <= slack).any(axis=1).sum() > 5
        signs = (-sums[:, 0] if k == 2 else sums[:, 0]) > 0
        truth = alone.decision_function(boundary).reshape(len(boundary), -1)[:, 0] > 0
        assert (signs != truth).any(), "rounding would not have changed anything"
        np.testing.assert_array_equal(source.answer("test", "predict"), alone.predict(boundary))


def _boundary(alone, low, high):
    """Return rows beside which the first decision value changes its sign, as near as numbers come."""

    def sign(row):
        return alone.decision_function(row[None]).ravel()[0] > 0

    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sign(middle) == sign(low) else (low, middle)
    return np.vstack([low, high])


def test_plain_rows_are_not_asked_again():
    """Without doubt nothing is computed twice."""
    X, y, test = _classes()
    for _, source in RULE.run(batch_of(grid(SVC(), C=[0.5, 5.0]), X, y, test=test)):
        source.answer("test", "predict")
        source.answer("test", "decision_function")
        assert source.functions["predict"].__self__._fitted is None


def test_votes_that_tie_go_to_the_first_class():
    """Three classes around a circle: in the middle each has one vote."""
    angle = np.repeat([0.0, 2.1, 4.2], 30)
    noise = np.random.default_rng(0).normal(scale=0.9, size=(90, 2))
    X = np.c_[np.cos(angle), np.sin(angle)] + noise
    y = np.repeat([0, 1, 2], 30)
    test = np.random.default_rng(1).normal(scale=0.4, size=(400, 2))
    estimators = grid(SVC(gamma=3.0), C=[0.1, 1.0, 100.0], break_ties=[False, True])
    assert len(assert_fused_as_alone(RULE, batch_of(estimators, X, y, test=test), within=CLOSE)) == 6
    sums = SVC(gamma=3.0, C=100.0, decision_function_shape="ovo").fit(X, y).decision_function(test)
    wins = np.c_[sums[:, 0] > 0, sums[:, 2] > 0, sums[:, 1] <= 0]
    assert (wins.all(axis=1) | (~wins).all(axis=1)).any(), "no row has a tie of votes"


def test_large_sets_are_answered_by_the_estimator(monkeypatch):
    """A set whose kernel would not fit into memory costs what it costs alone, and is exact."""
    monkeypatch.setattr(svm, "LARGEST_SET_BYTES", 8 * 100 * 60)
    X, y, test = _classes()
    batch = batch_of(grid(SVC(), C=[0.5, 5.0]), X, y, test=test)
    assert len(assert_fused_as_alone(RULE, batch, within=CLOSE)) == 2
    for _, source in RULE.run(batch):
        answers = source.functions["predict"].__self__
        source.answer("train", "predict")
        source.answer("test", "predict")
        assert list(answers.training._known) == ["test"]


def test_huge_weights_are_asked_of_libsvm():
    """Sums of large numbers that cancel are not close enough: the estimator answers."""
    X, y, test = _classes(k=2)
    estimators = grid(SVC(kernel="poly", degree=5, gamma=3.0, coef0=50.0, max_iter=500), C=[1e6, 1e9])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        batch = batch_of(estimators, X * 30, y, test=test * 30)
        assert_fused_as_alone(RULE, batch, methods=("predict",))


# -- warnings, failures, refusals ----------------------------------------------------------------------------


def test_warnings_are_scikit_learns():
    """Fits that stop early say so, each for itself."""
    X, y, test = _classes()
    batch = batch_of(grid(SVC(), max_iter=[1, -1]), X, y, test=test)
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as caught:
        assert [position for position, _ in RULE.run(batch)] == [0, 1]
    assert len(caught) == 1


def test_a_deprecated_parameter_warns():
    """probability=False is accepted, with the warning that scikit-learn gives."""
    X, y, test = _classes()
    with pytest.warns(FutureWarning, match="`probability` parameter was deprecated"):
        assert len(list(RULE.run(batch_of([SVC(probability=False)], X, y, test=test)))) == 1


def test_solutions_that_are_no_numbers_are_left_to_the_estimator(monkeypatch):
    """scikit-learn raises an error of its own for them."""
    X, y, test = _classes()
    real = solve

    def broken(estimator, training, matrix):
        found = real(estimator, training, matrix)
        return Solution(
            found.support, found.n_support, found.dual * np.nan, found.intercept, found.status, found.n_iter
        )

    monkeypatch.setattr(svm, "solve", broken)
    assert list(RULE.run(batch_of([SVC()], X, y, test=test))) == []


@pytest.mark.parametrize(
    "spoil",
    [csr_array, lambda X: np.where(X > 1, np.nan, X), lambda X: X * 1e200],
    ids=["sparse", "missing", "overflow"],
)
def test_rows_that_do_not_suit(spoil):
    """Sparse rows, missing values and products beyond all numbers are fitted alone."""
    X, y, _ = _classes()
    with pytest.raises(CannotFuse), np.errstate(over="ignore"):
        list(RULE.run(Batch(path="sklearn.svm:SVC", estimators=[SVC()], X=spoil(X), y=y, sets={})))


def test_one_class_is_left_to_the_estimator():
    """scikit-learn's own error is for the engine to show."""
    X, y, _ = _classes()
    with pytest.raises(CannotFuse):
        list(RULE.run(batch_of([SVC()], X, np.zeros_like(y))))


def test_kernels_beyond_memory_are_refused(monkeypatch):
    """The reason names the size, at planning and when a plan was wrong."""
    params = SVC().get_params()
    assert RULE.refuses("sklearn.svm:SVC", params, SIZE) is None
    size = FitSize(n_rows=50_000, n_columns=5, n_classes=3)
    assert "19,073 MiB, more than 384" in RULE.refuses("sklearn.svm:SVC", params, size)
    monkeypatch.setattr(svm, "LARGEST_KERNEL_BYTES", 8 * 99 * 99)
    X, y, _ = _classes()
    with pytest.raises(CannotFuse, match="100 rows"):
        list(RULE.run(batch_of([SVC()], X, y)))


def test_probability_is_refused_with_what_to_do():
    """Calibration can be left to kept models."""
    reason = RULE.refuses("sklearn.svm:SVC", {**SVC().get_params(), "probability": True}, SIZE)
    assert "calibrate only the models that are kept" in reason


def test_a_kernel_is_computed_once():
    """Candidates with one kernel follow each other, whatever their order; parameters it ignores do not count."""
    X, y, test = _classes()
    seen = []
    estimators = grid(SVC(), C=[1.0, 2.0], gamma=[0.1, 0.2], degree=[2, 3], kernel=["rbf", "linear"])
    for _, source in RULE.run(batch_of(estimators, X, y, test=test)):
        kernel = source.functions["predict"].__self__.sums.kernel
        if not seen or seen[-1] != kernel:
            seen.append(kernel)
    assert len(seen) == 3


def test_set_kernels_remember_one_kernel():
    """Memory does not grow with the kernels of a batch."""
    X, _, test = _classes()
    kernels = SetKernels(test, X, (X**2).sum(axis=1))
    for gamma in (0.1, 0.2, 0.3):
        kernels.matrix(kernel_of(SVC(gamma=gamma).get_params(), X))
    assert len(kernels._known) == 1


def test_kernels_that_other_machines_round_otherwise_are_left_alone(monkeypatch):
    """Where a compiler may fuse gamma * product + coef0, only kernels without coef0 are shared."""
    X, y, test = _classes()
    estimators = [
        *grid(SVC(kernel="poly"), coef0=[0.0, 1.0]),
        *grid(SVC(kernel="rbf"), coef0=[0.0, 1.0]),
    ]
    batch = batch_of(estimators, X, y, test=test)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert {position for position, _ in RULE.run(batch)} == {0, 2, 3}
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    assert {position for position, _ in RULE.run(batch)} == {0, 1, 2, 3}


def test_kernels_beyond_single_precision_do_not_warn():
    """They are infinite in libsvm, which does not speak of it either."""
    X, _, _ = _classes()
    kernels = TrainingKernels(X * 1e25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in (np.float64, np.float32):
            kernels.matrix(kernel_of(SVC(kernel="linear").get_params(), X), dtype)


def test_at_most_two_kernels_exist_at_once(monkeypatch):
    """The inner products of a matrix product are gone before libsvm's own are computed."""
    monkeypatch.setattr("manyfit.families.fusion.kernels.MOST_IN_DOUBT", 1e-4)
    X = _nearly_orthogonal(6).repeat(5, axis=0)
    kernels = TrainingKernels(X)
    tracemalloc.start()
    try:
        kernels.matrix(kernel_of(SVC(kernel="linear").get_params(), X))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kernels._exact is not None
    assert peak < 2.5 * 8 * len(X) ** 2


@pytest.mark.parametrize("k", [0, 2, 3])
def test_answers_belong_to_who_asks(k):
    """What is done to an answer reaches neither the next one nor the fits that share its sums."""
    X, y, test = _classes(k=max(k, 2))
    model, method = (SVC(decision_function_shape="ovo"), "decision_function") if k else (SVR(), "predict")
    ((_, source),) = RULE.run(batch_of([model], X, y, test=test))
    first = source.functions[method]("test")
    wanted = first.copy()
    first[:] = 0.0
    np.testing.assert_array_equal(source.functions[method]("test"), wanted)
