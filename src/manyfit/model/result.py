"""How attempts end, and the result that a task leaves behind."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manyfit.model.errors import told
from manyfit.model.keys import TaskKey


class Outcome(enum.Enum):
    """How one attempt at a task ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    """The host was to blame; not charged to the task."""
    PREEMPTED = "preempted"
    """The worker was told to leave; not charged to the task."""
    CANCELLED = "cancelled"
    ABORTED = "aborted"

    @property
    def charged(self) -> bool:
        """Whether the attempt counts against the limit of its task."""
        return self in (Outcome.SUCCEEDED, Outcome.FAILED)


class FailureClass(enum.Enum):
    """Why an attempt failed; the class decides whether it is tried again."""

    USER = "user"
    """The estimator or the declaration raised; the same input fails again."""
    DATA = "data"
    """The data is missing, unreadable or not what was planned."""
    OOM = "oom"
    """The memory limit, or the machine's memory."""
    TIMEOUT = "timeout"
    """The wall-time limit of a task."""
    CRASH = "crash"
    """The runner died: a signal, or an exit without a word."""
    PREEMPTED = "preempted"
    """The machine was wanted for something else."""
    HOST_LOST = "host-lost"
    """The worker or its host went away while the task ran."""
    INFRASTRUCTURE = "infrastructure"
    """The store, the disk or the network."""
    ENVIRONMENT = "environment"
    """A library is missing or of another version than the task needs."""

    @property
    def retried(self) -> bool:
        """Whether another attempt can end differently."""
        return self in _RETRIED


_RETRIED = frozenset(
    {
        FailureClass.OOM,
        FailureClass.CRASH,
        FailureClass.PREEMPTED,
        FailureClass.HOST_LOST,
        FailureClass.INFRASTRUCTURE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """
    Why an attempt failed. `fingerprint` is equal for failures with the same cause.

    `evidence` has what is known of:

    - `host`, `pid`, `seconds`: where the runner ran, which process it was, and how long the attempt took;
    - `signal`, `exit_code`: how the runner ended, or for `preempted` the signal that its worker got;
    - `peak_bytes`, `limit_bytes`, `limit_seconds`: the largest memory, and the limits of this attempt;
    - `how`: what ended it: "alarm", "SIGTERM", "SIGKILL", "MemoryError", "address space", "cgroup" (its
      own limit), "kernel" (the memory of the machine) or "killed by the worker"; `memory_by`: what held
      the memory limit;
    - `alone`: after it ran out of memory, whether this attempt had the host to itself; False: it waited
      a minute for others, in vain;
    - `losses`: how many workers were lost on the task.
    """

    cls: FailureClass
    error: str
    message: str
    traceback: str = ""
    fingerprint: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The error and what it said, in one text."""
        return told(self.error, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """
    One attempt at one task, as it stands in a result log.

    `scores` maps an evaluation set ("cv", "train", "validate", "test", ...) to metric names and values;
    a metric that is not defined on the set is None. `timings` are seconds of load, fit, predict, score.
    `final` is False for a failed attempt that will be tried again. `details` holds what is no score, per
    set: confusion matrices, and of "train" series of training. `warnings` are (category, text, count).
    `fusion` says how a task was computed together with others: `rule`, its `guarantee` and `n_tasks`, all of
    them; empty: alone.
    """

    index: int
    key: TaskKey
    attempt: int
    outcome: Outcome
    final: bool
    finished_at: float
    scores: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    n_rows: Mapping[str, int] = field(default_factory=dict)
    peak_bytes: int = 0
    warnings: tuple[tuple[str, str, int], ...] = ()
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    fusion: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
