"""Warnings of what is computed once, given again for every fit that would have given them."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Heard = list[warnings.WarningMessage]


def heard(compute: Callable[..., T], *arguments: Any) -> tuple[T, Heard]:
    """Return what *compute* returns and every warning that it gives, which is not shown."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = compute(*arguments)
    return result, found


def repeat(found: Heard) -> None:
    """Give the warnings, as often as this is called, subject to the filters in force."""
    for warning in found:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
