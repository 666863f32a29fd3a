"""Settings of the whole suite."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from manyfit.model.errors import NotFound

if os.environ.get("MANYFIT_REQUIRE_POSTGRES") == "1":
    import psycopg  # noqa: F401 - nothing may be skipped for want of it

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """One private PostgreSQL server for the whole run."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    from manyfit.testing.postgres import REQUIRED, PrivatePostgres

    try:
        server = PrivatePostgres()
    except NotFound as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(str(error))
    with server:
        yield server


_FIGURES = pytest.StashKey[list[tuple[str, str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep what tests measured until the end of the run; let Ctrl-C reach programs under test."""
    config.stash[_FIGURES] = []
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell starts what it puts into the background like that, and children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, object, str], None]:
    """Return what notes (what was done, how often, what came of it) for the table at the end of the run."""
    found = request.config.stash[_FIGURES]
    return lambda what, number, outcome: found.append((what, f"{number:,}", outcome))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what tests measured as a table in Markdown, ready for the documentation."""
    found = config.stash[_FIGURES]
    if found:
        terminalreporter.section("figures")
        terminalreporter.write_line("| what was done | how often | what came of it |")
        terminalreporter.write_line("|---|---:|---|")
        for row in sorted(found):
            terminalreporter.write_line(f"| {' | '.join(row)} |")
