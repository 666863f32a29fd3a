"""
Conformance suite for stores.

Subclass `StoreSuite` in a test module, name the backend and provide `open_store`::

    class TestMyStore(StoreSuite):
        backend = "mystore"

        @pytest.fixture
        def open_store(self, tmp_path, clock):
            return lambda: MyStore(tmp_path, clock=clock, monotonic=clock)

A handle of the suite must not lag: what one handle did, the next call on another one sees.
"""

from manyfit.testing.stores.acting import (
    accepted_lines,
    act,
    add,
    cancel,
    claimed,
    copy,
    counts,
    indices,
    indices_text,
    limit,
    numbers_text,
    run,
    state_of,
)
from manyfit.testing.stores.builders import (
    CELL,
    A,
    B,
    C,
    beat,
    candidate,
    end,
    key_of,
    line,
    segment,
    worker_info,
)
from manyfit.testing.stores.clock import PATIENCE, ManualClock
from manyfit.testing.stores.suite import StoreSuite

__all__ = [
    "CELL",
    "PATIENCE",
    "A",
    "B",
    "C",
    "ManualClock",
    "StoreSuite",
    "accepted_lines",
    "act",
    "add",
    "beat",
    "cancel",
    "candidate",
    "claimed",
    "copy",
    "counts",
    "end",
    "indices",
    "indices_text",
    "key_of",
    "limit",
    "line",
    "numbers_text",
    "run",
    "segment",
    "state_of",
    "worker_info",
]
