"""Submitting: what is new goes in once, whoever submits at the same time and whatever kills it."""

from dataclasses import replace

import pytest
from tests.plan.test_units import plan_with

from manyfit.model.control import AddSegment, terms_in_force
from manyfit.model.errors import PositionTaken
from manyfit.model.keys import WorkerId
from manyfit.model.lease import TaskMark
from manyfit.model.segment import SegmentHeader
from manyfit.model.terms import Concurrency, Terms
from manyfit.model.unit import Mode
from manyfit.plan import units as planning
from manyfit.run import control
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


def declaring(priority=10, **spec):
    """Return a header that declares this much of the terms."""
    return replace(HEADER, priority=priority, spec={"keep": {}, **spec})


def terms(store):
    return terms_in_force(store.entries())


def kinds(store):
    return [type(entry.action).__name__ for entry in store.entries()]


LIMITED = {"concurrency": {"sweep": 2, "tenant": None, "pipelines": {"a": 1}}, "tenant": "lab-a"}


def test_a_sweep_that_declares_no_terms_has_no_entry_for_them(store):
    """A priority alone stands in the header of its segments."""
    submit(store, submission({"a": [1.0]}, declaring(priority=30)))

    assert kinds(store) == ["AddSegment"]
    assert terms(store) == Terms()


def test_terms_are_in_force_before_the_first_task_can_be_claimed(store):
    """The entry stands before that of the first segment."""
    done = submit(store, submission({"a": [1.0]}, declaring(**LIMITED)))

    assert kinds(store) == ["SetTerms", "AddSegment"]
    assert (
        terms(store) == done.terms == Terms(tenant="lab-a", concurrency=Concurrency(sweep=2, pipelines={"a": 1}))
    )


def test_the_same_terms_again_append_nothing(store):
    """However often."""
    submit(store, submission({"a": [1.0]}, declaring(**LIMITED)))
    entries = store.entries()

    again = submit(store, submission({"a": [1.0]}, declaring(**LIMITED)))

    assert store.entries() == entries
    assert (again.terms, again.declaration) == (None, False)


def test_changed_terms_without_new_tasks_are_put_in_force_and_stored(store):
    """And once only: the last segment then has the declaration that was submitted last."""
    submit(store, submission({"a": [1.0]}, declaring()))
    changed = submission({"a": [1.0]}, declaring(priority=20, **LIMITED))

    done = submit(store, changed)
    entries = store.entries()
    submit(store, changed)

    assert kinds(store) == ["AddSegment", "SetTerms", "AddSegment"]
    assert store.entries() == entries
    assert (done.difference.empty, done.declaration, done.n_tasks) == (True, True, 0)
    assert terms(store).priority == 20
    assert [*segments_of(store)][-1].header == changed.header
    drain(store)
    assert store.finished()


def test_a_declaration_that_comes_back_is_in_force_again(store):
    """There and back, with nothing new to run on the way."""
    found = []
    for header in (declaring(priority=priority) for priority in (10, 30, 10, 30)):
        submit(store, submission({"a": [1.0]}, header))
        found.append((terms(store).priority, [*segments_of(store)][-1].header.priority))

    assert found == [(None, 10), (30, 30), (10, 10), (30, 30)]


def test_a_command_stays_until_the_declaration_says_something_new(store):
    """Submitting the same file does not undo what a person set; a changed one does."""
    submit(store, submission({"a": [1.0]}, declaring()))
    control.set_priority(store, 30)
    control.limit(store, lambda limits: replace(limits, sweep=1))

    submit(store, submission({"a": [1.0, 2.0]}, declaring()))
    assert (terms(store).priority, terms(store).concurrency.sweep) == (30, 1)

    submit(store, submission({"a": [1.0, 2.0]}, declaring(**LIMITED)))
    assert (terms(store).priority, terms(store).concurrency.sweep) == (30, 2)


def test_a_retry_is_no_new_declaration(store):
    """Its segment has the declaration of the sweep, so what a person set stays after it, too."""
    submit(store, submission({"a": [0.1]}, declaring()))
    drain(store, fail=[0])
    control.set_priority(store, 30)
    failed = [key for key, task in known_tasks(store).items() if task.mark is TaskMark.FAILED]
    assert control.retry(store, failed, n_workers=1)
    entries = store.entries()

    submit(store, submission({"a": [0.1]}, declaring()))

    assert store.entries() == entries


def test_a_submission_that_died_between_terms_and_tasks_is_completed(store, monkeypatch):
    """The terms are in force already and are not appended again."""

    def die(segment, **more):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "submit", lambda self, segment, **more: die(segment, **more))
        with pytest.raises(Killed):
            submit(store, submission({"a": [1.0]}, declaring(**LIMITED)))
    assert kinds(store) == ["SetTerms"]

    submit(store, submission({"a": [1.0]}, declaring(**LIMITED)))

    assert kinds(store) == ["SetTerms", "AddSegment"]


def test_terms_that_someone_else_set_meanwhile_are_taken_into_account(tmp_path):
    """The one who comes second merges anew: a command between reading and writing is not lost."""
    store = DirectoryStore.create(tmp_path / "s.sweep", sweep="s", refresh_seconds=0.0)
    submit(store, submission({"a": [1.0]}, declaring()))
    append = store.append

    def first_someone_else(action, *, position):
        store.append = append
        control.set_priority(store, 30)
        raise PositionTaken(position)

    store.append = first_someone_else
    submit(store, submission({"a": [1.0]}, declaring(**LIMITED)))

    assert terms(store) == Terms(priority=30, tenant="lab-a", concurrency=Concurrency(sweep=2, pipelines={"a": 1}))


def test_a_renamed_pipeline_keeps_its_terms(store):
    """Its known tasks have the old name in the store, new ones the new name."""
    submit(store, submission({"old": [1.0]}, declaring()))
    plan = replace(plan_with({"old": [1.0]}), tasks={"new": plan_with({"old": [1.0]}).tasks["old"]})
    header = declaring(concurrency={"sweep": None, "tenant": None, "pipelines": {"new": 2}})

    submit(store, Submission(plan=plan, header=header, n_workers=2))
    submit(store, Submission(plan=plan, header=header, n_workers=2))

    assert terms(store).concurrency.pipelines == {"new": 2, "old": 2}
    assert kinds(store).count("SetTerms") == 1
