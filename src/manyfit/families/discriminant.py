"""Linear and quadratic discriminant analysis. Costs: `benchmarks/calibrate_costs.py`."""

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import JOBS, NEVER_MATTER, Params, TableFamily, rule


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    return 4e-9 * n * d * min(n, d) + 5e-8 * n * d + 2e-4 * max(size.n_classes, 1)


FAMILY = TableFamily(
    name="discriminant",
    covers=frozenset(
        f"sklearn.discriminant_analysis:{name}"
        for name in ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis")
    ),
    rules=(
        NEVER_MATTER,
        JOBS,
        rule("store_covariance"),
        rule("tol", when=lambda p: p.get("solver") != "svd", only=("LinearDiscriminantAnalysis",)),
    ),
    seeded=lambda path, params: False,
    cost=_cost,
)
