"""
Names of metrics: which exist, which are standard, and what a larger value means.

A metric is one of manyfit's own names below, or any name of scikit-learn's scorers. Own names are those
of scikit-learn where the meaning is the same; errors and losses have their bare names and are positive.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import Problem

FROM_MATRIX: tuple[str, ...] = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
)
"""Classification metrics that a confusion matrix determines."""

FROM_SCORES: tuple[str, ...] = ("roc_auc", "roc_auc_ovr", "average_precision", "log_loss")
"""Classification metrics that need probabilities or decision values."""

FROM_FLAGS: tuple[str, ...] = ("flagged",)
"""
Metrics of two classes that need no labels: `flagged` is the share of rows predicted to be of the second class.

It is larger or smaller, not better or worse.
"""

FROM_CATEGORIES: tuple[str, ...] = (
    "category_accuracy",
    "category_precision",
    "category_recall",
    "category_specificity",
    "category_f1",
)
"""
Metrics of the coarser view that `data.categories` gives.

With two categories (or one and the rest) the first that is declared is the positive one; with more,
precision, recall, specificity and F1 are unweighted means over the categories.
"""

FROM_VALUES: tuple[str, ...] = ("r2", "mae", "mse", "rmse", "mape", "median_ae", "max_error", "explained_variance")
"""Regression metrics."""

_SMALLER_IS_BETTER = frozenset({"log_loss", "mae", "mse", "rmse", "mape", "median_ae", "max_error"})

_OF_TWO_CLASSES: Mapping[str, str] = {
    "roc_auc": "roc_auc_ovr",
    "f1": "f1_macro",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "jaccard": "jaccard_macro",
    "flagged": "recall_macro",
}
"""Metrics of two classes, with what is meant by them for more."""

_REGRESSION_SCORERS = frozenset(
    {
        "d2_absolute_error_score",
        "neg_max_error",
        "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_gamma_deviance",
        "neg_mean_poisson_deviance",
        "neg_mean_squared_error",
        "neg_mean_squared_log_error",
        "neg_median_absolute_error",
        "neg_root_mean_squared_error",
        "neg_root_mean_squared_log_error",
    }
)

_OWN: Mapping[Problem, frozenset[str]] = {
    Problem.CLASSIFICATION: frozenset((*FROM_MATRIX, *FROM_SCORES, *FROM_FLAGS, *FROM_CATEGORIES)),
    Problem.REGRESSION: frozenset(FROM_VALUES),
}


def standard_metrics(problem: Problem, n_classes: int, categories: bool) -> tuple[str, ...]:
    """Return the metrics that are computed when a sweep names none."""
    if problem is Problem.REGRESSION:
        return FROM_VALUES
    ranking = "roc_auc" if n_classes == 2 else "roc_auc_ovr"
    standard = (*FROM_MATRIX, ranking, "average_precision", "log_loss")
    return (*standard, *FROM_CATEGORIES) if categories else standard


def anomaly_metrics(*, labelled: bool) -> tuple[str, ...]:
    """Return the metrics of an anomaly problem that names none, the one that ranks first."""
    flagged = FROM_FLAGS
    return ("average_precision", "roc_auc", "precision", "recall", "f1", *flagged) if labelled else flagged


def default_rank(problem: Problem) -> str:
    """Return the metric that candidates are ranked by when a sweep names none."""
    return "f1_macro" if problem is Problem.CLASSIFICATION else "r2"


def known(name: str) -> bool:
    """Whether *name* is a metric at all, for whichever problem."""
    return name in _own_names() or name in _scorer_names()


def greater_is_better(name: str) -> bool:
    """Whether a larger value of the metric is better; true of every scorer of scikit-learn."""
    return name not in _SMALLER_IS_BETTER


def check(names: Sequence[str], problem: Problem) -> list[str]:
    """Return what is wrong with these metrics for this problem, one message for each wrong name."""
    return [message for message in (_mistake(name, problem) for name in names) if message]


def undefined(name: str, n_classes: int) -> str:
    """Return that the metric has no value for this many classes, and which one has; "" where it has one."""
    if n_classes <= 2 or name not in _OF_TWO_CLASSES:
        return ""
    return f'"{name}" has no value for {n_classes} classes; write "{_OF_TWO_CLASSES[name]}"'


def _mistake(name: str, problem: Problem) -> str:
    if not known(name):
        return f'no metric "{name}"{did_you_mean(name, _own_names() | _scorer_names())}'
    if name in _suited(problem):
        return ""
    example = default_rank(problem)
    return f'"{name}" is no metric of a {problem.value}; metrics like "{example}" are'


def _suited(problem: Problem) -> frozenset[str]:
    if problem is Problem.REGRESSION:
        return _OWN[problem] | _REGRESSION_SCORERS
    return _OWN[Problem.CLASSIFICATION] | (_scorer_names() - _REGRESSION_SCORERS - _OWN[Problem.REGRESSION])


def _own_names() -> frozenset[str]:
    return _OWN[Problem.CLASSIFICATION] | _OWN[Problem.REGRESSION]


@cache
def _scorer_names() -> frozenset[str]:
    from sklearn.metrics import get_scorer_names

    return frozenset(get_scorer_names())
