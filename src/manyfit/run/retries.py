"""What follows from a failed attempt: nothing more, another try here, or a try elsewhere after a wait."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from manyfit.model.result import FailureClass
from manyfit.model.sweep import Limits

_CAP_FACTOR = 4
"""Up to how many times its limit a task may be given after it ran out of memory, unless the sweep says."""


class Step(enum.Enum):
    """Where a task goes after a failed attempt."""

    FINAL = enum.auto()
    """It is not tried again."""
    ALONE = enum.auto()
    """It is tried again under the same lease: in an order of its own, and alone on the host."""
    AWAY = enum.auto()
    """It is given back; this worker leaves it to others for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    What to do with a task after a failed attempt.

    `memory_bytes` is the limit of the attempt that follows (None: that of the sweep). What is not
    `charged` does not count against the limit of attempts.
    """

    step: Step
    memory_bytes: int | None = None
    charged: bool = True


_FINAL = Decision(step=Step.FINAL)


def decide(cls: FailureClass, n_charged: int, limits: Limits, evidence: Mapping[str, Any]) -> Decision:
    """
    Return what follows from a failure, given its *evidence*; *n_charged* counts this attempt as well.

    The keys of the evidence stand with `manyfit.model.result.Failure`.
    """
    match cls:
        case FailureClass.USER | FailureClass.DATA | FailureClass.TIMEOUT | FailureClass.ENVIRONMENT:
            return _FINAL
        case FailureClass.PREEMPTED | FailureClass.HOST_LOST:
            return Decision(step=Step.AWAY, charged=False)
        case FailureClass.CRASH | FailureClass.INFRASTRUCTURE:
            return _FINAL if n_charged >= limits.attempts else Decision(step=Step.AWAY)
        case FailureClass.OOM:
            return _FINAL if n_charged >= limits.attempts else _after_oom(limits, evidence)
    assert_never(cls)


def memory_cap(limits: Limits) -> int | None:
    """Return the most memory that any attempt is allowed; None without a limit of memory."""
    if limits.memory_bytes is None:
        return None
    cap = limits.memory_cap_bytes
    return max(limits.memory_bytes, _CAP_FACTOR * limits.memory_bytes if cap is None else cap)


def carried_memory(limits: Limits, n_charged: int) -> int | None:
    """
    Return the memory for the attempt after *n_charged* under earlier leases; None where nothing is limited.

    A lease does not say why the attempts before it failed: this is what it would be had each run out of memory.
    """
    cap = memory_cap(limits)
    if limits.memory_bytes is None or cap is None:
        return None
    return int(min(limits.memory_bytes * 2 ** (n_charged - 1), cap))


def _after_oom(limits: Limits, evidence: Mapping[str, Any]) -> Decision:
    """Alone first, with the same limit; then with twice the memory each time, up to the cap."""
    used = evidence.get("limit_bytes") or limits.memory_bytes
    if "alone" not in evidence:
        return Decision(step=Step.ALONE, memory_bytes=used)
    cap = memory_cap(limits)
    # When the kernel had to end a task that was alone, the machine is too small: no limit mends that.
    if cap is None or used is None or used >= cap or evidence.get("how") == "kernel":
        return _FINAL
    return Decision(step=Step.ALONE, memory_bytes=min(2 * used, cap))
