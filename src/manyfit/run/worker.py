"""The worker: claims units, has a runner carry them out, and makes their results durable."""

import enum
import itertools
import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from manyfit.contracts.store import Store, Wanted
from manyfit.model.errors import (
    LeaseLost,
    NotFound,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnsuitable,
)
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import EndKind, Lease
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit, root_of
from manyfit.model.worker import Beat, WorkerInfo, WorkerState
from manyfit.run.chain import ChainView
from manyfit.run.departure import Departure
from manyfit.run.holding import Holding, segment_of
from manyfit.run.runner import Runner
from manyfit.run.tending import Tending, Verdict

InputsOf = Callable[[Lease, Unit, Segment], Mapping[int, Mapping[str, Any]]]
Answer = TypeVar("Answer")

_KEPT_SEGMENTS = 4
_MOST_ERRORS = 6
_FIRST_POLL, _LONGEST_POLL, _POLL_GROWTH = 0.1, 5.0, 1.3
_SHOW_TASK_AFTER = 0.5
_GATHER_SECONDS = 0.0005
_NEVER = float("inf")


class Reason(enum.Enum):
    """Why a worker ended."""

    FINISHED = "the plan is complete and every task is settled"
    STOPPED = "the sweep was stopped"
    LEFT = "the worker was told to leave"
    IDLE = "there was nothing to claim for too long"
    REFUSED = "units cannot run here"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """
    Rhythms of a worker, in seconds, and its `lifeline` (see `Departure`).

    `idle_timeout` ends a worker that finds nothing to claim for so long, although the plan is not settled.
    """

    beat_seconds: float = 2.0
    sync_seconds: float = 0.05
    expire_seconds: float = 1.0
    idle_timeout: float = 600.0
    lifeline: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """How a worker ended: why, in words for a person, and what it settled since it started."""

    reason: Reason
    message: str
    n_settled: int
    n_failed: int


class Worker:
    """
    One worker with one slot: one lease and one runner at a time, one thread.

    The worker owns *store* and *runner* while it runs, and closes the runner. It beats by itself, never
    through the runner, so that a hanging task does not make it seem dead. `inputs_of` finds what
    `Mode.SCORE` units need of earlier results.
    """

    def __init__(
        self,
        store: Store,
        info: WorkerInfo,
        *,
        runner: Runner,
        wanted: Wanted | None = None,
        options: WorkerOptions = WorkerOptions(),
        inputs_of: InputsOf = lambda lease, unit, segment: {},
        log: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._info = info
        self._runner = runner
        self._wanted = wanted
        self._options = options
        self._inputs_of = inputs_of
        self._log = log
        self._clock = clock
        self._monotonic = monotonic
        self._selector = selectors.DefaultSelector()
        self._departure = Departure(options.lifeline)
        self._chain = ChainView()
        self._segments: dict[SegmentId, tuple[Segment, dict[UnitId, Unit]]] = {}
        self._serials = itertools.count(1).__next__
        self._state = WorkerState.STARTING
        self._tending: Tending | None = None
        self._n_beats = 0
        self._beat_at = -_NEVER
        self._shown: int | None = None
        self._sync_at = _NEVER
        self._expire_at = -_NEVER
        self._durable = (0, 0)
        self._n_settled = 0
        self._n_failed = 0
        self._message = ""

    def run(self) -> WorkerReport:
        """
        Work until nothing is left, or something ends it; give back what is held.

        Raises `StoreError` when the store stays unusable: other workers take over what is left.
        """
        with self._selector, self._departure:
            self._departure.attach(self._selector)
            self._runner.attach(self._selector)
            self._patiently(lambda: self._store.register(self._info))
            try:
                self._patiently(lambda: self._chain.begin(self._store))
                reason = self._work()
            finally:
                self._runner.close()
                self._beat(WorkerState.STOPPED)
        message = self._message or reason.value
        self._log(f"worker {self._info.id} ends: {message}")
        return WorkerReport(reason=reason, message=message, n_settled=self._n_settled, n_failed=self._n_failed)

    # -- from lease to lease -----------------------------------------------------------------------

    def _work(self) -> Reason:
        idle_since, poll = self._monotonic(), _FIRST_POLL
        while True:
            if (reason := self._told_to_leave()) is not None:
                return reason
            lease = None if self._chain.paused else self._claim()
            if lease is not None:
                if (reason := self._hold(lease)) is not None:
                    return reason
                idle_since, poll = self._monotonic(), _FIRST_POLL
                continue
            if self._patiently(self._store.finished):
                return Reason.FINISHED
            if not self._chain.paused and self._patiently(self._nothing_wanted_is_left):
                self._message = "every task that its filter wants is settled"
                return Reason.FINISHED
            if self._chain.paused:
                idle_since = self._monotonic()
            elif self._monotonic() - idle_since >= self._options.idle_timeout:
                self._message = (
                    f"nothing to claim for {self._options.idle_timeout:g} s, and the plan is not settled"
                )
                return Reason.IDLE
            poll = _FIRST_POLL if self._idle(poll) else min(_LONGEST_POLL, poll * _POLL_GROWTH)

    def _told_to_leave(self) -> Reason | None:
        if self._departure.why is not None:
            self._message = f"{Reason.LEFT.value}: {self._departure.why}"
            return Reason.LEFT
        return Reason.STOPPED if self._chain.stopped else None

    def _claim(self) -> Lease | None:
        return self._patiently(lambda: self._store.claim(self._info.id, wanted=self._wanted))

    def _nothing_wanted_is_left(self) -> bool:
        """After a claim in vain: whether a worker with a filter may end. Open leases may still come back."""
        if self._wanted is None:
            return False
        snapshot = self._store.snapshot()
        return not snapshot.planning and not snapshot.open_units

    def _idle(self, seconds: float) -> bool:
        """Wait for *seconds*; True when there is news or a dead worker left something."""
        self._state = WorkerState.PAUSED if self._chain.paused else WorkerState.IDLE
        until = self._monotonic() + seconds
        while (left := until - self._monotonic()) > 0 and self._departure.why is None:
            self._beat_if_due()
            self._departure.wait(min(left, self._options.beat_seconds))
        news = self._patiently(lambda: self._chain.read(self._store))
        if self._monotonic() >= self._expire_at:
            self._expire_at = self._monotonic() + self._options.expire_seconds
            news = bool(self._patiently(self._store.expire)) or news
        return news

    # -- one lease ---------------------------------------------------------------------------------

    def _hold(self, lease: Lease) -> Reason | None:
        """Work on *lease* until it ends; the reason to end with it, if there is one."""
        holding = self._holding(lease)
        self._state, self._durable = WorkerState.RUNNING, (0, 0)
        self._tending = tending = Tending(
            holding,
            self._runner,
            inputs=self._inputs_of(lease, holding.unit, holding.segment),
            serials=self._serials,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        self._beat_at = -_NEVER
        try:
            return self._tend(tending)
        except LeaseLost as error:
            self._log(f"{error}")
            self._runner.kill()
            return None
        finally:
            self._sync_at = _NEVER
            self._n_settled += holding.n_settled
            self._n_failed += holding.n_failed
            self._tending = None

    def _tend(self, tending: Tending) -> Reason | None:
        self._record(tending, tending.fail_lost())
        while (verdict := tending.advance()) is Verdict.GOES_ON:
            if self._departure.why is not None or self._chain.stopped or self._chain.paused:
                self._record(tending, tending.interrupt())
                self._complete(tending, EndKind.YIELDED)
                return self._told_to_leave()
            self._turn(tending)
        return self._conclude(tending, verdict)

    def _conclude(self, tending: Tending, verdict: Verdict) -> Reason | None:
        if verdict is Verdict.REFUSED:
            self._complete(tending, EndKind.YIELDED)
            self._message = f"{Reason.REFUSED.value}: {tending.why_refused}"
            return Reason.REFUSED
        self._complete(tending, EndKind.SPLIT if verdict is Verdict.SLICE_OVER else EndKind.DONE)
        return None

    def _turn(self, tending: Tending) -> None:
        """Wait for the next event and act on it."""
        now = self._monotonic()
        self._await(min(tending.due_in(now), self._beat_at - now, self._sync_at - now))
        lines = tending.absorb(self._runner.read())
        now = self._monotonic()
        lines += tending.check(now)
        self._record(tending, lines)
        if now >= self._sync_at:
            self._sync(tending)
        self._show_slow_task(tending, now)
        if now >= self._beat_at:
            self._beat_if_due()
            self._obey(tending)

    def _await(self, seconds: float) -> None:
        """Wait for frames, a signal or the end of the time, whichever comes first."""
        events = self._selector.select(0 if self._runner.eager() else max(0.0, seconds))
        if any(key.data is self._departure for key, _ in events):
            self._departure.notice()
        elif events:
            # A result and the start of the next task, or many short tasks, are taken in at once: each
            # turn of this loop takes its time from the core on which a runner works.
            time.sleep(_GATHER_SECONDS)

    def _obey(self, tending: Tending) -> None:
        """Read the control chain and end what was cancelled."""
        self._patiently(lambda: self._chain.read(self._store))
        for keys in self._chain.take_cancelled():
            self._record(tending, tending.cancel(keys))

    def _record(self, tending: Tending, lines: bytes) -> None:
        if not lines:
            return
        lease = tending.holding.lease
        self._patiently(lambda: self._store.record(lease, lines))
        if self._sync_at == _NEVER:
            self._sync_at = self._monotonic() + self._options.sync_seconds

    def _sync(self, tending: Tending) -> None:
        self._patiently(self._store.sync)
        self._sync_at = _NEVER
        self._durable = (tending.holding.n_settled, tending.holding.n_failed)

    def _complete(self, tending: Tending, kind: EndKind) -> None:
        holding = tending.holding
        end = holding.end(kind, self._info.id)
        self._patiently(lambda: self._store.complete(holding.lease, end))

    def _holding(self, lease: Lease) -> Holding:
        root = root_of(lease.unit)
        if not any(root in units for _, units in self._segments.values()):
            self._patiently(lambda: self._chain.read(self._store))
        for segment_id in segment_of(root, self._chain.segments):
            segment, units = self._segment(segment_id)
            if root in units:
                return Holding(lease, units[root], segment)
        raise NotFound(f"unit {root} was leased, but no segment of the plan in {self._store.url} has it")

    def _segment(self, segment_id: SegmentId) -> tuple[Segment, dict[UnitId, Unit]]:
        known = self._segments.pop(segment_id, None)
        if known is None:
            segment = self._patiently(lambda: self._store.segment(segment_id))
            known = segment, {unit.id: unit for unit in segment.units}
        self._segments[segment_id] = known
        if len(self._segments) > _KEPT_SEGMENTS:
            del self._segments[next(iter(self._segments))]
        return known

    # -- heartbeats and a store in trouble ---------------------------------------------------------

    def _beat_if_due(self) -> None:
        if self._monotonic() >= self._beat_at:
            self._beat(self._state)

    def _show_slow_task(self, tending: Tending, now: float) -> None:
        """Beat early for a task that stays: should this worker die, others see which task it was on."""
        index = tending.holding.in_progress[:1]
        if index and index[0] != self._shown and now - (tending.started_at or now) >= _SHOW_TASK_AFTER:
            self._beat(self._state)

    def _beat(self, state: WorkerState) -> None:
        """Show what goes on. A store that takes no heartbeat now may take the next."""
        self._n_beats += 1
        self._beat_at = self._monotonic() + self._options.beat_seconds
        beat = self._beat_value(state)
        self._shown = beat.index
        try:
            self._store.beat(self._info.id, beat)
        except StoreError as error:
            self._log(f"no heartbeat: {error}")

    def _beat_value(self, state: WorkerState) -> Beat:
        if self._tending is None:
            return Beat(
                counter=self._n_beats,
                at=self._clock(),
                state=state,
                n_total=self._n_settled,
                n_total_failed=self._n_failed,
            )
        holding = self._tending.holding
        return Beat(
            counter=self._n_beats,
            at=self._clock(),
            state=state,
            unit=holding.lease.unit,
            epoch=holding.lease.epoch,
            n_settled=self._durable[0],
            n_failed=self._durable[1],
            index=holding.in_progress[0] if holding.in_progress else None,
            n_total=self._n_settled + holding.n_settled,
            n_total_failed=self._n_failed + holding.n_failed,
            memory_bytes=self._runner.private_bytes(),
        )

    def _patiently(self, action: Callable[[], Answer]) -> Answer:
        """
        Return what *action* returns; wait for space while the store is full, and try errors a few times.

        Raises the `StoreError` when it stays, or when the worker has to leave meanwhile.
        """
        n_errors = 0
        while True:
            try:
                return action()
            except (StoreCorrupt, StoreUnsuitable):
                raise
            except StoreError as error:
                n_errors += 1
                hopeless = n_errors >= _MOST_ERRORS and not isinstance(error, StoreFull)
                if hopeless or self._departure.why is not None:
                    raise
                wait = min(10.0, 0.25 * 2 ** min(n_errors, 6))
                self._log(f"{error}; the worker waits {wait:g} s and tries again")
            self._departure.wait(wait)
            self._beat_if_due()
