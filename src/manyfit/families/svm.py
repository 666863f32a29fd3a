"""
Support vector machines.

Costs: `benchmarks/calibrate_costs.py` on scaled columns. libsvm's iterations grow with C for a linear
kernel; unscaled columns can take hours and are warned of instead of predicted.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, kernel_rules, number, rule

_LIBSVM = frozenset(f"sklearn.svm:{name}" for name in ("SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"))
_LIBLINEAR = frozenset({"sklearn.svm:LinearSVC", "sklearn.svm:LinearSVR"})


def _calibrated(params: Params) -> bool:
    return params.get("probability") is True


def _seeded(path: str, params: Params) -> bool:
    """libsvm draws folds for probabilities only; liblinear draws in its dual solvers."""
    if path in _LIBSVM:
        return _calibrated(params)
    return params.get("dual") is not False or params.get("multi_class") == "crammer_singer"


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d, k = size.n_rows, size.n_columns, max(size.n_classes, 1)
    if name.startswith("Linear"):
        one = 4e-8 * n * d * math.pow(1 + number(params, "C", 1.0), 0.2)
        return one * (1 if k <= 2 else k)
    kernel = n * n * (4e-9 * d + 1.5e-8)
    if params.get("kernel") == "linear":
        kernel *= math.sqrt(1 + number(params, "C", 1.0))
    return kernel * (5.0 if _calibrated(params) else 1.0)


FAMILY = TableFamily(
    name="svm",
    covers=_LIBSVM | _LIBLINEAR,
    rules=(
        NEVER_MATTER,
        *kernel_rules(),
        rule("intercept_scaling", when=lambda p: not p.get("fit_intercept", True)),
        rule(
            "penalty", "loss", "dual", when=lambda p: p.get("multi_class") == "crammer_singer", only=("LinearSVC",)
        ),
    ),
    seeded=_seeded,
    cost=_cost,
    scale_sensitive=True,
)
