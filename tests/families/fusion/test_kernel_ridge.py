"""Kernel ridge regression along alpha, beside stand-alone fits."""

import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes, make_regression
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import pairwise_kernels
from tests.families.fusion.side_by_side import CLOSE, alone, assert_all_fused_as_alone, batch_of, fused, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.kernel_ridge import KERNEL_RIDGE, KernelRidgeRule
from manyfit.testing.fusion import FusionSuite, Sample

RULE = KernelRidgeRule()
MANY = list(np.logspace(-3, 3, 20))
FEW = [0.01, 1.0, 100.0]
SIZE = FitSize(n_rows=300, n_columns=10, n_classes=0)


def _rows(n=120, d=5, seed=0):
    X, y = make_regression(n, d, noise=5, random_state=seed)
    return X[: n - 30] / 2, y[: n - 30], X[n - 30 :] / 2


def _batch(estimators, X, y, test):
    return batch_of(estimators, X, y, test=test)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "sigmoid", "laplacian", "cosine"])
def test_every_kernel_agrees(kernel):
    """Many alphas of each kernel agree with stand-alone fits, also where the kernel is singular."""
    X, y, test = _rows()
    assert_all_fused_as_alone(
        RULE, _batch(grid(KernelRidge(kernel=kernel, gamma=0.3), alpha=MANY), X, y, test), within=CLOSE
    )


def test_a_kernel_that_is_not_definite_is_not_trusted():
    """With negative eigenvalues a larger alpha may be nearer to a singular matrix than a smaller one."""
    X, y, test = _rows()
    values = np.linalg.eigvalsh(pairwise_kernels(X, metric="sigmoid", gamma=0.3, coef0=1))
    below = -values[values < -1e-3]
    assert len(below) > 3
    alphas = [1e-3, *np.repeat(below, 4) * np.tile([1 - 1e-9, 1 - 1e-13, 1 + 1e-13, 1 + 1e-9], len(below)), 1e3]
    batch = _batch(grid(KernelRidge(kernel="sigmoid", gamma=0.3), alpha=alphas), X, y, test)
    assert_all_fused_as_alone(RULE, batch, within=CLOSE)


def test_few_alphas_agree_bit_for_bit():
    """Few alphas are solved from the shared kernel exactly as scikit-learn does."""
    X, y, test = _rows()
    assert_all_fused_as_alone(RULE, _batch(grid(KernelRidge(kernel="rbf"), alpha=FEW), X, y, test))


@pytest.mark.parametrize("alphas", [FEW, MANY])
@pytest.mark.parametrize("columns", [1, 3])
def test_several_targets_agree(alphas, columns):
    """Targets with columns keep their shape, one column included."""
    X, y, test = _rows()
    Y = np.column_stack([y, X[:, 0], X[:, 1] - y])[:, :columns]
    assert_all_fused_as_alone(
        RULE, _batch(grid(KernelRidge(kernel="rbf"), alpha=alphas), X, Y, test), within=CLOSE
    )


@pytest.mark.parametrize("alphas", [FEW, MANY])
def test_float32_and_whole_numbers_agree(alphas):
    """Rows of 32 bits and of whole numbers are converted as scikit-learn converts them."""
    X, y, test = _rows()
    narrow = _batch(
        grid(KernelRidge(kernel="rbf"), alpha=alphas), X.astype(np.float32), y, test.astype(np.float32)
    )
    assert_all_fused_as_alone(RULE, narrow)
    X, y, test = (np.rint(3 * values).astype(np.int64) for values in (X, y, test))
    assert_all_fused_as_alone(
        RULE, _batch(grid(KernelRidge(kernel="rbf"), alpha=alphas), X, y, test), within=CLOSE
    )


def test_frames_agree():
    """Data frames are accepted, names of columns included."""
    X, y, test = _rows()
    names = [f"c{j}" for j in range(X.shape[1])]
    frames = pd.DataFrame(X, columns=names), pd.DataFrame(test, columns=names)
    assert_all_fused_as_alone(
        RULE, _batch(grid(KernelRidge(kernel="rbf"), alpha=MANY), frames[0], pd.Series(y), frames[1]), within=CLOSE
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_tiny_alphas_leave_no_difference(kernel):
    """Doubled rows and alphas down to nothing: what is yielded agrees all the same."""
    X, y, test = _rows()
    X, y = np.vstack([X, X[:20]]), np.concatenate([y, y[:20] + 1])
    batch = _batch(grid(KernelRidge(kernel=kernel), alpha=list(np.logspace(-18, 1, 24))), X, y + 1e4, test)
    found = fused(RULE, batch)
    assert len(found) == 24
    for position, answers in found.items():
        expected = alone(batch.estimators[position], batch).values["test", "predict"]
        np.testing.assert_allclose(answers.values["test", "predict"], expected, rtol=0, atol=1e-9 * y.std())


def test_a_singular_kernel_warns_as_alone():
    """Where scikit-learn turns to least squares it says so, and so does the fused fit."""
    X, y, test = _rows()
    estimators = grid(KernelRidge(kernel="linear"), alpha=[0.0])
    batch = _batch(estimators, X, y, test)
    with pytest.warns(UserWarning, match="Singular matrix"):
        estimators[0].fit(X, y)
    with pytest.warns(UserWarning, match="Singular matrix"):
        position, _ = next(RULE.run(batch))
    assert position == 0


def test_well_conditioned_alphas_warn_of_nothing():
    """No warning arises that a stand-alone fit would not give."""
    X, y, test = _rows()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(RULE.run(_batch(grid(KernelRidge(kernel="rbf"), alpha=MANY), X, y, test)))) == 20


def test_a_constant_target_agrees():
    """A target without spread has no tolerance: it is solved exactly."""
    X, y, test = _rows()
    assert_all_fused_as_alone(RULE, _batch(grid(KernelRidge(kernel="rbf"), alpha=MANY), X, y * 0 + 2, test))


def test_the_kernel_is_not_worn_by_solving():
    """The same alpha, solved first and again after others, gives the same bits."""
    X, y, test = _rows()
    estimators = [*grid(KernelRidge(kernel="rbf"), alpha=[0.1, 1e17]), KernelRidge(kernel="rbf", alpha=0.1)]
    batch = _batch(estimators, X, y, test)
    assert_all_fused_as_alone(RULE, batch)
    found = fused(RULE, batch)
    assert np.array_equal(found[0].values["test", "predict"], found[2].values["test", "predict"])


def test_sparse_rows_are_left_alone():
    """Sparse rows are refused while running."""
    X, y, test = _rows()
    with pytest.raises(CannotFuse, match="sparse"):
        next(RULE.run(_batch(grid(KernelRidge(), alpha=FEW), scipy.sparse.csr_array(X), y, test)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kernel": "precomputed"}, "user's own"),
        ({"kernel": RBF()}, "user's own"),
        ({"alpha": [1.0, 2.0]}, "each target"),
    ],
)
def test_refusals(changes, reason):
    """Kernels that are given and alphas by target are refused with a reason."""
    params = KernelRidge().get_params()
    assert RULE.refuses(KERNEL_RIDGE, params, SIZE) is None
    assert reason in (RULE.refuses(KERNEL_RIDGE, params | changes, SIZE) or "")


def test_large_kernels_are_refused():
    """The kernel is bounded by its bytes."""
    params = KernelRidge().get_params()
    assert RULE.refuses(KERNEL_RIDGE, params, FitSize(n_rows=8192, n_columns=5, n_classes=0)) is None
    assert "MiB, more than 512" in (
        RULE.refuses(KERNEL_RIDGE, params, FitSize(n_rows=8200, n_columns=5, n_classes=0)) or ""
    )


def test_groups_differ_in_all_but_alpha():
    """Alpha may differ in a group, gamma may not."""
    one = KernelRidge().get_params()
    assert RULE.group(KERNEL_RIDGE, one) == RULE.group(KERNEL_RIDGE, one | {"alpha": 2.0})
    assert RULE.group(KERNEL_RIDGE, one) != RULE.group(KERNEL_RIDGE, one | {"gamma": 2.0})


def test_costs_tell_few_alphas_on_many_rows():
    """Ten alphas on many rows promise little, twenty on few rows much."""
    large, small = FitSize(n_rows=2400, n_columns=200, n_classes=0), FitSize(n_rows=354, n_columns=10, n_classes=0)
    apart = 6e-3 + 2e-11 * 2400**3 + 8e-10 * 2400**2 * 200
    little = RULE.cost_seconds(KERNEL_RIDGE, [{}] * 2, [apart] * 2, large)
    much = RULE.cost_seconds(KERNEL_RIDGE, [{}] * 20, [8e-3] * 20, small)
    assert little > 0.5 * 2 * apart
    assert much < 0.5 * 20 * 8e-3


def test_diabetes_agrees():
    """A small real table, wide and narrow kernels."""
    X, y = load_diabetes(return_X_y=True)
    for gamma in (0.01, 1.0, 100.0):
        estimators = grid(KernelRidge(kernel="rbf", gamma=gamma), alpha=MANY)
        assert_all_fused_as_alone(RULE, _batch(estimators, X[:300], y[:300], X[300:]), within=CLOSE)


class TestKernelRidge(FusionSuite):
    """The suite for fusion rules."""

    rule = RULE
    samples = (
        Sample(path=KERNEL_RIDGE, grid={"alpha": MANY}, params={"kernel": "rbf"}),
        Sample(path=KERNEL_RIDGE, grid={"alpha": FEW}, params={"kernel": "laplacian"}),
        Sample(path=KERNEL_RIDGE, grid={"alpha": MANY}),
    )
    refused = ((KERNEL_RIDGE, {"kernel": "precomputed"}),)
    invalid: ClassVar[dict[str, float]] = {"alpha": -1.0}
