"""
Transformers: scalers, selection, imputation, PCA and truncated SVD.

Costs: `benchmarks/calibrate_costs.py`; they include transforming the training rows once.
"""

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import JOBS, NEVER_MATTER, Params, TableFamily, rule

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
    predicts=False,
)
