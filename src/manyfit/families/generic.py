"""Whatever no other family covers: nothing is taken for inactive."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manyfit.contracts.estimators import FitSize, Meets
from manyfit.families.family import OVERHEAD_SECONDS, SCORING_SECONDS, Params, number, whole_number

_CELL_SECONDS = 3e-7
"""A fit without iterations, for each cell of the table: a guess for estimators that nobody measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericFamily:
    """Knows nothing but the names of parameters; covers every class that is asked for."""

    name: str = "generic"
    covers: frozenset[str] = frozenset()

    def inactive(self, path: str, params: Params) -> frozenset[str]:
        return frozenset()

    def uses_seed(self, path: str, params: Params) -> bool:
        """Whether there is a `random_state`, or an estimator inside that may have one."""
        named = any(name.rpartition("__")[2] == "random_state" for name in params)
        return named or any(_may_hold_estimators(value) for value in params.values())

    def cost_seconds(self, path: str, params: Params, size: FitSize) -> float:
        rounds = max(number(params, "n_estimators", 1.0), math.sqrt(number(params, "max_iter", 1.0)))
        scoring = SCORING_SECONDS * size.n_rows * max(size.n_classes, 1)
        return OVERHEAD_SECONDS + scoring + rounds * (5e-4 + _CELL_SECONDS * size.n_rows * size.n_columns)

    def n_columns(self, path: str, params: Params, size: FitSize) -> int:
        """Take `n_components` by its name, which is the same in every library."""
        return max(1, whole_number(params, "n_components") or size.n_columns)

    def warns(self, path: str, params: Params, data: Meets) -> str | None:
        return None


def _may_hold_estimators(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "use" in value
    if isinstance(value, (list, tuple)):
        return any(_may_hold_estimators(part) for part in value)
    return hasattr(value, "get_params")


FAMILY = GenericFamily()
