"""A seat of a pool: one runner with the work it is doing, its limits, and whom to blame when it dies."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.result import Failure, FailureClass, Outcome
from manyfit.run import failures
from manyfit.run.forked import ForkedRunner
from manyfit.run.guard import MOST_SHARED
from manyfit.run.messages import Frame, Kind, Order, started_indices
from manyfit.run.watch import Watch

_EARLY_DEATHS = 3
"""So many runners may die of one piece of work before its first task starts; then all of it has failed."""

Ended = tuple[int, Mapping[str, Any] | bytes]
"""The index of a task and its result body, as a mapping or as the JSON of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Work that waits for a runner or is being done, for the round that it belongs to."""

    owner: int
    segment: str
    work: Work
    cost: float
    n_early_deaths: int = 0


@dataclass(slots=True)
class Happened:
    """What a look at a seat has brought: ended tasks, work to be done again, or why no runner can be made."""

    owner: int
    ended: list[Ended]
    again: list[Piece]
    unable: str = ""


class Seat:
    """
    One runner and the piece of work that it has in hand. Belongs to one thread.

    Whoever is alone in progress when something goes wrong is charged; several run once more one by one.
    """

    def __init__(self, runner: ForkedRunner, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self.runner = runner
        self.piece: Piece | None = None
        self._clock = clock
        self._monotonic = monotonic
        self._watch = Watch()
        self._left: dict[int, WorkTask] = {}
        self._in_progress: tuple[int, ...] = ()

    def begin(self, piece: Piece, serial: int) -> None:
        """Begin to do *piece*; the seat must be idle."""
        self.piece = piece
        self._left = {task.index: task for task in piece.work.tasks}
        self._in_progress = ()
        self._watch = Watch()
        self._watch.begin(self._monotonic(), piece.work.header.limits)
        self.runner.begin(Order(serial=serial, segment=piece.segment, work=piece.work))

    def due_in(self, now: float) -> float:
        """Return the seconds until `look` has something to do even if the runner says nothing."""
        return float("inf") if self.piece is None else self._watch.due_in(now)

    def look(self) -> Happened:
        """Take in what the runner has said, and enforce the limits."""
        frames = self.runner.read()
        found = Happened(-1 if self.piece is None else self.piece.owner, [], [])
        self._absorb(frames, found)
        if self.piece is not None:
            self._check(self._monotonic(), found)
        return found

    def drop(self) -> None:
        """End what is in progress at once and forget it."""
        if self.piece is not None:
            self.runner.kill()
            self._rest()

    # -- frames ------------------------------------------------------------------------------------

    def _absorb(self, frames: Iterable[Frame], found: Happened) -> None:
        for frame in frames:
            self._take(frame, found)

    def _take(self, frame: Frame, found: Happened) -> None:
        if self.piece is None:
            if frame.kind is Kind.UNABLE:
                found.unable = frame.body.decode()
            return
        match frame.kind:
            case Kind.RESULT | Kind.FAILED:
                if self._settle(frame.number):
                    found.ended.append((frame.number, frame.body))
            case Kind.STARTED:
                self._in_progress = started_indices(frame)
                self._watch.start(self._monotonic(), min(len(self._in_progress), MOST_SHARED), 0.0)
            case Kind.COMPLETE:
                self._hand_back(tuple(self._left), found)
                self._rest()
            case Kind.REFUSED:
                self._refused(json.loads(frame.body), found)
            case Kind.DIED:
                self._died(json.loads(frame.body), found)
            case Kind.UNABLE:
                found.unable = frame.body.decode()
                self._hand_back(tuple(self._left), found)
                self._rest()
            case _:
                assert_never(frame.kind)

    def _settle(self, index: int) -> bool:
        """Note the end of a task; the others in progress with it have the time of one more."""
        self._in_progress = tuple(other for other in self._in_progress if other != index)
        if self._in_progress:
            self._watch.go_on(self._monotonic())
        return self._left.pop(index, None) is not None

    def _rest(self) -> None:
        self.piece, self._left, self._in_progress = None, {}, ()
        self._watch.rest()

    def _refused(self, told: Mapping[str, str], found: Happened) -> None:
        failure = Failure(cls=FailureClass(told["cls"]), error=told["error"], message=told["message"])
        self._charge(tuple(self._left), failure, found)
        self._rest()

    # -- deaths and limits -------------------------------------------------------------------------

    def _died(self, evidence: dict[str, Any], found: Happened) -> None:
        """Find out whom to blame for the death of the runner: its template, the clock, nobody yet, a task."""
        assert self.piece is not None
        if evidence.pop("template", False):
            self._hand_back(tuple(self._left), found)
        elif self._watch.terminated:
            self._blame(failures.timeout(self.piece.work.header.limits.time_seconds, "SIGTERM"), found)
        elif not self._in_progress:
            self._died_early(failures.crash(evidence), found)
        else:
            self._blame(failures.crash(evidence), found)
        self._rest()

    def _died_early(self, failure: Failure, found: Happened) -> None:
        """Give the work back after a death between two tasks; after several deaths it has failed."""
        assert self.piece is not None
        n_deaths = self.piece.n_early_deaths + 1
        if n_deaths < _EARLY_DEATHS:
            self._hand_back(tuple(self._left), found, n_early_deaths=n_deaths)
        else:
            self._charge(tuple(self._left), failure, found)

    def _blame(self, failure: Failure, found: Happened) -> None:
        """Charge the task that was alone in progress; several are to run one by one."""
        suspects = tuple(index for index in self._in_progress if index in self._left)
        rest = tuple(index for index in self._left if index not in suspects)
        if len(suspects) == 1:
            self._charge(suspects, failure, found)
        else:
            for index in suspects:
                self._hand_back((index,), found, fuse=False)
        self._hand_back(rest, found)

    def _check(self, now: float, found: Happened) -> None:
        assert self.piece is not None
        self._watch.slice_ends(now)  # nobody waits for a time slice here; asked, so that it is not due for ever
        limits = self.piece.work.header.limits
        if self._watch.memory_due(now) and limits.memory_bytes is not None:
            grown = self.runner.private_bytes()
            self._watch.peak_bytes = max(self._watch.peak_bytes, grown)
            if grown > limits.memory_bytes:
                self._end_runner(failures.out_of_memory(grown, self._watch.peak_bytes, limits.memory_bytes), found)
                return
        if not self._watch.late(now):
            return
        if self._watch.terminated:
            self._end_runner(failures.timeout(limits.time_seconds, "SIGKILL"), found)
        else:
            self.runner.terminate()
            self._watch.give_grace(now)

    def _end_runner(self, failure: Failure, found: Happened) -> None:
        """Kill the runner and blame those in progress, unless their results had just come."""
        suspects = self._in_progress
        frames = self.runner.kill()
        self._absorb((frame for frame in frames if frame.kind in (Kind.RESULT, Kind.FAILED)), found)
        self._in_progress = suspects or tuple(self._left)[:1]
        self._blame(failure, found)
        self._rest()

    def _charge(self, indices: Sequence[int], failure: Failure, found: Happened) -> None:
        for index in indices:
            found.ended.append((index, self._body(self._left.pop(index), failure)))

    def _body(self, task: WorkTask, failure: Failure) -> dict[str, Any]:
        known = {"index": task.index, "key": task.key, "outcome": Outcome.FAILED.value}
        return {**known, "finished_at": self._clock(), "failure": failures.failure_to_json(failure)}

    def _hand_back(
        self, indices: Sequence[int], found: Happened, *, fuse: bool | None = None, n_early_deaths: int = 0
    ) -> None:
        """Give the tasks back as one piece, with a fair share of its cost."""
        tasks = [self._left.pop(index) for index in indices]
        if not tasks:
            return
        piece = self.piece
        assert piece is not None
        share = piece.cost * len(tasks) / max(1, len(piece.work.tasks))
        work = replace(piece.work, tasks=tasks, fuse=piece.work.fuse if fuse is None else fuse)
        found.again.append(replace(piece, work=work, cost=share, n_early_deaths=n_early_deaths))
