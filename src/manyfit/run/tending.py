"""Tending one lease: frames of the runner in; result lines, retries, kills and the verdict out."""

import enum
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, assert_never

from manyfit.model.keys import TaskKey
from manyfit.model.result import Failure, FailureClass, Outcome
from manyfit.run.failures import death, failure_to_json
from manyfit.run.holding import Charge, Holding
from manyfit.run.messages import Frame, Kind, Order, encode_result, started_indices
from manyfit.run.runner import Runner

GRACE_SECONDS = 2.0
"""How long a runner has to react to its own alarm, and then to SIGTERM."""

_QUIET_SECONDS = 300.0
_MEMORY_SECONDS = 0.25
_SHORTEST_SLICE, _LONGEST_SLICE = 2.0, 60.0


class Verdict(enum.Enum):
    """Where a lease stands."""

    GOES_ON = enum.auto()
    SETTLED = enum.auto()
    """Every task of the lease has its final result."""
    SLICE_OVER = enum.auto()
    """The time slice is used up and at least two tasks are left."""
    REFUSED = enum.auto()
    """The unit cannot run here; nobody is charged."""


class Tending:
    """
    Runs the tasks of one lease with one runner.

    `serial` numbers orders; `inputs` are artifacts of earlier results. The caller calls `advance`,
    waits for events, and hands what `absorb` and `check` return to the store.
    """

    def __init__(
        self,
        holding: Holding,
        runner: Runner,
        *,
        inputs: Mapping[int, Mapping[str, Any]],
        serials: Callable[[], int],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.holding = holding
        self.why_refused = ""
        self.started_at: float | None = None
        self._runner = runner
        self._inputs = inputs
        self._serials = serials
        self._clock = clock
        self._monotonic = monotonic
        self._limits = holding.segment.header.limits
        self._segment = holding.segment.id
        self._busy = False
        self._refused = False
        self._deadline = float("inf")
        self._terminated = False
        self._slice_until = float("inf")
        self._slice_asked = False
        self._memory_at = 0.0
        self._peak = 0

    def advance(self) -> Verdict:
        """Begin the next order if none is being carried out, and say where the lease stands."""
        if self._refused:
            return Verdict.REFUSED
        if self._busy:
            return Verdict.GOES_ON
        left = self.holding.left()
        if not left:
            return Verdict.SETTLED
        if len(left) >= 2 and self._monotonic() >= self._slice_until:
            return Verdict.SLICE_OVER
        work = self.holding.next_work(self._inputs)
        assert work is not None
        self._busy, self._terminated, self._peak = True, False, 0
        self._deadline = self._monotonic() + max(_QUIET_SECONDS, self._limits.time_seconds) + GRACE_SECONDS
        self._runner.begin(Order(serial=self._serials(), segment=self._segment, work=work))
        return Verdict.GOES_ON

    def due_in(self, now: float) -> float:
        """Return the seconds until `check` has something to do."""
        memory = self._memory_at - now if self._limits.memory_bytes is not None else float("inf")
        slice_end = float("inf") if self._slice_asked else self._slice_until - now
        return max(0.0, min(self._deadline - now, slice_end, memory))

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
                    lines.append(_line(frame.body, self.holding.attempt(frame.number), final=True))
                    self.holding.succeed(frame.number)
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
        now = self._monotonic()
        self.holding.start(wanted)
        self.started_at = now
        self._deadline = now + self._limits.time_seconds * len(indices) + GRACE_SECONDS
        if self._slice_until == float("inf"):
            slice_seconds = max(_SHORTEST_SLICE, 2 * self.holding.predicted_seconds())
            self._slice_until = now + min(_LONGEST_SLICE, slice_seconds)

    def _failed(self, frame: Frame, lines: list[bytes]) -> None:
        if not self.holding.is_left(frame.number):
            return
        cls = FailureClass(json.loads(frame.body)["failure"]["cls"])
        charge = self.holding.fail(frame.number, cls)
        lines.append(_line(frame.body, charge.attempt, final=charge.final))

    def _rest(self) -> None:
        """Note that the runner has nothing to do."""
        self._busy, self._deadline = False, float("inf")
        self.holding.interrupt()

    def _refuse(self, message: str) -> None:
        self._rest()
        self._refused, self.why_refused = True, message

    def _died(self, evidence: dict[str, Any], lines: list[bytes]) -> None:
        """Charge whoever was in progress, unless something else is to blame."""
        suspects = self.holding.suspects()
        if self._terminated:
            lines += self._charge(self.holding.in_progress, self._timeout("SIGTERM"))
        elif not evidence.pop("template", False):
            lines += self._charge(suspects, self._crash(evidence))
        self._rest()

    def _crash(self, evidence: dict[str, Any]) -> Failure:
        if evidence.pop("kernel_oom", False):
            message = "the kernel killed the runner because the machine ran out of memory"
            return death(FailureClass.OOM, "OutOfMemory", message, {**evidence, "how": "kernel"})
        name = evidence.get("signal")
        how = f"killed by {name}" if name else f"exit code {evidence.get('exit_code')} without a word"
        return death(FailureClass.CRASH, name or "Exit", f"the runner died: {how}", evidence)

    # -- limits ------------------------------------------------------------------------------------

    def check(self, now: float) -> bytes:
        """Enforce what is due at *now* and return the result lines that come of it."""
        if not self._busy:
            return b""
        if now >= self._slice_until and not self._slice_asked:
            self._slice_asked = True
            self._runner.stop()
        if self._limits.memory_bytes is not None and now >= self._memory_at:
            self._memory_at = now + _MEMORY_SECONDS
            if lines := self._check_memory(self._limits.memory_bytes):
                return lines
        return self._check_time(now) if now >= self._deadline else b""

    def _check_time(self, now: float) -> bytes:
        if not self._terminated:
            self._runner.terminate()
            self._terminated, self._deadline = True, now + GRACE_SECONDS
            return b""
        return self._end_runner(self._timeout("SIGKILL"))

    def _timeout(self, how: str) -> Failure:
        seconds = self._limits.time_seconds
        message = f"stopped at its limit of {seconds:g} s by {how}: it did not react to its alarm"
        return death(FailureClass.TIMEOUT, "TaskTimeout", message, {"limit_seconds": seconds, "how": how})

    def _check_memory(self, limit: int) -> bytes:
        grown = self._runner.private_bytes()
        self._peak = max(self._peak, grown)
        if grown <= limit:
            return b""
        message = f"killed at {grown / 2**30:.2f} GiB (limit {limit / 2**30:.2f} GiB)"
        evidence = {"peak_bytes": self._peak, "limit_bytes": limit, "how": "killed by the worker"}
        return self._end_runner(death(FailureClass.OOM, "MemoryLimit", message, evidence))

    def _end_runner(self, failure: Failure) -> bytes:
        """Kill the runner; charge those that are to blame now, unless their results had just come."""
        blamed = self.holding.suspects()
        lines = self.absorb(self._runner.kill())
        charged = self._charge([index for index in blamed if self.holding.is_left(index)], failure)
        self._rest()
        return lines + b"".join(charged)

    def _charge(self, indices: Collection[int], failure: Failure) -> list[bytes]:
        return [self.fail(index, failure) for index in tuple(indices)]

    # -- decisions of others -----------------------------------------------------------------------

    def fail(self, index: int, failure: Failure) -> bytes:
        """Charge the task with *failure* and return its result line."""
        charge: Charge = self.holding.fail(index, failure.cls)
        known = {
            "index": index,
            "key": self.holding.task(index).key,
            "outcome": Outcome.FAILED.value,
            "finished_at": self._clock(),
            "failure": failure_to_json(failure),
        }
        return _line(encode_result(known), charge.attempt, final=charge.final)

    def fail_lost(self) -> bytes:
        """Settle tasks that took too many workers with them and return their result lines."""
        lines = []
        for index in self.holding.lost_too_often():
            n_losses = self.holding.n_losses(index)
            message = f"{n_losses} workers were lost while they ran this task: it is not tried again"
            lines.append(
                self.fail(index, death(FailureClass.HOST_LOST, "WorkerLost", message, {"losses": n_losses}))
            )
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

    def interrupt(self) -> bytes:
        """End the task in progress at once, charging nobody; return lines of what had just finished."""
        lines = self.absorb(self._runner.kill())
        self._rest()
        return lines


def _line(body: bytes, attempt: int, *, final: bool) -> bytes:
    """Return a result line: the runner's *body*, which is not parsed, with attempt and final in front."""
    return b'{"attempt":%d,"final":%s,%s\n' % (attempt, b"true" if final else b"false", body[1:])
