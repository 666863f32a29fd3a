"""The names of registered estimators: manyfit's own, and those that installed packages announce."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from manyfit.model.errors import UserError

GROUP = "manyfit.models"
"""Entry points of this group announce estimators of other packages: NAME = "package.module:Class"."""

NAMES: Mapping[str, str] = {
    "gbt": "manyfit.models.gbt:GbtClassifier",
    "gbt_regressor": "manyfit.models.gbt:GbtRegressor",
    "knn": "manyfit.models.knn:KnnClassifier",
    "knn_regressor": "manyfit.models.knn:KnnRegressor",
    "knn_semi": "manyfit.models.knn_semi:KnnSemiClassifier",
    "anomaly_forest": "manyfit.models.anomaly:AnomalyForest",
    "anomaly_neighbors": "manyfit.models.anomaly:AnomalyNeighbors",
    "anomaly_svm": "manyfit.models.anomaly:AnomalySvm",
    "anomaly_envelope": "manyfit.models.anomaly:AnomalyEnvelope",
    "seasonal_naive": "manyfit.models.forecast:SeasonalNaive",
    "drift": "manyfit.models.forecast:Drift",
    "Decimate": "manyfit.models.signals.decimate:Decimate",
    "Amplitude": "manyfit.models.signals.amplitude:Amplitude",
    "TimeFeatures": "manyfit.models.signals.time_features:TimeFeatures",
    "SpectralFeatures": "manyfit.models.signals.spectral_features:SpectralFeatures",
    "ReferenceDistances": "manyfit.models.signals.references:ReferenceDistances",
}
"""Import paths of the estimators in this package; a new one is one file and one line here."""


@cache
def registered() -> Mapping[str, str]:
    """
    Return the import path of every registered estimator by its name; nothing is imported.

    Raises `UserError` for a name that two packages announce, or that is one of manyfit's own.
    """
    found = dict(NAMES)
    owners = dict.fromkeys(found, "manyfit")
    for point in entry_points(group=GROUP):
        owner = point.dist.name if point.dist else point.value
        if found.setdefault(point.name, point.value) != point.value:
            raise UserError(
                f'the packages {owners[point.name]} and {owner} both announce an estimator "{point.name}";'
                " uninstall one of them, or write the import path of the class in the sweep file"
            )
        owners.setdefault(point.name, owner)
    return found
