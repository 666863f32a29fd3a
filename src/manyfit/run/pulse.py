"""The heartbeats of a worker: what it does, and what came of it so far."""

from collections.abc import Callable

from manyfit.contracts.store import Store
from manyfit.model.errors import StoreError
from manyfit.model.keys import WorkerId
from manyfit.model.worker import Beat, WorkerState
from manyfit.run.holding import Holding
from manyfit.run.runner import Runner
from manyfit.run.watch import Watch

_SHOW_TASK_AFTER = 0.5


class Pulse:
    """
    Tells the store every *seconds* what the worker does.

    `state` and `note` are what the next heartbeat says; a note tells a person why nothing is claimed.
    """

    def __init__(
        self,
        store: Store,
        worker: WorkerId,
        runner: Runner,
        *,
        seconds: float,
        log: Callable[[str], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.state = WorkerState.STARTING
        self.note = ""
        self.due_at = -float("inf")
        self._store = store
        self._worker = worker
        self._runner = runner
        self._seconds = seconds
        self._log = log
        self._clock = clock
        self._monotonic = monotonic
        self._n_beats = 0
        self._n_settled = self._n_failed = self._n_dropped = 0
        self._holding: Holding | None = None
        self._durable = (0, 0)
        self._shown: int | None = None

    # -- what there is to tell ---------------------------------------------------------------------

    @property
    def n_settled(self) -> int:
        """Tasks that this worker settled under leases that are over."""
        return self._n_settled

    @property
    def n_failed(self) -> int:
        """Those of them that failed."""
        return self._n_failed

    def take_up(self, holding: Holding) -> None:
        """A lease begins: the next heartbeat is due at once."""
        self._holding, self._durable = holding, (0, 0)
        self.state, self.note, self.due_at = WorkerState.RUNNING, "", -float("inf")

    def made_durable(self) -> None:
        """Everything recorded so far is durable."""
        if self._holding is not None:
            self._durable = (self._holding.n_settled, self._holding.n_failed)

    def lay_down(self, n_dropped: int = 0) -> None:
        """The lease is over; *n_dropped* of its results came too late."""
        if self._holding is not None:
            n_kept = max(0, self._holding.n_settled - n_dropped)
            self._n_settled += n_kept
            self._n_failed += min(n_kept, self._holding.n_failed)
        self._n_dropped += n_dropped
        self._holding = None

    def end(self, why: str) -> None:
        """Beat for the last time. A drained worker stays one: others see that its host is left out."""
        if self.state is not WorkerState.DRAINED:
            self.state = WorkerState.STOPPED
        self.note = why
        self.beat()

    # -- telling -----------------------------------------------------------------------------------

    def beat_if_due(self) -> None:
        if self._monotonic() >= self.due_at:
            self.beat()

    def show_slow_task(self, watch: Watch, now: float) -> None:
        """Beat early for a task that stays: should this worker die, others see which task it was on."""
        index = self._holding.in_progress[:1] if self._holding is not None else ()
        if index and index[0] != self._shown and now - (watch.started_at or now) >= _SHOW_TASK_AFTER:
            self.beat()

    def beat(self) -> None:
        """Show what goes on. A store that takes no heartbeat now may take the next."""
        self._n_beats += 1
        self.due_at = self._monotonic() + self._seconds
        beat = self._value()
        self._shown = beat.index
        try:
            self._store.beat(self._worker, beat)
        except StoreError as error:
            self._log(f"no heartbeat: {error}")

    def _value(self) -> Beat:
        if (holding := self._holding) is None:
            return Beat(
                counter=self._n_beats,
                at=self._clock(),
                state=self.state,
                n_total=self._n_settled,
                n_total_failed=self._n_failed,
                n_dropped=self._n_dropped,
                note=self.note,
            )
        return Beat(
            counter=self._n_beats,
            at=self._clock(),
            state=self.state,
            unit=holding.lease.unit,
            epoch=holding.lease.epoch,
            n_settled=self._durable[0],
            n_failed=self._durable[1],
            index=holding.in_progress[0] if holding.in_progress else None,
            n_total=self._n_settled + holding.n_settled,
            n_total_failed=self._n_failed + holding.n_failed,
            memory_bytes=self._runner.private_bytes(),
            n_dropped=self._n_dropped,
            note=self.note,
        )
