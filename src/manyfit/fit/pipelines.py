"""Building the estimators of a candidate, and fitting them one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline

from manyfit.families.estimators import SklearnCatalog
from manyfit.model.candidate import Step
from manyfit.model.errors import UserError


@dataclass(slots=True, kw_only=True)
class Chain:
    """
    The estimators of one candidate, by step name; the last one predicts.

    Fits and transforms exactly as `sklearn.pipeline.Pipeline` does, but hands out the transformed rows, so
    that they are computed once for all answers of the last step.
    """

    steps: list[tuple[str, Any]]

    @property
    def final(self) -> Any:
        return self.steps[-1][1]

    def fit(self, X: Any, y: Any) -> None:
        """Fit all steps on the training rows."""
        self.final.fit(self.fit_transform(X, y), y)

    def fit_transform(self, X: Any, y: Any) -> Any:
        """Fit all steps but the last, and return the training rows as the last step sees them."""
        for _, step in self.steps[:-1]:
            X = step.fit_transform(X, y) if hasattr(step, "fit_transform") else step.fit(X, y).transform(X)
        return X

    def transform(self, X: Any) -> Any:
        """Return the rows as the last step sees them."""
        for _, step in self.steps[:-1]:
            X = step.transform(X)
        return X

    def estimator(self) -> Any:
        """Return one estimator: the pipeline, or the only step itself."""
        return self.final if len(self.steps) == 1 else Pipeline(self.steps)


def build(catalog: SklearnCatalog, steps: Sequence[Step], seed: int, classes: Sequence[str]) -> Chain:
    """
    Return unfitted estimators with every `random_state` that is unset or None set to *seed*.

    Estimators are fitted on class codes, so a `class_weight` by class text is translated here.
    """
    return Chain(steps=[(step.name, _make(catalog, step, seed, classes)) for step in steps])


def _make(catalog: SklearnCatalog, step: Step, seed: int, classes: Sequence[str]) -> Any:
    params = dict(step.params)
    weights = params.get("class_weight")
    if isinstance(weights, Mapping):
        params["class_weight"] = _by_code(weights, classes)
    estimator = catalog.make(step.use, params)
    set_seed(estimator, params, seed)
    return estimator


def _by_code(weights: Mapping[str, Any], classes: Sequence[str]) -> dict[int, Any]:
    codes = {text: code for code, text in enumerate(classes)}
    unknown = [str(name) for name in weights if str(name) not in codes]
    if unknown:
        raise UserError(f"class_weight names {', '.join(unknown)}; the classes are {', '.join(classes)}")
    return {codes[str(name)]: weight for name, weight in weights.items()}


def set_seed(estimator: Any, params: Mapping[str, Any], seed: int) -> None:
    """Set every `random_state` that the user left unset, also of estimators inside *estimator*."""
    if hasattr(estimator, "random_state") and params.get("random_state") is None:
        estimator.random_state = seed
    if not any(_is_nested(value) for value in vars(estimator).values()):
        return
    unset = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if name.endswith("__random_state") and value is None
    }
    if unset:
        estimator.set_params(**unset)


def _is_nested(value: Any) -> bool:
    return hasattr(value, "get_params") or (
        isinstance(value, list) and bool(value) and isinstance(value[0], tuple)
    )
