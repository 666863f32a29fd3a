"""
Nearest neighbours.

`leaf_size` is dropped for brute force only: in trees it may decide which of several equally near rows
is found. Costs: `benchmarks/calibrate_costs.py`; nearly all of it is the query, not the fit.
"""

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import JOBS, NEVER_MATTER, Params, TableFamily, rule

_NAMES = (
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "NearestCentroid",
)


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    if name == "NearestCentroid":
        return 2e-8 * n * d
    far = 1.0 if params.get("metric") in ("minkowski", "euclidean") and params.get("p") in (2, None) else 3.0
    return 5e-3 + far * n * (4e-6 + 1.2e-9 * n * min(d, 30))


FAMILY = TableFamily(
    name="neighbors",
    covers=frozenset(f"sklearn.neighbors:{name}" for name in _NAMES),
    rules=(
        NEVER_MATTER,
        JOBS,
        rule("p", when=lambda p: p.get("metric") != "minkowski"),
        rule("leaf_size", when=lambda p: p.get("algorithm") == "brute"),
    ),
    seeded=lambda path, params: False,
    cost=_cost,
    scale_sensitive=True,
)
