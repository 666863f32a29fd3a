"""
manyfit: train many models, share their work, never lose a finished fit.

``Sweep`` declares, plans and runs; ``Results`` reads what came out; ``load`` gives a fitted model;
``copy_sweep`` and ``prune`` are for whole stores. ``GridSearchCV``, ``RandomizedSearchCV``,
``HalvingGridSearchCV`` and ``HalvingRandomSearchCV`` take the place of scikit-learn's. Every exception is in
`manyfit.model.errors` and derives from ``ManyfitError``.
"""

from typing import TYPE_CHECKING, Any

from manyfit._version import __version__

if TYPE_CHECKING:
    from manyfit.api.loading import load
    from manyfit.api.pruning import prune
    from manyfit.api.results import Results
    from manyfit.api.stores import copy_sweep
    from manyfit.api.sweeps import Sweep
    from manyfit.model.errors import ManyfitError
    from manyfit.search.classes import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "ManyfitError",
    "RandomizedSearchCV",
    "Results",
    "Sweep",
    "__version__",
    "copy_sweep",
    "load",
    "prune",
]

_WHERE = {
    "GridSearchCV": "manyfit.search.classes",
    "HalvingGridSearchCV": "manyfit.search.classes",
    "HalvingRandomSearchCV": "manyfit.search.classes",
    "RandomizedSearchCV": "manyfit.search.classes",
    "ManyfitError": "manyfit.model.errors",
    "Results": "manyfit.api.results",
    "Sweep": "manyfit.api.sweeps",
    "copy_sweep": "manyfit.api.stores",
    "load": "manyfit.api.loading",
    "prune": "manyfit.api.pruning",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that a light command imports no heavy library."""
    if name not in _WHERE:
        raise AttributeError(f"module 'manyfit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
