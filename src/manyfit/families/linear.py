"""
Linear models: logistic regression, stochastic gradient descent, lasso and elastic net.

The rules follow scikit-learn 1.9, where LogisticRegression chooses its penalty by `l1_ratio` and keeps
`penalty` as a deprecated override. Costs: `benchmarks/calibrate_costs.py` on scaled columns.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import JOBS, NEVER_MATTER, Params, TableFamily, number, rule

_LOGISTIC = ("LogisticRegression",)
_DESCENT = ("SGDClassifier", "SGDRegressor", "Perceptron")
_PASSIVE = ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor")
_COORDINATE = ("Lasso", "ElasticNet")
_OTHER = ("LinearRegression", "HuberRegressor")
_EPSILON_LOSSES = ("huber", "epsilon_insensitive", "squared_epsilon_insensitive")


def _seeded(path: str, params: Params) -> bool:
    if "selection" in params:
        return bool(params["selection"] == "random")
    if "shuffle" in params:
        return bool(params["shuffle"]) or bool(params.get("early_stopping"))
    return params.get("solver") in ("sag", "saga", "liblinear")


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d, k = size.n_rows, size.n_columns, size.n_classes
    outputs = k if k > 2 else 1
    cells = n * d * outputs
    if name in _LOGISTIC:
        wanted = 25 * math.pow(1 + number(params, "C", 1.0), 0.15)
        if params.get("solver") in ("sag", "saga"):
            return 2.5e-9 * cells * number(params, "max_iter", 100)
        return min(number(params, "max_iter", 100), wanted) * (1.2e-9 * cells + 1e-4)
    if name in _DESCENT or name in _PASSIVE:
        epochs = min(number(params, "max_iter", 1000), 25)
        return epochs * outputs * n * (4e-9 * d + 5e-8)
    if name in _COORDINATE:
        return 1e-9 * n * d * min(number(params, "max_iter", 1000), 50)
    return 1.5e-9 * n * d * min(n, d)


FAMILY = TableFamily(
    name="linear",
    covers=frozenset(
        f"sklearn.linear_model:{n}" for n in (*_LOGISTIC, *_DESCENT, *_PASSIVE, *_COORDINATE, *_OTHER)
    ),
    rules=(
        NEVER_MATTER,
        JOBS,
        rule("l1_ratio", when=lambda p: p.get("penalty") in ("l1", "l2"), only=_LOGISTIC),
        rule("l1_ratio", "C", when=lambda p: p.get("penalty") is None, only=_LOGISTIC),
        rule(
            "intercept_scaling",
            when=lambda p: p.get("solver") != "liblinear" or not p.get("fit_intercept", True),
            only=_LOGISTIC,
        ),
        rule("l1_ratio", when=lambda p: p.get("penalty") != "elasticnet", only=_DESCENT),
        rule("alpha", when=lambda p: p.get("penalty") is None, only=("Perceptron",)),
        rule("eta0", when=lambda p: p.get("learning_rate") == "optimal", only=("SGDClassifier", "SGDRegressor")),
        rule(
            "power_t",
            when=lambda p: p.get("learning_rate") != "invscaling",
            only=("SGDClassifier", "SGDRegressor"),
        ),
        rule(
            "epsilon", when=lambda p: p.get("loss") not in _EPSILON_LOSSES, only=("SGDClassifier", "SGDRegressor")
        ),
        rule("validation_fraction", when=lambda p: not p.get("early_stopping"), only=(*_DESCENT, *_PASSIVE)),
    ),
    seeded=_seeded,
    cost=_cost,
    scale_sensitive=True,
)
