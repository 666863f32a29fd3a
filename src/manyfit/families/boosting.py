"""
Boosted trees of scikit-learn.

Histogram boosting stops early by itself above 10,000 rows ("auto"), so only an explicit False makes its
early-stopping parameters inactive. Costs: `benchmarks/calibrate_costs.py`, one thread.
"""

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, number, rule

_GRADIENT = ("GradientBoostingClassifier", "GradientBoostingRegressor")
_HISTOGRAM = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    trees = size.n_classes if size.n_classes > 2 else 1
    if name in _HISTOGRAM:
        leaves = min(number(params, "max_leaf_nodes", 31), max(2.0, n / number(params, "min_samples_leaf", 20)))
        tree = 2e-4 + leaves * (3e-5 + 2e-6 * d) + 4e-9 * n * d
        return number(params, "max_iter", 100) * trees * tree
    depth = number(params, "max_depth", 3)
    tree = 6e-4 + n * depth * (5e-8 * d + 4e-8) * number(params, "subsample", 1.0)
    return number(params, "n_estimators", 100) * trees * tree


FAMILY = TableFamily(
    name="boosting",
    covers=frozenset(f"sklearn.ensemble:{name}" for name in (*_GRADIENT, *_HISTOGRAM)),
    rules=(
        NEVER_MATTER,
        rule("validation_fraction", "tol", when=lambda p: p.get("n_iter_no_change") is None, only=_GRADIENT),
        rule("alpha", when=lambda p: p.get("loss") not in ("huber", "quantile"), only=_GRADIENT[1:]),
        rule(
            "validation_fraction",
            "n_iter_no_change",
            "tol",
            "scoring",
            when=lambda p: p.get("early_stopping") is False,
            only=_HISTOGRAM,
        ),
        rule("quantile", when=lambda p: p.get("loss") != "quantile", only=_HISTOGRAM[1:]),
    ),
    cost=_cost,
)
