"""scikit-learn's own tests, loaded from the installed package, with our search classes in place of its own."""

import importlib
import inspect
import io
import warnings
from contextlib import contextmanager, redirect_stdout
from unittest import mock

import pytest
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - two of the classes are hidden without it
from sklearn.model_selection import _search
from sklearn.utils._test_common import instance_generator

import manyfit
from manyfit.search.searching import Search

NAMES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
OURS = {name: getattr(manyfit, name) for name in NAMES}
THEIRS = tuple(getattr(model_selection, name) for name in NAMES)


@contextmanager
def replaced():
    """Have everybody who imports a search class from scikit-learn get ours, for the length of the block."""
    made = instance_generator.INIT_PARAMS
    alike = {ours: made[theirs] for theirs, ours in zip(THEIRS, OURS.values(), strict=True) if theirs in made}
    with (
        mock.patch.multiple(model_selection, **OURS),
        mock.patch.object(_search, "BaseSearchCV", Search),
        mock.patch.dict(made, alike),
    ):
        yield


def own_tests(place, names=()):
    """
    Return the tests of a module of scikit-learn by the name that they have here; *names* empty: all of them.

    The module stays the one that Python knows, so that other processes find the classes in it.
    """
    with replaced(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"sklearn.{place}")
    assert all(getattr(module, name, ours) is ours for name, ours in OURS.items()), f"{module} was imported before"
    own = {
        name: test for name, test in vars(module).items() if name.startswith("test") and inspect.isroutine(test)
    }
    missing = set(names) - own.keys()
    assert not missing, f"sklearn.{place} has no {missing}"
    prefix = place.rpartition(".test_")[2]
    return {f"{prefix}__{name[5:]}": only_ours(own[name]) for name in names or own}


def only_ours(test):
    """Return a test of many kinds of estimators for our classes alone."""
    marks = [_narrowed(mark) for mark in getattr(test, "pytestmark", [])]
    if marks:
        test.pytestmark = marks
    return test


def _narrowed(mark):
    if mark.name != "parametrize":
        return mark
    if mark.args[0] != "metaestimator":
        return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), *mark.args[2:], **mark.kwargs).mark
    cases = [case for case in mark.args[1] if case["metaestimator"] in OURS.values()]
    assert len(cases) == len(OURS)
    return pytest.mark.parametrize(
        "metaestimator", cases, ids=[case["metaestimator"].__name__ for case in cases]
    ).mark
