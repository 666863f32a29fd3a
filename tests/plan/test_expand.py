"""Expansion: every task that was declared, no task twice, the same on every machine."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plan.profiles import profile

from manyfit import connect
from manyfit.model.profile import RowSets
from manyfit.model.sweep import (
    DataSpec,
    Distribution,
    FoldKind,
    Folds,
    PipelineSpec,
    Prepare,
    Split,
    SplitKind,
    StepSpec,
    SweepSpec,
)
from manyfit.plan.costs import planned_costs
from manyfit.plan.expand import Expander, Expansion
from manyfit.plan.tasks import Plan, make_plan

CATALOG, FAMILIES = connect.estimators()
CV = Split(name="cv", kind=SplitKind.ALL, folds=Folds(n=5, kind=FoldKind.STRATIFIED))


def pipeline(name: str, *steps: str, **parts: object) -> PipelineSpec:
    specs = tuple(StepSpec(use=use, name=use.lower()) for use in steps)
    return PipelineSpec(name=name, steps=specs, **parts)


def sweep(*pipelines: PipelineSpec, **parts: object) -> SweepSpec:
    spec = SweepSpec(name="s", data=DataSpec(source="sklearn:iris"), pipelines=pipelines, splits=(CV,))
    return replace(spec, **parts)


def expand(spec: SweepSpec, **profiles: object) -> Expansion:
    found = profiles or {"": profile()}
    return Expander(spec, found, CATALOG, FAMILIES, "sweep.toml").expand()


def planned(spec: SweepSpec, **profiles: object) -> Plan:
    found = profiles or {"": profile()}
    expansion = expand(spec, **found)
    assert not expansion.mistakes, expansion.mistakes
    return make_plan(expansion, planned_costs(found, CATALOG, FAMILIES))


SVC = pipeline(
    "svc", "StandardScaler", "SVC", grids=({"kernel": ("linear", "rbf"), "C": (1, 10), "gamma": (0.1, 1)},)
)


def test_every_combination_is_one_task_in_each_fold_and_seed():
    """Candidates x folds x seeds, with nothing to merge."""
    plan = planned(sweep(pipeline("nb", "GaussianNB", grids=({"var_smoothing": (1e-9, 1e-3)},)), seeds=(0, 1)))

    assert plan.n_tasks == 2 * 5 * 2
    assert plan.n_merged == 0
    assert len(set(plan.keys())) == 20


def test_points_that_differ_in_an_ignored_parameter_are_one_candidate():
    """A linear SVC ignores gamma: two of its four points are duplicates."""
    plan = planned(sweep(SVC))

    assert len(plan.candidates) == 2 + 4
    assert plan.n_merged == 2 * 5
    linear = [candidate for candidate in plan.candidates if candidate.shown["kernel"] == "linear"]
    assert [dict(candidate.shown) for candidate in linear] == [
        {"kernel": "linear", "C": 1},
        {"kernel": "linear", "C": 10},
    ]


def test_writing_a_default_down_does_not_make_another_task():
    """The key does not depend on how much of the defaults a person wrote."""
    bare = planned(sweep(pipeline("svc", "SVC")))
    explicit = planned(sweep(pipeline("svc", "SVC", grids=({"kernel": ("rbf",), "C": (1,)},))))

    assert set(bare.keys()) == set(explicit.keys())


def test_whole_numbers_of_a_real_parameter_are_one_value():
    """C = 1 and C = 1.0 are the same fit."""
    plan = planned(sweep(pipeline("svc", "SVC", grids=({"C": (2, 2.0)},))))

    assert len(plan.candidates) == 1


def test_one_and_all_stay_different_where_the_estimator_tells_them_apart():
    """max_features = 1 is one feature, 1.0 is all of them."""
    plan = planned(sweep(pipeline("rf", "RandomForestClassifier", grids=({"max_features": (1, 1.0)},))))

    assert len(plan.candidates) == 2


def test_a_seed_that_changes_nothing_makes_no_further_task():
    """A deterministic fit on all training rows is the same for every seed; a random one is not."""
    held_out = Split(name="h", kind=SplitKind.RANDOM, sets={"test": 0.2})
    seeds = {"seeds": (0, 1, 2), "splits": (held_out,)}
    data = {"": profile(splits=("h",), sets={"test": 30})}

    ridge = planned(sweep(pipeline("ridge", "RidgeClassifier"), **seeds), **data)
    forest = planned(sweep(pipeline("rf", "RandomForestClassifier"), **seeds), **data)

    assert (ridge.n_tasks, ridge.n_merged) == (1, 2)
    assert (forest.n_tasks, forest.n_merged) == (3, 0)


def test_a_split_with_folds_and_sets_gets_folds_and_one_fit_on_all_rows():
    """Cross-validation and validation are cells of their own; validation can be switched off."""
    both = Split(name="h", kind=SplitKind.RANDOM, sets={"test": 0.2}, folds=CV.folds)
    data = {"": profile(splits=("h",), sets={"test": 30})}

    folds = [
        cell.fold
        for cell in planned(sweep(pipeline("rf", "RandomForestClassifier"), splits=(both,)), **data).cells
    ]
    only_cv = planned(sweep(pipeline("nb", "GaussianNB"), splits=(replace(both, validation=False),)), **data)

    assert folds == [0, 1, 2, 3, 4, None]
    assert [cell.fold for cell in only_cv.cells] == [0, 1, 2, 3, 4]


def test_feature_sets_variants_and_prepare_steps_are_factors():
    """Each multiplies the candidates."""
    spec = sweep(
        pipeline("nb", "GaussianNB"),
        prepare=Prepare(steps=(StepSpec(use="PCA", name="pca"),), grid={"pca__n_components": (2, 3)}),
    )
    two = {name: profile(variant=name, features=("all", "few")) for name in ("v1", "v2")}

    plan = planned(spec, **two)

    assert len(plan.candidates) == 2 * 2 * 2
    assert {candidate.features for candidate in plan.candidates} == {"all", "few"}
    assert plan.candidates[0].shown == {"pca__n_components": 2}


def test_more_draws_keep_the_earlier_ones():
    """Raising `draws` adds candidates and changes none."""
    space = {"alpha": Distribution(kind="loguniform", args=(1e-6, 1e-1))}
    few = planned(sweep(pipeline("sgd", "SGDClassifier", space=space, draws=5)))
    more = planned(sweep(pipeline("sgd", "SGDClassifier", space=space, draws=8)))

    assert set(few.keys()) < set(more.keys())
    assert more.n_tasks == 8 * 5


@given(st.permutations(["a", "b", "c"]))
def test_keys_do_not_depend_on_the_order_of_declaration(order):
    """The same sweep written in another order has the same tasks."""
    pipelines = {
        "a": pipeline("a", "GaussianNB", grids=({"var_smoothing": (1e-9, 1e-6)},)),
        "b": pipeline("b", "KNeighborsClassifier", grids=({"n_neighbors": (3, 5)},)),
        "c": SVC,
    }

    keys = set(planned(sweep(*(pipelines[name] for name in order))).keys())

    assert keys == set(planned(sweep(*pipelines.values())).keys())


@pytest.mark.parametrize(
    ("broken", "key", "message"),
    [
        (pipeline("p", "SVC", grids=({"gama": (1,)},)), "pipelines.p.grid.gama", 'did you mean "gamma"'),
        (pipeline("p", "SVC", grids=({"C": (1,)}, {"C": (-1,)})), "pipelines.p.grid[1].C", "-1"),
        (pipeline("p", "SVCC"), "pipelines.p.steps[0]", 'did you mean "SVC"'),
        (
            pipeline("p", "RandomForestClassifier", grids=({"n_estimators": ("100",)},)),
            "pipelines.p.grid.n_estimators",
            '"100"',
        ),
        (pipeline("p", "SVC", "StandardScaler"), "pipelines.p.steps", "StandardScaler"),
        (pipeline("p", "Ridge"), "pipelines.p.steps", "classifier"),
        (pipeline("p", "VotingClassifier"), "pipelines.p.steps", 'needs the parameter "estimators"'),
        (
            pipeline("p", "SVC", space={"C": Distribution(kind="uniform", args=(-2, -1))}, draws=1),
            "pipelines.p.space.C",
            "SVC",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_key(broken, key, message):
    """What, where, and what would be right."""
    mistakes = expand(sweep(broken)).mistakes

    assert key in {mistake.key for mistake in mistakes}
    assert any(message in mistake.message for mistake in mistakes)


def test_all_mistakes_of_all_pipelines_are_reported_at_once():
    """Three pipelines with one mistake each give three mistakes."""
    broken = [
        pipeline("a", "SVC", grids=({"gama": (1,)},)),
        pipeline("b", "Nothing"),
        pipeline("c", "GaussianNB", grids=({"var_smoothing": ("x",)},)),
    ]

    mistakes = expand(sweep(*broken)).mistakes

    assert sorted(mistake.key.split(".")[1] for mistake in mistakes) == ["a", "b", "c"]


def test_a_changed_test_set_keeps_the_folds_of_training_rows_that_have_a_condition_of_their_own():
    """Only the fit that is scored on the test set is another task."""
    split = Split(name="h", kind=SplitKind.FILTER, train="a > 1", sets={"test": "a < 0"}, folds=CV.folds)
    spec = sweep(pipeline("nb", "GaussianNB"), splits=(split,))

    def cells(test):
        rows = RowSets(
            n_train=100,
            n_sets={"test": 10},
            recipe={"kind": "filter", "train": "a > 1", "sets": {"test": test}, "folds": {"n": 5}},
            folds_seeded=True,
            sets_seeded=False,
        )
        plan = planned(spec, **{"": replace(profile(), splits={"h": rows})})
        return {cell.fold: cell.key for cell in plan.cells}

    before, after = cells("a < 0"), cells("a < -1")

    assert {fold for fold in before if before[fold] != after[fold]} == {None}


def test_a_seed_that_was_given_stays_even_when_it_is_the_default():
    """Perceptron's own default is 0; written down, it must not become the seed of the cell."""
    step = StepSpec(use="Perceptron", name="perceptron", params={"random_state": 0})
    plan = planned(sweep(PipelineSpec(name="p", steps=(step,)), seeds=(5, 6)))

    assert plan.candidates[0].steps[0].params == {"random_state": 0}


def test_renaming_a_pipeline_draws_the_same_candidates():
    """A name is for people; what is drawn depends on the steps and the space."""
    space = {"alpha": Distribution(kind="loguniform", args=(1e-6, 1e-1))}
    before = planned(sweep(pipeline("old", "SGDClassifier", space=space, draws=4)))
    after = planned(sweep(pipeline("new", "SGDClassifier", space=space, draws=4)))

    assert set(before.keys()) == set(after.keys())
