"""What people do to a sweep: pause, resume, cancel, retry."""

from dataclasses import replace

import pytest
from tests.run.test_submit import HEADER, submission

from manyfit.model.errors import Refused
from manyfit.model.keys import WorkerId
from manyfit.model.lease import TaskMark
from manyfit.model.sweep import Limits
from manyfit.run import control
from manyfit.run.known import find_tasks, known_tasks, segments_of
from manyfit.run.submit import submit
from manyfit.stores.directory import DirectoryStore
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores import run

W = WorkerId("w")


@pytest.fixture(params=["memory", "directory"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore(MemoryState(sweep="s"))
    return DirectoryStore.create(tmp_path / "s.sweep", sweep="s", refresh_seconds=0.0)


def keys_with(store, mark):
    return [key for key, task in known_tasks(store).items() if task.mark is mark]


def drain(store, fail=()):
    while (lease := store.claim(W)) is not None:
        run(store, lease, fail=fail)


def test_pause_and_resume_are_idempotent(store):
    """And say whether they changed anything."""
    submit(store, submission({"a": [1.0]}))

    assert control.pause(store)
    assert not control.pause(store)
    assert store.claim(W) is None
    assert control.resume(store)
    assert not control.resume(store)
    assert store.claim(W) is not None


def test_cancelling_everything_leaves_results_alone(store):
    """What was done stays done, the rest is cancelled and the sweep is finished."""
    submit(store, submission({"a": [20.0, 20.0]}))
    run(store, store.claim(W))
    done = store.snapshot().counts.done

    n = control.cancel(store)

    counts = store.snapshot().counts
    assert 0 < done == counts.done
    assert n == counts.cancelled == 6 - done
    assert store.claim(W) is None
    assert store.finished()


def test_cancelling_some_tasks_runs_the_others(store):
    """By key."""
    submit(store, submission({"a": [1.0, 2.0]}))
    some = sorted(known_tasks(store))[:2]

    assert control.cancel(store, some) == 2
    assert control.cancel(store, some) in (0, 2)
    drain(store)

    counts = store.snapshot().counts
    assert (counts.done, counts.cancelled) == (4, 2)


def test_failed_tasks_run_again_with_fresh_attempts(store):
    """And count as waiting until they have."""
    submit(store, submission({"a": [0.1, 0.1]}))
    drain(store, fail=[0, 1])
    failed = keys_with(store, TaskMark.FAILED)
    assert failed

    assert control.retry(store, failed, n_workers=2) == len(failed)

    counts = store.snapshot().counts
    assert (counts.planned, counts.failed, counts.pending) == (6, 0, len(failed))
    drain(store)
    assert store.snapshot().counts.done == 6


def test_cancelled_tasks_can_be_run_after_all(store):
    """Cancelling is not for ever."""
    submit(store, submission({"a": [1.0]}))
    keys = [*known_tasks(store)]
    control.cancel(store)
    drain(store)

    control.retry(store, keys, n_workers=2)
    drain(store)

    counts = store.snapshot().counts
    assert (counts.done, counts.cancelled) == (3, 0)


def test_what_has_not_ended_is_not_retried(store):
    """A waiting task has its attempts before it."""
    submit(store, submission({"a": [1.0]}))

    assert control.retry(store, [*known_tasks(store)], n_workers=2) == 0


def test_a_retry_can_raise_the_memory_limit(store):
    """Of the tasks that run again, not of the sweep."""
    header = replace(HEADER, limits=Limits(memory_bytes=1000))
    submit(store, submission({"a": [1.0]}, header))
    drain(store, fail=[0, 1, 2])

    control.retry(store, keys_with(store, TaskMark.FAILED), n_workers=1, memory_factor=2.0)

    limits = [segment.header.limits.memory_bytes for segment in segments_of(store)]
    assert limits == [1000, 2000]


def test_a_factor_without_a_limit_is_refused(store):
    """There is nothing to multiply, and the message says where to set it."""
    submit(store, submission({"a": [1.0]}))
    drain(store, fail=[0])

    with pytest.raises(Refused, match=r"limits\.memory"):
        control.retry(store, keys_with(store, TaskMark.FAILED), n_workers=1, memory_factor=2.0)


def test_a_store_without_a_plan_has_nothing_to_retry(store):
    """And the message says what comes first."""
    with pytest.raises(Refused, match="submit"):
        control.retry(store, [], n_workers=1)


def test_tasks_are_found_by_key(store):
    """With the candidate and the cell that they fit."""
    submit(store, submission({"a": [1.0]}))
    key = next(iter(known_tasks(store)))

    [(found, (candidate, cell))] = find_tasks(store, frozenset([key])).items()

    assert found == key
    assert candidate.pipeline == "a"
    assert cell.split == "cv"
