"""Nearest neighbours: with a scaler of their own, and from few labels."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from manyfit.models.knn import KnnClassifier, KnnRegressor
from manyfit.models.knn_semi import KnnSemiClassifier, row_hashes


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def test_scaling_is_that_of_a_pipeline():
    """With a scaler inside, answers are those of scikit-learn's scaler and neighbours one after the other."""
    X, y = load_wine(return_X_y=True)
    plain = make_pipeline(StandardScaler(), KNeighborsClassifier(7, weights="distance")).fit(X[::2], y[::2])
    own = KnnClassifier(n_neighbors=7, weights="distance", scale="standard").fit(X[::2], y[::2])
    assert np.array_equal(own.predict_proba(X), plain.predict_proba(X))
    assert own.score(X, y) > KnnClassifier(n_neighbors=7).fit(X[::2], y[::2]).score(X, y)
    numbers = make_pipeline(StandardScaler(), KNeighborsRegressor(3)).fit(X[::2], X[::2, 0])
    assert np.array_equal(
        KnnRegressor(n_neighbors=3, scale="standard").fit(X[::2], X[::2, 0]).predict(X), numbers.predict(X)
    )


def test_labels_are_kept_by_row_and_not_by_place(digits):
    """Shuffled rows keep the same labels, and give the same model."""
    X, y = digits
    order = np.random.default_rng(1).permutation(len(X))
    straight, shuffled = KnnSemiClassifier().fit(X, y), KnnSemiClassifier().fit(X[order], y[order])
    assert np.array_equal(straight.labelled_[order], shuffled.labelled_)
    assert straight.n_pseudo_labelled_ == shuffled.n_pseudo_labelled_
    part = KnnSemiClassifier().fit(X[:900], y[:900])
    assert np.array_equal(part.labelled_, straight.labelled_[:900])


def test_the_share_of_labels_is_about_what_was_asked_for(digits):
    """A fifth of the labels is kept, another fifth with another seed, and more include the fewer."""
    X, y = digits
    fifth = KnnSemiClassifier().fit(X, y)
    assert fifth.n_labelled_ == fifth.labelled_.sum()
    assert abs(fifth.labelled_.mean() - 0.2) < 0.03
    other = KnnSemiClassifier(random_state=1).fit(X, y)
    assert abs((fifth.labelled_ & other.labelled_).mean() - 0.04) < 0.02
    half = KnnSemiClassifier(labelled=0.5).fit(X, y)
    assert (half.labelled_ >= fifth.labelled_).all()


def test_hashes_are_the_same_on_every_machine():
    """The numbers of these rows are pinned; the noise of other sums does not change them, a real change does."""
    X = np.array([[0.1, -3.0], [0.2, 1e-9], [0.1, 2.0]])
    expected = [0.5062073781174377, 0.6454659204282649, 0.7242582421953188]
    assert np.allclose(row_hashes(X, 0), expected, rtol=0, atol=1e-12)
    assert np.array_equal(row_hashes(X * (1 + 1e-13), 0), row_hashes(X, 0))
    assert np.array_equal(row_hashes(X[::-1], 0), row_hashes(X, 0)[::-1])
    assert not np.isclose(row_hashes(X + 1e-3, 0), row_hashes(X, 0)).any()
    assert not np.isclose(row_hashes(X, 1), row_hashes(X, 0)).any()


def test_every_class_keeps_a_label():
    """However few labels are kept, the labeler knows every class."""
    X, y = load_wine(return_X_y=True)
    found = KnnSemiClassifier(labelled=0.001).fit(X, y)
    assert set(y[found.labelled_]) == {0, 1, 2}
    assert found.n_labelled_ < 6


def test_the_labeler_alone_is_the_ablation(digits):
    """The labeler is the same in both stages and is all that predicts in one of them."""
    X, y = digits
    full, labeler = KnnSemiClassifier().fit(X, y), KnnSemiClassifier(stage="labeler").fit(X, y)
    plain = KNeighborsClassifier(5).fit(X[full.labelled_], y[full.labelled_])
    assert np.array_equal(labeler.predict(X), plain.predict(X))
    assert np.array_equal(full.labeler_.predict_proba(X), labeler.final_.predict_proba(X))
    assert labeler.n_pseudo_labelled_ == 0
    assert np.isnan(labeler.pseudo_accuracy_)
    assert (full.predict(X) != labeler.predict(X)).any()


def test_confident_rows_join_the_final_model(digits):
    """Three votes of five are enough at 0.6; the final model has the labels and those pseudo-labels."""
    X, y = digits
    found = KnnSemiClassifier(threshold=0.6).fit(X, y)
    votes = found.labeler_.predict_proba(X[~found.labelled_]).max(axis=1)
    assert ((votes > 0.59) & (votes < 0.61)).any()
    assert found.n_pseudo_labelled_ == (votes >= 0.6).sum()
    assert found.final_.n_samples_fit_ == found.n_labelled_ + found.n_pseudo_labelled_
    guessed = found.labeler_.predict(X[~found.labelled_])[votes >= 0.6]
    assert found.pseudo_accuracy_ == pytest.approx((guessed == y[~found.labelled_][votes >= 0.6]).mean())
    sure = KnnSemiClassifier(threshold=1.0).fit(X, y)
    assert sure.n_pseudo_labelled_ == (votes >= 1.0).sum() < found.n_pseudo_labelled_


def test_all_labels_leave_nothing_to_guess(digits):
    """With all labels it is the nearest neighbours, as they are."""
    X, y = digits
    found = KnnSemiClassifier(labelled=1.0).fit(X, y)
    assert (found.n_labelled_, found.n_pseudo_labelled_) == (len(X), 0)
    assert np.array_equal(found.predict(X), KNeighborsClassifier(5).fit(X, y).predict(X))
