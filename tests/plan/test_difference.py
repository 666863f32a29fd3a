"""Edit and continue: what a changed plan means for what a store has."""

from dataclasses import replace

from tests.plan.test_units import plan_with

from manyfit.model.lease import TaskMark
from manyfit.plan.difference import KnownTask, difference

METRICS = ("accuracy",)


def known(mark=TaskMark.DONE, *, generation=0, active=True, metrics=METRICS, predictions=False):
    return KnownTask(mark=mark, generation=generation, active=active, metrics=metrics, predictions=predictions)


def test_a_store_without_tasks_gets_everything():
    """The first submission is all new."""
    plan = plan_with({"a": [1.0]})

    change = difference(plan, {}, METRICS)

    assert change.fresh.n_tasks == 3
    assert not change.removed


def test_the_same_plan_changes_nothing():
    """Whatever state its tasks are in."""
    plan = plan_with({"a": [1.0]})
    marks = [TaskMark.DONE, TaskMark.FAILED, TaskMark.LEFT]

    change = difference(plan, dict(zip(plan.keys(), map(known, marks), strict=True)), METRICS)

    assert change.empty
    assert change.n_kept == 3


def test_new_tasks_are_fresh_and_missing_ones_leave():
    """Only the difference is submitted."""
    before, after = plan_with({"a": [1.0, 1.0]}), plan_with({"a": [1.0]})
    wider = plan_with({"a": [1.0, 1.0, 1.0]})
    has = dict.fromkeys(before.keys(), known())

    assert sorted(difference(after, has, METRICS).removed) == sorted(set(before.keys()) - set(after.keys()))
    assert set(difference(wider, has, METRICS).fresh.keys()) == set(wider.keys()) - set(before.keys())


def test_a_filtered_plan_removes_nothing():
    """A filter says what to run now, not what the sweep is."""
    before, after = plan_with({"a": [1.0, 1.0]}), plan_with({"a": [1.0]})

    change = difference(after, dict.fromkeys(before.keys(), known()), METRICS, removing=False)

    assert change.empty


def test_a_task_that_comes_back_runs_in_the_next_generation():
    """It had left the sweep and is declared again."""
    plan = plan_with({"a": [1.0]})

    change = difference(plan, dict.fromkeys(plan.keys(), known(active=False, generation=2)), METRICS)

    assert [(rerun.generation, rerun.score_only, rerun.plan.n_tasks) for rerun in change.reruns] == [(3, False, 3)]
    assert change.n_readded == 3
    assert not change.reruns[0].supersedes


def test_a_further_metric_is_computed_from_kept_predictions_where_there_are_any():
    """Without them the task has to run again, and the difference says so."""
    plan = plan_with({"a": [1.0]})
    first, second, third = plan.keys()
    has = {first: known(predictions=True), second: known(), third: known(TaskMark.LEFT, predictions=True)}

    change = difference(plan, has, ("accuracy", "f1_macro"))

    assert (change.n_lacking, change.n_rescored, change.lacking) == (3, 1, ["f1_macro"])
    assert {rerun.score_only: set(rerun.plan.keys()) for rerun in change.reruns} == {
        True: {first},
        False: {second, third},
    }
    assert {rerun.score_only: rerun.supersedes for rerun in change.reruns} == {
        True: {"done": 1},
        False: {"done": 1, "pending": 1},
    }


def test_fewer_metrics_change_nothing():
    """Scores that nobody asks for any more do no harm."""
    plan = plan_with({"a": [1.0]})

    assert difference(plan, dict.fromkeys(plan.keys(), known(metrics=("accuracy", "r2"))), METRICS).empty


def test_a_kept_model_stays_with_its_candidate():
    """The fit that was made for it is in no plan, and leaves only when its candidate does."""
    plan = plan_with({"a": [1.0]})
    other = plan_with({"b": [1.0]})
    has = dict.fromkeys(plan.keys(), known())
    has["kept"] = replace(known(), kept_of=plan.candidates[0].key)

    assert not difference(plan, has, METRICS).removed
    assert "kept" in difference(other, has, METRICS).removed
