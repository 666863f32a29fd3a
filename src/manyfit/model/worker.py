"""Who works, and what a heartbeat says."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from manyfit.model.keys import UnitId, WorkerId

LABEL_CHARACTERS = 'letters, digits and "_", "-", ".", "=", ":"'

_LABEL = re.compile(r"[A-Za-z0-9_.=:-]+")


def is_label(text: str) -> bool:
    """Whether *text* can be a label of a worker: it has `LABEL_CHARACTERS` only, and at least one."""
    return _LABEL.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """
    One worker process, as it registers.

    `boot` identifies the running kernel and process namespace, `pid` and `pid_started` the process in
    it: together they let another process of the same host see that the worker is dead. `threads` are
    the cores it may use, `cores` and `memory_bytes` what its host has, `gpu_bytes` the memory of each GPU
    that it sees, `labels` what its operator says of it ("gpu=a100", "licence"). `libraries` are the versions of
    Python, of manyfit and of what its runners fit with; earlier versions of manyfit did not tell.
    """

    id: WorkerId
    host: str
    boot: str
    pid: int
    pid_started: str
    version: str
    threads: int
    started_at: float
    cores: int
    memory_bytes: int
    gpu_bytes: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)


class WorkerState(enum.Enum):
    """What a worker does now."""

    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    DRAINED = "drained"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """
    One heartbeat. `counter` grows by one with each; that it stands still is the only sign of death.

    `unit` and `epoch` name the lease held (None: none), `n_settled` the tasks of that lease that are
    durable and settled, `n_failed` those of them that failed, `index` the task in progress. `n_total`
    and `n_total_failed` count what this worker settled since it started, `n_dropped` the results that it
    brought too late, when its lease was somebody else's. `note` tells a person why it claims nothing.
    """

    counter: int
    at: float
    state: WorkerState
    unit: UnitId | None = None
    epoch: int = 0
    n_settled: int = 0
    n_failed: int = 0
    index: int | None = None
    n_total: int = 0
    n_total_failed: int = 0
    memory_bytes: int = 0
    n_dropped: int = 0
    note: str = ""
