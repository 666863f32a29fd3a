"""What fits have to agree in: their parameters as one hashable value."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from manyfit.contracts.fusion import Params

_PLAIN = frozenset({type(None), bool, int, str})


def token(path: str, params: Params, axes: tuple[str, ...]) -> Hashable:
    """Return the class and all its parameters but the axes; equal values of unlike types differ (1 and True)."""
    return (path, *((name, frozen(params[name])) for name in sorted(params) if name not in axes))


def frozen(value: Any) -> Hashable:
    """Return a hashable stand-in for a parameter: containers and arrays by content, objects by identity."""
    kind = type(value)
    if kind in _PLAIN:
        return (kind.__name__, value)
    if isinstance(value, float) and math.isnan(value):
        return (type(value).__name__, "nan")  # NaN is not equal to itself
    if isinstance(value, Mapping):
        return ("mapping", *((str(key), frozen(part)) for key, part in sorted(value.items(), key=_by_text)))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(frozen(part) for part in value))
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, value.shape, value.tobytes())
    try:
        hash(value)
    except TypeError:
        return ("object", id(value))
    return (type(value).__name__, value)


def _by_text(pair: tuple[Any, Any]) -> str:
    return str(pair[0])
