"""
Boosted trees of `manyfit.models.gbt`, which LightGBM or XGBoost grows.

Bins are found in all rows, so that a seed matters only where rows or columns are drawn. The number of
threads is not inactive: it decides the order in which numbers are added. Costs: one thread, 300 to 20,000
rows and 10 to 100 columns, within a factor of three.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import Params, TableFamily, number

_ROWS_OF_A_LEAF = 6.0
_OF_XGBOOST = 1.6
"""How many times as long XGBoost takes for trees that grow leaf by leaf."""


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    trees = size.n_classes if size.n_classes > 2 else 1
    leaves = min(number(params, "max_leaves", 31), max(2.0, n / _ROWS_OF_A_LEAF))
    leaves = min(leaves, math.exp2(min(number(params, "max_depth", 30), 30.0)))
    tree = 2e-4 + leaves * (3e-5 + 2.5e-6 * d) + 2e-9 * n * d * math.log2(max(leaves, 2.0)) + 2e-7 * n
    grown = number(params, "n_estimators", 100) * trees * tree
    return 2e-7 * n * d + grown * (_OF_XGBOOST if params.get("library") == "xgboost" else 1.0)


def _draws(path: str, params: Params) -> bool:
    return number(params, "subsample", 1.0) < 1 or number(params, "colsample", 1.0) < 1


FAMILY = TableFamily(
    name="gbt",
    covers=frozenset(f"manyfit.models.gbt:{name}" for name in ("GbtClassifier", "GbtRegressor")),
    rules=(),
    cost=_cost,
    seeded=_draws,
)
