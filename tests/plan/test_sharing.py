"""What tasks share: equal steps before the last, groups of fusion rules; and why others share nothing."""

import pytest
from tests.plan.toys import (
    SHIFT,
    ToyRule,
    first_in_full,
    planned,
    shift,
    toy,
    using,
)

from manyfit.contracts.fusion import Fuse, Guarantee
from manyfit.plan.choosing import NOT_WORTH, SHARED_STEPS
from manyfit.plan.fused import fusion_of
from manyfit.plan.sharing import OPEN_SEED
from manyfit.plan.tasks import Plan
from manyfit.plan.totals import SMALLER_PLAN


def told(plan: Plan) -> dict[str, str]:
    """Return the rule or the reason of each part of the last step, with its number of candidates."""
    rows = [row for row in fusion_of(plan.totals) if row.estimator == "Model"]
    return {row.rule or row.reason: f"{row.n_candidates}" for row in rows}


def test_a_group_is_predicted_together():
    """Three fits of one group cost what the rule says, once for each cell; stand-alone costs stay beside it."""
    plan = planned([toy(1.0, x=1), toy(2.0, x=2), toy(3.0, x=3)], using(ToyRule()), n_cells=4)

    assert plan.alone_seconds == pytest.approx(4 * 6.0)
    assert plan.cost_seconds == pytest.approx(4 * first_in_full([1.0, 2.0, 3.0]))
    assert sum(plan.tasks["p"].seconds) == pytest.approx(24.0)
    assert told(plan) == {"toy": "3"}


def test_without_rules_every_task_is_alone():
    """A plan that knows nothing of sharing costs the sum of its tasks."""
    plan = planned([toy(1.0, x=1), toy(2.0, x=2)], None)

    assert plan.cost_seconds == plan.alone_seconds == pytest.approx(15.0)
    assert fusion_of(plan.totals) == []


def test_switched_off_nothing_is_shared():
    """With "fuse = false" neither rules nor equal steps count."""
    off = using(ToyRule(), fuse=Fuse(exact=False))

    plan = planned([toy(1.0, x=1, before=(shift(),)), toy(2.0, x=2, before=(shift(),))], off)

    assert plan.sharing is None
    assert plan.cost_seconds == plan.alone_seconds


def test_equal_steps_are_computed_once_for_each_cell():
    """Steps with other parameters, or on another feature set, are computed apart."""
    candidates = [
        toy(1.0, group=i, x=i, before=(shift(0.5, a=a),), features=features)
        for i, (a, features) in enumerate([(1, ""), (1, ""), (2, ""), (1, "few")])
    ]

    plan = planned(candidates, using(), n_cells=2)

    assert plan.alone_seconds == pytest.approx(2 * 4 * 1.5)
    assert plan.cost_seconds == pytest.approx(2 * (4 * 1.0 + 3 * 0.5))
    [steps] = [row for row in fusion_of(plan.totals) if row.rule == SHARED_STEPS]
    assert (steps.n_candidates, steps.n_tasks) == (4, 8)
    assert "6 fits of them instead of 8" in steps.shares


def test_values_of_another_type_are_other_steps():
    """scikit-learn gives 1 and 1.0 different meanings."""
    candidates = [toy(1.0, x=x, before=(shift(0.5, a=a),)) for x, a in enumerate([1, 1.0])]

    assert planned(candidates, using(), n_cells=1).cost_seconds == pytest.approx(3.0)


def test_only_fits_behind_equal_steps_form_a_group():
    """The rows that the last step sees differ behind other steps."""
    candidates = [toy(1.0, x=x, before=(shift(0.5, a=x % 2),)) for x in range(4)]

    plan = planned(candidates, using(ToyRule()), n_cells=1)

    assert plan.cost_seconds == pytest.approx(2 * 0.5 + 2 * first_in_full([1.0, 1.0]))


def test_transformers_are_computed_together_too():
    """A rule for a step that transforms counts its longest in full, and where its refusals are told."""
    rule = ToyRule(name="shifts", covers=frozenset({SHIFT}))
    candidates = [toy(1.0, group=x, x=x, before=(shift(0.5, a=x, group=0, odd=x == 3),)) for x in range(4)]

    plan = planned(candidates, using(rule), n_cells=2)

    assert plan.cost_seconds == pytest.approx(2 * (4 * 1.0 + first_in_full([0.5] * 3) + 0.5))
    shifts = {row.rule or row.reason: row for row in fusion_of(plan.totals) if row.estimator == "Shift"}
    assert shifts["shifts"].seconds == pytest.approx(2 * first_in_full([0.5] * 3))
    assert shifts["it is odd"].n_candidates == 1


@pytest.mark.parametrize(
    ("rules", "candidates", "reason"),
    [
        ([], [toy(1.0, x=1), toy(1.0, x=2)], "no rule for this class"),
        ([ToyRule()], [toy(1.0, x=1, odd=True), toy(1.0, x=2, odd=True)], "it is odd"),
        (
            [ToyRule(axes=("x", "y", "z"))],
            [toy(1.0, group=1), toy(1.0, group=2)],
            "no other candidate differs from it only in x, y or z",
        ),
        ([ToyRule(cost=lambda alone: sum(alone) + 0.1)], [toy(1.0, x=1), toy(1.0, x=2)], NOT_WORTH),
        ([ToyRule(cost=sum)], [toy(1.0, x=1), toy(1.0, x=2)], NOT_WORTH),
        (
            [ToyRule(guarantee=Guarantee.TOLERANCE)],
            [toy(1.0, x=1), toy(1.0, x=2)],
            'rule "toy" is used only when "fuse" names it',
        ),
        (
            [ToyRule(proven_on={"lib": ("1.8", "1.9")})],
            [toy(1.0, x=1), toy(1.0, x=2)],
            "proven on lib 1.8, 1.9, not on 2.0",
        ),
        ([ToyRule(proven_on={"absent": ("1.9",)})], [toy(1.0, x=1), toy(1.0, x=2)], "absent is not installed"),
    ],
)
def test_the_reason_is_told_where_fits_are_alone(rules, candidates, reason):
    """Refused, lonely, not worth it, not asked for, not proven here, or no rule at all."""
    plan = planned(candidates, using(*rules, lib="2.0"))

    assert told(plan) == {reason: "2"}
    assert plan.cost_seconds == pytest.approx(plan.alone_seconds)


def test_a_rule_that_fails_ends_no_plan():
    """Parameters that a rule cannot read are planned alone, and the reason names the rule and its error."""
    plan = planned([toy(x=1, odd="lost"), toy(x=2), toy(x=3)], using(ToyRule()))

    assert told(plan) == {"toy": "2", "rule \"toy\" failed: KeyError: 'lost'": "1"}


def test_a_rule_without_a_group_ends_no_plan():
    """A group that cannot be told, or is no key, is a reason as well."""
    plan = planned([toy(x=1, group=["a", "list"]), toy(x=2), toy(x=3)], using(ToyRule()))

    assert told(plan) == {"toy": "2", "rule \"toy\" failed: TypeError: unhashable type: 'list'": "1"}


def test_a_rule_that_cannot_tell_its_cost_is_not_used():
    """Who cannot say what it costs together is planned alone."""

    def lost(alone):
        raise ZeroDivisionError

    plan = planned([toy(x=1), toy(x=2)], using(ToyRule(cost=lost)))

    assert told(plan) == {NOT_WORTH: "2"}


def test_a_rule_that_is_asked_for_comes_first():
    """A rule by name wins over one that needs no asking; where it refuses, the other gets the fit."""
    asked = ToyRule(name="close-enough", guarantee=Guarantee.TOLERANCE)
    always = ToyRule(name="exact")
    plain = ToyRule(name="plain", cost=lambda alone: 0.2 * sum(alone))
    fuse = Fuse(also=("close-enough",))

    assert told(planned([toy(x=1), toy(x=2)], using(always, asked, fuse=fuse))) == {"close-enough": "2"}
    assert told(planned([toy(x=1), toy(x=2)], using(always, plain))) == {"exact": "2"}


def test_a_rule_that_an_audit_switched_off_is_named():
    """The reason says who switched it off."""
    plan = planned([toy(x=1), toy(x=2)], using(ToyRule(), fuse=Fuse(without=frozenset({"toy"}))))

    assert told(plan) == {'rule "toy" was switched off by an audit': "2"}


def test_rules_see_all_parameters_with_seeds():
    """Defaults are filled in, a seed that the cell gives is a whole number, and the size is that of the cell."""
    rule = ToyRule()

    planned([toy(x=1), toy(x=2, random_state=7, inner={"use": "toy:Inner", "random_state": None})], using(rule))

    open_, fixed = rule.asked[0], next(params for params in rule.asked if params["x"] == 2)
    assert open_["random_state"] == OPEN_SEED
    assert fixed["random_state"] == 7
    assert fixed["inner"]["random_state"] == OPEN_SEED
    assert {(size.n_rows, size.n_columns, size.n_classes) for size in rule.sizes} == {(100, 4, 3)}


def test_part_of_a_plan_shares_what_is_left_in_it():
    """With filters, or when most is done, groups are smaller, and a single fit is alone."""
    plan = planned([toy(1.0, x=1), toy(1.0, x=2), toy(1.0, x=3)], using(ToyRule()), n_cells=1)

    two, one = plan.where(lambda i, _: i < 2), plan.where(lambda i, _: i < 1)

    assert two.cost_seconds == pytest.approx(first_in_full([1.0, 1.0]))
    assert one.cost_seconds == pytest.approx(1.0)
    assert told(one) == {SMALLER_PLAN: "1"}


def test_pipelines_share_nothing_with_each_other():
    """A unit has tasks of one pipeline, so groups do not go beyond it."""
    plan = planned([toy(1.0, x=1, pipeline="a"), toy(1.0, x=2, pipeline="b")], using(ToyRule()))

    assert plan.cost_seconds == plan.alone_seconds


def test_what_is_alone_and_what_is_fused_add_up():
    """The parts that are told make the predicted seconds of each pipeline."""
    candidates = [toy(1.0 + x, group=x // 2, x=x, odd=x > 3, before=(shift(0.2),)) for x in range(6)]

    plan = planned(candidates, using(ToyRule()))

    rows = [row for row in fusion_of(plan.totals) if row.last or row.rule == SHARED_STEPS]
    assert sum(row.seconds for row in rows) == pytest.approx(plan.cost_seconds)
    assert sum(row.alone_seconds for row in rows) == pytest.approx(plan.alone_seconds)
    assert [row.rule for row in rows] == [SHARED_STEPS, "toy", ""]
    assert sum(row.n_tasks for row in rows if row.estimator == "Model") == plan.n_tasks


def test_rules_are_asked_with_the_columns_that_reach_a_step():
    """Behind a transformer that gives one column of four, rules of the last step meet one."""
    behind, first = ToyRule(), ToyRule(name="shifts", covers=frozenset({SHIFT}), axes=("a",))
    candidates = [
        toy(1.0, group=a, x=x, before=(shift(0.5, a=a, group=0, gives=1),)) for a in (1, 2) for x in (1, 2)
    ]

    planned(candidates, using(behind, first))

    assert {size.n_columns for size in behind.sizes} == {1}
    assert {size.n_columns for size in first.sizes} == {4}
