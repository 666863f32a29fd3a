"""Figures of a verification are those of scikit-learn, on the same answers."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from manyfit.fit.verification import Setting, figures, joined, row_table
from manyfit.model.sweep import DataSpec, Problem

CLASSES = ("a", "b", "c")
DATA = DataSpec(source="", labels={"a": "Anna"}, categories={"arc": ("Anna", "b")})
SETTING = Setting(problem=Problem.CLASSIFICATION, classes=CLASSES, data=DATA, metrics=("f1_macro", "log_loss"))
NUMBERS = Setting(problem=Problem.REGRESSION, classes=(), data=DataSpec(source=""), metrics=("r2",))

pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from("xyz")), min_size=1, max_size=40)


def close(ours, theirs):
    return theirs == pytest.approx(ours) if ours is not None else np.isnan(theirs)


@given(rows=pairs)
def test_shares_by_class_are_those_of_scikit_learn(rows):
    """Precision, recall, F1 and support of each class; a share of nothing has no value."""
    y, predicted, _ = (np.array(part) for part in zip(*rows, strict=True))
    found = figures(SETTING, {"predict": predicted}, y, None)
    report = metrics.precision_recall_fscore_support(y, predicted, labels=[0, 1, 2], zero_division=np.nan)
    for code, row in enumerate(found.classes):
        assert close(row.precision, report[0][code])
        assert close(row.recall, report[1][code])
        assert row.support == report[3][code]
        tn, fp, _, _ = metrics.confusion_matrix(y == code, predicted == code, labels=[False, True]).ravel()
        assert row.specificity == (tn / (tn + fp) if tn + fp else None)
    assert np.array_equal(found.confusion_matrix, metrics.confusion_matrix(y, predicted, labels=[0, 1, 2]))
    assert [row.name for row in found.classes] == ["Anna", "b", "c"]


@given(rows=pairs)
def test_groups_have_their_own_accuracy(rows):
    """Every row counts in one group, and groups stand in the order of their names."""
    y, predicted, groups = (list(part) for part in zip(*rows, strict=True))
    found = figures(SETTING, {"predict": np.array(predicted)}, np.array(y), groups).groups
    assert [row.group for row in found] == sorted(set(groups))
    for row in found:
        mine = [i for i, group in enumerate(groups) if group == row.group]
        assert row.n_rows == len(mine)
        assert row.scores["accuracy"] == pytest.approx(np.mean([y[i] == predicted[i] for i in mine]))


@given(rows=pairs)
def test_the_category_view_is_that_of_the_coarser_problem(rows):
    """Sensitivity, specificity and precision of "arc" are those of a problem with the classes put together."""
    y, predicted, _ = (np.array(part) for part in zip(*rows, strict=True))
    arc, other = figures(SETTING, {"predict": predicted}, y, None).categories
    assert (arc.name, other.name) == ("arc", "other")
    true, said = y < 2, predicted < 2
    for row, positive in ((arc, True), (other, False)):
        assert close(row.recall, metrics.recall_score(true, said, pos_label=positive, zero_division=np.nan))
        assert close(row.precision, metrics.precision_score(true, said, pos_label=positive, zero_division=np.nan))
    assert arc.specificity == other.recall


def test_metrics_of_the_sweep_stand_beside_those_that_are_always_there():
    """Also those that need probabilities."""
    proba = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    y = np.array([0, 1, 0])
    scores = figures(SETTING, {"predict": proba.argmax(axis=1), "predict_proba": proba}, y, None).scores
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(y, proba, labels=[0, 1, 2]))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert set(scores) == {"f1_macro", "log_loss", "accuracy", "balanced_accuracy"}


def test_numbers_have_errors_in_all_and_by_group():
    """MAE, RMSE and R2 of a regression."""
    y, predicted = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.5, 2.0, 3.0, 9.0])
    found = figures(NUMBERS, {"predict": predicted}, y, ["x", "10", "x", None])
    assert found.scores["mae"] == pytest.approx(metrics.mean_absolute_error(y, predicted))
    assert found.scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, predicted))
    assert found.scores["r2"] == pytest.approx(metrics.r2_score(y, predicted))
    assert [row.group for row in found.groups] == ["10", "x", None]
    assert found.groups[1].scores["mae"] == pytest.approx(0.75)
    assert found.classes is found.confusion_matrix is found.categories is None
    table = row_table(NUMBERS, {"predict": predicted}, y)
    assert table["error"].to_list() == pytest.approx([0.5, 0.0, -1.0, 1.0])


def test_numbered_groups_stand_in_their_order():
    """Group 10 comes after group 9."""
    found = figures(NUMBERS, {"predict": np.zeros(3)}, np.ones(3), ["10", "9", "1"])
    assert [row.group for row in found.groups] == ["1", "9", "10"]


def test_rows_show_names_and_how_sure_the_model_is():
    """Classes stand as they are shown, and every one has its column of probabilities."""
    proba = np.array([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]])
    table = row_table(SETTING, {"predict": np.array([0, 1]), "predict_proba": proba}, np.array([0, 2]))
    assert table.to_dict(as_series=False) == {
        "true": ["Anna", "c"],
        "predicted": ["Anna", "b"],
        "confidence": [0.7, 0.5],
        "correct": [True, False],
        "p:Anna": [0.7, 0.25],
        "p:b": [0.2, 0.5],
        "p:c": [0.1, 0.25],
    }
    bare = row_table(SETTING, {"predict": np.array([0])}, np.array([0]))
    assert bare["confidence"].to_list() == [None]
    assert bare.schema["confidence"] == pl.Float64


def test_answers_of_several_fits_are_one_after_the_other():
    """What one of them cannot answer, nobody answers."""
    parts = [{"predict": np.array([1]), "predict_proba": np.ones((1, 2))}, {"predict": np.array([0, 1])}]
    assert {name: values.tolist() for name, values in joined(parts).items()} == {"predict": [1, 0, 1]}
