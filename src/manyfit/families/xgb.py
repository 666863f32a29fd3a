"""
XGBoost's trees.

Nothing is drawn without a sample of rows or columns, so the seed matters only with one. Costs: one thread,
XGBoost 3.2, 300 to 20,000 rows and 10 to 100 columns, within a factor of two or so.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import Params, TableFamily, number, rule

_SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
_DEFAULT_ROUNDS = 100
_DEFAULT_DEPTH = 6
_ROWS_OF_A_LEAF = 10.0


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    trees = (size.n_classes if size.n_classes > 2 else 1) * number(params, "num_parallel_tree", 1)
    depth = number(params, "max_depth", _DEFAULT_DEPTH) or 30.0
    grown = min(math.exp2(min(depth, 30.0)), max(2.0, n / _ROWS_OF_A_LEAF))
    leaves = min(grown, number(params, "max_leaves", 0) or grown)
    tree = 2e-4 + leaves * (2e-5 + 2e-6 * d) + 3e-9 * n * d * min(depth, 12.0)
    return 2e-7 * n * d + number(params, "n_estimators", _DEFAULT_ROUNDS) * trees * tree


def _draws(path: str, params: Params) -> bool:
    if params.get("booster") not in (None, "gbtree"):
        return True
    return any(params.get(name) not in (None, 1, 1.0) for name in _SAMPLING)


FAMILY = TableFamily(
    name="xgboost",
    covers=frozenset({"xgboost:XGBClassifier", "xgboost:XGBRegressor"}),
    rules=(rule("importance_type", "verbosity"),),
    cost=_cost,
    seeded=_draws,
)
