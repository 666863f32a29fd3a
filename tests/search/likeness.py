"""Comparing a search of manyfit with scikit-learn's own, fitted on the same data."""

import re
import warnings

import numpy as np
from sklearn import clone


def fitted(search, *args, **params):
    """Return (the fitted search, what it warned of, what it raised)."""
    search = clone(search)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            search.fit(*args, **params)
            error = None
        except Exception as raised:
            error = raised
    return search, sorted({(one.category.__name__, first_line(one.message)) for one in caught}), error


def first_line(message):
    """Return what a warning begins with: later lines may hold tracebacks and times."""
    return next((line for line in str(message).splitlines() if line), "")[:200]


def assert_alike(ours, theirs, *args, rtol=0.0, **params):
    """Assert that both searches find the same, warn of the same and raise the same; return ours, fitted."""
    mine, warned, raised = fitted(ours, *args, **params)
    other, warned_there, raised_there = fitted(theirs, *args, **params)
    assert told(raised) == told(raised_there)
    assert warned == warned_there
    if raised is None:
        assert_same_results(mine, other, rtol)
    return mine


def told(error):
    """Return an exception as text, without what marks lines and places in tracebacks."""
    return "\n".join(
        line for line in re.sub(r"line \d+", "line", repr(error)).split("\\n") if not set(line) <= set("^~ ")
    )


def assert_same_results(mine, other, rtol):
    """Assert that two fitted searches have the same public attributes."""
    assert list(mine.cv_results_) == list(other.cv_results_)
    for name, values in other.cv_results_.items():
        if not name.endswith("_time"):
            assert_same_column(name, mine.cv_results_[name], values, rtol)
    ends = {name for name in vars(other) if name.endswith("_") and not name.startswith("_")}
    assert ends == {name for name in vars(mine) if name.endswith("_") and not name.startswith("_")}
    for name in ends & {
        "best_index_",
        "n_splits_",
        "multimetric_",
        "n_resources_",
        "n_candidates_",
        "n_iterations_",
    }:
        assert np.array_equal(getattr(mine, name), getattr(other, name)), name
    assert repr(getattr(mine, "best_params_", None)) == repr(getattr(other, "best_params_", None))


def assert_same_column(name, mine, other, rtol):
    """Assert that a column of cv_results_ has the same values, types and mask."""
    assert type(mine) is type(other), name
    if name == "params":
        assert repr(mine) == repr(other)
        return
    assert mine.dtype == other.dtype, name
    assert np.array_equal(np.ma.getmaskarray(mine), np.ma.getmaskarray(other)), name
    shown = ~np.ma.getmaskarray(other)
    left, right = np.ma.getdata(mine)[shown], np.ma.getdata(other)[shown]
    if left.dtype.kind == "f":
        np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol, err_msg=name)
    else:
        assert [repr(value) for value in left.tolist()] == [repr(value) for value in right.tolist()], name
