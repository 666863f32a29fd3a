"""Settings of the whole suite."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

for suite in ("stores", "families"):
    pytest.register_assert_rewrite(f"manyfit.testing.{suite}")

settings.register_profile("default", deadline=None, print_blob=True)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep converted data out of the user's cache; one folder for the whole run, as on a real host."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("MANYFIT_CACHE", str(folder))


@pytest.fixture
def python_path() -> str:
    """Return a PYTHONPATH with which child processes find the package under test and the tests."""
    root = Path(__file__).resolve().parents[1]
    return os.pathsep.join([str(root / "src"), str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
