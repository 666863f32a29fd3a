"""Every store passes the same laws."""

from typing import ClassVar

import pytest

from manyfit.stores.directory import DirectoryStore
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores import PATIENCE, StoreSuite


class TestMemoryStore(StoreSuite):
    backend = "memory"

    @pytest.fixture
    def open_store(self, clock):
        state = MemoryState(sweep="tiny")
        return lambda: MemoryStore(state, clock=clock, monotonic=clock, patience=PATIENCE)


class TestDirectoryStore(StoreSuite):
    backend = "directory"

    @pytest.fixture
    def open_store(self, tmp_path, clock):
        opened = []

        def open_store():
            store = DirectoryStore.create(
                tmp_path / "tiny.sweep",
                sweep="tiny",
                clock=clock,
                monotonic=clock,
                patience=PATIENCE,
                refresh_seconds=0.0,
            )
            opened.append(store)
            return store

        yield open_store
        for store in opened:
            store.close()


def test_a_suite_cannot_quietly_drop_a_law():
    """Overriding a law is refused at class creation."""
    with pytest.raises(TypeError, match="declare a deviation"):

        class Cheat(StoreSuite):
            backend = "cheat"

            def test_claim_is_exclusive(self):
                assert True


def test_a_deviation_must_name_a_law():
    """A deviation from a law that does not exist is refused."""
    with pytest.raises(TypeError, match="unknown laws"):

        class Odd(StoreSuite):
            backend = "odd"
            deviations: ClassVar = {"test_nothing": "no reason"}
