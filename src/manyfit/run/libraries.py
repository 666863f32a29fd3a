"""The libraries that results depend on, with the versions that are installed."""

import platform
from importlib.metadata import PackageNotFoundError, version

from manyfit._version import __version__

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "polars",
    "skops",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "numba",
    "dtaidistance",
)
"""Libraries that fit, transform or write models."""


def versions() -> dict[str, str]:
    """Return the versions of `LIBRARIES`, those that are installed; nothing is imported."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def all_versions() -> dict[str, str]:
    """Return the versions of Python, of manyfit and of libraries."""
    return {"python": platform.python_version(), "manyfit": __version__, **versions()}
