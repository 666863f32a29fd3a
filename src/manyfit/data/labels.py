"""Names and categories of classes, held against the classes that there are."""

from collections.abc import Sequence

from manyfit.data.findings import Findings, some
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import DataSpec, Problem


def check_labels(data: DataSpec, problem: Problem, classes: Sequence[str], findings: Findings) -> None:
    """Check that named and categorised classes exist; a category may use the shown names."""
    if problem is Problem.REGRESSION:
        for key in ("labels", "categories"):
            if getattr(data, key):
                findings.mistake(f"data.{key}", "names classes, and the target is a regression")
        return
    for label in data.labels:
        if label not in classes:
            findings.mistake(f"data.labels.{label}", _no_class(label, classes))
    known = {*classes, *data.labels.values()}
    for category, labels in data.categories.items():
        for i, label in enumerate(labels):
            if label not in known:
                findings.mistake(f"data.categories.{category}[{i}]", _no_class(label, sorted(known)))


def _no_class(label: str, classes: Sequence[str]) -> str:
    near = did_you_mean(label, classes) or f"; classes: {some(classes, 6)}"
    return f'the target has no class "{label}"{near}'
