"""Looking up estimator classes, and checking and decoding their parameters as scikit-learn itself would."""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from manyfit.contracts.estimators import EstimatorInfo
from manyfit.families import constraints as rules
from manyfit.families.sklearn_names import PATHS
from manyfit.model.errors import ManyfitError, MissingExtra, NotFound, UserError, told
from manyfit.model.mistake import did_you_mean

OPTIONAL: Mapping[str, str] = {
    "XGBClassifier": "xgboost:XGBClassifier",
    "XGBRegressor": "xgboost:XGBRegressor",
    "XGBRFClassifier": "xgboost:XGBRFClassifier",
    "XGBRFRegressor": "xgboost:XGBRFRegressor",
    "LGBMClassifier": "lightgbm:LGBMClassifier",
    "LGBMRegressor": "lightgbm:LGBMRegressor",
}
"""Estimators of other libraries that are known by their bare names."""

_BOOST = "pip install 'manyfit[boost]'"
_OPENMP = "it needs the system's OpenMP library: apt-get install libgomp1"

_EXPERIMENTAL: Mapping[str, str] = {
    "sklearn.impute:IterativeImputer": "sklearn.experimental.enable_iterative_imputer",
    "sklearn.model_selection:HalvingGridSearchCV": "sklearn.experimental.enable_halving_search_cv",
    "sklearn.model_selection:HalvingRandomSearchCV": "sklearn.experimental.enable_halving_search_cv",
}

_KINDS = (
    ("classifier", "ClassifierMixin"),
    ("regressor", "RegressorMixin"),
    ("clusterer", "ClusterMixin"),
    ("outlier_detector", "OutlierMixin"),
    ("transformer", "TransformerMixin"),
)


def find_beside(folder: str) -> None:
    """
    Let import paths lead to modules in *folder*, for the rest of this process.

    Installed modules come first: a `random.py` beside a sweep file must not replace the library's own.
    """
    if folder and folder not in sys.path:
        sys.path.append(folder)


class SklearnCatalog:
    """
    The estimators of scikit-learn, of libraries known by name, and of any import path.

    A catalog remembers the classes that it has imported. `names` adds registered names to the known ones.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        experimental = {path.partition(":")[2]: path for path in _EXPERIMENTAL}
        self._names = {**PATHS, **experimental, **OPTIONAL, **(names or {})}
        self._classes: dict[str, type] = {}
        self._paths: dict[str, str] = {}
        self._infos: dict[str, EstimatorInfo] = {}
        self._defaults: dict[str, dict[str, Any]] = {}
        self._constraints: dict[tuple[str, str], tuple[Any, ...] | None] = {}

    # -- lookup --------------------------------------------------------------------------------------

    def resolve(self, name: str) -> EstimatorInfo:
        path = self.path(name)
        if path not in self._infos:
            self._infos[path] = EstimatorInfo(
                path=path,
                defaults=self._defaults_of(path),
                kind=_kind(self.load(path)),
                required=self.required(path),
            )
        return self._infos[path]

    def path(self, name: str) -> str:
        """Return the one import path ("package.module:Class") of the estimator called *name*; see `resolve`."""
        if name not in self._paths:
            self._paths[name] = self._find(name)
        return self._paths[name]

    def load(self, path: str) -> type:
        """Return the class at an import path as `resolve` gives it."""
        if path not in self._classes:
            self._classes[path] = _load(path)
        return self._classes[path]

    def required(self, path: str) -> tuple[str, ...]:
        """Return the parameters without a default (`EstimatorInfo.defaults` shows None for them)."""
        return tuple(name for name, value in _signature(self.load(path)) if value is inspect.Parameter.empty)

    def _find(self, name: str) -> str:
        if name in self._names:
            path = self._names[name]
            self.load(path)
            return path
        if ":" not in name and "." not in name:
            raise NotFound(f'no estimator "{name}" in scikit-learn{did_you_mean(name, self._names)}')
        module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
        if not module or not attribute:
            raise NotFound(f'"{name}" is not an import path; write it as package.module:Class')
        cls = self.load(f"{module}:{attribute}")
        public = self._names.get(attribute)
        if public is not None and public.partition(":")[0] in {module, cls.__module__.split("._")[0]}:
            return public
        return f"{module}:{attribute}"

    def _defaults_of(self, path: str) -> dict[str, Any]:
        if path not in self._defaults:
            pairs = dict(_signature(self.load(path)))
            empty = inspect.Parameter.empty
            self._defaults[path] = {name: None if value is empty else value for name, value in pairs.items()}
        return self._defaults[path]

    def _constraints_of(self, path: str, param: str) -> tuple[Any, ...] | None:
        key = (path, param)
        if key not in self._constraints:
            self._constraints[key] = rules.constraints_of(self.load(path), param)
        return self._constraints[key]

    # -- values --------------------------------------------------------------------------------------

    def check(self, path: str, param: str, value: Any) -> str | None:
        owner = path.rpartition(":")[2]
        known = self._defaults_of(path)
        head = param.partition("__")[0]
        if head not in known:
            return f'no parameter "{param}" in {owner}{did_you_mean(param, known)}'
        if head != param:
            return None  # belongs to a nested estimator that only the whole candidate shows
        try:
            plain = self.decode(path, param, value)
        except ManyfitError as exc:
            return str(exc)
        allowed = self._constraints_of(path, param)
        if allowed is None or rules.admits(allowed, plain):
            return None
        hint = did_you_mean(value, rules.text_options(allowed)) if isinstance(value, str) else ""
        return f"{rules.describe(value)}; {owner} wants {rules.wanted(allowed)}{hint}"

    def normalise(self, path: str, param: str, value: Any) -> Any:
        if isinstance(value, Mapping) and "use" in value:
            return self._normalise_nested(value)
        if isinstance(value, (list, tuple)):
            return [
                self.normalise(path, param, part) if isinstance(part, (list, tuple, Mapping)) else part
                for part in value
            ]
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return value
        allowed = self._constraints_of(path, param) if param in self._defaults_of(path) else None
        if isinstance(value, int):
            return float(value) if rules.real_only(allowed) else value
        return None if _means_none(value, allowed) else value

    def _normalise_nested(self, table: Mapping[str, Any]) -> dict[str, Any]:
        path = self.path(str(table["use"]))
        rest = {name: self.normalise(path, name, value) for name, value in table.items() if name != "use"}
        return {"use": path, **rest}

    def decode(self, path: str, param: str, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        allowed = self._constraints_of(path, param) if param in self._defaults_of(path) else None
        if isinstance(value, str):
            return self._decode_text(value, allowed)
        if isinstance(value, Mapping):
            return self.build(value) if "use" in value else dict(value)
        if isinstance(value, (list, tuple)):
            parts = [self._decode_part(part) for part in value]
            return tuple(parts) if rules.wants_tuple(allowed, self._defaults_of(path).get(param)) else parts
        return value

    def build(self, table: Mapping[str, Any]) -> Any:
        """Return the estimator that a `{use = ..., parameter = ...}` table describes, checked."""
        path = self.path(str(table["use"]))
        params = {name: value for name, value in table.items() if name != "use"}
        for name, value in params.items():
            message = self.check(path, name, value)
            if message:
                raise UserError(message)
        for name in self.required(path):
            if name not in params:
                raise UserError(f'{path.rpartition(":")[2]} needs the parameter "{name}"')
        return self.make(path, params)

    def make(self, path: str, params: Mapping[str, Any]) -> Any:
        """Return a new estimator of the class at *path*; parameters `a__b` go to its nested estimators."""
        own = {name: self.decode(path, name, value) for name, value in params.items() if "__" not in name}
        estimator = self.load(path)(**own)
        nested = {name: value for name, value in params.items() if "__" in name}
        if nested:
            estimator.set_params(**nested)
        return estimator

    def _decode_part(self, part: Any) -> Any:
        if isinstance(part, Mapping):
            return self.build(part) if "use" in part else dict(part)
        if isinstance(part, (list, tuple)):
            return tuple(self._decode_part(inner) for inner in part)
        return part

    def _decode_text(self, value: str, allowed: tuple[Any, ...] | None) -> Any:
        if _means_none(value, allowed):
            return None
        if (
            ":" in value
            and allowed is not None
            and not rules.admits(allowed, value)
            and rules.admits(allowed, len)
        ):
            return _load_function(value)
        return value


def _means_none(value: str, allowed: tuple[Any, ...] | None) -> bool:
    """Whether "none" stands for None: sweep files have no null, and scikit-learn has no such text here."""
    if value.lower() != "none" or allowed is None:
        return False
    return rules.admits(allowed, None) and not rules.admits(allowed, value)


def _load(path: str) -> type:
    module_name, _, attribute = path.partition(":")
    if path in _EXPERIMENTAL:
        importlib.import_module(_EXPERIMENTAL[path])
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what it prints must not stand in the output of a command
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if path in OPTIONAL.values() and exc.name == module_name:
            raise MissingExtra(f"{attribute} needs the library {module_name}: {_BOOST}") from exc
        raise NotFound(f'"{path}": no module "{exc.name}"; is it installed, or beside the sweep file?') from exc
    except (Exception, SystemExit) as exc:
        said = told(type(exc).__name__, exc)
        raise UserError(f'"{path}": importing {module_name} failed: {said}{_remedy(exc)}') from exc
    if not hasattr(module, attribute):
        close = did_you_mean(attribute, [name for name in dir(module) if not name.startswith("_")])
        raise NotFound(f'no "{attribute}" in module {module_name}{close}')
    cls = getattr(module, attribute)
    if not isinstance(cls, type) or not hasattr(cls, "get_params") or not hasattr(cls, "fit"):
        raise UserError(f'"{path}" is not an estimator: a class with fit and get_params is needed')
    return cls


def _remedy(error: BaseException) -> str:
    """Return what to install for a library that cannot be loaded, "" where that is not known."""
    return f"; {_OPENMP}" if "libgomp" in str(error) else ""


def _load_function(path: str) -> Any:
    module_name, _, attribute = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except (ModuleNotFoundError, AttributeError) as exc:
        raise NotFound(f'"{path}" leads to no function: {exc}') from exc
    if not callable(function):
        raise UserError(f'"{path}" is not a function')
    return function


def _signature(cls: type) -> list[tuple[str, Any]]:
    """Return constructor parameters with defaults; a `**kwargs` constructor is asked through get_params."""
    parameters = list(inspect.signature(cls).parameters.values())
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return sorted(cls().get_params(deep=False).items())
    return [(p.name, p.default) for p in parameters if p.kind is not p.VAR_POSITIONAL]


def _kind(cls: type) -> str:
    ancestors = {(parent.__module__.partition(".")[0], parent.__name__) for parent in cls.__mro__}
    for kind, mixin in _KINDS:
        if ("sklearn", mixin) in ancestors:
            return kind
    return "transformer" if hasattr(cls, "transform") else "other"
