"""The worker: claims units, has a runner carry them out, and makes their results durable."""

import itertools
import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manyfit.contracts.store import Store, Wanted
from manyfit.model.errors import LeaseLost
from manyfit.model.lease import EndKind, Lease
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit
from manyfit.model.worker import WorkerInfo, WorkerState
from manyfit.run.chain import ChainView
from manyfit.run.claiming import Claims, n_dropped
from manyfit.run.departure import Departure
from manyfit.run.endings import Reason, ending, idle_note
from manyfit.run.holding import Holding
from manyfit.run.patience import Patience
from manyfit.run.plans import Plans
from manyfit.run.pulse import Pulse
from manyfit.run.runner import Runner
from manyfit.run.spool import Spool
from manyfit.run.tending import Tending, Verdict
from manyfit.run.workplace import Workplace, workplace

__all__ = ["InputsOf", "Reason", "Worker", "WorkerOptions", "WorkerReport"]

InputsOf = Callable[[Lease, Unit, Segment], Mapping[int, Mapping[str, Any]]]

_FIRST_POLL, _LONGEST_POLL, _POLL_GROWTH = 0.1, 5.0, 1.3
_GATHER_SECONDS = 0.0005
_NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """
    Rhythms of a worker, in seconds, and its `lifeline` (see `Departure`).

    `idle_timeout` ends a worker that finds nothing to claim for so long, although the plan is not settled.
    `backoff_seconds` is how long it leaves a task to others that crashed with it once; the time doubles.
    """

    beat_seconds: float = 2.0
    sync_seconds: float = 0.05
    expire_seconds: float = 1.0
    idle_timeout: float = 600.0
    lifeline: int | None = None
    backoff_seconds: float = 1.0


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
    `Mode.SCORE` units need of earlier results. `spool` is the folder into which the runner writes kept
    files, where the store has none for them. `place` is given by a process that works on several sweeps:
    what is seen of the host in one holds in the next.
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
        spool: Path | None = None,
        place: Workplace | None = None,
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
        self._plans = Plans(store, self._chain)
        self._place = place or workplace(info, options.backoff_seconds)
        self._claims = Claims(store, info.id, wanted=wanted, backoff=self._place.backoff, monotonic=monotonic)
        self._spool = Spool(spool, store)
        self._serials = itertools.count(1).__next__
        self._pulse = Pulse(
            store, info.id, runner, seconds=options.beat_seconds, log=log, clock=clock, monotonic=monotonic
        )
        self._patiently = Patience(self._departure, log, self._pulse.beat_if_due)
        self._next: Lease | None = None
        self._cycled = False
        self._crowded_out = False
        self._sync_at = _NEVER
        self._expire_at = -_NEVER
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
                self._message = self._message or reason.value
            finally:
                self._runner.close()
                self._place.crowd.leave()
                self._pulse.end(self._message)
        self._log(f"worker {self._info.id} ends: {self._message}")
        settled, failed = self._pulse.n_settled, self._pulse.n_failed
        return WorkerReport(reason=reason, message=self._message, n_settled=settled, n_failed=failed)

    # -- from lease to lease -----------------------------------------------------------------------

    def _work(self) -> Reason:
        idle_since, poll = self._monotonic(), _FIRST_POLL
        while True:
            if (reason := self._told_to_leave()) is not None and self._next is None:
                return reason
            if (lease := self._next_lease()) is not None:
                if (reason := self._hold(lease)) is not None:
                    return reason
                idle_since, poll = self._monotonic(), _FIRST_POLL
                continue
            if (reason := self._nothing_is_left()) is not None:
                return reason
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

    def _next_lease(self) -> Lease | None:
        """Return what the end of the last lease brought, else what can be claimed now."""
        lease, cycled = self._next, self._cycled
        self._next, self._cycled = None, False
        if not cycled:
            if self._chain.paused or not self._join():
                return None
            lease = self._patiently(self._claims.claim())
        if lease is None:
            self._place.crowd.leave()
        return lease

    def _join(self) -> bool:
        """Whether tasks may run here now; another worker of the host may need all of its memory."""
        self._crowded_out = not self._place.crowd.join()
        return not self._crowded_out

    def _nothing_is_left(self) -> Reason | None:
        """After a claim in vain: why the worker may end, if it may."""
        if self._patiently(self._store.finished):
            return Reason.FINISHED
        if self._chain.paused or self._crowded_out or self._place.backoff.due_in(self._monotonic()) is not None:
            return None
        if self._wanted is None and not self._chain.held:
            return None
        snapshot = self._patiently(self._store.snapshot)
        found = ending(snapshot, self._chain, filtered=self._wanted is not None)
        if found is None:
            return None
        self._message = found.message
        return found.reason

    # -- nothing to do -----------------------------------------------------------------------------

    def _idle(self, seconds: float) -> bool:
        """Wait for *seconds*, or until a task is no longer put off; True when there is news."""
        put_off = self._place.backoff.due_in(self._monotonic())
        self._pulse.state = WorkerState.PAUSED if self._chain.paused else WorkerState.IDLE
        self._pulse.note = idle_note(
            self._chain,
            crowded_out=self._crowded_out,
            n_put_off=len(self._place.backoff),
            put_off_seconds=put_off or 0.0,
        )
        until = self._monotonic() + min(seconds, _NEVER if put_off is None else put_off)
        if self._crowded_out:
            until = min(until, self._monotonic() + _FIRST_POLL)
        while (left := until - self._monotonic()) > 0 and self._departure.why is None:
            self._pulse.beat_if_due()
            self._departure.wait(min(left, self._options.beat_seconds))
        news = self._patiently(lambda: self._chain.read(self._store))
        if self._monotonic() >= self._expire_at:
            self._expire_at = self._monotonic() + self._options.expire_seconds
            news = bool(self._patiently(self._store.expire)) or news
        return news

    # -- one lease ---------------------------------------------------------------------------------

    def _hold(self, lease: Lease) -> Reason | None:
        """Work on *lease* until it ends; the reason to end with it, if there is one."""
        holding = self._patiently(lambda: self._plans.holding(lease))
        tending = self._tending(holding)
        self._pulse.take_up(holding)
        n_lost = 0
        try:
            return self._tend(tending)
        except LeaseLost as error:
            self._runner.kill()
            tending.interrupt()
            n_lost = n_dropped(self._store, holding)
            self._log(f"{error}: {n_lost} of the {holding.n_settled} results brought under it came too late")
            return None
        finally:
            # the end that came with the next lease is durable only after a sync
            self._sync_at = _NEVER if self._next is None else self._monotonic() + self._options.sync_seconds
            self._pulse.lay_down(n_lost)
            self._place.remember(holding)
            self._spool.lay_down()

    def _tending(self, holding: Holding) -> Tending:
        inputs = self._inputs_of(holding.lease, holding.unit, holding.segment)
        self._patiently(lambda: self._spool.take_up(holding.unit, holding.segment, inputs))
        return Tending(
            holding,
            self._runner,
            inputs=inputs,
            place=self._place,
            serials=self._serials,
            elsewhere=self._is_another_host_at_work,
            rules_off=lambda: frozenset(self._chain.off),
            clock=self._clock,
            monotonic=self._monotonic,
        )

    def _is_another_host_at_work(self) -> bool:
        """Whether what this host gives back would be run: on the only one, tasks rather fail than wait."""
        views = self._patiently(self._store.snapshot).workers
        idle = (WorkerState.STOPPED, WorkerState.DRAINED)
        others = (view for view in views if view.info.host != self._info.host and view.alive)
        return any(view.beat is not None and view.beat.state not in idle for view in others)

    def _tend(self, tending: Tending) -> Reason | None:
        self._record(tending, tending.fail_lost())
        if tending.holding.poisonous():
            self._end(tending, EndKind.SPLIT)
            return None
        while (verdict := tending.advance()) is Verdict.GOES_ON:
            if self._has_to_stop(tending.holding):
                self._record(tending, self._interrupt(tending))
                self._end(tending, EndKind.YIELDED)
                return None
            self._turn(tending)
        return self._conclude(tending, verdict)

    def _has_to_stop(self, holding: Holding) -> bool:
        chain = self._chain
        left = self._departure.why is not None or chain.stopped
        return left or chain.paused or holding.unit.pipeline in chain.held

    def _interrupt(self, tending: Tending) -> bytes:
        by = self._departure.preempted_by
        return tending.interrupt() if by is None else tending.preempt(by)

    def _conclude(self, tending: Tending, verdict: Verdict) -> Reason | None:
        if verdict is Verdict.REFUSED:
            self._message = f"{Reason.REFUSED.value}: {tending.why_refused}"
            self._complete(tending, EndKind.YIELDED)
            return Reason.REFUSED
        if verdict is Verdict.DRAINED:
            return self._drain(tending)
        self._end(tending, EndKind.SPLIT if verdict is Verdict.SLICE_OVER else EndKind.DONE)
        return None

    def _drain(self, tending: Tending) -> Reason:
        """Give back what is held, uncharged, and say what is wrong with this host."""
        self._message = f"{Reason.DRAINED.value}: {tending.why_drained}; look at {self._info.host}: manyfit doctor"
        self._record(tending, tending.interrupt())
        self._complete(tending, EndKind.YIELDED)
        self._pulse.state = WorkerState.DRAINED
        return Reason.DRAINED

    def _turn(self, tending: Tending) -> None:
        """Wait for the next event and act on it."""
        now = self._monotonic()
        self._await(min(tending.due_in(now), self._pulse.due_at - now, self._sync_at - now))
        lines = tending.absorb(self._runner.read())
        now = self._monotonic()
        lines += tending.check(now)
        self._record(tending, lines)
        if now >= self._sync_at:
            self._sync()
        self._pulse.show_slow_task(tending.watch, now)
        if now >= self._pulse.due_at:
            self._pulse.beat()
            self._obey(tending)
        if tending.why_held:
            self._hold_pipeline(tending)

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
        """Read the control chain, end what was cancelled, and have no rule applied that is off by now."""
        self._patiently(lambda: self._chain.read(self._store))
        tending.heed_rules()
        for keys in self._chain.take_cancelled():
            self._record(tending, tending.cancel(keys))

    def _hold_pipeline(self, tending: Tending) -> None:
        """Have everybody leave a pipeline alone that fails alike everywhere."""
        pipeline, reason, tending.why_held = tending.holding.unit.pipeline, tending.why_held, ""
        if self._patiently(lambda: self._chain.hold(self._store, pipeline, reason)):
            self._log(f"{pipeline} is held: {reason}")

    # -- results -----------------------------------------------------------------------------------

    def _record(self, tending: Tending, lines: bytes) -> None:
        if not lines:
            return
        lease = tending.holding.lease
        self._patiently(self._spool.empty)
        self._patiently(lambda: self._store.record(lease, lines))
        if self._sync_at == _NEVER:
            self._sync_at = self._monotonic() + self._options.sync_seconds

    def _sync(self) -> None:
        self._patiently(self._store.sync)
        self._sync_at = _NEVER
        self._pulse.made_durable()

    def _end(self, tending: Tending, kind: EndKind) -> None:
        """End the lease, and take up the next in the same step when this worker goes on."""
        goes_on = not (self._departure.why is not None or self._chain.stopped or self._chain.paused)
        holding = tending.holding
        for index, n_charged in holding.away.items():
            self._place.backoff.put_off(holding.unit.id, index, n_charged, self._monotonic())
        if not goes_on or not self._join():
            self._complete(tending, kind)
            return
        self._next = self._patiently(self._claims.cycle(holding.lease, holding.end(kind, self._info.id)))
        self._cycled = True

    def _complete(self, tending: Tending, kind: EndKind) -> None:
        holding = tending.holding
        end = holding.end(kind, self._info.id)
        self._patiently(lambda: self._store.complete(holding.lease, end))
