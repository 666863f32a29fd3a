"""The estimators that a sweep file can name: those of libraries, and the registered ones."""

from manyfit.families.estimators import SklearnCatalog
from manyfit.models.catalog import registered


def estimator_catalog() -> SklearnCatalog:
    """Return a new catalog that knows every registered name. Raises `UserError` as `registered` does."""
    return SklearnCatalog(names=registered())
