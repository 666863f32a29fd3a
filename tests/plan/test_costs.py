"""Corrections of predicted seconds: bounded, stored exactly, applied to the right candidates."""

import json
import math
from dataclasses import asdict, replace

import pytest
from tests.plan.profiles import profile

from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import CandidateKey, CellKey, content_key
from manyfit.model.segment import SegmentHeader
from manyfit.model.wire import header_from_json, header_to_json
from manyfit.plan.costs import (
    Accuracy,
    Correction,
    Corrections,
    Experience,
    Term,
    costs_to_json,
    experience_from_json,
    planned_costs,
    stored_costs,
    trait,
)
from manyfit.plan.tasks import Plan, TaskTable, peaks

CATALOG, FAMILIES = SklearnCatalog(), FamilyCatalog()
SURE = Accuracy(n_tasks=9, median=1.1, p90=1.3)
SCALED_SVC = ("sklearn.preprocessing:StandardScaler", "sklearn.svm:SVC")


def candidate(*uses: str, pipeline: str = "svc", **params: object) -> Candidate:
    """Return a candidate of these classes; the parameters are those of the last."""
    steps = tuple(Step(name=f"s{i}", use=use) for i, use in enumerate(uses))
    steps = (*steps[:-1], replace(steps[-1], params=params))
    key = CandidateKey(content_key([uses, sorted(params.items())]))
    return Candidate(key=key, pipeline=pipeline, steps=steps, shown=params)


def cell(n_train: int = 120) -> Cell:
    return Cell(key=CellKey(f"cell{n_train}"), split="cv", fold=0, seed=0, n_train=n_train)


def correction(*terms: Term, uses: tuple[str, ...] = SCALED_SVC, intercept: float = 0.0) -> Correction:
    return Correction(
        steps=uses, intercept=intercept, terms=terms, low=-math.log(20), high=math.log(20), accuracy=SURE
    )


def costs_with(found: Correction, *, of_class: bool = False):
    by = {"by_class": {found.steps[-1]: found}} if of_class else {"by_pipeline": {"svc": found}}
    return planned_costs({"": profile()}, CATALOG, FAMILIES, Experience(seconds=Corrections(**by), n_tasks=9))


def ratio(costs, of: Candidate, n_train: int = 120) -> float:
    """Return predicted over formula."""
    return costs.seconds(of, cell(n_train)) / costs.formula_seconds(of, n_train)


def test_a_term_of_a_number_follows_its_logarithm():
    """Weight 1 for rows: twice the rows take twice as long as the formula grows by itself."""
    rows = Term(trait="rows", value=None, weight=1.0, centre=math.log(100), low=math.log(50), high=math.log(400))
    costs = costs_with(correction(rows))
    of = candidate(*SCALED_SVC, C=1.0)

    assert ratio(costs, of, 100) == pytest.approx(1.0)
    assert ratio(costs, of, 200) == pytest.approx(2.0)


def test_steps_are_predicted_with_the_columns_that_reach_them():
    """Behind PCA with one component the classifier costs what it costs on one column, and no less is stored."""
    pca, svc = "sklearn.decomposition:PCA", "sklearn.svm:SVC"
    of = candidate(pca, svc, C=1.0)
    of = replace(of, steps=(replace(of.steps[0], params={"n_components": 1}), of.steps[1]))
    costs = planned_costs({"": profile()}, CATALOG, FAMILIES)
    table = costs.size(of, 5000)
    narrow = replace(table, n_columns=1)

    assert [size.n_columns for _, size in costs.steps(of, 5000)] == [4, 1]
    expected = costs.step_seconds(of.steps[0], table) + costs.step_seconds(of.steps[1], narrow)
    assert costs.formula_seconds(of, 5000) == pytest.approx(expected)
    assert expected < costs.step_seconds(of.steps[0], table) + costs.step_seconds(of.steps[1], table)
    stored = stored_costs(costs_to_json(costs, [of]), FAMILIES)
    assert stored.formula_seconds(of, 5000) == pytest.approx(expected)


def test_outside_of_what_was_seen_the_correction_stays_and_the_formula_goes_on():
    """A slope that was seen between 50 and 400 rows says nothing of a million."""
    rows = Term(trait="rows", value=None, weight=1.0, centre=math.log(100), low=math.log(50), high=math.log(400))
    costs = costs_with(correction(rows))
    of = candidate(*SCALED_SVC, C=1.0)

    assert ratio(costs, of, 1_000_000) == pytest.approx(4.0)
    assert ratio(costs, of, 1) == pytest.approx(0.5)


def test_a_correction_never_leaves_its_bounds():
    """However many terms point the same way."""
    terms = [Term(trait="0.kernel", value="poly", weight=5.0, centre=0.0) for _ in range(3)]
    costs = costs_with(correction(*terms))

    assert ratio(costs, candidate(*SCALED_SVC, kernel="poly")) == pytest.approx(20.0)
    assert ratio(costs, candidate(*SCALED_SVC, kernel="rbf")) == pytest.approx(1.0)


def test_defaults_are_traits_like_declared_values():
    """A candidate that leaves the kernel at rbf is corrected like one that says so."""
    costs = costs_with(correction(Term(trait="0.kernel", value="rbf", weight=1.0, centre=0.0)))

    assert ratio(costs, candidate(*SCALED_SVC, C=2.0)) == pytest.approx(math.e)


def test_an_edited_pipeline_falls_back_to_its_class_and_then_to_the_formula():
    """What was learned of other steps is not what these steps do."""
    own = correction(intercept=1.0)
    costs = costs_with(own)
    assert ratio(costs, candidate("sklearn.svm:SVC")) == pytest.approx(1.0)
    assert ratio(costs, candidate(*SCALED_SVC, pipeline="other")) == pytest.approx(1.0)

    of_class = costs_with(correction(intercept=2.0, uses=("sklearn.svm:SVC",)), of_class=True)
    assert ratio(of_class, candidate("sklearn.svm:SVC")) == pytest.approx(math.exp(2))
    assert ratio(of_class, candidate(*SCALED_SVC, pipeline="other")) == pytest.approx(math.exp(2))
    assert ratio(of_class, candidate("sklearn.svm:SVR")) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("use", "params"),
    [
        ("sklearn.svm:SVC", {"kernel": "linear", "C": 10.0}),
        ("sklearn.ensemble:RandomForestClassifier", {"n_estimators": 7}),
        ("sklearn.ensemble:HistGradientBoostingClassifier", {}),
        ("sklearn.neural_network:MLPClassifier", {"hidden_layer_sizes": [8, 4]}),
        ("sklearn.neural_network:MLPClassifier", {}),
        ("sklearn.linear_model:LogisticRegression", {"solver": "saga"}),
        ("sklearn.neighbors:KNeighborsClassifier", {}),
        ("sklearn.gaussian_process:GaussianProcessClassifier", {}),
    ],
)
def test_stored_costs_predict_exactly_what_the_plan_did(use, params):
    """Through the header's bytes, without the catalog and without the data."""
    of = candidate("sklearn.impute:SimpleImputer", use, **params)
    terms = (
        Term(trait="rows", value=None, weight=0.3, centre=3.0, low=2.0, high=9.0),
        Term(trait="0.C", value=None, weight=-0.2, centre=0.0, low=-3.0, high=3.0),
        Term(trait="1.strategy", value="mean", weight=0.7, centre=0.2),
    )
    found = Corrections(by_class={use: correction(*terms, uses=(use,), intercept=0.4)})
    known = Experience(seconds=found, memory=found, runner_bytes=1 << 27, n_tasks=50, accuracy=SURE)
    costs = planned_costs({"": profile()}, CATALOG, FAMILIES, known)
    header = SegmentHeader(sweep="s", executor="none:none", spec={}, costs=costs_to_json(costs, [of]))

    read = header_from_json(json.loads(json.dumps(header_to_json(header), allow_nan=False)))
    again = stored_costs(read.costs, FAMILIES)

    assert read.costs == header.costs
    assert again.experience == known
    for n_train in (10, 120, 5000):
        assert again.seconds(of, cell(n_train)) == costs.seconds(of, cell(n_train))
        assert again.memory_bytes(of, n_train) == costs.memory_bytes(of, n_train)
        assert again.traits(of, n_train) == costs.traits(of, n_train)


def test_the_factor_of_all_traits_is_the_one_that_the_planner_takes_apart():
    """The planner sums parameters and sizes apart, for speed; the whole sum is the same."""
    terms = (
        Term(trait="rows", value=None, weight=0.3, centre=3.0, low=2.0, high=9.0),
        Term(trait="classes", value=None, weight=0.1, centre=3.0, low=0.0, high=9.0),
        Term(trait="variant", value="", weight=0.1, centre=0.5),
        Term(trait="0.C", value=None, weight=-0.2, centre=0.0, low=-3.0, high=3.0),
        Term(trait="0.gamma", value="scale", weight=0.4, centre=0.3),
        Term(trait="1.with_mean", value="True", weight=0.7, centre=0.2),
    )
    found = correction(*terms, intercept=0.2)
    costs = costs_with(found)

    for of in (candidate(*SCALED_SVC, C=0.5), candidate(*SCALED_SVC, C=3.0, gamma=0.1)):
        for n_train in (5, 100):
            assert ratio(costs, of, n_train) == pytest.approx(found.factor(costs.traits(of, n_train)))


def test_a_plan_of_an_earlier_version_covers_nothing():
    """Its header says nothing of costs; nothing is known of memory either."""
    old = header_to_json(SegmentHeader(sweep="s", executor="none:none", spec={}))
    del old["costs"], old["memory_bytes"]
    old["cost_factors"] = {"svc": 2.0}

    read = header_from_json(old)

    assert not stored_costs(read.costs, FAMILIES).covers(candidate("sklearn.svm:SVC"))
    assert read.memory_bytes == {}


def test_experience_survives_json():
    """Also when it is empty."""
    for known in (Experience(), Experience(seconds=Corrections(by_pipeline={"svc": correction()}), accuracy=SURE)):
        assert experience_from_json(json.loads(json.dumps(asdict(known)))) == known


def test_values_become_traits():
    """Positive numbers and lists of them by size, everything else by name."""
    assert trait(100) == pytest.approx(math.log(100))
    assert trait((64, 36)) == pytest.approx(math.log(100))
    assert [trait(value) for value in (True, None, 0, -1.5, "scale", float("inf"))] == [
        "True",
        "None",
        "0",
        "-1.5",
        "scale",
        "inf",
    ]


def test_the_peak_of_a_pipeline_is_that_of_its_largest_task():
    """Of the most rows and the hungriest parameters; without experience nothing is said."""
    table = TaskTable()
    made = [candidate(*SCALED_SVC, kernel="rbf"), candidate(*SCALED_SVC, kernel="linear")]
    for position in range(2):
        for at in range(2):
            table.add(position, at, 1.0)
    plan = Plan(candidates=made, cells=[cell(10_000), cell(2_000_000)], tasks={"svc": table}, n_merged=0)
    hungry = correction(Term(trait="0.kernel", value="linear", weight=1.0, centre=0.0))
    known = Experience(memory=Corrections(by_pipeline={"svc": hungry}), runner_bytes=100 << 20, n_tasks=9)
    costs = planned_costs({"": profile()}, CATALOG, FAMILIES, known)

    assert peaks(costs, plan) == {"svc": costs.memory_bytes(made[1], 2_000_000)}
    assert costs.memory_bytes(made[1], 2_000_000) > costs.memory_bytes(made[0], 2_000_000) > 100 << 20
    assert peaks(planned_costs({"": profile()}, CATALOG, FAMILIES), plan) == {}
