"""Any sequence of calls leaves the SQLite store and its model in the same state."""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from manyfit.stores.sqlite import create_sqlite
from manyfit.testing.store_machine import BY, PATIENCE, machine_for


@contextmanager
def opened(clock):
    """Make a SQLite store in a new folder."""
    times = {"clock": clock, "monotonic": clock, "patience": PATIENCE, "by": BY}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        yield lambda: create_sqlite(path, sweep="tiny", **times)


TestSqliteAgainstModel = pytest.mark.slow(machine_for(opened).TestCase)
TestSqliteAgainstModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
