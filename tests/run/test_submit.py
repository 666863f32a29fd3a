"""Submitting: what is new goes in once, whoever submits at the same time and whatever kills it."""

from dataclasses import replace

import pytest
from tests.plan.test_units import plan_with

from manyfit.model.control import AddSegment
from manyfit.model.errors import PositionTaken
from manyfit.model.keys import WorkerId
from manyfit.model.segment import SegmentHeader
from manyfit.model.unit import Mode
from manyfit.plan import units as planning
from manyfit.run.known import known_tasks, segments_of
from manyfit.run.submit import Submission, compare, submit
from manyfit.stores.directory import DirectoryStore
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores import run

HEADER = SegmentHeader(sweep="s", executor="none:none", spec={"keep": {}}, metrics=("accuracy",))
W = WorkerId("w")


@pytest.fixture(params=["memory", "directory"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore(MemoryState(sweep="s"))
    return DirectoryStore.create(tmp_path / "s.sweep", sweep="s", refresh_seconds=0.0)


def submission(costs, header=HEADER, **parts):
    return Submission(plan=plan_with(costs), header=header, n_workers=2, **parts)


def drain(store, fail=()):
    while (lease := store.claim(W)) is not None:
        run(store, lease, fail=fail)


def test_submitting_twice_changes_nothing(store):
    """The same plan has the same tasks."""
    first = submit(store, submission({"a": [1.0, 2.0]}))
    entries = len(store.entries())

    again = submit(store, submission({"a": [1.0, 2.0]}))

    assert first.n_tasks == 6
    assert again.difference.empty
    assert len(store.entries()) == entries


def test_only_what_is_new_is_added_and_what_left_is_removed(store):
    """Edit and continue, in both directions."""
    submit(store, submission({"a": [1.0, 2.0]}))
    drain(store)

    change = submit(store, submission({"a": [1.0], "b": [3.0]})).difference

    assert (change.fresh.n_tasks, len(change.removed), change.n_kept) == (3, 3, 3)
    counts = store.snapshot().counts
    assert (counts.planned, counts.done, counts.pending) == (6, 3, 3)


def test_a_filtered_submission_removes_nothing(store):
    """A filter says what to run, not what the sweep is."""
    submit(store, submission({"a": [1.0, 2.0]}))

    change = submit(store, submission({"a": [1.0]}, removing=False)).difference

    assert change.empty


def test_a_task_that_comes_back_runs_again(store):
    """It was removed and declared again: its new unit has the next generation."""
    submit(store, submission({"a": [1.0, 2.0]}))
    drain(store)
    submit(store, submission({"a": [1.0]}))

    submit(store, submission({"a": [1.0, 2.0]}))

    counts = store.snapshot().counts
    assert (counts.planned, counts.done, counts.pending) == (6, 3, 3)
    drain(store)
    assert store.snapshot().counts.done == 6
    assert {task.generation for task in known_tasks(store).values()} == {0, 1}


@pytest.mark.parametrize(("predictions", "mode"), [(True, Mode.SCORE), (False, Mode.FIT)])
def test_a_new_metric_is_scored_from_kept_predictions_or_fitted_again(store, predictions, mode):
    """And the counts stay exact meanwhile."""
    header = replace(HEADER, spec={"keep": {"predictions": predictions}})
    submit(store, submission({"a": [1.0]}, header))
    drain(store)

    wider = replace(header, metrics=("accuracy", "f1_macro"))
    change = submit(store, submission({"a": [1.0]}, wider)).difference

    last = [*segments_of(store)][-1]
    assert change.n_lacking == 3
    assert {unit.mode for unit in last.units} == {mode}
    assert store.snapshot().counts.planned == 3
    assert store.snapshot().counts.pending == 3


def test_a_large_plan_comes_in_parts_and_says_when_it_is_complete(store, monkeypatch):
    """Workers start on the first part and wait for the last."""
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 10)
    seen = []

    submit(store, submission({"a": [1.0] * 10}), on_segment=seen.append)

    added = [entry.action for entry in store.entries() if isinstance(entry.action, AddSegment)]
    assert [action.more for action in added] == [True, True, False]
    assert seen[-1] == 30
    assert store.snapshot().counts.planned == 30


class Killed(Exception):
    """Stands for the death of the submitter."""


def test_a_submission_that_died_half_way_is_completed_by_the_next(store, monkeypatch):
    """Also when the next has nothing left to add but the end."""
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 10)

    def die(n_tasks):
        raise Killed

    with pytest.raises(Killed):
        submit(store, submission({"a": [1.0] * 10}), on_segment=die)
    assert store.snapshot().planning

    submit(store, submission({"a": [1.0] * 10}))

    assert not store.snapshot().planning
    assert store.snapshot().counts.planned == 30
    drain(store)
    assert store.finished()


def test_nothing_more_to_add_still_ends_a_submission_that_was_left_open(store, monkeypatch):
    """The rest was taken out of the sweep meanwhile."""
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 10)

    def die(n_tasks):
        raise Killed

    with pytest.raises(Killed):
        submit(store, submission({"a": [1.0] * 10}), on_segment=die)
    published = store.snapshot().counts.planned
    submit(store, submission({"a": [1.0] * (published // 3)}))
    drain(store)

    assert store.finished()


def test_a_change_by_someone_else_meanwhile_is_taken_into_account(tmp_path):
    """The one who comes second compares anew."""
    store = DirectoryStore.create(tmp_path / "s.sweep", sweep="s")
    taken = []
    append = store.append

    def first_someone_else(action, *, position):
        if not taken and isinstance(action, AddSegment):
            taken.append(position)
            store.append = append
            submit(store, submission({"a": [1.0], "b": [2.0]}, removing=False))
            raise PositionTaken(position)
        return append(action, position=position)

    store.append = first_someone_else
    submit(store, submission({"a": [1.0], "c": [3.0]}, removing=False))

    assert taken
    assert store.snapshot().counts.planned == 9
    assert len(known_tasks(store)) == 9


def test_comparing_writes_nothing(store):
    """A plan only shows what would change."""
    submit(store, submission({"a": [1.0]}))
    entries = store.entries()

    change = compare(store, submission({"a": [1.0, 2.0]}))

    assert change.fresh.n_tasks == 3
    assert store.entries() == entries


def test_a_renamed_pipeline_keeps_its_tasks_and_says_so(store):
    """Its known tasks go on under the name that the store has."""
    submit(store, submission({"old": [1.0]}))
    plan = plan_with({"old": [1.0]})
    renamed = replace(plan, tasks={"new": plan.tasks["old"]})

    change = submit(store, Submission(plan=renamed, header=HEADER, n_workers=2)).difference

    assert change.empty
    assert change.renamed == {"new": "old"}
