"""Settings of the whole suite."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from manyfit.model.errors import NotFound

if os.environ.get("MANYFIT_REQUIRE_POSTGRES") == "1":
    import psycopg  # noqa: F401 - nothing may be skipped for want of it

for suite in ("stores", "families"):
    pytest.register_assert_rewrite(f"manyfit.testing.{suite}")

settings.register_profile("default", deadline=None, print_blob=True)
settings.load_profile("default")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep converted data out of the user's cache; one folder for the whole run, as on a real host."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """
    Hold the numerical libraries of this process to one thread; a test that wants more says so.

    Threads of several test processes would wait for each other by spinning, which takes twice the processor time.
    """
    with threadpool_limits(1):
        yield


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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Let every worker begin with its share of the slow tests, so that none ends alone with one.

    Workers first get an equal number of tests each, in order; who is done takes over from the end of another's.
    Slow tests are dealt in fours: neighbours often share what they need.
    """
    n_workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if n_workers == 1:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    size, more = divmod(len(items), n_workers)
    ordered: list[pytest.Item] = []
    for number in range(n_workers):
        share = [item for place, item in enumerate(slow) if place // 4 % n_workers == number]
        n_quick = max(0, size + (n_workers - number <= more) - len(share))
        ordered += [*share, *quick[:n_quick]]
        del quick[:n_quick]
    items[:] = [*ordered, *quick]


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
