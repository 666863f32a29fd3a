"""Forecasts without learning say what stands in the columns."""

import numpy as np
import pytest

from manyfit.models.forecast import Drift, SeasonalNaive

X = np.array([[1.0, 10.0], [2.0, 20.0], [np.nan, 30.0]])
Y = np.array([4.0, 5.0, 6.0])


def test_the_naive_forecast_is_the_column():
    """The value of the column is the forecast; where it is missing, the mean of what was trained on."""
    assert SeasonalNaive().fit(X, Y).predict(X).tolist() == [1, 2, 5]
    assert SeasonalNaive(column=1).fit(X, Y).predict(X).tolist() == [10, 20, 30]


def test_drift_draws_the_line_on():
    """From 10 over 1 the line goes down by nine times the ratio."""
    assert Drift().fit(X, Y).predict(X).tolist() == [1 - 9, 2 - 18, 5]
    assert Drift(recent=1, earlier=0, ratio=2.0).fit(X, Y).predict(X).tolist() == [10 + 18, 20 + 36, 5]
    assert Drift(ratio=0.0).fit(X, Y).predict(X[:2]).tolist() == [1, 2]


def test_a_column_that_is_not_there_is_named():
    """The error counts the columns."""
    with pytest.raises(ValueError, match="no column 2: X has 2 feature"):
        SeasonalNaive(column=2).fit(X, Y)
    with pytest.raises(ValueError, match="no column 5"):
        Drift(earlier=5).fit(X, Y)
