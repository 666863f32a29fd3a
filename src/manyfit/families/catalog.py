"""The families that manyfit has, and which of them covers a class."""

from collections.abc import Iterable

from manyfit.contracts.estimators import Family
from manyfit.families import (
    anomaly,
    bayes,
    boosting,
    discriminant,
    forecast,
    forests,
    gbt,
    generic,
    knn,
    lgbm,
    linear,
    neighbors,
    nets,
    ridge,
    signals,
    svm,
    transforms,
    xgb,
)

REGISTERED: tuple[Family, ...] = (
    svm.FAMILY,
    linear.FAMILY,
    ridge.FAMILY,
    neighbors.FAMILY,
    forests.FAMILY,
    boosting.FAMILY,
    xgb.FAMILY,
    lgbm.FAMILY,
    discriminant.FAMILY,
    bayes.FAMILY,
    nets.FAMILY,
    transforms.FAMILY,
    gbt.FAMILY,
    knn.FAMILY,
    anomaly.FAMILY,
    forecast.FAMILY,
    signals.FAMILY,
)
"""A new family is one file and one line here. No two cover the same class."""


class FamilyCatalog:
    """Finds families by the import path of a class, as `SklearnCatalog.resolve` gives it."""

    def __init__(self, registered: Iterable[Family] = REGISTERED, generic_family: Family = generic.FAMILY) -> None:
        self._by_path = {path: family for family in registered for path in family.covers}
        self._generic = generic_family

    def of(self, path: str) -> Family:
        return self._by_path.get(path, self._generic)
