"""Dividing what shares work: nothing lost, little computed twice, nobody idle behind a straggler."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.toys import ToyRule, first_in_full, nearly_nothing, planned, shift, toy, using

from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Mode
from manyfit.plan import units as planning
from manyfit.plan.dividing import CHEAP, DEAR, makespan
from manyfit.plan.tasks import Plan
from manyfit.plan.units import Draft, unit_seconds

HEADER = SegmentHeader(sweep="s", executor="nowhere:none", spec={})
COSTS = {"dear": first_in_full, "cheap": nearly_nothing, "half": lambda alone: 0.5 * sum(alone)}


def segments_of(plan: Plan, n_workers: int, **parts: object) -> list[Segment]:
    return list(Draft(header=HEADER, n_workers=n_workers, **parts).segments(plan))


def tasks_of(segments: list[Segment]) -> list[tuple[str, str]]:
    return [
        (segment.candidates[candidate].key, segment.cells[cell].key)
        for segment in segments
        for unit in segment.units
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True)
    ]


def span_of(segment: Segment, n_workers: int) -> float:
    return makespan([unit.cost_seconds for unit in segment.units], n_workers)[0]


candidates = st.builds(
    toy,
    st.sampled_from([0.01, 0.1, 1.0, 7.5, 80.0]),
    st.integers(0, 3),
    pipeline=st.sampled_from(["a", "b"]),
    x=st.integers(0, 10**6),
    odd=st.booleans(),
    before=st.sampled_from([(), (shift(0.05),), (shift(2.0, a=1),), (shift(0.05), shift(2.0, a=1))]),
)
plans = st.lists(candidates, min_size=1, max_size=40, unique_by=lambda one: one.key)


@settings(deadline=None, max_examples=40)
@given(plans, st.sampled_from(sorted(COSTS)), st.integers(1, 9), st.integers(1, 6))
def test_every_task_is_in_exactly_one_unit_of_its_pipeline(made, cost, n_workers, n_cells):
    """Whatever is shared and however it is divided."""
    plan = planned(made, using(ToyRule(cost=COSTS[cost])), n_cells)

    segments = segments_of(plan, n_workers)

    assert Counter(tasks_of(segments)) == Counter(
        (candidate.key, cell.key) for candidate in made for cell in plan.cells
    )
    for segment in segments:
        for unit in segment.units:
            assert {segment.candidates[i].pipeline for i in unit.candidates} == {unit.pipeline}


@settings(deadline=None, max_examples=40)
@given(plans, st.sampled_from(sorted(COSTS)), st.integers(1, 9))
def test_units_keep_to_their_bounds(made, cost, n_workers):
    """
    A unit is no longer than the target, unless it has one cohort, or what comes before it is a part of it.

    The cohort of such a unit costs too much to divide.
    """
    plan = planned(made, using(ToyRule(cost=COSTS[cost])), 4)
    target = unit_seconds(plan.cost_seconds, n_workers)

    [segment] = segments_of(plan, n_workers)

    for unit in segment.units:
        found = cohorts_of(segment, unit)
        assert len(unit) <= planning.MAX_UNIT_TASKS
        before = max(
            sum(step.params["seconds"] for step in segment.candidates[i].steps[:-1]) for i in unit.candidates
        )
        assert len(found) == 1 or unit.cost_seconds <= max(target, before / (CHEAP - 1)) * 1.001


def cohorts_of(segment: Segment, unit) -> set[tuple[object, ...]]:
    """Return the cohorts that a unit has a part in; a refused fit is one by itself."""
    found = set()
    for at, cell in zip(unit.candidates, unit.cells, strict=True):
        *before, last = segment.candidates[at].steps
        alone = at if last.params["odd"] else -1
        found.add((unit.pipeline, cell, repr(before), last.params["group"], alone))
    return found


@settings(deadline=None, max_examples=40)
@given(plans, st.integers(1, 9))
def test_cohorts_that_fit_are_whole(made, n_workers):
    """What is computed together, and is no longer than the smallest unit, stands in one unit."""
    plan = planned(made, using(ToyRule()), 3)

    [segment] = segments_of(plan, n_workers)

    units = defaultdict(set)
    alone: Counter[tuple[object, ...]] = Counter()
    for number, unit in enumerate(segment.units):
        for cohort in cohorts_of(segment, unit):
            units[cohort].add(number)
        for at, cell in zip(unit.candidates, unit.cells, strict=True):
            *before, last = segment.candidates[at].steps
            if not last.params["odd"]:
                alone[unit.pipeline, cell, repr(before), last.params["group"], -1] += last.params["seconds"]
    for cohort, seconds in alone.items():
        assert len(units[cohort]) == 1 or seconds > planning.SMALLEST_UNIT_SECONDS


@settings(deadline=None, max_examples=40)
@given(plans, st.sampled_from(sorted(COSTS)), st.integers(1, 9))
def test_dividing_costs_little(made, cost, n_workers):
    """All units together cost at most a tenth more than the plan, but for what keeps workers from waiting."""
    plan = planned(made, using(ToyRule(cost=COSTS[cost])), 4)

    [segment] = segments_of(plan, n_workers)
    work = sum(unit.cost_seconds for unit in segment.units)

    assert work >= 0.999 * plan.cost_seconds
    assert work <= DEAR * CHEAP * plan.cost_seconds
    assert span_of(segment, n_workers) <= plan.alone_seconds * 1.001


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.sampled_from([0.2, 3.0, 50.0]),
    st.sampled_from(["cheap", "half"]),
    st.integers(1, 8),
)
def test_workers_end_together_when_dividing_is_cheap(n_groups, n_cells, seconds, cost, n_workers):
    """The last worker ends at most a tenth after the ideal, plus the longest that cannot be divided."""
    made = [toy(seconds, group, x=x) for group in range(n_groups) for x in range(20)]
    plan = planned(made, using(ToyRule(cost=COSTS[cost])), n_cells)

    [segment] = segments_of(plan, n_workers)

    single = max(seconds, planning.SMALLEST_UNIT_SECONDS)
    assert span_of(segment, n_workers) <= 1.1 * plan.cost_seconds / n_workers + 2 * single


def folds_on_workers(cost, n_cells: int, n_workers: int) -> tuple[float, float]:
    """Return the time that workers need for a plan of one large group, and the ideal."""
    made = [toy(1.0, x=x) for x in range(40)]
    plan = planned(made, using(ToyRule(cost=cost)), n_cells)
    [segment] = segments_of(plan, n_workers)
    return span_of(segment, n_workers), plan.cost_seconds / n_workers


def test_five_folds_on_two_workers():
    """Nobody idles for a fifth of the time: one fold of five is divided although that costs something."""

    def cost(alone):
        return 8.0 + 0.7 * sum(alone)

    span, ideal = folds_on_workers(cost, 5, 2)

    assert cost([1.0] * 20) * 2 > CHEAP * cost([1.0] * 40)
    assert ideal < span < 1.1 * ideal


def test_one_fold_on_many_workers():
    """A single group is divided as long as that shortens the whole and costs no more than half."""
    span, ideal = folds_on_workers(lambda alone: 5.0 + 0.5 * sum(alone), 1, 8)

    assert span <= 0.5 * 8 * ideal


def test_what_costs_too_much_stays_whole():
    """Five of a kind that share nearly everything: dividing one would only add work."""
    span, ideal = folds_on_workers(max, 5, 2)

    assert span == pytest.approx(3.0)
    assert ideal == pytest.approx(2.5)


@pytest.mark.parametrize("n_groups", [100, 20])
def test_equal_steps_keep_tasks_together(n_groups):
    """With dear steps before them, cheap fits are not spread over units that would all compute these again."""
    made = [toy(0.01, group=x % n_groups, x=x, before=(shift(3.0),)) for x in range(100)]
    plan = planned(made, using(ToyRule()), 2)

    [segment] = segments_of(plan, 2)

    assert sum(unit.cost_seconds for unit in segment.units) <= CHEAP * plan.cost_seconds
    assert len(segment.units) == 2


def test_the_order_that_costs_less_is_taken():
    """Parts of nested fits have the long ones together."""
    lengths = [0.1 * (1 + x % 7) for x in range(2_000)]
    plan = planned([toy(s, x=x) for x, s in enumerate(lengths)], using(ToyRule()), 1)

    [segment] = segments_of(plan, 1)

    longest = [max(segment.candidates[i].steps[-1].params["seconds"] for i in u.candidates) for u in segment.units]
    assert len(longest) > 1
    assert min(longest) < max(longest)


def test_a_cohort_beyond_the_most_tasks_is_divided(monkeypatch):
    """A worker reports a unit at a time: it has a limit of tasks, whatever that costs."""
    monkeypatch.setattr(planning, "MAX_UNIT_TASKS", 16)
    plan = planned([toy(0.001, x=x) for x in range(100)], using(ToyRule(cost=max)), 1)

    [segment] = segments_of(plan, 1)

    assert max(map(len, segment.units)) <= 16
    assert sum(map(len, segment.units)) == 100


def test_large_plans_keep_groups_whole(monkeypatch):
    """Segments hold whole groups although these lie across the grid, unless one is larger than a segment."""
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 30)
    made = [toy(0.1, group=x % 6, x=x) for x in range(60)]
    plan = planned(made, using(ToyRule()), 2)

    segments = segments_of(plan, 2)

    groups = [{candidate.steps[-1].params["group"] for candidate in segment.candidates} for segment in segments]
    assert len(segments) == 4
    assert sum(map(len, groups)) == 6
    assert Counter(tasks_of(segments)) == Counter((one.key, cell.key) for one in made for cell in plan.cells)


def test_one_group_larger_than_a_segment_is_divided(monkeypatch):
    """Workers start before the whole plan is published."""
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 30)
    plan = planned([toy(0.1, x=x) for x in range(60)], using(ToyRule()), 2)

    segments = segments_of(plan, 2)

    assert max(segment.n_tasks for segment in segments) <= 1.5 * 30 + 2
    assert sum(segment.n_tasks for segment in segments) == 120


@pytest.mark.parametrize("mode", [Mode.KEEP, Mode.SCORE])
def test_kept_models_and_kept_predictions_share_nothing(mode):
    """A kept model is fitted alone, and scoring fits nothing: units cost the sum of their tasks."""
    plan = planned([toy(1.0, x=x) for x in range(10)], using(ToyRule()), 2)

    [segment] = segments_of(plan, 2, mode=mode)

    assert sum(unit.cost_seconds for unit in segment.units) == pytest.approx(plan.alone_seconds)


@settings(deadline=None, max_examples=30)
@given(plans, st.integers(1, 4))
def test_the_same_plan_has_the_same_units(made, n_workers):
    """Submitting twice is harmless, because names are content and the order is always the same."""
    first, again = (segments_of(planned(made, using(ToyRule()), 3), n_workers) for _ in range(2))

    assert [(unit.id, [*unit.candidates], [*unit.cells]) for one in first for unit in one.units] == [
        (unit.id, [*unit.candidates], [*unit.cells]) for one in again for unit in one.units
    ]
