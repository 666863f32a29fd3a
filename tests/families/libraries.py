"""Skipping tests of estimators whose library is not installed, or cannot be loaded here."""

import importlib
from functools import cache

import pytest


@cache
def why_not(library: str) -> str:
    """Return why *library* cannot be imported, an empty text when it can."""
    try:
        importlib.import_module(library)
    except ModuleNotFoundError:
        return f"{library} is not installed"
    except OSError as exc:
        return f"{library} cannot be loaded ({exc}); it needs libgomp: apt-get install libgomp1"
    return ""


def needs(library: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test, or a class of them, where *library* cannot be imported."""
    return pytest.mark.skipif(bool(why_not(library)), reason=why_not(library) or "it is there")
