"""One task: where it stands and why it waits."""

import json
from pathlib import Path

import pytest
from tests.report.sweeps import (
    candidate,
    cell,
    cells,
    failed,
    key_of,
    new_store,
    register,
    run,
    scored,
    segment,
    submit,
)

from manyfit.model.control import Cancel, Pause, Resume
from manyfit.model.errors import NotFound, UserError
from manyfit.model.lease import End, EndKind
from manyfit.model.result import FailureClass, Outcome
from manyfit.model.worker import Beat, WorkerState
from manyfit.report.tasks import TaskState, describe
from manyfit.stores.directory import DirectoryStore

SVC = candidate("svc", C=10, gamma=0.01)
RF = candidate("rf", n=3)


def append(store: DirectoryStore, action) -> None:
    store.append(action, position=len(store.entries()) + 1)


def test_pending_task_and_its_place(tmp_path: Path) -> None:
    """A task that nobody claimed yet says at which place its unit is queued and that no worker runs."""
    store = new_store(tmp_path, segment([SVC, RF], cells(4)))
    run(store, lambda *_: scored(), units=1)
    view = describe(store, key_of(RF, cell(fold=2))[:10])
    assert view.state is TaskState.PENDING
    assert view.label() == "rf n=3, split s, fold 2, seed 0"
    assert (view.key, view.index, view.result, view.attempts) == (key_of(RF, cell(fold=2)), 2, None, ())
    assert "its unit is queued at place 1 of 1" in view.why


def test_done_task_has_its_result(tmp_path: Path) -> None:
    """A done task has its result, read without those of other units."""
    store = new_store(tmp_path, segment([SVC, RF], cells(4)))
    run(store, lambda _, on: scored(cv={"accuracy": float(on.fold)}))
    view = describe(store, key_of(RF, cell(fold=3)).upper())
    assert view.state is TaskState.DONE
    assert view.result is not None
    assert view.result.scores == {"cv": {"accuracy": 3.0}}
    assert view.result.key == view.key


def test_other_results_are_not_read(tmp_path: Path) -> None:
    """Only the blocks of the task's own unit are asked for."""
    store = new_store(tmp_path, segment([SVC, RF], cells(4), unit_size=2))
    run(store, lambda *_: scored())
    asked = []

    class Watched:
        def __getattr__(self, name):
            return getattr(store, name)

        def accepted(self, skip=frozenset()):
            for block in store.accepted(skip):
                asked.append(block.unit)
                yield block

    view = describe(Watched(), key_of(SVC, cell(fold=0)))  # type: ignore[arg-type]
    assert asked == [view.unit]


def test_failed_task_says_what_to_do(tmp_path: Path) -> None:
    """A failed task shows its failure, all attempts in order, and the next step."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    run(store, lambda *_: {**failed("oom", "MemoryError", "2 GiB"), "final": False}, units=1)
    waiting = describe(store, key_of(SVC, cell()))
    assert (waiting.state, waiting.n_attempts, waiting.max_attempts) == (TaskState.PENDING, 1, 3)
    assert waiting.why[0] == "1 of 3 attempts are used; the last ended with oom: 2 GiB"
    run(store, lambda *_: failed("oom", "MemoryError", "3 GiB"), worker="w-2")
    view = describe(store, key_of(SVC, cell()))
    assert view.state is TaskState.FAILED
    assert [one.attempt for one in view.attempts] == [1, 2]
    assert view.n_attempts == 2
    assert view.result is not None
    assert view.result.outcome is Outcome.FAILED
    assert view.result.failure is not None
    assert view.result.failure.cls is FailureClass.OOM
    assert view.why == ("oom: MemoryError: 3 GiB", "manyfit retry --class oom --memory x2")
    named = describe(store, key_of(SVC, cell()), sweep="my vowels.toml")
    assert named.why[1] == "manyfit retry 'my vowels.toml' --class oom --memory x2"


def test_a_failure_without_a_text_is_its_name(tmp_path: Path) -> None:
    """No colon hangs behind the name of the exception."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    run(store, lambda *_: failed("oom", "MemoryError", ""))
    assert describe(store, key_of(SVC, cell())).why[0] == "oom: MemoryError"


def test_held_and_running(tmp_path: Path) -> None:
    """A task of a claimed unit names the worker that holds it, and says when it is the one in progress."""
    store = new_store(tmp_path, segment([SVC], cells(2)))
    worker = register(store)
    lease = store.claim(worker)
    assert lease is not None
    beat = Beat(counter=1, at=1.0, state=WorkerState.RUNNING, unit=lease.unit, epoch=1, index=1)
    store.beat(worker, beat)
    first, second = (describe(store, key_of(SVC, cell(fold=fold))) for fold in (0, 1))
    assert (first.state, first.holder) == (TaskState.PENDING, "w-1")
    assert any("held by worker w-1" in why for why in first.why)
    assert second.state is TaskState.RUNNING
    assert second.why == ("worker w-1 on here runs it now",)


def test_paused_cancelled_removed(tmp_path: Path) -> None:
    """Control entries that keep a task from running are named."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    key = key_of(SVC, cell())
    append(store, Pause())
    assert any(why.startswith("the sweep is paused") for why in describe(store, key).why)
    append(store, Resume())
    append(store, Cancel(tasks=(key,)))
    assert describe(store, key).state is TaskState.CANCELLED
    assert describe(store, key_of(RF, cell())).state is TaskState.PENDING
    run(store, lambda *_: scored())
    assert describe(store, key).state is TaskState.CANCELLED
    assert describe(store, key_of(RF, cell())).state is TaskState.DONE
    submit(store, segment([RF], [cell(seed=1)], removed=[key_of(RF, cell())]))
    assert describe(store, key_of(RF, cell())).state is TaskState.REMOVED


def test_split_units_and_generations(tmp_path: Path) -> None:
    """A task is found in the part that has it now, and in its highest generation."""
    store = new_store(tmp_path, segment([SVC], cells(4)))
    lease = store.claim(register(store))
    assert lease is not None
    end = End(kind=EndKind.SPLIT, indices=(0, 1, 2, 3), marks="....", parts=((0, 1), (2, 3)), by=lease.worker)
    store.complete(lease, end)
    key = key_of(SVC, cell(fold=2))
    assert describe(store, key).unit == f"{lease.unit}.1"
    run(store, lambda *_: failed(), worker="w-2")
    submit(store, segment([SVC], [cell(fold=2)], generation=1), n_new=0)
    assert (describe(store, key).state, describe(store, key).generation) == (TaskState.PENDING, 1)
    run(store, lambda *_: scored(), worker="w-3")
    view = describe(store, key)
    assert (view.state, len(view.attempts)) == (TaskState.DONE, 2)
    assert view.result is not None
    assert view.result.outcome is Outcome.SUCCEEDED


def test_unknown_and_ambiguous_keys(tmp_path: Path) -> None:
    """No task is a NotFound; several are listed."""
    store = new_store(tmp_path, segment([SVC, RF], cells(10)))
    with pytest.raises(NotFound, match='starts with "zz"'):
        describe(store, "zz")
    with pytest.raises(UserError, match="20 tasks have keys that start with"):
        describe(store, "")


def test_lines_without_optional_fields(tmp_path: Path) -> None:
    """A line with only what is required is a whole result."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    lease = store.claim(register(store))
    assert lease is not None
    key = key_of(SVC, cell())
    line = {"index": 0, "key": key, "attempt": 1, "outcome": "succeeded", "final": True, "finished_at": 1.0}
    store.record(lease, json.dumps(line).encode() + b"\n")
    store.complete(lease, End(kind=EndKind.DONE, indices=(0,), marks="d", by=lease.worker))
    view = describe(store, key)
    assert view.result is not None
    assert (view.result.scores, view.result.warnings, view.result.failure) == ({}, (), None)
