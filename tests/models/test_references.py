"""Distances to references: against scipy and a plain table of warping, and chosen whatever the order of rows."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from tests.families.libraries import needs
from tests.models.padded import padded, rows_of, waves

from manyfit.model.errors import MissingExtra
from manyfit.models.signals.references import ReferenceDistances

SCIPY = {"l1": "cityblock", "l2": "euclidean", "cosine": "cosine", "correlation": "correlation"}
SHIFT = 10_000


def table(n=60, width=30, n_classes=3, seed=0):
    """Rows of three kinds of waves with noise, and their classes."""
    draw = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    return np.sin(np.arange(width) * (y[:, None] + 1) / 5) + 0.4 * draw.normal(size=(n, width)), y


def plain_dtw(a, b, window):
    """The distance by the table of all cells, O(n^2), one cell after the other."""
    a, b = np.atleast_2d(a.T).T, np.atleast_2d(b.T).T
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            below = max(0, len(a) - len(b)) + (SHIFT if window is None else window)
            above = max(0, len(b) - len(a)) + (SHIFT if window is None else window)
            if -below <= j - i <= above:
                step = ((a[i] - b[j]) ** 2).sum()
                cost[i + 1, j + 1] = step + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
    return np.sqrt(cost[-1, -1])


@pytest.mark.parametrize("metric", SCIPY)
def test_distances_are_scipys(metric):
    """Complete rows: what cdist says of the rows and the references."""
    X, y = table()
    fitted = ReferenceDistances(metric, n_references=2).fit(X, y)
    expected = cdist(X, fitted.references_, SCIPY[metric])
    np.testing.assert_allclose(fitted.transform(X), expected, atol=1e-12)


@pytest.mark.parametrize("metric", SCIPY)
def test_unequal_lengths_are_compared_where_both_are(metric):
    """The common beginning is compared; l1 and l2 are scaled up to the width, as scikit-learn does with gaps."""
    X = waves((40, 25, 31, 40))
    fitted = ReferenceDistances(metric).fit(X, [0, 1, 0, 1])
    rows, references = rows_of(X), rows_of(fitted.references_)
    for found, row in zip(fitted.transform(X), rows, strict=True):
        for got, reference in zip(found, references, strict=True):
            n = min(len(row), len(reference))
            alone = cdist(row[None, :n], reference[None, :n], SCIPY[metric])[0, 0]
            scale = {"l1": 40 / n, "l2": np.sqrt(40 / n)}.get(metric, 1.0)
            assert got == pytest.approx(alone * scale, abs=1e-12)


def test_nothing_is_like_a_constant():
    """Where cosine and correlation have no direction to compare, they are 1."""
    X = padded([0.0, 0.0, 0.0], [0.1, 0.1, 0.1], [1.0, 2.0, 4.0])
    fitted = ReferenceDistances(("cosine", "correlation")).fit(X, ["z", "c", "x"])
    found = fitted.transform(X)
    assert fitted.get_feature_names_out().tolist() == [
        f"{metric}_{label}" for metric in ("cosine", "correlation") for label in "cxz"
    ]
    np.testing.assert_array_equal(found[0], 1.0)
    np.testing.assert_array_equal(found[1, 3:], 1.0)
    np.testing.assert_allclose(np.diag(found[[1, 2]][:, [0, 1]]), 0.0, atol=1e-12)


@needs("dtaidistance")
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 14), min_size=3, max_size=5),
    window=st.none() | st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_warping_is_the_plain_table(lengths, window, seed):
    """Any lengths, any window: the library's distances are those of the O(n^2) table."""
    X = waves(lengths, seed)
    fitted = ReferenceDistances("dtw", window=window).fit(X, np.arange(len(X)) % 2)
    expected = [[plain_dtw(a, b, window) for b in rows_of(fitted.references_)] for a in rows_of(X)]
    np.testing.assert_allclose(fitted.transform(X), expected, atol=1e-9)


@needs("dtaidistance")
@pytest.mark.parametrize("window", [None, 2])
def test_channels_warp_together(window):
    """With several channels a step costs the distance of vectors, one path for all channels."""
    X = np.hstack([waves((12, 9, 12)), waves((12, 9, 12), seed=5)])
    fitted = ReferenceDistances("dtw", n_channels=2, window=window).fit(X, [0, 1, 1])
    vectors = [row.reshape(2, -1)[:, :n].T for row, n in zip(X, (12, 9, 12), strict=True)]
    chosen = [vectors[[row.tobytes() for row in X].index(one.tobytes())] for one in fitted.references_]
    expected = [[plain_dtw(a, b, window) for b in chosen] for a in vectors]
    np.testing.assert_allclose(fitted.transform(X), expected, atol=1e-9)


@needs("dtaidistance")
def test_warping_forgives_a_shift():
    """A late signal is near by warping and far sample by sample."""
    early = np.exp(-((np.arange(60) - 20) ** 2) / 20)
    late, other = np.roll(early, 15), np.sin(np.arange(60))
    fitted = ReferenceDistances(("l2", "dtw")).fit(np.stack([early, other]), [0, 1])
    l2_same, _, dtw_same, dtw_other = fitted.transform(late[None, :])[0]
    assert dtw_same < 0.1 * l2_same
    assert dtw_same < 0.1 * dtw_other


def brute_medoid(X, metric):
    return X[cdist(X, X, SCIPY[metric]).sum(axis=0).argmin()]


@pytest.mark.parametrize("metric", SCIPY)
def test_the_first_reference_is_the_medoid(metric):
    """The row of the class with the least sum of distances to the others."""
    X, y = table()
    fitted = ReferenceDistances("l2", selection_metric=metric, n_references=2).fit(X, y)
    for label in range(3):
        np.testing.assert_array_equal(fitted.references_[2 * label], brute_medoid(X[y == label], metric))
    assert fitted.reference_classes_.tolist() == [0, 0, 1, 1, 2, 2]


def test_further_references():
    """The row farthest from the ones before by "farthest"; by "medoid" the one that helps the class most."""
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [20.0], [90.0], [91.0], [93.0]])
    y = np.zeros(9)
    far = ReferenceDistances("l2", n_references=3, selection="farthest").fit(X, y)
    near = ReferenceDistances("l2", n_references=2).fit(X, y)
    assert far.references_.ravel().tolist() == [4, 93, 20]
    costs = {one: np.abs(X - [4.0, one]).min(axis=1).sum() for one in X.ravel()}
    assert near.references_.ravel().tolist() == [4, min(costs, key=costs.get)]


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(range(24)),
    selection=st.sampled_from(["medoid", "farthest"]),
    cap=st.sampled_from([4, None]),
)
def test_the_order_of_rows_changes_nothing(order, selection, cap):
    """Ties, copies of rows and a limit on the candidates included: the same references, bit for bit."""
    grid = np.array([[a, b, -0.0] for a in range(3) for b in range(4)], dtype=float)
    X, y = np.vstack([grid, grid[:6], grid[:6]]), np.repeat([0, 1], 12)
    given_order = list(order)

    def fit(rows, labels):
        made = ReferenceDistances("l2", n_references=3, selection=selection, max_candidates=cap)
        return made.fit(rows, labels).references_

    np.testing.assert_array_equal(fit(X[given_order], y[given_order]), fit(X, y))


def test_a_class_with_few_rows_gives_what_it_has():
    """Fewer different rows than references: no copies, and the names tell."""
    X = np.array([[0.0, 1], [-0.0, 1], [5, 5], [6, 5], [7, 5]])
    fitted = ReferenceDistances("l1", n_references=3).fit(X, ["a", "a", "b", "b", "b"])
    assert fitted.get_feature_names_out().tolist() == ["l1_a_0", "l1_b_0", "l1_b_1", "l1_b_2"]


def test_a_missing_library_says_what_to_install(monkeypatch):
    """Without dtaidistance, dtw names the extra; the other distances work."""
    monkeypatch.setitem(sys.modules, "dtaidistance", None)
    X, y = table(12)
    with pytest.raises(MissingExtra, match=r"pip install 'manyfit\[signals\]'"):
        ReferenceDistances().fit(X, y)
    assert ReferenceDistances(("l1", "l2")).fit_transform(X, y).shape == (12, 6)


def test_numbers_are_no_classes():
    """A regression target is refused."""
    X, _ = table(12)
    with pytest.raises(ValueError, match="Unknown label type"):
        ReferenceDistances("l1").fit(X, np.linspace(0, 1, 12))
