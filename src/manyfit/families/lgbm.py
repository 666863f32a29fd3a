"""
LightGBM's trees.

Rows are sampled only where `subsample_freq` says how often. Parameters beyond those of the constructor may
give it under another name, so nothing is claimed beside them. The seed is always taken to matter: large
tables are sampled to find the bins. Costs: one thread, LightGBM 4.7, 300 to 20,000 rows and 10 to 100
columns, within a factor of two or so.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import Params, TableFamily, number, rule

CONSTRUCTOR = frozenset(
    {
        "boosting_type",
        "class_weight",
        "colsample_bytree",
        "importance_type",
        "learning_rate",
        "max_depth",
        "min_child_samples",
        "min_child_weight",
        "min_split_gain",
        "n_estimators",
        "n_jobs",
        "num_leaves",
        "objective",
        "random_state",
        "reg_alpha",
        "reg_lambda",
        "subsample",
        "subsample_for_bin",
        "subsample_freq",
    }
)
"""The parameters that the library documents; others only reach it by name."""


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    trees = size.n_classes if size.n_classes > 2 else 1
    leaves = min(number(params, "num_leaves", 31), max(2.0, n / max(number(params, "min_child_samples", 20), 1.0)))
    depth = number(params, "max_depth", -1)
    if depth > 0:
        leaves = min(leaves, math.exp2(min(depth, 30.0)))
    tree = 2e-4 + leaves * (2e-5 + 1.5e-6 * d) + 2e-9 * n * d * math.log2(max(leaves, 2.0)) + 2e-7 * n
    return 2e-7 * n * d + number(params, "n_estimators", 100) * trees * tree


def _takes_all_rows(params: Params) -> bool:
    """Whether rows are never sampled: `subsample` is ignored where nothing says how often to draw."""
    return (
        params.get("subsample_freq") == 0
        and params.get("boosting_type") in ("gbdt", "dart")
        and params.keys() <= CONSTRUCTOR
    )


FAMILY = TableFamily(
    name="lightgbm",
    covers=frozenset({"lightgbm:LGBMClassifier", "lightgbm:LGBMRegressor"}),
    rules=(rule("importance_type"), rule("subsample", when=_takes_all_rows)),
    cost=_cost,
)
