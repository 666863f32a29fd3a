"""The Executor protocol: what a runner does with a unit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import TaskKey
from manyfit.model.segment import SegmentHeader
from manyfit.model.unit import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTask:
    """One task to run: its index in the root unit, its key, its candidate and its cell."""

    index: int
    key: TaskKey
    candidate: Candidate
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a runner is asked to do: tasks of one unit, under one segment header."""

    header: SegmentHeader
    mode: Mode
    tasks: Sequence[WorkTask]
    inputs: Mapping[int, Mapping[str, Any]]
    """For `Mode.SCORE`: the artifacts of the earlier result, by task index."""
    fuse: bool = True
    """Whether related tasks may be computed together; False after a group of them has failed."""
    without: frozenset[str] = frozenset()
    """Names of fusion rules that an audit has switched off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """
    The tasks with these indices are in progress from now on, together, and those of an earlier `Started`
    no longer.

    The time limit starts: of several tasks the first has twice the limit, each further one the limit
    from the result before it. Where several are in progress and something goes wrong, nobody is
    charged: they run once more, one by one (`Work.fuse`).
    """

    indices: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """
    One task ended without taking the runner down.

    `body` holds the fields of `TaskResult` that the executor knows, as JSON values: scores, timings,
    n_rows, warnings, details, artifacts, fusion, and for a failure `failure` with class, error, message,
    traceback and fingerprint. Runner and worker add index, key, attempt, outcome, final, finished_at
    and peak_bytes.
    """

    index: int
    body: Mapping[str, Any]


class Executor(Protocol):
    """
    Runs tasks inside a runner: the only place where user code and ML libraries are imported.

    Built once for each segment header (kept warm between units) by the factory that the header names.
    """

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        """
        Run the tasks and yield `Started` before and `Finished` after each, in any order.

        Every task of *work* gets exactly one `Finished`, unless an exception ends the call:
        `DataChanged` and `MissingExtra` refuse the unit without charging a task; any other exception
        is charged to the tasks in progress.
        """


ExecutorFactory = Callable[[SegmentHeader], Executor]
