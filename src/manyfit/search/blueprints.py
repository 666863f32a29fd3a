"""Which fits may share work, and how they are taken apart for it."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import clone
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from manyfit.contracts.estimators import Families
from manyfit.families.estimators import SklearnCatalog
from manyfit.fit.fusing import Fit
from manyfit.model.errors import ManyfitError
from manyfit.search.evaluation import Evaluation
from manyfit.search.scores import Score, score_of
from manyfit.search.tokens import estimator_token, is_estimator, token_of

_KNOWN = ("sklearn", "xgboost", "lightgbm")
"""Libraries whose estimators keep their hands off rows that others use, unless `copy` says so."""
_HARMLESS = frozenset(
    {
        "assume_finite",
        "working_memory",
        "print_changed_only",
        "display",
        "pairwise_dist_chunk_size",
        "enable_cython_pairwise_dist",
    }
)
_DEFAULTS: Mapping[str, Any] = {
    "array_api_dispatch": False,
    "transform_output": "default",
    "enable_metadata_routing": False,
    "skip_parameter_validation": False,
    "sparse_interface": "spmatrix",
}
"""Settings of scikit-learn under which fits may share work: with these values, or with any."""
_IN_PLACE = ("copy", "copy_X", "copy_x", "overwrite_X")
_TELLING = frozenset({*_IN_PLACE, "memory", "random_state"})
"""Parameters whose value decides whether fits may share work at all."""
_SIMPLE = (str, int, float, type(None))
_NUMBERS = (float, int, bool, np.float64, np.float32, np.int64, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """
    How a candidate is fitted in the company of others.

    `fit` has its number, and unfitted estimators that nobody fits. `score` is applied to the answers for a set.
    """

    fit: Fit
    score: Score

    @property
    def final(self) -> Any:
        """The unfitted step that predicts."""
        return self.fit.steps[-1][1]


class Blueprints:
    """The blueprints of one evaluation; those of candidates that are fitted alone are None."""

    def __init__(self, evaluation: Evaluation, catalog: SklearnCatalog, families: Families) -> None:
        self._evaluation = evaluation
        self._catalog = catalog
        self._families = families
        self._possible = _may_share(evaluation)
        self._known: dict[int, Blueprint | None] = {}
        self._models: dict[Hashable, Blueprint] = {}
        self._tokens: dict[Hashable, int] = {}
        self._scores: dict[type, Score | None] = {}
        self._paths: dict[type, str] = {}
        self._prefix = _prefix_of_last(evaluation.estimator)

    def of(self, candidate: int) -> Blueprint | None:
        """Return the blueprint of a candidate; None: it must be fitted exactly as scikit-learn does."""
        try:
            return self._known[candidate]
        except KeyError:
            self._known[candidate] = found = self._draw(candidate) if self._possible else None
            return found

    def draws(self, candidate: int) -> bool:
        """Whether fits of a candidate may ask the global random stream; rather yes than no."""
        if self.of(candidate) is not None:
            return False
        if not _is_known(type(self._evaluation.estimator)):
            return True  # and nobody sees parameters set that are not going to be fitted
        try:
            estimator = self._made(candidate)
        except Exception:  # noqa: BLE001 - it will not be fitted
            return False
        if any(not _is_known(type(part)) for part in inside(estimator)):
            return True
        return not all(self._is_repeatable(part) for _, part in _steps(estimator) or [("", estimator)])

    def _made(self, candidate: int) -> Any:
        """Return the unfitted estimator of a candidate. Raises what setting its parameters raises."""
        estimator = clone(self._evaluation.estimator)
        return estimator.set_params(**clone(dict(self._evaluation.candidates[candidate]), safe=False))

    def path(self, estimator: Any) -> str:
        """Return the import path under which rules and families know the class of *estimator*; "": none."""
        cls = type(estimator)
        if cls not in self._paths:
            self._paths[cls] = self._find_path(cls)
        return self._paths[cls]

    def _find_path(self, cls: type) -> str:
        if not _is_known(cls):
            return ""
        try:
            path = self._catalog.path(cls.__name__)
            return path if self._catalog.load(path) is cls else ""
        except ManyfitError:
            return ""

    def _draw(self, candidate: int) -> Blueprint | None:
        """Return the blueprint, after the model of a candidate that differs in numbers of the last step only."""
        try:
            kind, numbers = self._kind(self._evaluation.candidates[candidate])
        except RecursionError:  # a parameter that holds itself
            return None
        if kind in self._models:
            return _like(self._models[kind], candidate, numbers)
        blueprint = self._draw_anew(candidate)
        if blueprint is not None and numbers and _takes_numbers(blueprint.final, numbers):
            self._models[kind] = blueprint
        return blueprint

    def _kind(self, params: Mapping[str, Any]) -> tuple[Hashable, dict[str, Any]]:
        """Return a token of *params* without the numbers that the last step alone takes, and these by name."""
        numbers: dict[str, Any] = {}
        others: list[Hashable] = []
        for name, value in params.items():
            if type(value) in _NUMBERS and self._is_of_last(name):
                numbers[name.removeprefix(self._prefix)] = value
                others.append(name)
            else:
                others.append((name, token_of(value)))
        return tuple(others), numbers

    def _is_of_last(self, name: str) -> bool:
        """Whether a parameter of a search is one of the last step that decides nothing about sharing."""
        own = name.removeprefix(self._prefix)
        return name.startswith(self._prefix) and "__" not in own and own not in _TELLING

    def _draw_anew(self, candidate: int) -> Blueprint | None:
        try:
            estimator = self._made(candidate)
            steps = _steps(estimator)
            if not steps or not all(_keeps_rows(part) and self._is_repeatable(part) for _, part in steps):
                return None
            final = steps[-1][1]
            score = self._score_of(final) if is_classifier(final) or is_regressor(final) else None
            if score is None or get_tags(estimator).input_tags.pairwise:
                return None
        except Exception:  # noqa: BLE001 - the error is scikit-learn's to raise, in the fit of the candidate
            return None
        paths = [self.path(part) for _, part in steps]
        tokens = [self._token(estimator_token(part)) for _, part in steps]
        return Blueprint(
            fit=Fit(index=candidate, steps=steps, paths=paths, tokens=tokens, renew=_copied), score=score
        )

    def _token(self, content: Hashable) -> int:
        """Return a number that stands for *content*: it is compared many times."""
        return self._tokens.setdefault(content, len(self._tokens))

    def _score_of(self, final: Any) -> Score | None:
        cls = type(final)
        if cls not in self._scores:
            self._scores[cls] = score_of(self._evaluation.scorer, final)
        return self._scores[cls]

    def _is_repeatable(self, estimator: Any) -> bool:
        """Whether two fits with equal parameters are equal: nothing is drawn from a stream that goes on."""
        unset = [name for name, value in _seeds(estimator) if not isinstance(value, (int, np.integer))]
        if unset != ["random_state"]:
            return not unset
        path = self.path(estimator)
        return not self._families.of(path).uses_seed(path, estimator.get_params(deep=False))


def _like(model: Blueprint, candidate: int, numbers: Mapping[str, Any]) -> Blueprint:
    """Return the blueprint of a candidate that differs from that of *model* in *numbers* of the last step."""
    fit = model.fit
    name, final = fit.steps[-1]
    cls: Any = type(final)
    part = cls.__new__(cls)
    vars(part).update(vars(final), **numbers)
    mine = Fit(
        index=candidate,
        steps=[*fit.steps[:-1], (name, part)],
        paths=fit.paths,
        tokens=[*fit.tokens[:-1], ("own", candidate)],  # what predicts is the step of one candidate
        renew=_copied,
    )
    return Blueprint(fit=mine, score=model.score)


def _steps(estimator: Any) -> list[tuple[str, Any]]:
    """Return the steps that are fitted one after the other; none where that cannot be taken apart."""
    if type(estimator) is not Pipeline:
        return [("", estimator)]
    if estimator.memory is not None or estimator.verbose or getattr(estimator, "transform_input", None):
        return []
    steps = [(name, part) for name, part in estimator.steps if part is not None and part != "passthrough"]
    return steps if steps and steps[-1][1] is estimator.steps[-1][1] else []


def _prefix_of_last(estimator: Any) -> str:
    """Return what the names of parameters of the last step begin with."""
    steps = getattr(estimator, "steps", None) if type(estimator) is Pipeline else None
    return f"{steps[-1][0]}__" if isinstance(steps, list) and steps else ""


def _takes_numbers(final: Any, numbers: Mapping[str, Any]) -> bool:
    """Whether numbers set on *final* are all that two candidates differ in, and nothing else depends on them."""
    cls = type(final)
    usual = cls.__module__.startswith("sklearn.") and cls.set_params is BaseEstimator.set_params
    if not usual or not numbers.keys() <= vars(final).keys() or _holds_estimators(final):
        return False
    # Whether a seed that is not set matters may depend on any parameter.
    return all(isinstance(value, (int, np.integer)) for _, value in _seeds(final))


def _copied(estimator: Any) -> Any:
    """Return what `clone` returns for an unfitted estimator, in a tenth of the time where that can be."""
    cls: Any = type(estimator)
    if not cls.__module__.startswith("sklearn.") or _holds_estimators(estimator):
        return clone(estimator)
    copy = cls.__new__(cls)
    vars(copy).update(vars(estimator))
    return copy


def _holds_estimators(estimator: Any) -> bool:
    values = [value for value in vars(estimator).values() if not isinstance(value, _SIMPLE)]
    return any(True for value in values for _ in inside(value))


def inside(value: Any) -> Iterator[Any]:
    """Yield all estimators in *value*, itself and those in parameters, each once: one may hold what holds it."""
    seen = {id(value): value}
    waiting = [value]
    while waiting:
        value = waiting.pop()
        parts: Iterable[Any] = ()
        if is_estimator(value):
            yield value
            parts = value.get_params(deep=False).values()
        elif isinstance(value, (list, tuple)):
            parts = value
        elif isinstance(value, Mapping):
            parts = value.values()
        new = {id(part): part for part in parts if id(part) not in seen}
        seen.update(new)
        waiting += new.values()


def _keeps_rows(estimator: Any) -> bool:
    """Whether fitting leaves the rows as they are: others use them too."""
    for part in inside(estimator):
        # Frames that `set_output` asks for are nothing that rules give.
        if not _is_known(type(part)) or "_sklearn_output_config" in vars(part):
            return False
        if any(getattr(part, name, True) is False for name in _IN_PLACE):
            return False
        if getattr(part, "memory", None) is not None:
            return False
        if isinstance(part, FunctionTransformer) and not (_is_pure(part.func) and _is_pure(part.inverse_func)):
            return False
    return True


def _is_pure(function: Any) -> bool:
    return function is None or isinstance(function, np.ufunc)


def _is_known(cls: type) -> bool:
    return cls.__module__.split(".")[0] in _KNOWN and "<locals>" not in cls.__qualname__


def _seeds(estimator: Any) -> Iterator[tuple[str, Any]]:
    for name, value in estimator.get_params(deep=True).items():
        if name.rpartition("__")[2] == "random_state":
            yield name, value


def _may_share(evaluation: Evaluation) -> bool:
    """Whether any fits of the evaluation may share work."""
    if evaluation.fuse is None or evaluation.fit_params or evaluation.score_params:
        return False
    if not _is_known(type(evaluation.estimator)):
        return False
    settings = {name: value for name, value in evaluation.settings.items() if name not in _HARMLESS}
    if any(name not in _DEFAULTS or _DEFAULTS[name] != value for name, value in settings.items()):
        return False
    y, X = evaluation.y, evaluation.X
    return y is not None and np.ndim(y) == 1 and len(getattr(X, "shape", ())) == 2
