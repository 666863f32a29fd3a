"""A pool of warm runners in the calling process: work in, result bodies out, no store between them."""

import contextlib
import itertools
import json
import os
import selectors
import socket
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from manyfit.contracts.executor import Work
from manyfit.model.errors import ManyfitError, UserError
from manyfit.run.forked import ForkedRunner
from manyfit.run.seat import Ended, Happened, Piece, Seat

_LONGEST_WAIT = 60.0
_CLOSE_SECONDS = 20.0
Body = Mapping[str, Any]


class Pool:
    """
    *n* runners, each a process of its own with *threads* threads, for work without a store.

    A runner fits; it is a `ForkedRunner` with everything that it survives and limits. `executor` is what
    the runners import while they start ("package.module:function"); work whose header names another
    one makes them start anew. The constructor returns at once: the runners start, and later the work is
    handed out, by a thread of the pool. Everything may be called from any thread.

        with Pool(2, executor=header.executor) as pool:
            for index, body in pool.run(works):
                if body["outcome"] == "failed":
                    print(index, body["failure"]["cls"], body["failure"]["message"])

    `works` are `Work` values: tasks with one header, which run on one runner one after the other. Task
    indices must be unique within one call of `run`. A body has the fields of a `TaskResult` as JSON
    values, without attempt and final.

    What goes wrong with a task is a body with a failure, never an exception: an error of user code, a limit
    of the header, a runner that died (class "crash"). Tasks that were in progress together when it did
    run once more one by one first. `UserError` is raised when no runner can be made at all.

    Runners stay warm until `close`, which `with`, the end of the interpreter and the death of this process
    by any signal all amount to. A child that this process forks has no part in the pool.
    """

    def __init__(
        self,
        n: int,
        threads: int = 1,
        *,
        executor: str = "manyfit.fit.executor:fit_executor",
        output: Path | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n = n
        self.threads = threads
        seats = [Seat(ForkedRunner(threads=threads, output=output), clock, monotonic) for _ in range(n)]
        self._service = _Service(seats, executor, monotonic)
        self._finalizer = weakref.finalize(self, _Service.close, self._service)
        self._service.start()

    def ready(self) -> bool:
        """Whether at least one runner has its executor imported: it begins work within milliseconds."""
        return self._service.n_warm > 0

    def run(
        self, works: Sequence[Work], *, costs: Sequence[float] | None = None, segment: str | None = None
    ) -> "Round":
        """
        Begin to do *works*, the largest first, and return the round of them; iterate over it for the results.

        `costs` are predicted seconds of each (None: their numbers of tasks). Runners keep the executors of
        the last two `segment` names: rounds with equal headers may share one (None: a new name). Raises
        `UserError` after `close`.
        """
        return self._service.run(self, works, costs, segment)

    def close(self) -> None:
        """End the runners and all that they started, and give up rounds that are not over."""
        self._finalizer()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Round:
    """
    The tasks of one call of `Pool.run`. Iterate for (index, body) of each as they end, in any order.

    Leaving the iteration early, Ctrl-C included, cancels what is left. Belongs to one thread.
    """

    def __init__(self, number: int, n_tasks: int, pool: Pool, service: "_Service") -> None:
        self.n_left = n_tasks
        self._pool = pool  # which must not end before its rounds do
        self._number = number
        self._service = service
        self._come: SimpleQueue[list[Ended] | BaseException] = SimpleQueue()

    def __iter__(self) -> Iterator[tuple[int, Body]]:
        try:
            while self.n_left:
                yield from self._opened(self._come.get())
        finally:
            self.cancel()

    def poll(self) -> list[tuple[int, Body]]:
        """Return what has come since the last look, without waiting. Raises what the iteration would raise."""
        found: list[tuple[int, Body]] = []
        with contextlib.suppress(Empty):
            while True:
                found += self._opened(self._come.get_nowait())
        return found

    def take(self) -> Work | None:
        """
        Take back the smallest work that no runner has begun, for the caller to do itself; None: there is none.

        Nothing comes for its tasks any more.
        """
        work = self._service.take(self._number)
        if work is not None:
            self.n_left -= len(work.tasks)
        return work

    def cancel(self) -> None:
        """Give up what has not ended; runners that are at it are ended at once. Harmless afterwards."""
        if self.n_left:
            self._service.cancel(self._number)
        self._service.forget(self._number)

    def _opened(self, told: list[Ended] | BaseException) -> list[tuple[int, Body]]:
        if isinstance(told, BaseException):
            raise told
        self.n_left -= len(told)
        return [(index, json.loads(body) if isinstance(body, bytes) else body) for index, body in told]

    def put(self, told: list[Ended] | BaseException) -> None:
        """Called by the pool: tell what has ended, or why nothing more will."""
        self._come.put(told)


class _Service:
    """The thread that looks after the runners. What other threads share with it is guarded by one lock."""

    def __init__(self, seats: list[Seat], executor: str, monotonic: Callable[[], float]) -> None:
        self.n_warm = 0
        self._seats = seats
        self._executor = executor
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting: list[Piece] = []
        self._rounds: weakref.WeakValueDictionary[int, Round] = weakref.WeakValueDictionary()
        self._cancelled: set[int] = set()
        self._serials = itertools.count(1)
        self._numbers = itertools.count(1)
        self._closing = False
        self._why_unable = ""
        self._awake, self._alarm = socket.socketpair()
        self._awake.setblocking(False)
        self._alarm.setblocking(False)
        self._thread = threading.Thread(target=self._serve, name="manyfit-pool", daemon=True)

    # -- any thread --------------------------------------------------------------------------------

    def start(self) -> None:
        _LIVING.add(self)
        self._thread.start()

    def run(self, pool: Pool, works: Sequence[Work], costs: Sequence[float] | None, segment: str | None) -> Round:
        number = next(self._numbers)
        round_ = Round(number, sum(len(work.tasks) for work in works), pool, self)
        predicted = costs if costs is not None else [float(len(work.tasks)) for work in works]
        name = segment if segment is not None else f"round-{number}"
        pieces = [
            Piece(owner=number, segment=name, work=work, cost=cost)
            for work, cost in zip(works, predicted, strict=True)
            if work.tasks
        ]
        with self._lock:
            if self._closing or self._why_unable:
                raise UserError(self._why_unable or "this pool is closed: make another one")
            self._rounds[number] = round_
            self._waiting = sorted([*self._waiting, *pieces], key=lambda piece: -piece.cost)
        self._wake()
        return round_

    def take(self, number: int) -> Work | None:
        with self._lock:
            for at in range(len(self._waiting) - 1, -1, -1):
                if self._waiting[at].owner == number:
                    return self._waiting.pop(at).work
        return None

    def cancel(self, number: int) -> None:
        with self._lock:
            self._waiting = [piece for piece in self._waiting if piece.owner != number]
            self._cancelled.add(number)
        self._wake()

    def forget(self, number: int) -> None:
        with self._lock:
            self._rounds.pop(number, None)

    def close(self) -> None:
        self._closing = True
        self._wake()
        if self._thread is not threading.current_thread() and self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def abandon(self) -> None:
        """In a forked child: the thread and the processes stayed with the parent."""
        self._closing, self._lock = True, threading.Lock()
        for seat in self._seats:
            with contextlib.suppress(OSError):
                seat.runner.abandon()
        self._seats = []
        self._awake.close()
        self._alarm.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._alarm.send(b"!")

    # -- the thread --------------------------------------------------------------------------------

    def _serve(self) -> None:
        why: ManyfitError = UserError("the pool was closed before the end of its work")
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._awake, selectors.EVENT_READ)
                self._warm_up(selector)
                while not self._closing:
                    self._turn(selector)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                traceback.print_exc()
                why = UserError(f"the pool cannot go on: {type(error).__name__}: {error}")
            finally:
                self._end(why)

    def _warm_up(self, selector: selectors.BaseSelector) -> None:
        for seat in self._seats:
            seat.runner.attach(selector)
            seat.runner.warm(self._executor)

    def _turn(self, selector: selectors.BaseSelector) -> None:
        """Wait for something to happen, and see to it."""
        selector.select(self._patience())
        with contextlib.suppress(BlockingIOError):
            self._awake.recv(4096)
        for seat in list(self._seats):
            self._drop_if_cancelled(seat)
            self._note(seat, seat.look())
        self.n_warm = sum(seat.runner.is_warm() for seat in self._seats)
        self._hand_out()

    def _patience(self) -> float:
        if any(seat.runner.eager() for seat in self._seats):
            return 0.0
        now = self._monotonic()
        return max(0.0, min([_LONGEST_WAIT, *(seat.due_in(now) for seat in self._seats)]))

    def _drop_if_cancelled(self, seat: Seat) -> None:
        if seat.piece is not None and seat.piece.owner in self._cancelled:
            seat.drop()

    def _note(self, seat: Seat, found: Happened) -> None:
        with self._lock:
            if again := [piece for piece in found.again if piece.owner not in self._cancelled]:
                self._waiting = sorted([*again, *self._waiting], key=lambda piece: -piece.cost)
            round_ = self._rounds.get(found.owner)
        if found.ended and round_ is not None:
            round_.put(found.ended)
        if found.unable:
            self._lose(seat, found.unable)

    def _lose(self, seat: Seat, why: str) -> None:
        """Go on without a seat that can make no runner; without any, nobody needs to wait any longer."""
        seat.runner.close()
        self._seats.remove(seat)
        if not self._seats:
            with self._lock:
                self._why_unable, self._waiting = why, []
                rounds = list(self._rounds.values())
            for round_ in rounds:
                round_.put(UserError(why))

    def _hand_out(self) -> None:
        for seat in self._seats:
            if seat.piece is not None:
                continue
            with self._lock:
                piece = self._waiting.pop(0) if self._waiting else None
            if piece is None:
                break
            seat.begin(piece, next(self._serials))

    def _end(self, why: ManyfitError) -> None:
        with self._lock:
            self._closing, self._waiting = True, []
            rounds = list(self._rounds.values())
        for round_ in rounds:
            round_.put(why)
        for seat in self._seats:
            with contextlib.suppress(OSError):
                seat.runner.close()
        self.n_warm = 0
        self._awake.close()
        self._alarm.close()


_LIVING: "weakref.WeakSet[_Service]" = weakref.WeakSet()


def _abandon_all() -> None:
    for service in list(_LIVING):
        service.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
