"""Any sequence of calls leaves the directory store and its model in the same state."""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings

from manyfit.stores.directory import DirectoryStore
from manyfit.stores.files.disk import Disk
from manyfit.testing.store_machine import BY, PATIENCE, machine_for


class Unsynced(Disk):
    """A disk that does not wait for the medium: what is tested here is who gets what, not durability."""

    def fsync(self, fd):
        pass

    def fdatasync(self, fd):
        pass


@contextmanager
def opened(clock):
    """Make a directory store in a new folder."""
    times = {"clock": clock, "monotonic": clock, "patience": PATIENCE, "by": BY, "refresh_seconds": 0.0}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.sweep"
        yield lambda: DirectoryStore.create(path, sweep="tiny", disk=Unsynced(), **times)


TestDirectoryAgainstModel = machine_for(opened).TestCase
TestDirectoryAgainstModel.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
