"""What the tests of searches have in common."""

import pytest
from threadpoolctl import threadpool_limits

from manyfit.search import running


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Hold the numerical libraries to one thread: scikit-learn's own searches here are fast only so."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def pooled(monkeypatch):
    """Have the pool do even the smallest search, and this process nothing."""
    monkeypatch.setattr(running, "SMALL_SECONDS", -1.0)
    monkeypatch.setattr(running, "HANDING_SECONDS", 0.0)
    monkeypatch.setattr(running.Running, "_help", lambda *_: None)


def pytest_configure(config):
    """Know the marks that scikit-learn's own tests have."""
    for mark in ("no_check_spmatrix", "parallel_threads", "thread_unsafe"):
        config.addinivalue_line("markers", f"{mark}: known to scikit-learn")
