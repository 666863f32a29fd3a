"""What a plan says of its own predictions."""

from dataclasses import replace

import pytest
from tests.plan.profiles import profile
from tests.plan.test_costs import CATALOG, FAMILIES, SCALED_SVC, SURE, candidate, cell, correction
from tests.plan.toys import ToyRule, first_in_full, planned, toy, using

from manyfit.model.segment import SegmentHeader
from manyfit.plan.costs import Corrections, Experience, planned_costs
from manyfit.plan.summary import PlanSummary, summarise
from manyfit.plan.tasks import Plan, TaskTable, peaks
from manyfit.plan.units import Draft
from manyfit.report.plans import fusion_text, plan_html, plan_text

MADE = [candidate(*SCALED_SVC, C=1.0), candidate("sklearn.naive_bayes:GaussianNB", pipeline="bayes")]


def summary(known: Experience) -> PlanSummary:
    """Return the summary of one task of svc and one of bayes."""
    profiles = {"": profile()}
    costs = planned_costs(profiles, CATALOG, FAMILIES, known)
    tables = {"svc": TaskTable(), "bayes": TaskTable()}
    for position, of in enumerate(MADE):
        tables[of.pipeline].add(position, 0, costs.seconds(of, cell()))
    plan = Plan(candidates=MADE, cells=[cell()], tasks=tables, n_merged=0)
    header = SegmentHeader(sweep="s", executor="none:none", spec={}, memory_bytes=peaks(costs, plan))
    return summarise(plan, Draft(header=header, n_workers=2), profiles, known)


def test_without_experience_the_plan_says_that_it_is_rough():
    """No columns of lessons, no promise."""
    found = summary(Experience())

    assert "a factor of 3 either way" in found.sureness
    assert "within" not in plan_text(found).splitlines()[1]
    assert [row.accuracy for row in found.pipelines] == [None, None]


def test_with_experience_the_plan_says_how_far_it_was_off():
    """By pipeline and together; a pipeline without experience shows none; memory is the predicted peak."""
    learned = Corrections(by_pipeline={"svc": correction(intercept=1.0)})
    known = Experience(seconds=learned, memory=learned, runner_bytes=100 << 20, n_tasks=40, accuracy=SURE)

    found = summary(known)

    assert (
        found.sureness == "estimate from 40 earlier fits, half of them within a factor 1.1, nine tenths within 1.3"
    )
    svc, bayes = found.pipelines
    assert (svc.accuracy, bayes.accuracy) == (SURE, None)
    assert svc.peak_bytes == found.worker_bytes > 100 << 20
    assert bayes.peak_bytes == 0
    head, first, second = plan_text(found).splitlines()[1:4]
    assert head.split()[-5:] == ["half", "within", "90%", "within", "memory"]
    assert first.split()[-4:-2] == ["x1.1", "x1.3"]
    assert second.split()[-3:] == ["-", "-", "-"]
    assert plan_html(found).count("<th>") == 8


def test_a_peak_below_the_rough_guess_is_believed():
    """Measured memory replaces the guess, also downwards."""
    learned = Corrections(by_pipeline={"svc": correction()})
    known = Experience(memory=learned, runner_bytes=50 << 20, n_tasks=40)

    assert summary(known).worker_bytes < summary(replace(known, memory=Corrections())).worker_bytes


def fused_summary(candidates, with_rules, n_workers: int = 2) -> PlanSummary:
    """Return the summary of toys on five cells."""
    plan = planned(candidates, with_rules)
    header = SegmentHeader(sweep="s", executor="none:none", spec={})
    return summarise(plan, Draft(header=header, n_workers=n_workers), {"": profile()}, Experience())


def test_the_plan_predicts_fused_seconds_beside_those_alone():
    """By pipeline and in all; when workers end follows from the units, and one line tells what is saved."""
    made = [toy(1.0, x=x) for x in range(10)] + [toy(2.0, pipeline="q")]

    found = fused_summary(made, using(ToyRule()))

    p, q = found.pipelines
    assert (p.seconds, q.seconds) == pytest.approx((5 * first_in_full([1.0] * 10), 10.0))
    assert (found.cost_seconds, found.alone_seconds) == pytest.approx((p.seconds + q.seconds, 60.0))
    assert found.cost_seconds / 2 <= found.wall_seconds < found.cost_seconds / 2 + 2
    assert "fused: 1 m 00 s alone, 20 s together" in plan_text(found).splitlines()


def test_nothing_is_said_of_fusion_that_saves_nothing():
    """A plan without shared work reads as it always did."""
    found = fused_summary([toy(1.0, group=x) for x in range(3)], using(ToyRule()))

    assert "fused" not in plan_text(found)
    assert found.wall_seconds == pytest.approx(8.0, abs=1.0)


def test_a_notebook_shows_what_is_fused():
    """The same rows as the text, with the reason escaped."""
    found = fused_summary([toy(1.0, x=1), toy(1.0, x=2), toy(1.0, group="<b>", x=3)], using(ToyRule()))

    page, text = plan_html(found), fusion_text(found)

    for word in ("the toys", "no other candidate differs from it only in x", "exact", "toy"):
        assert word in page
        assert word in text
    assert fusion_text(replace(found, fusion=(), not_fused="because")) == "nothing is fused: because"
