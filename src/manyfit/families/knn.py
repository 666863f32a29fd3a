"""
Nearest neighbours of `manyfit.models`: with a scaler of their own, and from few labels.

The labels that `knn_semi` keeps depend on its seed. Costs: as those of scikit-learn's neighbours, and hashing.
"""

from manyfit.contracts.estimators import FitSize, Meets
from manyfit.families import neighbors
from manyfit.families.family import Params, TableFamily, number, rule, spread_warning

_SEMI = "KnnSemiClassifier"
_HASH_SECONDS = 2e-6


def _cost(name: str, params: Params, size: FitSize) -> float:
    found = neighbors.FAMILY.cost("KNeighborsClassifier", {"metric": params.get("metric"), "p": 2}, size)
    if name != _SEMI:
        return found
    rounds = 0.0 if params.get("stage") == "labeler" else 0.3 * number(params, "rounds", 1.0)
    return found * (1.0 + rounds) + _HASH_SECONDS * size.n_rows


def _all_labels(params: Params) -> bool:
    return number(params, "labelled", 0.2) >= 1


def _advises(name: str, params: Params, data: Meets) -> str | None:
    if data.scaled or params.get("scale") is not None:
        return None
    told = spread_warning(name, data.spreads)
    return f'{told}; write scale = "standard"' if told else None


FAMILY = TableFamily(
    name="knn",
    covers=frozenset(
        {
            "manyfit.models.knn:KnnClassifier",
            "manyfit.models.knn:KnnRegressor",
            f"manyfit.models.knn_semi:{_SEMI}",
        }
    ),
    rules=(
        rule("threshold", "rounds", when=lambda p: p.get("stage") == "labeler", only=(_SEMI,)),
        rule("threshold", "rounds", "stage", when=_all_labels, only=(_SEMI,)),
    ),
    seeded=lambda path, params: not _all_labels(params),
    cost=_cost,
    advises=_advises,
)
