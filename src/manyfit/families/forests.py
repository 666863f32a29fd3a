"""
Decision trees, forests of them, and bagging.

A tree draws the order of its columns even when it looks at all of them, so the seed always matters.
Forests add the answers of their trees in the order in which threads finish: `n_jobs` is not inactive.
Costs: `benchmarks/calibrate_costs.py`.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, number, rule

_TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")


def _columns_looked_at(params: Params, size: FitSize) -> float:
    wanted = params.get("max_features")
    if wanted == "sqrt":
        return math.sqrt(size.n_columns)
    if wanted == "log2":
        return math.log2(max(size.n_columns, 2))
    if isinstance(wanted, float):
        return max(1.0, wanted * size.n_columns)
    return number(params, "max_features", size.n_columns)


def _cost(name: str, params: Params, size: FitSize) -> float:
    n = size.n_rows
    depth = min(math.log2(max(n, 2)), number(params, "max_depth", 1e9))
    column = 2e-8 if name.startswith("Extra") else 6e-8
    tree = n * depth * (column * _columns_looked_at(params, size) + 3e-8)
    if name in _TREES:
        return tree
    return number(params, "n_estimators", 100) * (1.8e-3 + tree)


FAMILY = TableFamily(
    name="forests",
    covers=frozenset(
        {*(f"sklearn.tree:{name}" for name in _TREES), *(f"sklearn.ensemble:{name}" for name in _FORESTS)}
    ),
    rules=(
        NEVER_MATTER,
        rule("oob_score", when=lambda p: bool(p.get("bootstrap")), only=_FORESTS),
    ),
    cost=_cost,
)
