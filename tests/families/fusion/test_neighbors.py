"""Neighbours found once answer as every estimator would that is fitted alone, ties included."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, make_classification
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from tests.families.fusion.side_by_side import assert_fused_as_alone, batch_of, grid
from threadpoolctl import threadpool_limits

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse
from manyfit.families.fusion.neighbors import CLASSIFIER, REGRESSOR, NeighborsRule
from manyfit.testing.fusion import FusionSuite, Sample

RULE = NeighborsRule()
AXES = {"n_neighbors": (1, 2, 5, 12), "weights": ("uniform", "distance")}
SIZE = FitSize(n_rows=100, n_columns=4, n_classes=2)
ALGORITHMS = ("auto", "brute", "kd_tree", "ball_tree")
METRICS = ({"p": 2}, {"p": 1}, {"p": 3})


class TestNeighbors(FusionSuite):
    """Held to the law of fusion rules."""

    rule = RULE
    samples = tuple(
        Sample(path=path, params=params, grid={"n_neighbors": [1, 2, 3, 5, 8], "weights": ["uniform", "distance"]})
        for path in (CLASSIFIER, REGRESSOR)
        for params in ({}, {"algorithm": "brute"}, {"algorithm": "ball_tree", "p": 1})
    )
    refused = tuple(
        (path, params)
        for path in (CLASSIFIER, REGRESSOR)
        for params in ({"metric": "precomputed"}, {"p": 0.5}, {"weights": np.exp})
    )
    invalid: Mapping[str, Any] = {"n_neighbors": 0}


def distinct(n_rows=100, n_columns=5, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns))
    y = (X @ rng.normal(size=(n_columns, n_classes))).argmax(axis=1)
    return X[: n_rows * 3 // 4], y[: n_rows * 3 // 4], X[n_rows * 3 // 4 :]


def tied(n_rows=130, n_columns=3, n_classes=3, seed=0):
    """Rows on a coarse grid: most distances are shared, and many rows occur twice with unlike classes."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, size=(n_rows, n_columns)).astype(float)
    cut = n_rows * 3 // 4
    return X[:cut], rng.integers(0, n_classes, size=cut), X[cut:]


def check(estimator, X, y, new, axes=AXES):
    estimators = grid(estimator, **axes)
    assert assert_fused_as_alone(RULE, batch_of(estimators, X, y, new=new)) == set(range(len(estimators)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("params", METRICS, ids=str)
@pytest.mark.parametrize("rows", [distinct, tied])
def test_classes_and_probabilities_are_equal(algorithm, params, rows):
    """Every number of neighbours and both weights give the answers of fits alone, with and without ties."""
    check(KNeighborsClassifier(algorithm=algorithm, **params), *rows())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("params", METRICS, ids=str)
@pytest.mark.parametrize("rows", [distinct, tied])
def test_regressions_are_equal(algorithm, params, rows):
    """Means of values are equal bit for bit, although ties may come in another order."""
    X, y, new = rows()
    values = np.random.default_rng(1).normal(size=len(y)) * 1e3
    check(KNeighborsRegressor(algorithm=algorithm, **params), X, values, new)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shift", [0.1, 1 / 3])
def test_rounded_ties_are_equal(algorithm, shift):
    """Distances that are equal but for rounding are ties too: bounds of trees are rounded otherwise."""
    X, y, new = tied(seed=2)
    check(KNeighborsClassifier(algorithm=algorithm), X * shift, y, new * shift)
    check(KNeighborsRegressor(algorithm=algorithm), X * shift, y * shift, new * shift)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_integers_and_single_precision_are_equal(algorithm):
    """Whole numbers and float32 take other routes in scikit-learn."""
    X, y, new = tied(seed=3)
    for kind in (np.int64, np.int32, np.float32):
        check(KNeighborsClassifier(algorithm=algorithm), X.astype(kind), y, new.astype(kind))
        check(KNeighborsRegressor(algorithm=algorithm), X.astype(kind), y.astype(np.float32), new.astype(kind))


@pytest.mark.parametrize("labels", [np.array(["low", "mid", "top"]), np.array([7, -1, 3])])
def test_labels_of_any_kind(labels):
    """Classes are named as they were given, in the order of their names."""
    X, y, new = distinct()
    check(KNeighborsClassifier(), X, labels[y], new)


def test_whole_numbers_as_values():
    """Means of whole numbers do not depend on the order of ties, and need no second look."""
    X, y, new = tied(seed=4)
    check(KNeighborsRegressor(), X, y, new)
    check(KNeighborsRegressor(), X, y.astype(float), new)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_more_rows_than_brute_force_takes_at_a_time(algorithm):
    """Blocks of 256 rows, and the other way to divide more than 1024, do not change an answer."""
    X, y, new = tied(n_rows=400, seed=6)
    new = np.concatenate([new + shift for shift in range(11)])
    assert len(X) > 256
    assert len(new) > 1024
    axes = {"n_neighbors": (1, 4, 9), "weights": ("uniform", "distance")}
    check(KNeighborsClassifier(algorithm=algorithm), X, y, new, axes)
    check(KNeighborsRegressor(algorithm=algorithm), X, y * 0.1, new, axes)


def test_two_threads():
    """Where several threads divide the rows, answers are those of a fit alone with as many."""
    X, y, new = tied(n_rows=400, seed=6)
    axes = {"n_neighbors": (1, 9), "weights": ("uniform", "distance")}
    with threadpool_limits(2):
        check(KNeighborsClassifier(algorithm="brute"), X, y, new, axes)
        check(KNeighborsRegressor(algorithm="brute"), X, y * 0.1, new, axes)


def test_number_of_neighbours_up_to_all_rows():
    """ "auto" turns to brute force at half of the rows; a number beyond all rows is left to fail alone."""
    X, y, new = tied(seed=7)
    X, y = X[:41], y[:41]
    numbers = (1, 5, 18, 19, 20, 21, 22, 33, 40, 41, 42)
    for estimator in (KNeighborsClassifier(), KNeighborsRegressor(), KNeighborsClassifier(algorithm="kd_tree")):
        estimators = grid(estimator, n_neighbors=numbers)
        answered = assert_fused_as_alone(RULE, batch_of(estimators, X, y, new=new))
        assert answered == set(range(len(numbers) - 1))


def test_auto_changes_the_search_with_the_number():
    """Distances of brute force are rounded otherwise than those of trees: weights show which was taken."""
    X, y, new = distinct(n_rows=80)
    check(KNeighborsClassifier(weights="distance"), X, y, new, {"n_neighbors": (5, 29, 30, 31)})


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
def test_ties_that_are_all_within_the_number(algorithm):
    """Rows that stand there three times with unlike values come in any order, and sums are rounded by order."""
    rng = np.random.default_rng(13)
    X = np.repeat(rng.normal(size=(40, 2)), 3, axis=0)
    axes = {"n_neighbors": (3, 6, 9, 12, 21), "weights": ("uniform", "distance")}
    values = rng.normal(size=120) * 10.0 ** rng.integers(-6, 6, size=120)
    check(KNeighborsRegressor(algorithm=algorithm), X, values, X[::3] + 0.1, axes)
    large = np.tile([2.0**53, 1.0, 3.0], 40)
    check(KNeighborsRegressor(algorithm=algorithm), X, large, X[::3] + 0.1, axes)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_votes_that_differ_by_rounding(algorithm):
    """Two classes at the same distances on both sides of a row: the order of adding decides, as it does alone."""
    shifted = [[0.5]]  # one row of a third class, so that the pairs do not fall into step with the adding
    for seed in range(8):
        half = np.random.default_rng(seed).random((16, 1)) + 0.6
        X, y = np.concatenate([shifted, half, -half]), np.repeat([2, 0, 1], (1, 16, 16))
        axes = {"n_neighbors": (11, 15, 19, 23, 27)}
        check(KNeighborsClassifier(weights="distance", algorithm=algorithm), X, y, np.zeros((1, 1)), axes)


def test_wide_rows_that_repeat():
    """Many columns take brute force, whose distances come from rounded products; rows repeat and mean less."""
    rng = np.random.default_rng(8)
    X = rng.normal(size=(60, 20))[rng.integers(0, 60, size=200)]
    check(KNeighborsClassifier(), X[:150], rng.integers(0, 3, size=150), X[150:])
    check(KNeighborsRegressor(), X[:150], rng.normal(size=150), X[150:])


def test_metrics_without_a_quick_route():
    """Metrics that scikit-learn computes by whole blocks agree as well."""
    X, y, new = tied(seed=9)
    for metric in ("cosine", "canberra", "hamming", "nan_euclidean", "sqeuclidean"):
        check(KNeighborsClassifier(algorithm="brute", metric=metric), X + 1, y, new + 1)


def test_clusters_far_apart_in_a_ball_tree():
    """A wide tree rounds its bounds at the size of the tree, not of the distances."""
    rng = np.random.default_rng(10)
    X = rng.integers(0, 3, size=(300, 3)) * 1e-6 + rng.integers(0, 2, size=(300, 1)) * 1e3
    check(KNeighborsClassifier(algorithm="ball_tree", leaf_size=2), X[:220], rng.integers(0, 2, 220), X[220:])


def test_columns_that_do_not_vary_and_rare_classes():
    """A constant column, a single row of a class, and a class of its own for every row change nothing."""
    X, y, new = distinct()
    X[:, 0] = new[:, 0] = 1.0
    y[:] = 0
    y[3] = 1
    check(KNeighborsClassifier(), X, y, new)
    check(KNeighborsClassifier(), X, np.zeros_like(y), new)
    check(KNeighborsClassifier(), X[:20], np.arange(20), new, {"n_neighbors": (1, 4, 12)})


def test_data_frames():
    """Column names are checked as they are in fits alone."""
    pd = pytest.importorskip("pandas")
    X, y, new = tied(seed=11)
    names = ["a", "b", "c"]
    for algorithm in ("brute", "kd_tree"):
        estimator = KNeighborsClassifier(algorithm=algorithm)
        check(estimator, pd.DataFrame(X, columns=names), y, pd.DataFrame(new, columns=names))


def test_digits_are_equal_at_every_number():
    """Real data with many equal distances: numbers of neighbours up to 11."""
    X, y = load_digits(return_X_y=True)
    axes = {"n_neighbors": range(1, 12, 2), "weights": ("uniform", "distance")}
    check(KNeighborsClassifier(), X[:400], y[:400], X[400:600], axes)
    check(KNeighborsClassifier(), X[:400, 20:32].round(-1), y[:400], X[400:600, 20:32].round(-1), axes)


def test_only_doubtful_rows_are_asked_again(monkeypatch):
    """Without ties scikit-learn is never asked again; with them only about the rows in doubt."""
    asked = []
    predict = KNeighborsClassifier.predict
    monkeypatch.setattr(KNeighborsClassifier, "predict", lambda self, X: asked.append(len(X)) or predict(self, X))
    X, y = make_classification(200, 5, random_state=0)
    estimators = grid(KNeighborsClassifier(), **AXES)
    for _, source in RULE.run(batch_of(estimators, X, y)):
        source.answer("train", "predict")
    assert asked == []
    X[1] = X[0]
    y[:2] = (0, 1)
    for _, source in RULE.run(batch_of([KNeighborsClassifier(1)], X, y)):
        source.answer("train", "predict")
    assert asked == [2]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"weights": np.exp}, "weights"),
        ({"metric": np.dot}, "metric"),
        ({"metric": "precomputed"}, "precomputed"),
        ({"p": 0.5}, "p=0.5"),
        ({"metric": "haversine"}, "haversine"),
        ({"n_neighbors": None}, "must be numbers"),
        ({"p": None}, "must be numbers"),
    ],
)
def test_refusals(params, words):
    """What cannot be shared is refused with a reason."""
    for path, cls in ((CLASSIFIER, KNeighborsClassifier), (REGRESSOR, KNeighborsRegressor)):
        assert words in RULE.refuses(path, cls(**params).get_params(), SIZE)
        assert RULE.refuses(path, cls().get_params(), SIZE) is None


def test_refuses_neighbours_that_fill_memory():
    """So many neighbours of so many rows are not kept."""
    size = FitSize(n_rows=10**6, n_columns=4, n_classes=2)
    assert "MiB" in RULE.refuses(CLASSIFIER, KNeighborsClassifier(50).get_params(), size)


def test_several_targets_are_refused_while_running():
    """Values in several columns are left to fits alone."""
    X, y, _ = distinct()
    with pytest.raises(CannotFuse, match="several columns"):
        list(RULE.run(batch_of([KNeighborsRegressor()], X, np.column_stack([y, y]))))


def test_distances_that_overflow():
    """Distances without a number have no order to rely on: scikit-learn answers each time."""
    X, y, new = distinct()
    check(KNeighborsClassifier(algorithm="kd_tree"), X * 1e200, y, new * 1e200, {"n_neighbors": (1, 5)})
    check(KNeighborsRegressor(algorithm="kd_tree"), X * 1e200, y, new * 1e200, {"n_neighbors": (1, 5)})


def test_sparse_rows():
    """Sparse rows are searched by brute force, and asked again all together."""
    X, y, new = tied(seed=12)
    check(KNeighborsClassifier(), sparse.csr_array(X), y, sparse.csr_array(new))
    check(KNeighborsRegressor(p=1), sparse.csr_array(X), y * 0.1, sparse.csr_array(new))


def test_groups_agree_in_all_but_the_axes():
    """The number of neighbours and the weights may differ, nothing else."""
    token = RULE.group(CLASSIFIER, KNeighborsClassifier().get_params())
    assert token == RULE.group(CLASSIFIER, KNeighborsClassifier(9, weights="distance").get_params())
    for other in ({"leaf_size": 9}, {"p": 1}, {"metric": "chebyshev"}, {"algorithm": "brute"}):
        assert token != RULE.group(CLASSIFIER, KNeighborsClassifier(**other).get_params())
    assert token != RULE.group(REGRESSOR, KNeighborsRegressor().get_params())


def test_a_group_costs_little_more_than_its_largest():
    """Sharing pays from the second fit on."""
    members = [KNeighborsClassifier(k).get_params() for k in (1, 2)]
    assert 1.0 < RULE.cost_seconds(CLASSIFIER, members, [1.0, 1.0], SIZE) < 1.2
