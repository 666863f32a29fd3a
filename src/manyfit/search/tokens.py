"""Tokens that are equal for equal estimators only: what they name may be shared between fits."""

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


class Same:
    """Equal to another only if it stands for the very same object; keeps it alive."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def token_of(value: Any) -> Hashable:
    """
    Return the token of a parameter: by content for plain values, arrays and estimators, else by identity.

    Values that compare equal and mean different things (1, 1.0 and True; 0.0 and -0.0) have different tokens.
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind.__name__, repr(value)
    if isinstance(value, np.generic) and value.dtype.kind != "O":
        return kind.__name__, value.dtype.str, value.tobytes()
    if kind is np.ndarray and not value.dtype.hasobject:
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).digest()
        return "array", value.dtype.str, value.shape, digest
    if kind in (list, tuple):
        return kind.__name__, tuple(token_of(part) for part in value)
    if kind is dict:
        return "dict", tuple((token_of(name), token_of(part)) for name, part in value.items())
    if is_estimator(value):
        return estimator_token(value)
    return Same(value)


def estimator_token(estimator: Any) -> Hashable:
    """Return the token of an unfitted estimator: its class and all its parameters."""
    usual = BaseEstimator.__sklearn_clone__
    if getattr(type(estimator), "__sklearn_clone__", usual) is not usual:
        return Same(estimator)  # a frozen estimator keeps what it was fitted to
    params: Mapping[str, Any] = estimator.get_params(deep=False)
    return Same(type(estimator)), tuple((name, token_of(params[name])) for name in sorted(params))


def is_estimator(value: Any) -> bool:
    """Whether *value* is an estimator, not a class of them."""
    return hasattr(value, "get_params") and not isinstance(value, type)
