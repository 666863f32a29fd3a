"""Components of one decomposition are those that every fit alone finds, in value and in memory order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from tests.families.fusion.side_by_side import assert_transformed_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.decomposition import PATH, ComponentsRule
from manyfit.testing.fusion import FusionSuite, Sample

RULE = ComponentsRule()
SMALL = FitSize(n_rows=60, n_columns=8, n_classes=2)
SHAPES = ((60, 8), (200, 8), (40, 90), (300, 30), (30, 2))


class TestComponents(FusionSuite):
    """Held to the law of fusion rules."""

    rule = RULE
    samples = (
        Sample(path=PATH, grid={"n_components": [1, 2, 3, 4]}),
        Sample(path=PATH, params={"svd_solver": "full", "whiten": True}, grid={"n_components": [1, 2, 3, 4]}),
        Sample(path=PATH, params={"svd_solver": "covariance_eigh"}, grid={"n_components": [1, 2, 3, 4]}),
    )
    refused = ((PATH, {"n_components": 0.5}), (PATH, {"n_components": 2, "svd_solver": "arpack"}))
    invalid: Mapping[str, Any] = {"n_components": -1}


def rows(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * 9, rng.normal(size=(25, shape[1])) * 9


def wanted(shape):
    smaller = min(shape)
    return sorted({1, 2, smaller // 2, smaller - 1, smaller})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("solver", ["auto", "full", "covariance_eigh"])
@pytest.mark.parametrize("whiten", [False, True])
def test_components_are_equal(shape, solver, whiten):
    """Every number of components gives the rows that a fit alone gives, bit for bit."""
    X, new = rows(shape)
    numbers = wanted(shape)
    estimators = grid(PCA(svd_solver=solver, whiten=whiten, random_state=0), n_components=[*numbers, None])
    answered = assert_transformed_as_alone(RULE, batch_of(estimators, X, None, new=new))
    assert answered == set(range(len(estimators)))


@pytest.mark.parametrize("kind", [np.float32, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_kinds_of_arrays(kind, order):
    """Single precision, whole numbers and arrays by column stay what they are in fits alone."""
    for solver in ("full", "covariance_eigh"):
        X, new = (np.asarray(each.astype(kind), order=order) for each in rows((70, 9)))
        estimators = grid(PCA(svd_solver=solver), n_components=(1, 4, 9))
        assert len(assert_transformed_as_alone(RULE, batch_of(estimators, X, None, new=new))) == 3


def test_rows_without_rank():
    """Constant columns and repeated rows leave components that are arbitrary, and the same."""
    X, new = rows((50, 6))
    X[:, 2] = 1.0
    X[:, 3] = X[:, 4]
    X[20:] = X[:30]
    for solver in ("full", "covariance_eigh"):
        estimators = grid(PCA(svd_solver=solver, whiten=True), n_components=(1, 3, 4, 5, 6))
        assert len(assert_transformed_as_alone(RULE, batch_of(estimators, X, None, new=new))) == 5


def test_auto_leaves_out_the_members_that_draw():
    """ "auto" takes a randomised solver for few components of large rows: those are fitted alone."""
    X, new = rows((520, 60))
    estimators = grid(PCA(random_state=0), n_components=(2, 30, 48, 60))
    assert assert_transformed_as_alone(RULE, batch_of(estimators, X, None, new=new)) == {2, 3}


def test_numbers_that_fail_are_left_alone():
    """More components than there are, or none at all, are not answered for."""
    X, new = rows((60, 8))
    estimators = grid(PCA(svd_solver="full"), n_components=(0, 3, 9))
    assert assert_transformed_as_alone(RULE, batch_of(estimators, X, None, new=new)) == {1}


def test_data_frames():
    """Frames are converted as scikit-learn does, and names of columns are checked."""
    pd = pytest.importorskip("pandas")
    X, new = (pd.DataFrame(each, columns=list("abcdefgh")) for each in rows((60, 8)))
    estimators = grid(PCA(svd_solver="full"), n_components=(1, 3, 8))
    assert len(assert_transformed_as_alone(RULE, batch_of(estimators, X, None, new=new))) == 3


def test_rows_belong_to_the_caller():
    """What is yielded is shared with no other member."""
    X, _ = rows((60, 8))
    found = [each for _, each, _ in RULE.run(batch_of(grid(PCA(svd_solver="full"), n_components=(2, 3)), X, None))]
    assert not np.shares_memory(found[0], found[1])


def test_sparse_rows_are_refused_while_running():
    """Sparse rows have solvers of their own, which "auto" knows."""
    X = sparse.csr_array(rows((60, 8))[0])
    with pytest.raises(CannotFuse, match="sparse"):
        list(RULE.run(batch_of([PCA(2)], X, None)))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"n_components": "mle"}, "mle"),
        ({"n_components": 0.9}, "share of the variance"),
        ({"svd_solver": "randomized"}, "randomized"),
        ({"svd_solver": "arpack"}, "arpack"),
        ({"copy": False}, "copy=False"),
    ],
)
def test_refusals(params, words):
    """What depends on more than the number of components is refused with a reason."""
    assert words in RULE.refuses(PATH, PCA(**params).get_params(), SMALL)


def test_auto_is_refused_where_it_draws():
    """The size tells which solver "auto" takes."""
    large = FitSize(n_rows=3000, n_columns=600, n_classes=2)
    assert "randomized" in RULE.refuses(PATH, PCA(5).get_params(), large)
    assert RULE.refuses(PATH, PCA(500).get_params(), large) is None
    assert RULE.refuses(PATH, PCA(5).get_params(), SMALL) is None
    assert RULE.refuses(PATH, PCA(svd_solver="full").get_params(), large) is None


def test_groups_agree_in_all_but_the_number():
    """Whitening and solvers are not shared."""
    token = RULE.group(PATH, PCA(2).get_params())
    assert token == RULE.group(PATH, PCA(7).get_params())
    assert token != RULE.group(PATH, PCA(2, whiten=True).get_params())
