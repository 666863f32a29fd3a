"""Failures as they stand in result lines: from an exception, or from how a runner died."""

import hashlib
import os
import traceback
from collections.abc import Mapping
from typing import Any

from manyfit.model.result import Failure, FailureClass

_LONGEST_MESSAGE = 2_000
_LONGEST_TRACEBACK = 8_000


def failure_of(error: BaseException, cls: FailureClass, evidence: Mapping[str, Any] | None = None) -> Failure:
    """Return *error* as a failure with its traceback and a fingerprint of its cause."""
    return Failure(
        cls=cls,
        error=type(error).__name__,
        message=str(error)[:_LONGEST_MESSAGE],
        traceback="".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:],
        fingerprint=fingerprint(error),
        evidence=dict(evidence or {}),
    )


def fingerprint(error: BaseException) -> str:
    """
    Return 8 hexadecimal digits that are equal for errors of the same cause.

    They cover the type and the lines of code that the error came through, by file name and text: not
    the message, whose numbers differ from task to task, and not line numbers, which any edit moves.
    """
    frames = traceback.extract_tb(error.__traceback__)
    parts = [type(error).__name__]
    parts += [f"{os.path.basename(frame.filename)}:{frame.name}:{frame.line}" for frame in frames]
    return _digits("\n".join(parts))


def death(cls: FailureClass, error: str, message: str, evidence: Mapping[str, Any]) -> Failure:
    """Return the failure of a task whose runner had to be killed or died; *error* names how."""
    return Failure(
        cls=cls, error=error, message=message, fingerprint=_digits(f"{cls.value}:{error}"), evidence=dict(evidence)
    )


def crash(evidence: Mapping[str, Any]) -> Failure:
    """Return the failure of a task whose runner died with this *evidence*."""
    known = {name: value for name, value in evidence.items() if name != "kernel_oom"}
    if evidence.get("kernel_oom"):
        message = "the kernel killed the runner because the machine ran out of memory"
        if "memory_by" in evidence:
            message = "the kernel killed the runner because the task took more than its memory limit"
            return death(FailureClass.OOM, "MemoryLimit", message, {**known, "how": "cgroup"})
        return death(FailureClass.OOM, "OutOfMemory", message, {**known, "how": "kernel"})
    name = known.get("signal")
    how = f"killed by {name}" if name else f"exit code {known.get('exit_code')} without a word"
    return death(FailureClass.CRASH, name or "Exit", f"the runner died: {how}", known)


def timeout(limit_seconds: float, how: str) -> Failure:
    """Return the failure of a task that did not react to its alarm; *how* it was stopped."""
    message = f"stopped at its limit of {limit_seconds:g} s by {how}: it did not react to its alarm"
    evidence = {"limit_seconds": limit_seconds, "how": how}
    return death(FailureClass.TIMEOUT, "TaskTimeout", message, evidence)


def out_of_memory(grown: int, peak: int, limit: int) -> Failure:
    """Return the failure of a task that the worker ended because of its memory; all in bytes."""
    message = f"killed at {grown / 2**30:.2f} GiB (limit {limit / 2**30:.2f} GiB)"
    evidence = {"peak_bytes": peak, "limit_bytes": limit, "how": "killed by the worker"}
    return death(FailureClass.OOM, "MemoryLimit", message, evidence)


def host_lost(n_losses: int) -> Failure:
    """Return the failure of a task that took too many workers with it."""
    message = f"{n_losses} workers were lost while they ran this task: it is not tried again"
    return death(FailureClass.HOST_LOST, "WorkerLost", message, {"losses": n_losses})


def preempted(signal_name: str) -> Failure:
    """Return why a task did not come to its end when the worker was told to leave."""
    message = f"the worker was told to leave by {signal_name}"
    return death(FailureClass.PREEMPTED, "Preempted", message, {"signal": signal_name})


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """Return a failure as it stands in a result line."""
    return {
        "cls": failure.cls.value,
        "error": failure.error,
        "message": failure.message,
        "traceback": failure.traceback,
        "fingerprint": failure.fingerprint,
        "evidence": dict(failure.evidence),
    }


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
