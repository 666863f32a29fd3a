"""The compiled solver of support vector classifiers, beside libsvm."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC
from tests.families.fusion.side_by_side import batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch
from manyfit.families.fusion import svm_smo
from manyfit.families.fusion.pairwise import pairs_of
from manyfit.families.fusion.svm import training_of
from manyfit.families.fusion.svm_smo import Block, Path, SmoRule, blocks_of
from manyfit.testing.fusion import FusionSuite, Sample
from manyfit.testing.tables import KINDS

pytest.importorskip("numba")

RULE = SmoRule()
SIZE = FitSize(n_rows=100, n_columns=5, n_classes=3)


class TestSvmSmo(FusionSuite):
    """The rule beside scikit-learn, within the tolerance at which libsvm stops."""

    rule = RULE
    samples = (
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [2.0, 10.0, 30.0], "kernel": ["rbf", "poly"], "gamma": ["scale", 0.2], "coef0": [0.0, 0.5]},
            params={"decision_function_shape": "ovo", "tol": 1e-5},
        ),
        Sample(
            path="sklearn.svm:SVC",
            grid={"C": [10.0, 20.0], "class_weight": [None, "balanced"]},
            params={"decision_function_shape": "ovo", "tol": 1e-5, "kernel": "linear"},
        ),
    )
    refused = (("sklearn.svm:SVC", {"kernel": "precomputed"}), ("sklearn.svm:SVC", {"probability": True}))
    # libsvm takes minutes for unscaled columns. Where rows repeat, or C is small, weights can all be at bounds:
    # the intercept is not unique then: rows at the border get the one class or the other.
    kinds = tuple(kind for kind in KINDS if kind not in ("scales", "ties", "duplicates", "whole numbers"))
    tolerance = 1e-3
    agreement = 0.9


def _classes(n=150, k=3, seed=0):
    X, y = make_classification(n, 6, n_informative=5, n_redundant=0, n_classes=k, random_state=seed)
    return X[:100], y[:100], X[100:]


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
def test_digits_agree(kernel):
    """On digits every predicted class is libsvm's."""
    X, y = load_digits(return_X_y=True)
    estimators = grid(SVC(kernel=kernel, gamma=0.001), C=[0.1, 1.0, 100.0])
    batch = Batch(path="sklearn.svm:SVC", estimators=estimators, X=X[:600], y=y[:600], sets={"test": X[600:]})
    for position, source in RULE.run(batch):
        alone = clone(estimators[position]).fit(X[:600], y[:600]).predict(X[600:])
        np.testing.assert_array_equal(source.answer("test", "predict"), alone)


def test_it_takes_libsvms_steps():
    """Without shrinking libsvm needs as many iterations: the working sets are chosen alike."""
    X, y, test = _classes()
    estimators = grid(SVC(shrinking=False), C=[0.1, 1.0, 30.0])
    for position, source in RULE.run(batch_of(estimators, X, y, test=test)):
        alone = clone(estimators[position]).fit(X, y)
        found = source.functions["predict"].__self__.fitted()
        np.testing.assert_array_equal(found.n_iter_, alone.n_iter_)
        np.testing.assert_array_equal(found.support_, alone.support_)
        np.testing.assert_allclose(found.dual_coef_, alone.dual_coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.intercept_, alone.intercept_, rtol=1e-6, atol=1e-9)


def test_a_solution_is_used_for_larger_c_only_where_no_bound_was_met():
    """What is taken over is what solving again would give, and what has met a bound is solved again."""
    X, y, _ = _classes(k=2)
    y[:5] = 1 - y[:5]
    training = training_of(batch_of([SVC(gamma=0.5)], X, y))
    exponent = np.multiply.outer(np.diagonal(training.kernels.products), np.ones(100))
    matrix = np.exp(-0.5 * (exponent + exponent.T - 2 * training.kernels.products))
    blocks = blocks_of(pairs_of(training), matrix)
    path, kept = Path(blocks), []
    for c in (0.1, 1.0, 10.0, 1e3, 1e4, 1e5):
        before = path.last[0] if path.last else None
        (found,) = path.solve([(c, c)], 1e-3, -1)
        (again,) = Path(blocks).solve([(c, c)], 1e-3, -1)
        np.testing.assert_array_equal(found.weights, again.weights)
        assert (found.intercept, found.n_iter, found.touched) == (again.intercept, again.n_iter, again.touched)
        kept.append(found is before)
    assert kept[1] is False
    assert kept[-1] is True


def test_a_bound_that_was_met_on_the_way_is_remembered():
    """A weight that is free in the end may have been at its bound before: the next C is solved anew."""
    rng = np.random.default_rng(111)
    X, y = rng.normal(size=(12, 2)), np.repeat([1.0, -1.0], 6)
    X[:, 0] += 1.2 * y
    kernel = (X @ X.T + 0.5) ** 2
    block = Block(kernel.astype(np.float32), np.diagonal(kernel).copy(), y)
    (solved,) = Path([block]).solve([(0.2, 0.2)], 1e-3, -1)
    assert np.abs(solved.weights).max() < 0.2
    assert solved.touched


def test_a_limit_of_iterations_warns():
    """A fit that stops early says so."""
    X, y, test = _classes()
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        ((position, _),) = RULE.run(batch_of([SVC(max_iter=2)], X, y, test=test))
    assert position == 0


def test_rows_that_are_equal_but_for_their_class():
    """A kernel that cannot tell rows apart does not stop the solver."""
    X = np.repeat(np.eye(3), 4, axis=0)
    y = np.tile([0, 1], 6)
    ((_, source),) = RULE.run(batch_of([SVC(kernel="linear")], X, y))
    alone = SVC(kernel="linear").fit(X, y)
    np.testing.assert_allclose(
        source.answer("train", "decision_function"), alone.decision_function(X), rtol=0, atol=1e-3
    )


def test_without_numba_it_is_refused(monkeypatch):
    """The reason names what to install."""
    monkeypatch.setattr(svm_smo, "find_spec", lambda name: None)
    assert 'pip install "manyfit[numba]"' in RULE.refuses("sklearn.svm:SVC", SVC().get_params(), SIZE)


@pytest.mark.slow
def test_asking_does_not_import_numba():
    """Planning stays quick: refusals, groups and costs do not load a compiler."""
    code = (
        "import sys\n"
        "from manyfit.contracts.estimators import FitSize\n"
        "from manyfit.families.fusion.svm_smo import RULES\n"
        "size = FitSize(n_rows=10, n_columns=2, n_classes=2)\n"
        "params = {'kernel': 'rbf', 'gamma': 'scale', 'probability': 'deprecated'}\n"
        "assert RULES[0].refuses('sklearn.svm:SVC', params, size) is None\n"
        "RULES[0].cost_seconds('sklearn.svm:SVC', [params], [1.0], size)\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
