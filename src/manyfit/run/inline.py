"""A runner inside the worker's own process: no child, no limits, nothing to survive."""

import os
from collections.abc import Callable, Iterator
from selectors import BaseSelector

from manyfit.run.bench import Bench
from manyfit.run.guard import Unguarded
from manyfit.run.messages import Frame, Kind, Order


class InlineRunner:
    """
    The `Runner` for tests with very many light workers, and for tiny sweeps.

    Each `read` runs the executor up to its next event; a task that hangs or crashes takes the worker along.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._bench = Bench(Unguarded(), clock, lambda serial: serial == self._stopped)
        self._frames: Iterator[Frame] = iter(())
        self._busy = False
        self._serial = 0
        self._stopped = -1

    def attach(self, selector: BaseSelector) -> None:
        """Nothing to wait for: there is no other process."""

    def begin(self, order: Order) -> None:
        self._frames, self._busy, self._serial = self._bench.carry_out(order), True, order.serial

    def eager(self) -> bool:
        return self._busy

    def read(self) -> list[Frame]:
        if not self._busy:
            return []
        frames = []
        for frame in self._frames:
            frames.append(frame)
            if frame.kind is not Kind.STARTED:
                break
        self._busy = frames[-1].kind not in (Kind.COMPLETE, Kind.REFUSED)
        return frames

    def stop(self) -> None:
        self._stopped = self._serial

    def terminate(self) -> None:
        """Nothing to end: a task in progress cannot be interrupted here."""

    def kill(self) -> list[Frame]:
        self._busy, self._frames = False, iter(())
        return []

    def pid(self) -> int | None:
        return os.getpid()

    def private_bytes(self) -> int:
        return 0

    def close(self) -> None:
        self.kill()
