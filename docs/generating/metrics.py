"""The page about metrics, from `manyfit.fit.metrics`."""

from collections.abc import Mapping

from generating.markdown import code, listed, page, table, under
from manyfit.fit import metrics
from manyfit.model.sweep import Problem

MEANINGS: Mapping[str, str] = {
    "accuracy": "share of rows that are predicted right",
    "balanced_accuracy": "mean recall over the classes that occur",
    "precision_macro": "precision, unweighted mean over classes",
    "recall_macro": "recall, unweighted mean over classes",
    "f1_macro": "F1, unweighted mean over classes",
    "precision_weighted": "precision, mean weighted by the rows of each class",
    "recall_weighted": "recall, mean weighted by the rows of each class",
    "f1_weighted": "F1, mean weighted by the rows of each class",
    "roc_auc": "area under the ROC curve; two classes",
    "roc_auc_ovr": "area under the ROC curve, one class versus the rest, unweighted mean",
    "average_precision": "area under the precision-recall curve; with more classes one versus the rest, mean",
    "log_loss": "negative mean log-probability of the right class; needs probabilities",
    "flagged": "share of rows predicted to be of the second class, such as anomalies; neither better nor worse",
    "category_accuracy": "share of rows in the right category",
    "category_precision": "precision of the positive category",
    "category_recall": "recall (sensitivity) of the positive category",
    "category_specificity": "recall of all that is not the positive category",
    "category_f1": "F1 of the positive category",
    "r2": "share of variance explained; can be negative",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "rmse": "square root of the mean squared error",
    "mape": "mean absolute error relative to the true value",
    "median_ae": "median absolute error",
    "max_error": "largest absolute error",
    "explained_variance": "share of variance explained, without the bias",
}

GROUPS = (
    ("Classification: from predicted classes", metrics.FROM_MATRIX),
    ("Classification: from probabilities or decision values", metrics.FROM_SCORES),
    ("Classification: two classes, no labels needed", metrics.FROM_FLAGS),
    ("Classification: the coarser view of `[data.categories]`", metrics.FROM_CATEGORIES),
    ("Regression", metrics.FROM_VALUES),
)


def text() -> str:
    """Return the page. Raises ValueError when a metric has no description, or a description no metric."""
    own = [name for _, names in GROUPS for name in names]
    if sorted(own) != sorted(MEANINGS):
        raise ValueError(f"docs/generating/metrics.py lacks or invents: {sorted(set(own) ^ set(MEANINGS))}")
    parts = [
        f"## {title}\n\n{table(('metric', 'meaning', 'better'), map(_row, names))}" for title, names in GROUPS
    ]
    return page("Metrics", _INTRODUCTION, _standard(), *parts, _VIEW, _scorers())


def _row(name: str) -> tuple[str, str, str]:
    return code(name), MEANINGS[name], _better(name)


def _better(name: str) -> str:
    if name in metrics.FROM_FLAGS:
        return "-"
    return "larger" if metrics.greater_is_better(name) else "smaller"


_READ = (Problem.CLASSIFICATION, Problem.REGRESSION)
"""What data are read as, whatever is declared."""


def _standard() -> str:
    rows = [
        (
            title,
            code(metrics.default_rank(problem)),
            listed(metrics.standard_metrics(problem, n, categories=False)),
        )
        for title, problem, n in (
            ("two classes", Problem.CLASSIFICATION, 2),
            ("more classes", Problem.CLASSIFICATION, 3),
            ("numbers", Problem.REGRESSION, 0),
        )
    ]
    for title, labelled in (("anomalies, with labels", True), ("anomalies, no labels", False)):
        names = metrics.anomaly_metrics(labelled=labelled)
        rows.append((title, code(names[0]), listed(names)))
    shown = table(("target", "ranks by", "metrics"), rows)
    return under("Standard metrics", "Without `metrics` in the sweep file these are computed:", shown)


def _scorers() -> str:
    from sklearn.metrics import get_scorer_names

    own = set(MEANINGS)
    others = [name for name in sorted(get_scorer_names()) if name not in own]
    suited = {problem: [name for name in others if not metrics.check([name], problem)] for problem in _READ}
    rows = [(problem.value, listed(names)) for problem, names in suited.items()]
    return under("Scorers of scikit-learn", _SCORERS, table(("problem", "names"), rows))


_INTRODUCTION = """
A metric is one of the names below, or the name of any scorer of scikit-learn. Each is computed on every set
of a task: `cv` (held-out rows of a fold), `validate`, `test` and other evaluation sets, and `train`. An
estimator answers once for each set, and all metrics use that answer.

A metric that is not defined on a set (a class is missing, the estimator gives no probabilities) is empty in
tables and null in JSON. It is never a zero and never a number made up.
"""

_VIEW = """
With two categories, or one category and the rest, the first that is declared is the positive one. With more,
the precision, recall, specificity and F1 are unweighted means over the categories.
"""

_SCORERS = """
These names are scikit-learn's own, with its signs: `neg_mean_absolute_error` is the negative of `mae`. For
all of them larger is better. They cost one more call for each set and metric.
"""
