"""Tending one lease: frames of the runner in; result lines, retries, kills and the verdict out."""

import enum
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, assert_never

from manyfit.model.errors import told
from manyfit.model.keys import TaskKey
from manyfit.model.result import Failure, FailureClass, Outcome
from manyfit.run import failures
from manyfit.run.crowd import Alone
from manyfit.run.guard import MOST_SHARED
from manyfit.run.holding import Charge, Holding, Portion
from manyfit.run.messages import Frame, Kind, Order, encode_result, started_indices
from manyfit.run.result_lines import line, line_of, with_limit
from manyfit.run.runner import Runner
from manyfit.run.watch import Watch
from manyfit.run.workplace import Workplace

_ASK_AGAIN_SECONDS = 0.05
_EXIT = ("signal", "exit_code", "peak_bytes", "pid")


class Verdict(enum.Enum):
    """Where a lease stands."""

    GOES_ON = enum.auto()
    SETTLED = enum.auto()
    """Nothing is left to run under this lease; some tasks may have been put away."""
    SLICE_OVER = enum.auto()
    """The time slice is used up and at least two tasks are left."""
    REFUSED = enum.auto()
    """The unit cannot run here; nobody is charged."""
    DRAINED = enum.auto()
    """This host should run nothing any more; what it charged under this lease is forgiven."""


class Tending:
    """
    Runs the tasks of one lease with one runner.

    `serial` numbers orders; `inputs` are artifacts of earlier results. The caller calls `advance`,
    waits for events, and hands what `absorb` and `check` return to the store. `why_held` says why the
    pipeline should be held, once that is seen. `elsewhere` tells whether a host other than this one is
    at work: a host is only given up where others can take over. `rules_off` tells which fusion rules are
    off when an order begins.
    """

    def __init__(
        self,
        holding: Holding,
        runner: Runner,
        *,
        inputs: Mapping[int, Mapping[str, Any]],
        place: Workplace,
        serials: Callable[[], int],
        elsewhere: Callable[[], bool],
        rules_off: Callable[[], frozenset[str]] = frozenset,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.holding = holding
        self.why_refused = ""
        self.why_drained = ""
        self.why_held = ""
        self.watch = Watch()
        self._runner = runner
        self._inputs = inputs
        self._place = place
        self._serials = serials
        self._elsewhere = elsewhere
        self._rules_off = rules_off
        self._off: frozenset[str] = frozenset()
        self._clock = clock
        self._monotonic = monotonic
        self._limits = holding.segment.header.limits
        self._portion = Portion(indices=())
        self._busy = False
        self._alone = Alone.NOT_YET

    def advance(self) -> Verdict:
        """Begin the next order if none is being carried out, and say where the lease stands."""
        if self.why_refused:
            return Verdict.REFUSED
        if self.why_drained:
            return Verdict.DRAINED
        if self._busy:
            return Verdict.GOES_ON
        if self.watch.slice_over(self._monotonic()) and self.holding.divisible():
            return Verdict.SLICE_OVER
        portion = self.holding.next_portion()
        if portion is None:
            return Verdict.SETTLED
        self._portion = portion
        if not portion.alone or self._has_host():
            self._begin(portion)
        return Verdict.GOES_ON

    def _has_host(self) -> bool:
        self._alone = self._place.crowd.alone()
        return self._alone is not Alone.NOT_YET

    def _begin(self, portion: Portion) -> None:
        self._off = self._rules_off()
        work = self.holding.work(portion, self._inputs, self._off)
        self._busy, self._limits = True, work.header.limits
        self.watch.begin(self._monotonic(), self._limits)
        # Headers are cached by this name: one with another limit needs another.
        name = self.holding.segment.id + (f"+{portion.memory_bytes}" if portion.memory_bytes is not None else "")
        self._runner.begin(Order(serial=self._serials(), segment=name, work=work))

    def due_in(self, now: float) -> float:
        """Return the seconds until `advance` or `check` has something to do."""
        return self.watch.due_in(now) if self._busy else _ASK_AGAIN_SECONDS

    # -- frames ------------------------------------------------------------------------------------

    def absorb(self, frames: Iterable[Frame]) -> bytes:
        """Take in what the runner said and return the result lines that come of it."""
        lines: list[bytes] = []
        for frame in frames:
            self._take(frame, lines)
        return b"".join(lines)

    def _take(self, frame: Frame, lines: list[bytes]) -> None:
        match frame.kind:
            case Kind.RESULT:
                if self.holding.is_left(frame.number):
                    own = self._portion.memory_bytes
                    body = frame.body if own is None else with_limit(frame.body, own)
                    lines.append(line(body, self.holding.attempt(frame.number), final=True))
                    self.holding.succeed(frame.number)
                    self._go_on()
            case Kind.STARTED:
                self._started(started_indices(frame))
            case Kind.FAILED:
                self._failed(frame, lines)
            case Kind.COMPLETE:
                self._rest()
            case Kind.REFUSED:
                self._refuse(json.loads(frame.body)["message"])
            case Kind.DIED:
                self._died(json.loads(frame.body), lines)
            case Kind.UNABLE:
                self._refuse(frame.body.decode())
            case _:
                assert_never(frame.kind)

    def _started(self, indices: tuple[int, ...]) -> None:
        wanted = tuple(index for index in indices if self.holding.is_left(index))
        if not wanted:
            self._runner.kill()
            self._rest()
            return
        self.holding.start(wanted)
        n_shared = min(len(indices), MOST_SHARED)
        self.watch.start(self._monotonic(), n_shared, self.holding.predicted_seconds())

    def _go_on(self) -> None:
        """Give those in progress together with a task that has ended the time of one more."""
        if self.holding.in_progress:
            self.watch.go_on(self._monotonic())

    def _failed(self, frame: Frame, lines: list[bytes]) -> None:
        """Take in a failure that the runner survived, with where and how long it ran."""
        if not self.holding.is_left(frame.number):
            return
        value = json.loads(frame.body)
        said = value["failure"]
        said["evidence"] = self._evidence(said.get("evidence", {}))
        cls = FailureClass(said["cls"])
        if cls is FailureClass.INFRASTRUCTURE and self._host_is_bad(said["error"]):
            value["outcome"] = Outcome.LOST.value
            charge = self.holding.excuse(frame.number)
        else:
            charge = self.holding.fail(frame.number, cls, said["evidence"])
            self._note_failure((cls, said.get("fingerprint", "")), told(said["error"], said["message"]), charge)
        lines.append(line(encode_result(value), charge.attempt, final=charge.final))
        self._go_on()

    def _note_failure(self, cause: tuple[FailureClass, str], words: str, charge: Charge) -> None:
        if charge.final:
            part, n_settled = (self.holding.segment.id, self.holding.unit.pipeline), self.holding.n_settled
            self.why_held = self._place.alike.failed(part, cause, words, n_settled) or self.why_held

    def _rest(self) -> None:
        """Note that the runner has nothing to do."""
        self._busy = False
        self.watch.rest()
        self.holding.interrupt()
        if self._portion.alone:
            self._place.crowd.rejoin()

    def _refuse(self, message: str) -> None:
        self._rest()
        self.why_refused = message

    def _died(self, evidence: dict[str, Any], lines: list[bytes]) -> None:
        """Find out whom or what to blame for the death of the runner: the clock, the host, a group, a task."""
        suspects = self.holding.suspects()
        if self.watch.terminated and self.holding.separate(suspects):
            pass
        elif self.watch.terminated:
            end = {name: evidence[name] for name in _EXIT if name in evidence}
            failure = self._with_evidence(failures.timeout(self._limits.time_seconds, "SIGTERM"), end)
            lines += self._charge(self.holding.in_progress, failure)
        elif not evidence.pop("template", False):
            failure = self._with_evidence(failures.crash(evidence))
            if self._host_is_bad(failure.error):
                lines += [self._excuse(index, failure, Outcome.LOST) for index in suspects]
            elif failure.cls is FailureClass.CRASH and len(suspects) > 1:
                self.holding.suspect(suspects)
            elif not self.holding.separate(suspects):
                lines += self._charge(suspects, failure)
        self._rest()

    def _host_is_bad(self, how: str) -> bool:
        """Note a death of a runner, or what is like it; whether that makes the host unfit."""
        n_tried = self.holding.n_tried + 1
        why = self._place.soundness.died(self.holding.unit.pipeline, how, n_tried)
        if why is None or not self._elsewhere():
            return False
        self.why_drained = why
        self.holding.forgive()
        return True

    # -- evidence ----------------------------------------------------------------------------------

    def _evidence(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return *known* with where the attempt ran, for how long and under which circumstances."""
        seconds = round(self.watch.seconds(self._monotonic()), 3)
        found: dict[str, Any] = {"host": self._place.host, "pid": self._runner.pid(), "seconds": seconds}
        if self._limits.memory_bytes is not None:
            found["limit_bytes"] = self._limits.memory_bytes
        if self._portion.alone:
            found["alone"] = self._alone is Alone.YES
        return {name: value for name, value in {**found, **known}.items() if value is not None}

    def _with_evidence(self, failure: Failure, more: Mapping[str, Any] = {}) -> Failure:
        return replace(failure, evidence=self._evidence({**more, **failure.evidence}))

    # -- limits ------------------------------------------------------------------------------------

    def check(self, now: float) -> bytes:
        """Enforce what is due at *now* and return the result lines that come of it."""
        if not self._busy:
            return b""
        if self.watch.slice_ends(now):
            self._runner.stop()
        if self.watch.memory_due(now) and (lines := self._check_memory()):
            return lines
        return self._check_time(now) if self.watch.late(now) else b""

    def _check_time(self, now: float) -> bytes:
        if not self.watch.terminated:
            self._runner.terminate()
            self.watch.give_grace(now)
            return b""
        return self._end_runner(failures.timeout(self._limits.time_seconds, "SIGKILL"))

    def _check_memory(self) -> bytes:
        limit = self._limits.memory_bytes
        grown = self._runner.private_bytes()
        self.watch.peak_bytes = max(self.watch.peak_bytes, grown)
        if limit is None or grown <= limit:
            return b""
        return self._end_runner(failures.out_of_memory(grown, self.watch.peak_bytes, limit))

    def _end_runner(self, failure: Failure) -> bytes:
        """Kill the runner; charge those that are to blame now, unless their results had just come."""
        blamed = self.holding.suspects()
        failure = self._with_evidence(failure)
        lines = self.absorb(self._runner.kill())
        blamed = tuple(index for index in blamed if self.holding.is_left(index))
        charged = [] if self.holding.separate(blamed) else self._charge(blamed, failure)
        self._rest()
        return lines + b"".join(charged)

    def _charge(self, indices: Collection[int], failure: Failure) -> list[bytes]:
        return [self._fail(index, failure) for index in tuple(indices)]

    def _fail(self, index: int, failure: Failure) -> bytes:
        charge = self.holding.fail(index, failure.cls, failure.evidence)
        self._note_failure((failure.cls, failure.fingerprint), failure.told, charge)
        return self._told(index, failure, charge, Outcome.FAILED)

    def _excuse(self, index: int, failure: Failure, outcome: Outcome) -> bytes:
        """Give the task back with an attempt that does not count."""
        return self._told(index, failure, self.holding.excuse(index), outcome)

    def _told(self, index: int, failure: Failure, charge: Charge, outcome: Outcome) -> bytes:
        return line_of(self.holding.task(index), failure, charge, outcome=outcome, finished_at=self._clock())

    # -- decisions of others -----------------------------------------------------------------------

    def fail_lost(self) -> bytes:
        """Settle tasks that took too many workers with them and return their result lines."""
        lines = []
        for index in self.holding.lost_too_often():
            failure = failures.host_lost(self.holding.n_losses(index))
            lines.append(self._told(index, failure, self.holding.fail_for_good(index), Outcome.FAILED))
        return b"".join(lines)

    def cancel(self, keys: frozenset[TaskKey] | None) -> bytes:
        """Settle the tasks with these *keys* (None: all) as cancelled; ends the runner if it is on one of them."""
        cancelled = [i for i in self.holding.left() if keys is None or self.holding.task(i).key in keys]
        if not cancelled:
            return b""
        in_progress = set(cancelled) & set(self.holding.in_progress)
        lines = self.interrupt() if in_progress else b""
        if not in_progress:
            self._runner.stop()
        self.holding.cancel(index for index in cancelled if self.holding.is_left(index))
        return lines

    def heed_rules(self) -> None:
        """Where rules went off since the order began, end it after the task in progress: the rest begins anew."""
        off = self._rules_off()
        if self._busy and off != self._off:
            self._off = off
            self._runner.stop()

    def interrupt(self) -> bytes:
        """End the task in progress at once, charging nobody; return lines of what had just finished."""
        lines = self.absorb(self._runner.kill())
        self._rest()
        return lines

    def preempt(self, signal_name: str) -> bytes:
        """End the task in progress at once, since the host is wanted; its attempt is used up, not charged."""
        failure = self._with_evidence(failures.preempted(signal_name))
        lines = [self.absorb(self._runner.kill())]
        lines += [self._excuse(index, failure, Outcome.PREEMPTED) for index in self.holding.in_progress]
        self._rest()
        return b"".join(lines)
