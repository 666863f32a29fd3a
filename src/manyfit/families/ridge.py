"""
Ridge regression, ridge classification and kernel ridge, on dense rows.

With dense rows the solver "auto" means Cholesky (L-BFGS when coefficients must be positive), so it has
neither iterations nor a seed. Costs: `benchmarks/calibrate_costs.py`.
"""

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, kernel_rules, rule

_RIDGE = ("Ridge", "RidgeClassifier")


def _direct(params: Params) -> bool:
    return params.get("solver") in ("auto", "cholesky", "svd") and not params.get("positive")


def _seeded(path: str, params: Params) -> bool:
    return params.get("solver") in ("sag", "saga")


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    if name == "KernelRidge":
        return 6e-3 + 2e-11 * n**3 + 8e-10 * n * n * d
    direct = 1e-9 * n * d * min(n, d) + 3e-8 * n * d
    return direct if _direct(params) else direct + 1e-7 * n * d * max(size.n_classes, 1)


FAMILY = TableFamily(
    name="ridge",
    covers=frozenset({*(f"sklearn.linear_model:{name}" for name in _RIDGE), "sklearn.kernel_ridge:KernelRidge"}),
    rules=(
        NEVER_MATTER,
        rule("max_iter", "tol", when=_direct, only=_RIDGE),
        *kernel_rules(linear=("linear", "precomputed", "cosine", "additive_chi2")),
        rule("kernel_params", when=lambda p: isinstance(p.get("kernel"), str) and ":" not in p["kernel"]),
    ),
    seeded=_seeded,
    cost=_cost,
    scale_sensitive=True,
)
