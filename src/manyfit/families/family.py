"""A family as data: rules for inactive parameters, and functions for seeds, costs and warnings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.contracts.estimators import FitSize, Meets

Params = Mapping[str, Any]
Width = Callable[[str, Params, FitSize], int]
"""Columns that a transformer gives, by class name and parameters."""

Cost = Callable[[str, Params, FitSize], float]
"""Seconds of the fit and of predicting the training rows once, by class name and parameters."""

OVERHEAD_SECONDS = 3e-3
"""Building, validating and scoring a fit of a few rows (benchmarks/calibrate_costs.py, two cores)."""
SCORING_SECONDS = 2.5e-7
"""Scoring, for each row and class (same source)."""

TRANSFORM_OVERHEAD_SECONDS = 8e-4
"""Fitting a transformer and applying it to each set, for a few rows (same source)."""

MAX_SPREAD_RATIO = 1e3
"""Standard deviations of columns that differ by more than this make an unscaled distance meaningless."""


def always(params: Params) -> bool:
    """Hold for all parameters."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    Parameters that are ignored when a condition on the others holds.

    `only` limits a rule to these class names of the family; parameters that a class lacks are skipped.
    """

    drops: tuple[str, ...]
    when: Callable[[Params], bool] = always
    only: frozenset[str] = frozenset()

    def applies(self, path: str, params: Params) -> bool:
        """Whether the rule holds for the class at *path* with these parameters."""
        return (not self.only or class_name(path) in self.only) and self.when(params)


def rule(*drops: str, when: Callable[[Params], bool] = always, only: Sequence[str] = ()) -> Rule:
    """Return the rule that *drops* are ignored *when* the condition holds."""
    return Rule(drops=drops, when=when, only=frozenset(only))


NEVER_MATTER = rule("verbose", "warm_start", "copy", "copy_X", "cache_size")
"""They change how a single fit is computed or what it prints, in every class that a family lists."""

JOBS = rule("n_jobs")
"""Where the number of jobs does not change the order in which numbers are added (it does in forests)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFamily:
    """
    A family whose knowledge is a table of rules.

    `seeded` says whether `random_state` can matter at all, given the parameters; it is asked only where
    the class has one. `predicts` is False for steps that only transform; those that change the number of columns
    have a `width`. `scale_sensitive` families are
    warned of columns with very different spreads, unless `advises` says more.
    """

    name: str
    covers: frozenset[str]
    rules: tuple[Rule, ...]
    cost: Cost
    seeded: Callable[[str, Params], bool] = lambda path, params: True
    scale_sensitive: bool = False
    predicts: bool = True
    width: Width | None = None
    advises: Callable[[str, Params, Meets], str | None] | None = None

    def inactive(self, path: str, params: Params) -> frozenset[str]:
        dropped = {name for each in self.rules if each.applies(path, params) for name in each.drops}
        if "random_state" in params and not self.seeded(path, params):
            dropped.add("random_state")
        return frozenset(dropped & params.keys())

    def uses_seed(self, path: str, params: Params) -> bool:
        return "random_state" in params and self.seeded(path, params)

    def cost_seconds(self, path: str, params: Params, size: FitSize) -> float:
        own = self.cost(class_name(path), params, size)
        if not self.predicts:
            return TRANSFORM_OVERHEAD_SECONDS + own
        return OVERHEAD_SECONDS + SCORING_SECONDS * size.n_rows * max(size.n_classes, 1) + own

    def n_columns(self, path: str, params: Params, size: FitSize) -> int:
        if self.width is None:
            return size.n_columns
        return max(1, self.width(class_name(path), params, size))

    def warns(self, path: str, params: Params, data: Meets) -> str | None:
        if self.advises is not None:
            return self.advises(class_name(path), params, data)
        if data.scaled or not self.scale_sensitive:
            return None
        return spread_warning(class_name(path), data.spreads)


def spread_warning(name: str, spreads: Sequence[float]) -> str | None:
    """Return the warning that the columns differ too much in scale for *name*, or None."""
    found = [spread for spread in spreads if spread > 0]
    if not found or max(found) <= MAX_SPREAD_RATIO * min(found):
        return None
    ratio = max(found) / min(found)
    return f"columns differ in scale by a factor of {ratio:.1g} and no scaler stands before {name}"


def class_name(path: str) -> str:
    """Return the name of the class at an import path."""
    return path.rpartition(":")[2]


def number(params: Params, name: str, default: float) -> float:
    """Return a numeric parameter for a cost formula, or *default* when it is no number."""
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return float(value)


def whole_number(params: Params, name: str) -> int | None:
    """Return a parameter that is a whole number, None for anything else: a share, a word, nothing."""
    value = params.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def kernel_rules(linear: Sequence[str] = ("linear", "precomputed")) -> tuple[Rule, ...]:
    """Return the rules for gamma, degree and coef0 of scikit-learn's kernels."""
    return (
        rule("gamma", "degree", "coef0", when=lambda p: p.get("kernel") in linear),
        rule("degree", "coef0", when=lambda p: p.get("kernel") in ("rbf", "laplacian")),
        rule("degree", when=lambda p: p.get("kernel") == "sigmoid"),
    )
