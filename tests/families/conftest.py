"""Estimators are tested with one thread, as they run: with more, sums are added up in another order."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Two processes with two threads each on two cores would also take several times as long."""
    with threadpool_limits(1):
        yield
