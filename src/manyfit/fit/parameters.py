"""The parameters of estimators, looked up and checked for thousands of fits."""

from typing import Any

from sklearn.base import BaseEstimator

from manyfit.families.constraints import admits, constraints_of


class Parameters:
    """Reads parameters and asks whether scikit-learn accepts them; remembers names by class, and values."""

    def __init__(self) -> None:
        self._names: dict[type, tuple[str, ...]] = {}
        self._admitted: dict[tuple[type, str, type, Any], bool] = {}
        self._constraints: dict[tuple[type, str], tuple[Any, ...] | None] = {}
        self._last_accepted: dict[type, dict[str, Any]] = {}

    def of(self, estimator: Any) -> dict[str, Any]:
        """Return what `get_params(deep=False)` does; it is asked itself where a class has its own."""
        cls = type(estimator)
        if cls.get_params is not BaseEstimator.get_params:
            own: dict[str, Any] = estimator.get_params(deep=False)
            return own
        if cls not in self._names:
            self._names[cls] = tuple(cls._get_param_names())
        return {name: getattr(estimator, name) for name in self._names[cls]}

    def accepted(self, estimator: Any, params: dict[str, Any]) -> bool:
        """Whether `fit` of *estimator*, which has *params*, would take them."""
        cls = type(estimator)
        last = self._last_accepted.get(cls, {})
        for name, value in params.items():  # candidates of a search share most of their values
            if (name not in last or last[name] is not value) and not self._admits(cls, name, value):
                return False
        self._last_accepted[cls] = params
        return True

    def _admits(self, cls: type, name: str, value: Any) -> bool:
        key = (cls, name, type(value), value)
        try:
            known = self._admitted.get(key)
            if known is None:
                self._admitted[key] = known = admits(self._constraints_of(cls, name), value)
            return known
        except TypeError:  # a value without a hash
            return admits(self._constraints_of(cls, name), value)

    def _constraints_of(self, cls: type, name: str) -> tuple[Any, ...] | None:
        if (cls, name) not in self._constraints:
            self._constraints[cls, name] = constraints_of(cls, name)
        return self._constraints[cls, name]
