"""What people do to a sweep: pause, resume, cancel, retry."""

from dataclasses import replace

import pytest
from tests.run.test_submit import HEADER, submission

from manyfit.model.control import pauses_in_force, terms_in_force
from manyfit.model.errors import NotFound, PositionTaken, Refused
from manyfit.model.keys import WorkerId
from manyfit.model.lease import TaskMark
from manyfit.model.sweep import Limits
from manyfit.model.terms import Concurrency, Terms
from manyfit.model.unit import Mode
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


def test_a_retry_keeps_models_where_all_are_kept(store):
    """Else the results of the second try were the only ones without a model."""
    wanted = submission({"a": [0.1]})
    spec = {"keep": {"models": "all"}}
    submit(store, replace(wanted, header=replace(wanted.header, spec=spec), mode=Mode.KEEP))
    drain(store, fail=[0])

    control.retry(store, keys_with(store, TaskMark.FAILED), n_workers=1)

    assert {unit.mode for segment in segments_of(store) for unit in segment.units} == {Mode.KEEP}


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


@pytest.mark.parametrize(("cap", "after"), [(None, None), (3000, 6000)])
def test_a_retry_with_more_memory_raises_the_cap(cap, after):
    """What may be added after running out of memory stays in proportion; a cap that follows the limit does so."""
    limits = control.multiplied(Limits(memory_bytes=1000, memory_cap_bytes=cap), 2.0, 3.0)

    assert limits == Limits(memory_bytes=2000, memory_cap_bytes=after, time_seconds=3 * Limits().time_seconds)


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


def test_one_pipeline_is_held_and_goes_on(store):
    """The sweep itself is not paused by that; holding and resuming twice is harmless."""
    submit(store, submission({"a": [1.0], "b": [1.0]}))

    assert control.pause(store, "a", "too hot")
    assert not control.pause(store, "a", "again")
    assert (control.paused(store), control.held(store)) == (False, {"a": "too hot"})
    assert not control.resume(store, "b")
    assert control.resume(store, "a")
    assert not control.resume(store, "a")
    assert control.held(store) == {}


def test_resuming_the_sweep_ends_every_pause(store):
    """Those of its pipelines too; one pipeline goes on alone while the sweep stays paused."""
    submit(store, submission({"a": [1.0], "b": [1.0]}))
    control.pause(store)
    control.pause(store, "a")
    control.pause(store, "b")

    assert control.resume(store, "a")
    assert pauses_in_force(store.entries()) == {"": "", "b": ""}
    assert control.resume(store)
    assert pauses_in_force(store.entries()) == {}


def test_a_sweep_can_go_on_while_its_pipelines_stay_held(store):
    """As a new run does: it ends the pause of the sweep, not what is held for a reason."""
    submit(store, submission({"a": [1.0], "b": [1.0]}))
    control.pause(store, "a", "too hot")

    assert not control.resume(store, holding=True)
    control.pause(store)
    assert control.resume(store, holding=True)
    assert (control.paused(store), control.held(store)) == (False, {"a": "too hot"})


def test_a_pipeline_that_does_not_exist_is_neither_held_nor_resumed(store):
    """The message names those that there are."""
    submit(store, submission({"forest": [1.0], "svc": [1.0]}))

    for call in (control.pause, control.resume):
        with pytest.raises(NotFound, match=r'did you mean "forest".*known: forest, svc'):
            call(store, "forst")
    assert len(store.entries()) == 1


def test_a_priority_is_set_for_the_whole_sweep(store):
    """The one before comes back; setting the same again appends nothing."""
    submit(store, submission({"a": [1.0]}, replace(HEADER, priority=20)))

    assert control.priority_of(store) == 20
    assert control.set_priority(store, 20) == 20
    assert len(store.entries()) == 1
    assert control.set_priority(store, 0) == 20
    assert control.set_priority(store, 0) == 0
    assert (control.priority_of(store), terms_in_force(store.entries())) == (0, Terms(priority=0))
    assert len(store.entries()) == 2


def test_a_priority_needs_a_sweep_and_has_a_range(store):
    """Both are said before anything is written."""
    with pytest.raises(Refused, match="no plan yet"):
        control.set_priority(store, 20)
    submit(store, submission({"a": [1.0]}))
    with pytest.raises(Refused, match="between -1000000 and 1000000"):
        control.set_priority(store, 1_000_001)
    assert len(store.entries()) == 1


def test_limits_are_changed_and_removed(store):
    """Each call returns what was in force before and after, and keeps all other terms."""
    submit(store, submission({"a": [1.0], "b": [1.0]}))
    control.set_priority(store, 30)

    first = control.limit(store, lambda limits: replace(limits, sweep=4, pipelines={"a": 1}))
    second = control.limit(store, lambda limits: replace(limits, pipelines={}))

    assert first == (Concurrency(), Concurrency(sweep=4, pipelines={"a": 1}))
    assert second == (first[1], Concurrency(sweep=4))
    assert terms_in_force(store.entries()) == Terms(priority=30, concurrency=Concurrency(sweep=4))
    entries = len(store.entries())
    control.limit(store, lambda limits: limits)
    assert len(store.entries()) == entries


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"pipelines": {"c": 1}}, NotFound, 'no pipeline "c"'),
        ({"sweep": 0}, Refused, "0 tasks at once would run nothing"),
        ({"pipelines": {"a": -1}}, Refused, "-1 tasks at once"),
        ({"tenant": 2}, Refused, "no tenant"),
    ],
)
def test_limits_that_make_no_sense_are_refused(store, change, error, said):
    """Nothing is written then."""
    submit(store, submission({"a": [1.0]}))

    with pytest.raises(error, match=said):
        control.limit(store, lambda limits: replace(limits, **change))
    assert len(store.entries()) == 1


def test_a_change_of_terms_is_made_on_top_of_one_that_came_first(tmp_path):
    """Two people at the same time: neither change is lost."""
    store = DirectoryStore.create(tmp_path / "s.sweep", sweep="s", refresh_seconds=0.0)
    submit(store, submission({"a": [1.0]}))
    append = store.append

    def second(action, *, position):
        store.append = append
        control.set_priority(store, 30)
        raise PositionTaken(position)

    store.append = second
    control.limit(store, lambda limits: replace(limits, sweep=2))

    assert terms_in_force(store.entries()) == Terms(priority=30, concurrency=Concurrency(sweep=2))
