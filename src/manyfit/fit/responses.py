"""What a fitted estimator answers for one set of rows, asked at most once for each kind of answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from manyfit.contracts.fusion import Block, Source

METHODS = ("predict", "predict_proba", "decision_function")

_PREDICTS_LARGEST_PROBABILITY = frozenset(
    {
        "RandomForestClassifier",
        "ExtraTreesClassifier",
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
        "BaggingClassifier",
    }
)
"""Classes of scikit-learn whose predict is the argmax of their predict_proba, by their source."""


class Responses:
    """
    The answers of one fitted estimator for the rows of one set.

    `predict`, `proba` and `decision` are computed on first use; `proba` and `decision` are None where the
    estimator has no such method, with one column for each of the *n_classes* codes otherwise (a class
    that was missing from training has probability 0). Binary decision values are one-dimensional.
    """

    def __init__(self, estimator: Any, X: Any, n_classes: int) -> None:
        self._estimator = estimator
        self._X = X
        self._n_classes = n_classes
        self._raw: dict[str, Any] = {}

    @property
    def rows(self) -> Any:
        """The rows as the estimator sees them; None for answers that come from elsewhere."""
        return self._X

    def raw(self, method: str) -> Any:
        """Return what the estimator itself answers, or None when it has no such method."""
        if method not in self._raw:
            self._raw[method] = self._ask(method)
        return self._raw[method]

    def _ask(self, method: str) -> Any:
        if method == "predict" and _argmax_is_exact(self._estimator) and self._n_classes:
            proba = self.raw("predict_proba")
            return self._estimator.classes_.take(np.argmax(proba, axis=1), axis=0)
        bound = getattr(self._estimator, method, None)
        return None if bound is None else bound(self._X)

    @property
    def classes(self) -> Any:
        """The attribute `classes_` of the fitted estimator, None where it has none."""
        return self._classes()

    @property
    def predicted(self) -> NDArray[Any]:
        """
        Return the predictions as one value for each row; those of a classifier are class codes.

        Raises ValueError for anything else, which would give scores that mean nothing.
        """
        values = np.asarray(self.raw("predict"))
        if values.ndim == 2 and values.shape[1] == 1:
            values = values.ravel()
        if self._n_classes and not _are_codes(values, self._n_classes):
            wanted = f"class codes from 0 to {self._n_classes - 1}, as they were given to fit, are wanted"
            raise ValueError(f"predict returned {_shown(values)}; {wanted}")
        return values

    @property
    def proba(self) -> NDArray[np.floating] | None:
        raw = self.raw("predict_proba")
        if raw is None:
            return None
        values = np.asarray(raw)
        return values if values.shape[1] == self._n_classes else self._spread(values)

    @property
    def decision(self) -> NDArray[np.floating] | None:
        raw = self.raw("decision_function")
        if raw is None:
            return None
        values = np.asarray(raw)
        columns = 1 if values.ndim == 1 else values.shape[1]
        return values if columns == (1 if self._n_classes == 2 else self._n_classes) else None

    def _spread(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        out = np.zeros((len(values), self._n_classes), dtype=values.dtype)
        out[:, np.asarray(self._classes(), dtype=np.int64)] = values
        return out

    def _classes(self) -> Any:
        return getattr(self._estimator, "classes_", None)

    def _methods(self) -> tuple[str, ...]:
        return tuple(name for name in METHODS if hasattr(self._estimator, name))

    def scored_by(self) -> BaseEstimator:
        """Return a stand-in for the estimator that any scorer of scikit-learn can be applied to."""
        return Answering(
            answer=self.raw,
            classes=self._classes(),
            tags=self._estimator.__sklearn_tags__(),
            methods=self._methods(),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all answers that there are, by method name."""
        named = {"predict": self.predicted, "predict_proba": self.proba, "decision_function": self.decision}
        return {name: values for name, values in named.items() if values is not None}


class FusedResponses(Responses):
    """
    What a fusion rule answers for the set *name*; *estimator* is the unfitted one that it answers for.

    To be asked before the rule's next fit is requested.
    """

    def __init__(self, source: Source, name: str, estimator: Any, n_classes: int) -> None:
        super().__init__(estimator, None, n_classes)
        self._source = source
        self._name = name

    def _ask(self, method: str) -> Any:
        return self._source.answer(self._name, method) if method in self._source.methods else None

    def _classes(self) -> Any:
        return self._source.classes

    def _methods(self) -> tuple[str, ...]:
        return tuple(self._source.methods)


class BlockResponses:
    """
    What the fits of a block answer for the set *name*, with the fits along the first axis.

    *estimators* are the unfitted ones that it answers for. To be asked before the rule's next fit is requested.
    """

    def __init__(self, block: Block, name: str, estimators: Sequence[Any], n_classes: int) -> None:
        self._block = block
        self._name = name
        self._estimators = estimators
        self._n_classes = n_classes
        self._raw: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._estimators)

    @property
    def classes(self) -> Any:
        """The classes that all fits have learned, None for a regression."""
        return self._block.classes

    def raw(self, method: str) -> Any:
        """Return what the estimators answer, or None when they have no such method."""
        if method not in self._raw:
            answer = self._block.answers.get(method)
            self._raw[method] = None if answer is None else answer(self._name)
        return self._raw[method]

    def one(self, place: int) -> Responses:
        """Return the answers of the fit at a place in the block."""
        source = self._block.source(place)
        return FusedResponses(source, self._name, self._estimators[place], self._n_classes)


class KeptResponses(Responses):
    """Answers that were kept earlier, by method name."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], n_classes: int) -> None:
        super().__init__(None, None, n_classes)
        self._raw = {name: arrays.get(name) for name in METHODS}

    def scored_by(self) -> BaseEstimator:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        like = DummyClassifier() if self._n_classes else DummyRegressor()
        return Answering(
            answer=self.raw,
            classes=np.arange(self._n_classes) if self._n_classes else None,
            tags=like.__sklearn_tags__(),
            methods=tuple(name for name in METHODS if self._raw[name] is not None),
        )


class Answering(BaseEstimator):  # type: ignore[misc]
    """Looks like a fitted estimator to a scorer; its methods ignore the rows and return what is known."""

    def __init__(self, answer: Any, classes: Any, tags: Any, methods: tuple[str, ...]) -> None:
        self.answer = answer
        self.classes = classes
        self.tags = tags
        self.methods = methods
        if classes is not None:
            self.classes_ = classes

    def __sklearn_tags__(self) -> Any:
        return self.tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS or name not in self.__dict__.get("methods", ()):
            raise AttributeError(name)

        def method(X: Any) -> Any:
            return self.answer(name)

        method.__name__ = name
        return method


def _are_codes(values: NDArray[Any], n_classes: int) -> bool:
    if values.dtype.kind not in "buif":
        return False
    whole = values.dtype.kind != "f" or bool((values == np.floor(values)).all())
    return whole and bool(((values >= 0) & (values < n_classes)).all())


def _shown(values: NDArray[Any]) -> str:
    examples = ", ".join(map(repr, values.ravel()[:3].tolist()))
    return f"values such as {examples}" if values.ndim else f"{values.item()!r}"


def _argmax_is_exact(estimator: Any) -> bool:
    cls = type(estimator)
    return cls.__module__.startswith("sklearn.") and cls.__name__ in _PREDICTS_LARGEST_PROBABILITY
