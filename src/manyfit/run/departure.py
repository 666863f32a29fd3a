"""When a worker has to leave: a signal, or the end of the process that started it."""

import contextlib
import os
import select
import signal
import socket
import threading
from selectors import EVENT_READ, BaseSelector
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Departure:
    """
    Watches for SIGTERM, SIGINT and the end of the lifeline while it is entered.

    `lifeline` is the read end of a pipe whose other end the launcher holds and never writes to: however
    the launcher ends, the pipe ends with it. Signals are left alone outside of the main thread.
    """

    def __init__(self, lifeline: int | None) -> None:
        self.why: str | None = None
        self._lifeline = lifeline
        self._previous: dict[int, Any] = {}
        self._previous_wake = -1
        self._awake, self._wake = socket.socketpair()
        self._awake.setblocking(False)
        self._wake.setblocking(False)

    @property
    def preempted_by(self) -> str | None:
        """The signal by which a scheduler takes the machine back, if that is why; a person sends another."""
        return self.why if self.why == signal.SIGTERM.name else None

    def __enter__(self) -> "Departure":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
            self._previous_wake = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous:
            signal.set_wakeup_fd(self._previous_wake)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._awake.close()
        self._wake.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.why = self.why or signal.Signals(number).name

    def _watched(self) -> list[int]:
        lifeline = [] if self._lifeline is None else [self._lifeline]
        return [self._awake.fileno(), *lifeline]

    def attach(self, selector: BaseSelector) -> None:
        """Wake *selector* when it is time to leave."""
        for descriptor in self._watched():
            selector.register(descriptor, EVENT_READ, self)

    def notice(self) -> None:
        """Find out what woke the selector."""
        with contextlib.suppress(BlockingIOError):
            self._awake.recv(4096)
        if self._lifeline is None or self.why is not None:
            return
        ready, _, _ = select.select([self._lifeline], [], [], 0)
        if ready and not os.read(self._lifeline, 4096):
            self.why = "the process that started this worker is gone"

    def wait(self, seconds: float) -> None:
        """Wait for *seconds*, or until it is time to leave."""
        if self.why is None and select.select(self._watched(), [], [], max(0.0, seconds))[0]:
            self.notice()
