"""
Multi-layer perceptrons of scikit-learn.

Weights are drawn at the start, so the seed always matters. Costs: `benchmarks/calibrate_costs.py`, one
BLAS thread.
"""

import itertools
import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, number, rule

_NAMES = ("MLPClassifier", "MLPRegressor")


def _layers(params: Params) -> list[int]:
    sizes = params.get("hidden_layer_sizes", (100,))
    return [int(size) for size in sizes] if isinstance(sizes, (list, tuple)) else [int(sizes)]


def _cost(name: str, params: Params, size: FitSize) -> float:
    n = size.n_rows
    outputs = size.n_classes if size.n_classes > 2 else 1
    layers = [size.n_columns, *_layers(params), outputs]
    weights = sum(left * right for left, right in itertools.pairwise(layers))
    units = sum(layers)
    epochs = min(number(params, "max_iter", 200), 200.0)
    batch = max(1.0, min(number(params, "batch_size", 200.0), n))
    if params.get("solver") == "lbfgs":
        return epochs * (2e-4 + 3e-9 * n * math.pow(weights, 0.8))
    steps = n / batch
    return epochs * (steps * (1.2e-4 + 2e-8 * weights) + n * (1.5e-9 * weights + 1e-8 * units))


FAMILY = TableFamily(
    name="nets",
    covers=frozenset(f"sklearn.neural_network:{name}" for name in _NAMES),
    rules=(
        NEVER_MATTER,
        rule(
            "batch_size",
            "learning_rate_init",
            "shuffle",
            "early_stopping",
            "n_iter_no_change",
            when=lambda p: p.get("solver") == "lbfgs",
        ),
        rule("learning_rate", "momentum", when=lambda p: p.get("solver") != "sgd"),
        rule("power_t", when=lambda p: p.get("solver") != "sgd" or p.get("learning_rate") != "invscaling"),
        rule("nesterovs_momentum", when=lambda p: p.get("solver") != "sgd" or p.get("momentum") == 0),
        rule("beta_1", "beta_2", "epsilon", when=lambda p: p.get("solver") != "adam"),
        rule("max_fun", when=lambda p: p.get("solver") != "lbfgs"),
        rule("validation_fraction", when=lambda p: p.get("solver") == "lbfgs" or not p.get("early_stopping")),
    ),
    cost=_cost,
    scale_sensitive=True,
)
