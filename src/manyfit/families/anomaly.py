"""
The anomaly detectors of `manyfit.models.anomaly`.

Costs: one thread, 300 to 20,000 rows and 10 to 100 columns, within a factor of three; the envelope depends
on how soon its estimate settles.
"""

import math

from manyfit.contracts.estimators import FitSize, Meets
from manyfit.families.family import Params, TableFamily, number, rule, spread_warning

_FOREST, _NEIGHBORS, _SVM, _ENVELOPE = "AnomalyForest", "AnomalyNeighbors", "AnomalySvm", "AnomalyEnvelope"
_TAKES_DISTANCES = (_NEIGHBORS, _SVM)


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d = size.n_rows, size.n_columns
    if name == _FOREST:
        return number(params, "n_estimators", 100) * (1.8e-3 + 2.5e-7 * n)
    if name == _NEIGHBORS:
        return 5e-3 + 2 * n * (8e-6 + 1.2e-9 * n * min(d, 30))
    if name == _SVM:
        return 2e-3 + 1.2e-8 * n * n * (0.5 + d / 50) * (1 + 5 * number(params, "nu", 0.1))
    return 0.1 + 3e-6 * n * d * math.sqrt(d) + 1e-5 * min(n, 600) * d


def _advises(name: str, params: Params, data: Meets) -> str | None:
    if data.scaled or name not in _TAKES_DISTANCES:
        return None
    return spread_warning(name, data.spreads)


FAMILY = TableFamily(
    name="anomaly",
    covers=frozenset(f"manyfit.models.anomaly:{name}" for name in (_FOREST, _NEIGHBORS, _SVM, _ENVELOPE)),
    rules=(rule("gamma", when=lambda p: p.get("kernel") == "linear", only=(_SVM,)),),
    cost=_cost,
    advises=_advises,
)
