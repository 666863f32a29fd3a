"""A sweep from Python, from declaration to results, with real workers on real data."""

import json
import time

import polars as pl
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from tests.api.running import run_here

from manyfit import Sweep
from manyfit.model.errors import NotFound, SweepMistakes, UserError
from manyfit.testing.independent import audit

SVC_PIPELINE = {"steps": ["StandardScaler", "SVC"], "grid": {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}}
KNN_PIPELINE = {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1, 5]}}


def iris(folder, pipelines=None, **parts):
    declaration = {
        "name": "iris",
        "data": {"source": "sklearn:iris"},
        "metrics": ["f1_macro", "accuracy"],
        "rank_by": "f1_macro",
        "pipelines": pipelines or {"knn": KNN_PIPELINE},
    }
    return Sweep(folder=folder, **{**declaration, **parts})


def ran(made):
    """Return the results of a sweep that this process ran: for what does not depend on who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        return run_here(made, patch)


def test_scores_are_those_of_scikit_learn(tmp_path):
    """The same folds, the same fits, the same numbers: every cell equals cross_val_score."""
    results = iris(tmp_path, {"svc": {"steps": ["SVC"], "grid": {"C": [0.1, 1, 10]}}, "knn": KNN_PIPELINE}).run(
        workers=2
    )

    X, y = load_iris(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    tasks = results.tasks().sort("fold")
    for row in results.leaderboard().iter_rows(named=True):
        name, _, value = row["params"].partition("=")
        estimator = SVC(C=float(value)) if name == "C" else KNeighborsClassifier(int(value))
        expected = cross_val_score(estimator, X, y, cv=folds, scoring="f1_macro")
        got = tasks.filter(pl.col("candidate_key") == row["candidate_key"])["cv_f1_macro"].to_list()
        assert got == pytest.approx(expected.tolist(), abs=1e-12)
        assert row["score"] == pytest.approx(expected.mean(), abs=1e-12)
    assert tasks.height == 25


@pytest.mark.slow
def test_running_again_runs_nothing_and_editing_runs_only_what_is_new(tmp_path):
    """Edit and continue; what left the sweep leaves the leaderboard and stays in the store."""
    ran(iris(tmp_path))
    first = iris(tmp_path).plan().difference()
    assert first is not None
    assert first.empty

    edited = iris(tmp_path, {"knn": {**KNN_PIPELINE, "grid": {"n_neighbors": [5, 9]}}})
    change = edited.plan().difference()
    results = edited.run(workers=1, audit=False)

    assert change is not None
    assert (change.fresh.n_tasks, len(change.removed), change.n_kept) == (5, 5, 5)
    assert sorted(results.leaderboard()["params"]) == ["n_neighbors=5", "n_neighbors=9"]
    assert results.snapshot().counts.done == 10
    report = audit(tmp_path / "iris.sweep")
    assert not report.violations


@pytest.mark.slow
def test_a_filter_runs_part_of_the_sweep_and_a_later_run_the_rest(tmp_path):
    """Nothing leaves the sweep by a filter."""
    sweep = iris(tmp_path, {"svc": SVC_PIPELINE, "knn": KNN_PIPELINE})

    part = sweep.run(workers=1, only=["pipeline=svc", "kernel=linear"], audit=False)
    assert part.snapshot().counts.done == 15
    whole = sweep.run(workers=1, audit=False)

    assert whole.snapshot().counts.done == 40
    assert set(whole.leaderboard()["pipeline"]) == {"svc", "knn"}


def test_a_filter_that_matches_nothing_is_refused(tmp_path):
    """With the values that there are."""
    with pytest.raises(UserError, match="rbf"):
        iris(tmp_path, {"svc": SVC_PIPELINE}).plan(only=["kernel=poly"])


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_a_metric_added_later_is_computed_from_predictions_or_fitted_again(tmp_path, kept):
    """The difference says which, before anything runs; the scores are those of a fresh sweep."""
    keep = {"predictions": kept}
    ran(iris(tmp_path, metrics=["accuracy"], rank_by="accuracy", keep=keep))
    wider = iris(tmp_path, metrics=["accuracy", "f1_macro"], rank_by="accuracy", keep=keep)

    change = wider.plan().difference()
    tasks = wider.run(workers=1, audit=False).tasks()

    assert change is not None
    assert (change.n_lacking, change.n_rescored) == (10, 10 if kept else 0)
    assert set(tasks["mode"]) == {"score" if kept else "fit"}
    fresh = ran(iris(tmp_path / "fresh", metrics=["accuracy", "f1_macro"], rank_by="accuracy")).tasks()
    columns = ["key", "cv_accuracy", "cv_f1_macro", "train_f1_macro"]
    assert tasks.select(columns).sort("key").equals(fresh.select(columns).sort("key"))


def test_a_failing_candidate_costs_only_itself(tmp_path):
    """Its tasks fail as a user error, once each, and are grouped as one cause."""
    pipelines = {
        "knn": KNN_PIPELINE,
        "pca": {"steps": ["PCA", "GaussianNB"], "grid": {"pca__n_components": [2, 50]}},
    }

    results = ran(iris(tmp_path, pipelines))

    counts = results.snapshot().counts
    assert (counts.done, counts.failed) == (15, 5)
    [group] = results.failures()
    assert "n_components=50" in group.message
    assert results.tasks().filter(pl.col("outcome") == "failed")["attempt"].to_list() == [1] * 5


@pytest.mark.slow
def test_the_best_models_are_kept_and_loaded(tmp_path):
    """Fitted on all training rows, stored without pickle, equal to a refit."""
    sweep = iris(tmp_path, {"svc": SVC_PIPELINE, "knn": KNN_PIPELINE}, keep={"models": "best:2"})
    results = sweep.run(workers=1, audit=False)

    kept = results.tasks().filter(pl.col("mode") == "keep")
    X, y = load_iris(return_X_y=True)
    model = results.best().model()

    assert kept.height == 2
    files = [json.loads(text)["model"]["file"] for text in kept["artifacts"]]
    assert all((tmp_path / "iris.sweep" / name).is_file() for name in files)
    assert f1_score(y, model.predict(X), average="macro") > 0.95
    assert len(sweep.run(workers=1, audit=False).tasks()) == 42


def test_a_model_that_was_not_kept_is_fitted_again(tmp_path):
    """Any model can be rebuilt from its task."""
    results = ran(iris(tmp_path))
    X, y = load_iris(return_X_y=True)

    model = results.best().model()

    assert (model.predict(X) == y).mean() > 0.95


@pytest.mark.slow
def test_counts_add_up_while_it_runs(tmp_path):
    """At every look: planned = done + failed + running + pending + cancelled, and done never falls."""
    looks = []

    iris(tmp_path, {"svc": SVC_PIPELINE}, seeds=[0, 1, 2]).run(workers=2, progress=looks.append, audit=False)

    done = [look.snapshot.counts.done for look in looks]
    for look in looks:
        counts = look.snapshot.counts
        assert counts.planned == counts.done + counts.failed + counts.running + counts.pending + counts.cancelled
    assert done == sorted(done)
    assert done[-1] == 90
    assert looks[-1].best[0].pipeline == "svc"


def test_data_that_changed_since_planning_is_noticed_and_named(tmp_path):
    """No fit is made on other data than was planned; the message names the column."""
    frame = _iris_frame()
    frame.write_csv(tmp_path / "iris.csv")
    sweep = iris(tmp_path, data={"source": "iris.csv"})
    sweep.plan().submit()
    time.sleep(0.06)
    frame.with_columns(pl.col("petal length (cm)") + 1.0).write_csv(tmp_path / "iris.csv")
    looks = []

    sweep.work(workers=1, progress=looks.append)

    assert sweep.status().counts.done == 0
    assert any("petal length (cm)" in note for note in looks[-1].notes)


def _iris_frame():
    bunch = load_iris()
    frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
    return frame.with_columns(pl.Series("target", [bunch.target_names[i] for i in bunch.target]))


def test_planning_writes_nothing(tmp_path):
    """No folder, no file, whatever the plan."""
    iris(tmp_path).plan().explain()

    assert not list(tmp_path.iterdir())


def test_mistakes_of_all_kinds_are_reported_together(tmp_path):
    """One of the file, one of an estimator, one of the data, in one go."""
    pipelines = {"svc": {"steps": ["SVC"], "grid": {"gama": [1]}}, "rf": {"steps": ["RandomForest"]}}

    with pytest.raises(SweepMistakes) as caught:
        iris(tmp_path, pipelines, data={"source": "sklearn:iris", "group": "speaker"}, metrics=["acuracy"]).plan()

    keys = {mistake.key for mistake in caught.value.mistakes}
    assert {"pipelines.svc.grid.gama", "pipelines.rf.steps[0]", "data.group", "metrics"} <= keys
    assert not list(tmp_path.iterdir())


def test_an_unknown_ranking_is_one_mistake(tmp_path):
    """Under the key that was written, with the name that it begins."""
    with pytest.raises(SweepMistakes) as caught:
        iris(tmp_path, rank_by="acc").plan()

    (mistake,) = caught.value.mistakes
    assert mistake.key == "rank_by"
    assert 'did you mean "accuracy"?' in mistake.message


def test_a_metric_of_two_classes_cannot_rank_three(tmp_path):
    """Ranking by it is a mistake, by name or as the first metric; beside others it is a warning."""
    for parts, key in (
        ({"rank_by": "roc_auc"}, "rank_by"),
        ({"rank_by": "", "metrics": ["roc_auc"]}, "metrics[0]"),
    ):
        declared = {name: value for name, value in parts.items() if value}
        with pytest.raises(SweepMistakes) as caught:
            Sweep(
                name="s", folder=tmp_path, data="sklearn:iris", pipelines={"knn": KNN_PIPELINE}, **declared
            ).plan()
        (mistake,) = caught.value.mistakes
        assert mistake.key == key
        assert "roc_auc_ovr" in mistake.message

    (warning,) = iris(tmp_path, metrics=["f1_macro", "roc_auc"]).plan().summary().warnings
    assert warning == '"roc_auc" has no value for 3 classes; write "roc_auc_ovr"'


def test_a_sweep_that_was_never_submitted_has_no_results(tmp_path):
    """And the error says what to do."""
    with pytest.raises(NotFound):
        iris(tmp_path).results()


def test_representations_are_readable(tmp_path):
    """In a notebook and in a terminal."""
    sweep = iris(tmp_path)
    results = ran(sweep)

    assert "knn" in sweep.plan()._repr_html_()
    assert "10 tasks" in repr(sweep.plan())
    assert "<table" in results._repr_html_()
    assert "done 10" in repr(results)


def test_mistakes_of_form_do_not_hide_the_others(tmp_path):
    """A value of the wrong kind, a wrong parameter and a wrong metric come out together."""
    pipelines = {"svc": {"steps": ["SVC"], "grid": {"C": [float("inf")], "gama": [1]}}}

    with pytest.raises(SweepMistakes) as caught:
        iris(tmp_path, pipelines, limits={"time": "soon"}, metrics=["acuracy"])

    keys = {mistake.key for mistake in caught.value.mistakes}
    assert {"pipelines.svc.grid.C", "pipelines.svc.grid.gama", "limits.time", "metrics"} <= keys


def test_a_plan_explains_what_is_fused(tmp_path):
    """On request the text goes on with what tasks share, and the summary has the same as values."""
    plan = iris(
        tmp_path, pipelines={"trees": {"steps": ["ExtraTreesClassifier"], "grid": {"n_estimators": [9, 99]}}}
    ).plan()

    assert "what is fused" in plan.explain(fusion=True)
    assert "what is fused" not in plan.explain()
    [row] = plan.summary().fusion
    assert (row.pipeline, row.estimator, row.n_candidates) == ("trees", "ExtraTreesClassifier", 2)
    assert row.shares in plan.explain(fusion=True)
    assert row.shares in plan._repr_html_()
