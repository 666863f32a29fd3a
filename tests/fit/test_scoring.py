"""Metrics equal those of scikit-learn, and are None where they are not defined."""

import itertools
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from manyfit.fit import metrics
from manyfit.fit.confusion import category_scores, confusion_matrix, matrix_scores
from manyfit.fit.curves import binary_areas, log_loss, ovr_areas
from manyfit.fit.responses import KeptResponses, Responses
from manyfit.fit.scoring import Scoring, category_view
from manyfit.model.sweep import DataSpec, Problem


def labels(seed, n_classes, n=40):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_classes, n), rng.integers(0, n_classes, n)


@pytest.mark.parametrize(("seed", "n_classes", "n"), [*itertools.product(range(5), (2, 3, 7), (5, 60))])
def test_metrics_of_a_matrix_equal_scikit_learn(seed, n_classes, n):
    """Every metric from the confusion matrix is scikit-learn's, also when classes are missing."""
    y, predicted = labels(seed, n_classes, n)
    found = matrix_scores(confusion_matrix(y, predicted, n_classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": sk.accuracy_score(y, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        }
        for average in ("macro", "weighted"):
            values = sk.precision_recall_fscore_support(y, predicted, average=average)
            for name, value in zip(("precision", "recall", "f1"), values, strict=False):
                expected[f"{name}_{average}"] = value
    assert set(found) == set(metrics.FROM_MATRIX) == set(expected)
    assert found == pytest.approx(expected, rel=1e-15, abs=0)


@pytest.mark.parametrize(("seed", "ties"), [*itertools.product(range(6), (False, True))])
def test_areas_equal_scikit_learn(seed, ties):
    """Areas under both curves are scikit-learn's, with and without equal scores."""
    rng = np.random.default_rng(seed)
    y, scores = rng.integers(0, 2, 80), rng.normal(size=80)
    scores = np.rint(2 * scores) if ties else scores
    roc, precision = binary_areas(y == 1, scores)
    assert roc == pytest.approx(sk.roc_auc_score(y, scores), rel=1e-14)
    assert precision == pytest.approx(sk.average_precision_score(y, scores), rel=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_one_against_the_rest_equals_scikit_learn(seed):
    """With more classes the areas are the means over the classes; log loss is clipped alike."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 90)
    proba = rng.dirichlet(np.ones(4) * 0.3, size=90)
    proba[:5] = np.eye(4)[rng.integers(0, 4, 5)]
    roc, precision = ovr_areas(y, proba)
    assert roc == pytest.approx(sk.roc_auc_score(y, proba, multi_class="ovr"), rel=1e-14)
    assert precision == pytest.approx(sk.average_precision_score(y, proba), rel=1e-14)
    assert log_loss(y, proba) == pytest.approx(sk.log_loss(y, proba), rel=1e-14)


def test_undefined_values_are_none():
    """One class in a set, no rows, no probabilities: None, never an error."""
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    fitted = LinearSVC().fit(X, y)
    scores, _ = Scoring((), Problem.CLASSIFICATION, 2, None).score(Responses(fitted, X[:1], 2), y[:1])
    assert scores["roc_auc"] is None
    assert scores["log_loss"] is None
    assert scores["accuracy"] is not None
    empty = matrix_scores(np.zeros((2, 2), dtype=np.int64))
    assert set(empty.values()) == {None}


class Counting(LogisticRegression):
    """Counts how often it is asked."""

    asked = 0

    def predict_proba(self, X):
        type(self).asked += 1
        return super().predict_proba(X)

    def decision_function(self, X):
        return super().decision_function(X)


def test_each_answer_is_computed_once():
    """Any number of metrics that need probabilities asks for them once."""
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    fitted = Counting().fit(X, y)
    names = ("roc_auc_ovr", "roc_auc_ovr_weighted", "log_loss", "neg_log_loss", "top_k_accuracy", "f1_micro")
    scores, _ = Scoring(names, Problem.CLASSIFICATION, 3, None).score(Responses(fitted, X, 3), y)
    assert Counting.asked == 1
    assert None not in scores.values()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_any_scorer_equals_scikit_learn(n_classes):
    """Every scorer of scikit-learn gives through cached answers what it gives on the estimator."""
    X, y = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90) % n_classes
    fitted = LogisticRegression().fit(X, y)
    names = [name for name in sk.get_scorer_names() if not metrics.check([name], Problem.CLASSIFICATION)]
    found, _ = Scoring(names, Problem.CLASSIFICATION, n_classes, None).score(Responses(fitted, X, n_classes), y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            try:
                expected = sk.get_scorer(name)(fitted, X, y)
            except ValueError:
                assert found[name] is None
            else:
                assert found[name] == pytest.approx(expected, rel=1e-13, abs=1e-15), name


def test_regression_equals_scikit_learn():
    """Own names and scikit-learn's scorers agree for a regression."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    fitted = Ridge().fit(X, y)
    names = (*metrics.FROM_VALUES, "neg_mean_absolute_error", "neg_root_mean_squared_error", "neg_max_error")
    found, details = Scoring(names, Problem.REGRESSION, 0, None).score(Responses(fitted, X, 0), y)
    predicted = fitted.predict(X)
    assert details == {}
    assert found["mape"] == pytest.approx(sk.mean_absolute_percentage_error(y, predicted))
    assert found["r2"] == sk.r2_score(y, predicted)
    assert found["explained_variance"] == sk.explained_variance_score(y, predicted)
    assert found["median_ae"] == sk.median_absolute_error(y, predicted)
    assert found["mse"] == sk.mean_squared_error(y, predicted)
    assert found["mae"] == -found["neg_mean_absolute_error"]
    assert found["rmse"] == -found["neg_root_mean_squared_error"]
    assert found["max_error"] == -found["neg_max_error"]


class Saying:
    """Predicts what it was told to."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, X):
        return self.answer


@pytest.mark.parametrize(
    "answer", [[0, 1, -1], [0, 1, 3], [0.2, 1.0, 2.0], [0.0, 1.0, np.nan], ["0", "1", "2"], [0, 1], None]
)
def test_predictions_that_are_no_class_codes_are_refused(answer):
    """A wrong code would count in another cell of the confusion matrix: no score is made up from it."""
    answer = None if answer is None else np.array(answer)
    with pytest.raises(ValueError, match="predict returned"):
        Scoring(("accuracy",), Problem.CLASSIFICATION, 3, None).score(
            Responses(Saying(answer), None, 3), np.array([0, 1, 2])
        )


def test_predictions_in_one_column_are_those_of_the_rows():
    """A regressor or classifier that returns a column is scored row by row, not every row against every row."""
    y = np.array([1.0, 2.0, 4.0])
    found, _ = Scoring(("mae", "r2"), Problem.REGRESSION, 0, None).score(Responses(Saying(y[:, None]), None, 0), y)
    assert found == {"mae": 0.0, "r2": 1.0}
    codes = np.array([0, 1, 1])
    found, _ = Scoring(("accuracy",), Problem.CLASSIFICATION, 2, None).score(
        Responses(Saying(codes[:, None]), None, 2), codes
    )
    assert found == {"accuracy": 1.0}


def test_a_class_missing_from_training_has_probability_zero():
    """Probabilities always have a column for each class of the data."""
    X = np.random.default_rng(0).normal(size=(40, 2))
    fitted = LogisticRegression().fit(X, np.where(np.arange(40) % 2, 3, 0))
    proba = Responses(fitted, X, 4).proba
    assert proba.shape == (40, 4)
    assert not proba[:, [1, 2]].any()


def test_two_categories_have_a_positive_one():
    """The first declared category is positive: sensitivity, specificity, precision and F1 are of it."""
    data = DataSpec(source="m", labels={"2": "big"}, categories={"arc": ("1", "big"), "none": ("0",)})
    view = category_view(data, ("0", "1", "2"))
    y, predicted = labels(3, 3)
    found = category_scores(view.collapse(confusion_matrix(y, predicted, 3)))
    truth, guess = y > 0, predicted > 0
    assert view.names == ("arc", "none")
    assert found["category_recall"] == pytest.approx(sk.recall_score(truth, guess))
    assert found["category_specificity"] == pytest.approx(sk.recall_score(~truth, ~guess))
    assert found["category_precision"] == pytest.approx(sk.precision_score(truth, guess))
    assert found["category_f1"] == pytest.approx(sk.f1_score(truth, guess))
    assert found["category_accuracy"] == pytest.approx(np.mean(truth == guess))


def test_classes_in_no_category_are_the_others():
    """One declared category is seen against the rest."""
    view = category_view(DataSpec(source="m", categories={"arc": ("b",)}), ("a", "b", "c"))
    assert view.names == ("arc", "other")
    assert view.of_class == (1, 0, 1)


def test_kept_answers_give_equal_scores():
    """Scores from kept arrays are those from the estimator, whichever metric."""
    X, y = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90) % 3
    responses = Responses(LogisticRegression().fit(X, y), X, 3)
    scoring = Scoring(
        ("f1_macro", "roc_auc_ovr", "roc_auc_ovo", "neg_log_loss", "f1_micro"), Problem.CLASSIFICATION, 3, None
    )
    assert scoring.score(responses, y) == scoring.score(KeptResponses(responses.arrays(), 3), y)


def test_names_are_checked():
    """Unknown names get a near one, names of the other problem are refused, and all are reported."""
    found = metrics.check(("f1_macr", "r2", "accuracy", "neg_log_loss"), Problem.CLASSIFICATION)
    assert found == [
        'no metric "f1_macr"; did you mean "f1_macro"?',
        '"r2" is no metric of a classification; metrics like "f1_macro" are',
    ]
    assert metrics.check(("r2", "neg_mean_squared_error", "mae"), Problem.REGRESSION) == []
    assert len(metrics.check(("accuracy", "neg_log_loss"), Problem.REGRESSION)) == 2


def test_what_is_better():
    """Losses and errors under their bare names are better when smaller; scorers never are."""
    assert not metrics.greater_is_better("log_loss")
    assert not metrics.greater_is_better("rmse")
    assert metrics.greater_is_better("neg_log_loss")
    assert metrics.greater_is_better("r2")
    assert all(metrics.known(metrics.default_rank(problem)) for problem in Problem)


@pytest.mark.parametrize(
    ("problem", "n_classes"), [(Problem.CLASSIFICATION, 2), (Problem.CLASSIFICATION, 5), (Problem.REGRESSION, 0)]
)
def test_standard_metrics_suit_their_problem(problem, n_classes):
    """The metrics of a sweep that names none are known and fit the problem."""
    names = metrics.standard_metrics(problem, n_classes, categories=n_classes > 0)
    assert metrics.check(names, problem) == []
    assert metrics.default_rank(problem) in names
