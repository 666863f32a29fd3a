"""Where tasks run: turns orders into frames, whatever the executor does."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from manyfit.contracts.executor import Executor, ExecutorFactory, Finished, Started, WorkTask
from manyfit.model.errors import DataChanged, MissingExtra, UserError
from manyfit.model.result import Failure, FailureClass, Outcome
from manyfit.run.failures import failure_of, failure_to_json, fingerprint
from manyfit.run.guard import MOST_SHARED, Guard, MemoryBound, TaskTimeout
from manyfit.run.messages import SPENT, Frame, Kind, Order, encode_result, started_frame_of

_KEPT_EXECUTORS = 2


def executor_factory(path: str) -> ExecutorFactory:
    """Import what "package.module:function" names. Raises `UserError` when it does not name a function."""
    module, _, name = path.partition(":")
    factory = getattr(import_module(module), name, None) if name else None
    if not callable(factory):
        raise UserError(f'the executor "{path}" is not "package.module:function"')
    made: ExecutorFactory = factory
    return made


class Bench:
    """
    Carries out orders with executors that stay warm from one order to the next.

    `stopped(serial)` is asked between tasks whether the order with that serial shall end early.
    """

    def __init__(self, guard: Guard, clock: Callable[[], float], stopped: Callable[[int], bool]) -> None:
        self._guard = guard
        self._clock = clock
        self._stopped = stopped
        self._executors: dict[str, Executor] = {}
        self._fuse = True

    def carry_out(self, order: Order) -> Iterator[Frame]:
        """
        Yield the frames of *order* as they come about; the last is COMPLETE or REFUSED.

        An executor that raises is called again with the tasks that are left, so that one task costs
        no other anything; when several were in progress together, they now run one by one. After a task
        that was interrupted and left something running the order ends early, as SPENT: what is left of
        it is for another runner.
        """
        todo = {task.index: task for task in order.work.tasks}
        self._fuse = order.work.fuse
        while todo and not self._stopped(order.serial):
            try:
                yield from self._attempt(order, todo)
            except (DataChanged, MissingExtra) as error:
                yield Frame(Kind.REFUSED, order.serial, _refusal(error))
                return
            if self._guard.spent():
                yield Frame(Kind.COMPLETE, order.serial, SPENT)
                return
        yield Frame(Kind.COMPLETE, order.serial)

    def _attempt(self, order: Order, todo: dict[int, WorkTask]) -> Iterator[Frame]:
        """Run the executor once over *todo*; a task leaves it, unless it was stopped or a group has failed."""
        running: dict[int, WorkTask] = {}
        n_before = len(todo)
        try:
            yield from self._events(order, todo, running)
        except (DataChanged, MissingExtra, GeneratorExit):
            self._guard.leave()
            raise
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; a task is charged
            self._guard.leave()
            if len(running) > 1 and self._fuse:
                self._fuse = False
                return
            failure = self._blame(error, order)
            yield from self._fail(running or _first(todo), failure, todo)
            return
        if running or (len(todo) == n_before and not self._stopped(order.serial)):
            yield from self._fail(running or _first(todo), _silence(order), todo)

    def _events(self, order: Order, todo: dict[int, WorkTask], running: dict[int, WorkTask]) -> Iterator[Frame]:
        """Yield frames for what the executor yields, and keep *todo* and *running* true."""
        limits, guard = order.work.header.limits, self._guard
        work = replace(order.work, tasks=tuple(todo.values()), fuse=self._fuse)
        events = iter(self._executor(order).execute(work))
        while (event := guard.step(events)) is not None:
            if isinstance(event, Started):
                running.clear()
                if self._stopped(order.serial):
                    guard.leave()
                    return
                running.update((index, todo[index]) for index in event.indices)
                yield started_frame_of(event.indices)
                guard.enter(min(len(running), MOST_SHARED), limits)
                continue
            task = todo[event.index]
            frame = self._finished(task, event)
            del todo[event.index]
            running.pop(event.index, None)
            if running:
                guard.enter(1, limits)
            else:
                guard.leave()
            yield frame

    def _executor(self, order: Order) -> Executor:
        executor = self._executors.pop(order.segment, None)
        if executor is None:
            header = order.work.header
            executor = executor_factory(header.executor)(header)
        self._executors[order.segment] = executor
        if len(self._executors) > _KEPT_EXECUTORS:
            del self._executors[next(iter(self._executors))]
        return executor

    def _finished(self, task: WorkTask, event: Finished) -> Frame:
        failure = event.body.get("failure")
        if not failure:
            return self._frame(Kind.RESULT, task, event.body)
        if failure["cls"] == FailureClass.OOM.value:
            evidence = {"peak_bytes": self._guard.peak_bytes(), "how": self._how(), **failure.get("evidence", {})}
            return self._frame(Kind.FAILED, task, {**event.body, "failure": {**failure, "evidence": evidence}})
        return self._frame(Kind.FAILED, task, event.body)

    def _how(self) -> str:
        """Return what made an allocation fail: the limit of the address space, or the machine."""
        bound = self._guard.memory_by()
        return bound.value if bound is MemoryBound.ADDRESS_SPACE else "MemoryError"

    def _frame(self, kind: Kind, task: WorkTask, body: Mapping[str, Any]) -> Frame:
        outcome = Outcome.FAILED if kind is Kind.FAILED else Outcome.SUCCEEDED
        known = {"index": task.index, "key": task.key, "outcome": outcome.value, "finished_at": self._clock()}
        told = {**known, **body, "peak_bytes": self._guard.peak_bytes()}
        if (bound := self._guard.memory_by()) is not None:
            told["details"] = _with_bound(body.get("details") or {}, bound)
        return Frame(kind, task.index, encode_result(told))

    def _blame(self, error: BaseException, order: Order) -> Failure:
        """Return what *error* is for the tasks in progress."""
        limits = order.work.header.limits
        if isinstance(error, TaskTimeout):
            timeout = TaskTimeout(f"stopped at its limit of {limits.time_seconds:g} s").with_traceback(
                error.__traceback__
            )
            evidence: dict[str, Any] = {"limit_seconds": limits.time_seconds, "how": "alarm"}
            failure = failure_of(timeout, FailureClass.TIMEOUT, evidence)
            # Where the alarm struck is chance: all tasks that took too long have one cause.
            return replace(failure, fingerprint=fingerprint(TaskTimeout()))
        if isinstance(error, MemoryError):
            evidence = {"peak_bytes": self._guard.peak_bytes(), "limit_bytes": limits.memory_bytes}
            return failure_of(error, FailureClass.OOM, {**evidence, "how": self._how()})
        return failure_of(error, FailureClass.USER)

    def _fail(self, tasks: dict[int, WorkTask], failure: Failure, todo: dict[int, WorkTask]) -> Iterator[Frame]:
        body = {"failure": failure_to_json(failure)}
        for index, task in list(tasks.items()):
            del todo[index]
            yield self._frame(Kind.FAILED, task, body)


def _first(todo: dict[int, WorkTask]) -> dict[int, WorkTask]:
    """Return the next task: what is charged when the executor fails between two tasks."""
    return dict(list(todo.items())[:1])


def _with_bound(details: Mapping[str, Any], bound: MemoryBound) -> dict[str, Any]:
    """Return *details* with what held the memory limit; a set may have the name "limits" too."""
    return {**details, "limits": {**details.get("limits", {}), "memory_by": bound.value}}


def _silence(order: Order) -> Failure:
    error = RuntimeError(f'the executor "{order.work.header.executor}" ended without a result for the task')
    return failure_of(error, FailureClass.USER)


def _refusal(error: Exception) -> bytes:
    cls = FailureClass.DATA if isinstance(error, DataChanged) else FailureClass.ENVIRONMENT
    return json.dumps({"cls": cls.value, "error": type(error).__name__, "message": str(error)}).encode()
