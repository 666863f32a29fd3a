"""Which releases of libraries are installed, to be held against those that fusion rules were proven on."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from manyfit.contracts.fusion import Rule

_SAME_LIBRARY: Mapping[str, str] = {"xgboost": "xgboost-cpu"}
"""Distributions that install the same library."""


def releases_for(rules: Iterable[Rule]) -> dict[str, str]:
    """Return the installed release ("1.9") of each library that *rules* were proven on, "" for none."""
    return {library: release(library) for rule in rules for library in rule.proven_on}


@cache
def release(library: str) -> str:
    """Return the installed release ("1.9") of *library*, an empty text when it is not installed."""
    for name in (library, _SAME_LIBRARY.get(library)):
        if name is not None:
            try:
                return ".".join(version(name).split(".")[:2])
            except PackageNotFoundError:
                continue
    return ""
