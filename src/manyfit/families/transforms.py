"""
Transformers: scalers, selection, imputation, PCA and truncated SVD.

Costs: `benchmarks/calibrate_costs.py`; they include transforming the training rows once.
"""

import math

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import JOBS, NEVER_MATTER, Params, TableFamily, number, rule, whole_number

_SCALERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Normalizer", "Binarizer")
_OTHERS = ("QuantileTransformer", "PowerTransformer", "PolynomialFeatures")
_SELECTORS = ("SelectKBest", "SelectPercentile", "VarianceThreshold")
_EXACT = ("full", "covariance_eigh")
SCALERS: frozenset[str] = frozenset(
    f"sklearn.preprocessing:{name}" for name in (*_SCALERS[:4], "QuantileTransformer", "PowerTransformer")
)
"""Steps after which the columns have like scales."""


def _seeded(path: str, params: Params) -> bool:
    if "svd_solver" in params:
        return params["svd_solver"] not in _EXACT
    return True


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    if name in ("PCA", "TruncatedSVD"):
        return 4e-10 * n * d * min(n, d) + 1.5e-8 * n * d
    if name in ("PowerTransformer", "QuantileTransformer"):
        return 3e-7 * n * d
    if name == "PolynomialFeatures":
        return 1e-8 * n * d * d
    return 5e-8 * n * d


def _width(name: str, params: Params, size: FitSize) -> int:
    d = size.n_columns
    match name:
        case "PCA":
            # A share of the variance, and "mle", tell nothing before the fit.
            return min(whole_number(params, "n_components") or d, d, max(size.n_rows, 1))
        case "TruncatedSVD":
            return min(whole_number(params, "n_components") or 2, d)
        case "SelectKBest":
            return min(d if params.get("k") == "all" else int(number(params, "k", 10)), d)
        case "SelectPercentile":
            return round(d * number(params, "percentile", 10) / 100)
        case "PolynomialFeatures":
            return _n_terms(d, params)
        case _:
            return d


def _n_terms(d: int, params: Params) -> int:
    """Return the number of products of up to `degree` columns."""
    degree = params.get("degree", 2)
    low, high = (0, degree) if isinstance(degree, int) else (int(degree[0]), int(degree[1]))
    few = bool(params.get("interaction_only"))
    n = sum(math.comb(d, k) if few else math.comb(d + k - 1, k) for k in range(max(low, 1), high + 1))
    return n + bool(params.get("include_bias", True))


FAMILY = TableFamily(
    name="transforms",
    covers=frozenset(
        {
            *(f"sklearn.preprocessing:{name}" for name in (*_SCALERS, *_OTHERS)),
            *(f"sklearn.feature_selection:{name}" for name in _SELECTORS),
            "sklearn.impute:SimpleImputer",
            "sklearn.decomposition:PCA",
            "sklearn.decomposition:TruncatedSVD",
        }
    ),
    rules=(
        NEVER_MATTER,
        JOBS,
        rule("tol", when=lambda p: p.get("svd_solver") != "arpack", only=("PCA",)),
        rule(
            "iterated_power",
            "n_oversamples",
            "power_iteration_normalizer",
            when=lambda p: p.get("svd_solver") in (*_EXACT, "arpack"),
            only=("PCA",),
        ),
        rule("tol", when=lambda p: p.get("algorithm") == "randomized", only=("TruncatedSVD",)),
        rule(
            "n_iter",
            "n_oversamples",
            "power_iteration_normalizer",
            when=lambda p: p.get("algorithm") == "arpack",
            only=("TruncatedSVD",),
        ),
        rule("fill_value", when=lambda p: p.get("strategy") != "constant", only=("SimpleImputer",)),
    ),
    seeded=_seeded,
    cost=_cost,
    width=_width,
    predicts=False,
)
