"""One worker over many sweeps: the most urgent first, and back to it when it has something again."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from selectors import BaseSelector
from typing import Any, cast

from manyfit.contracts.store import Store, Wanted
from manyfit.model.control import AddSegment, Entry, pauses_in_force, terms_in_force
from manyfit.model.errors import LeaseLost
from manyfit.model.keys import SegmentId
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.worker import Beat, WorkerInfo, WorkerState
from manyfit.run.departure import Departure
from manyfit.run.endings import Reason
from manyfit.run.messages import Frame, Order
from manyfit.run.runner import Runner
from manyfit.run.worker import Worker, WorkerReport

AWAY = "works on other sweeps of this store; it comes back by priority"

_FIRST_POLL, _LONGEST_POLL, _POLL_GROWTH = 0.1, 5.0, 1.3
_LOOK_SECONDS = 0.5
"""Shortest time between two looks at whether a more urgent sweep has something again."""
_FIND_SECONDS = 2.0
_GIVEN_BACK = End(kind=EndKind.YIELDED, indices=(), marks="")


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationOptions:
    """
    Rhythms of a rotation, in seconds; `lifeline` as in `WorkerOptions`.

    With `stay` it waits for more sweeps when all are settled, and for ever.
    """

    idle_timeout: float = 600.0
    expire_seconds: float = 1.0
    lifeline: int | None = None
    stay: bool = False


MakeWorker = Callable[[Store], Worker]
"""Returns the worker that works off one sweep, with a runner that `Worker.run` may close."""


class Rotation:
    """
    Works on all sweeps that *find* returns, which are opened stores, each the same object every time.

    A sweep's turn ends when nothing of it can be claimed, or when a more urgent one can be claimed from:
    that is looked at after each lease. Sweeps of the same priority are worked off in the order of *find*.
    *worker_of* is asked for a worker for each turn; all go by the id of *info*.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[Store]],
        info: WorkerInfo,
        *,
        worker_of: MakeWorker,
        wanted_of: Callable[[Store], Wanted | None] = lambda store: None,
        options: RotationOptions = RotationOptions(),
        log: Callable[[str], None] = lambda line: None,
        monotonic: Callable[[], float],
    ) -> None:
        self._find = find
        self._info = info
        self._worker_of = worker_of
        self._wanted_of = wanted_of
        self._options = options
        self._log = log
        self._monotonic = monotonic
        self._sweeps: dict[str, Turn] = {}
        self._requests = itertools.count(1).__next__
        self._found_at = -float("inf")
        self._expired_at = -float("inf")
        self._next: tuple[Turn, Lease] | None = None
        self._n_settled = self._n_failed = 0

    def run(self) -> WorkerReport:
        """Work until every sweep is settled, or something ends the worker. Raises `StoreError`."""
        try:
            with Departure(self._options.lifeline) as departure:
                reason, message = self._work(departure)
        finally:
            self._give_back()
            for turn in self._sweeps.values():
                turn.leave()
        self._log(f"worker {self._info.id} ends: {message}")
        return WorkerReport(reason=reason, message=message, n_settled=self._n_settled, n_failed=self._n_failed)

    def _work(self, departure: Departure) -> tuple[Reason, str]:
        idle_since, poll = self._monotonic(), _FIRST_POLL
        while departure.why is None:
            chosen, self._next = self._next or self._most_urgent(), None
            if chosen is not None:
                ended = self._take_turn(*chosen)
                if ended is not None:
                    return ended
                idle_since, poll = self._monotonic(), _FIRST_POLL
                continue
            if (ended := self._nothing_is_left(idle_since)) is not None:
                return ended
            self._expire()
            departure.wait(poll)
            poll = min(_LONGEST_POLL, poll * _POLL_GROWTH)
        return Reason.LEFT, f"{Reason.LEFT.value}: {departure.why}"

    def _take_turn(self, turn: "Turn", lease: Lease) -> tuple[Reason, str] | None:
        """Work on one sweep until its turn is over; why the worker has to end, if it has to."""
        self._log(f"{turn.store.sweep} has its turn")
        turn.begin(lease)
        report = self._worker_of(cast(Store, StoreOfTurn(turn))).run()
        turn.over()
        self._n_settled += report.n_settled
        self._n_failed += report.n_failed
        if report.reason in (Reason.STOPPED, Reason.REFUSED):
            turn.closed = report.reason
            self._log(f"{turn.store.sweep}: {report.message}")
        if report.reason in (Reason.LEFT, Reason.DRAINED):
            return report.reason, report.message
        return None

    def _nothing_is_left(self, idle_since: float) -> tuple[Reason, str] | None:
        """After a look in vain: why the worker may end, if it may."""
        if not self._options.stay and self._sweeps and all(map(Turn.finished, self._sweeps.values())):
            refused = [turn for turn in self._sweeps.values() if turn.closed is Reason.REFUSED]
            if refused:
                return Reason.REFUSED, f"{Reason.REFUSED.value}: {refused[0].store.sweep}"
            return Reason.FINISHED, "every task of every sweep is settled"
        if not self._options.stay and self._monotonic() - idle_since >= self._options.idle_timeout:
            seconds = self._options.idle_timeout
            return Reason.IDLE, f"nothing to claim in any sweep for {seconds:g} s, and not all are settled"
        return None

    # -- who is next -------------------------------------------------------------------------------

    def _in_order(self) -> list["Turn"]:
        """Return the sweeps that may have work, the most urgent first."""
        if self._monotonic() - self._found_at >= _FIND_SECONDS:
            self._found_at = self._monotonic()
            for store in self._find():
                if store.url not in self._sweeps:
                    self._sweeps[store.url] = Turn(store, self)
        may = [turn for turn in self._sweeps.values() if not turn.finished()]
        return sorted(may, key=lambda turn: -turn.priority())

    def _most_urgent(self) -> tuple["Turn", Lease] | None:
        return next(self._claims(self._in_order()), None)

    def _claims(self, turns: Iterable["Turn"]) -> Iterator[tuple["Turn", Lease]]:
        for turn in turns:
            lease = turn.try_claim(f"{self._info.id}-turn-{self._requests()}")
            if lease is not None:
                yield turn, lease

    def others_first(self, turn: "Turn") -> bool:
        """Whether a sweep more urgent than that of *turn* has something, which is claimed then."""
        if self._next is None and turn.looked_at + _LOOK_SECONDS <= self._monotonic():
            turn.looked_at = self._monotonic()
            before = itertools.takewhile(lambda other: other is not turn, self._in_order())
            self._next = next(self._claims(before), None)
        return self._next is not None

    def _expire(self) -> None:
        if self._monotonic() - self._expired_at >= self._options.expire_seconds:
            self._expired_at = self._monotonic()
            for turn in self._sweeps.values():
                turn.store.expire()

    def _give_back(self) -> None:
        if self._next is not None:
            turn, lease = self._next
            turn.give_back(lease)

    # -- what turns ask ----------------------------------------------------------------------------

    @property
    def info(self) -> WorkerInfo:
        return self._info

    @property
    def now(self) -> float:
        return self._monotonic()

    def wanted(self, store: Store) -> Wanted | None:
        """Return the filter of the worker for the tasks of *store*."""
        return self._wanted_of(store)


class Turn:
    """
    A sweep in a rotation, and to its worker the store of it.

    It is the store itself but for what a turn changes: the worker registers once, its first claim gives
    the lease that was claimed for the turn, and a claim in vain ends the turn. `closed` says why the
    sweep gets no further turn.
    """

    def __init__(self, store: Store, rotation: Rotation) -> None:
        self.store = store
        self.closed: Reason | None = None
        self.looked_at = -float("inf")
        self._rotation = rotation
        self._wanted = rotation.wanted(store)
        self._registered = False
        self._given: Lease | None = None
        self._n_beats = 0
        self._before = (0, 0, 0)
        self._last: Beat | None = None
        self._is_finished = False
        self._finished_at = -float("inf")
        self._entries: list[Entry] = []
        self._priorities: dict[SegmentId, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    # -- for the rotation --------------------------------------------------------------------------

    def priority(self) -> int:
        """Return the priority in force, else the highest of what was submitted."""
        new = self.store.entries(len(self._entries))
        self._entries += new
        for entry in new:
            if isinstance(entry.action, AddSegment):
                segment = self.store.segment(entry.action.segment)
                self._priorities[segment.id] = segment.header.priority
        in_force = terms_in_force(self._entries).priority
        return max(self._priorities.values(), default=0) if in_force is None else in_force

    def finished(self) -> bool:
        """Whether this worker has nothing to do here any more; another submission may change that."""
        if self.closed is not None:
            return True
        if self._rotation.now - self._finished_at >= _LOOK_SECONDS:
            self._finished_at = self._rotation.now
            self._is_finished = self.store.finished()
        return self._is_finished

    def try_claim(self, request: str) -> Lease | None:
        """Claim the next lease of this sweep, if there is one now."""
        self.register(self._rotation.info)
        return self.store.claim(self._rotation.info.id, wanted=self._wanted, request=request)

    def begin(self, lease: Lease) -> None:
        """Have the turn begin with *lease*."""
        self._given = lease

    def over(self) -> None:
        """Take note that the worker of this turn ended; give back what it did not take."""
        if self._given is not None:
            self.give_back(self._given)
            self._given = None
        if self._last is not None:
            n = self._last
            self._before = (n.n_total, n.n_total_failed, n.n_dropped)
        self._finished_at = -float("inf")

    def give_back(self, lease: Lease) -> None:
        """End *lease* untouched."""
        try:
            self.store.complete(lease, _GIVEN_BACK)
        except LeaseLost:
            return

    def leave(self) -> None:
        """Say that the worker is gone."""
        if self._registered:
            last = self._last or Beat(counter=0, at=self._rotation.info.started_at, state=WorkerState.STOPPED)
            self._beat(replace(last, state=WorkerState.STOPPED, note=""))

    # -- for the worker ----------------------------------------------------------------------------

    def register(self, worker: WorkerInfo) -> None:
        if not self._registered:
            self.store.register(worker)
            self._registered = True

    def claim(self, worker: Any, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        if self._given is not None:
            lease, self._given = self._given, None
            return lease
        if self._rotation.others_first(self):
            return None
        return self.store.claim(worker, wanted=wanted, request=request)

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        if self.looked_at + _LOOK_SECONDS > self._rotation.now:
            return self.store.cycle(lease, end, wanted=wanted, request=request)
        self.store.complete(lease, end)
        return self.claim(lease.worker, wanted=wanted, request=request)

    def beat(self, worker: Any, beat: Beat) -> None:
        del worker
        total, failed, dropped = self._before
        self._last = beat = replace(
            beat,
            n_total=beat.n_total + total,
            n_total_failed=beat.n_total_failed + failed,
            n_dropped=beat.n_dropped + dropped,
        )
        if beat.state is WorkerState.STOPPED:
            beat = replace(beat, state=WorkerState.IDLE, note=AWAY)
        self._beat(beat)

    def _beat(self, beat: Beat) -> None:
        self._n_beats += 1
        self.store.beat(self._rotation.info.id, replace(beat, counter=self._n_beats))

    def paused(self) -> bool:
        """Whether the whole sweep is paused."""
        return "" in pauses_in_force(self.store.entries())

    def over_now(self) -> bool:
        """Whether the turn is over after a claim in vain: always, unless the first lease still waits."""
        if self._given is not None and self.paused():
            self.give_back(self._given)
            self._given = None
        return self._given is None


class LentRunner:
    """A runner that outlives the worker that has it: closing it only ends what it carries out."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def attach(self, selector: BaseSelector) -> None:
        self._runner.attach(selector)

    def begin(self, order: Order) -> None:
        self._runner.begin(order)

    def eager(self) -> bool:
        return self._runner.eager()

    def read(self) -> list[Frame]:
        return self._runner.read()

    def stop(self) -> None:
        self._runner.stop()

    def terminate(self) -> None:
        self._runner.terminate()

    def kill(self) -> list[Frame]:
        return self._runner.kill()

    def pid(self) -> int | None:
        return self._runner.pid()

    def private_bytes(self) -> int:
        return self._runner.private_bytes()

    def close(self) -> None:
        self._runner.kill()


class StoreOfTurn:
    """What a worker sees as its store during a turn: `finished` means that the turn is over."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turn, name)

    def finished(self) -> bool:
        return self._turn.over_now()
