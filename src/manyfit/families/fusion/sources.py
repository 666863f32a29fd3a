"""Where the answers of a fused fit come from: a fitted estimator, arrays, or a function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

METHODS = ("predict", "predict_proba", "decision_function")


def classes_of(estimator: Any) -> Any:
    """Return the classes of a fitted classifier, None for a regressor."""
    return getattr(estimator, "classes_", None)


def methods_of(estimator: Any) -> Sequence[str]:
    """Return which of `METHODS` a fitted estimator has."""
    return tuple(name for name in METHODS if hasattr(estimator, name))


@dataclass(frozen=True, slots=True)
class FittedSource:
    """
    The answers of an estimator that was fitted, or put together, as scikit-learn would have.

    Its methods are called with `keywords`: where to stop, for libraries that can answer from the first rounds.
    """

    estimator: Any
    sets: Mapping[str, Any]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> Any:
        return classes_of(self.estimator)

    @property
    def methods(self) -> Sequence[str]:
        return methods_of(self.estimator)

    def answer(self, name: str, method: str) -> Any:
        return getattr(self.estimator, method)(self.sets[name], **self.keywords)


@dataclass(frozen=True, slots=True)
class ComputedSource:
    """
    Answers that functions compute from the name of a set, one function for each method that there is.

    `predict` from probabilities or decision values is up to the rule.
    """

    functions: Mapping[str, Callable[[str], Any]]
    classes: Any = None
    _known: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def methods(self) -> Sequence[str]:
        return tuple(name for name in METHODS if name in self.functions)

    def answer(self, name: str, method: str) -> Any:
        key = (name, method)
        if key not in self._known:
            self._known[key] = self.functions[method](name)
        return self._known[key]


def predicted_by_largest(classes: Any, values: Any) -> Any:
    """Return the class with the largest value of each row (n rows, one column a class)."""
    return classes.take(np.argmax(values, axis=1), axis=0)
