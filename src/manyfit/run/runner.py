"""The runner process: the child that fits. It is forked by the template and ends with it."""

import mmap
import os
import time
from selectors import BaseSelector
from typing import Protocol

from manyfit.model.segment import SegmentHeader
from manyfit.run.bench import Bench
from manyfit.run.guard import Guard
from manyfit.run.messages import LENGTH, Frame, Order, order_from_json, pack_frame


class Runner(Protocol):
    """
    Carries out one order at a time for a worker, which never waits for it.

    What happens shows in the frames that `read` returns. A runner that died or was killed is replaced
    when the next order begins.
    """

    def attach(self, selector: BaseSelector) -> None:
        """Wake *selector* whenever `read` may have something."""

    def begin(self, order: Order) -> None:
        """Start to carry out *order*. The one before must be complete, refused, died or killed."""

    def eager(self) -> bool:
        """Whether `read` makes progress without any event to wait for."""

    def read(self) -> list[Frame]:
        """Return what happened since the last call, without waiting."""

    def stop(self) -> None:
        """Ask for the end of the order after the task in progress; COMPLETE follows."""

    def terminate(self) -> None:
        """Ask the process group of the runner to end (SIGTERM); DIED follows when it does."""

    def kill(self) -> list[Frame]:
        """End the runner and everything it started, at once; return the frames it had sent. No DIED follows."""

    def pid(self) -> int | None:
        """Return the process that carries out orders, None while there is none that is known."""

    def private_bytes(self) -> int:
        """Return the memory of the runner and all that it started beyond what it started with."""

    def close(self) -> None:
        """End everything that belongs to this runner."""


def serve(orders: int, frames: int, stop: mmap.mmap, guard: Guard) -> None:
    """Carry out the orders that come from file descriptor *orders*, until it ends."""
    bench = Bench(guard, time.time, lambda serial: LENGTH.unpack_from(stop)[0] == serial)
    headers: dict[str, SegmentHeader] = {}
    while (body := _receive(orders)) is not None:
        for frame in bench.carry_out(order_from_json(body, headers)):
            _send(frames, pack_frame(frame))


def _receive(orders: int) -> bytes | None:
    length = _read_exactly(orders, LENGTH.size)
    return None if length is None else _read_exactly(orders, LENGTH.unpack(length)[0])


def _read_exactly(descriptor: int, n_bytes: int) -> bytes | None:
    """Return exactly *n_bytes*, or None at the end of the file."""
    parts = bytearray()
    while len(parts) < n_bytes:
        part = os.read(descriptor, n_bytes - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _send(descriptor: int, data: bytes) -> None:
    """Write all of *data*; a pipe may take only a part of it."""
    n_written = os.write(descriptor, data)
    while n_written < len(data):
        n_written += os.write(descriptor, memoryview(data)[n_written:])
