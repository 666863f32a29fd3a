"""Kept models from the sweep to the prediction, in every kind of store, and what a kill leaves of them."""

import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris, load_wine
from tests.api.running import run_here
from tests.run.plans import inline, work

import manyfit
from manyfit import Sweep, connect
from manyfit.api.keeping import keep_models
from manyfit.api.kept_models import kept_models
from manyfit.api.predicting import predict_table
from manyfit.api.rebuilding import rebuild, write_bundle
from manyfit.api.trained import trained_of
from manyfit.fit.bundles import open_bundle
from manyfit.model.errors import NotFound, Refused, SchemaMismatch, UserError

ASSETS = Path(__file__).parent / "assets"
KNN = {"steps": ["StandardScaler", "KNeighborsClassifier"], "grid": {"n_neighbors": [1, 9]}}
TREE = {"steps": ["DecisionTreeClassifier"], "grid": {"max_depth": [1, 2, 3]}}


def wine() -> pl.DataFrame:
    X, y = load_wine(return_X_y=True)
    named = {f"c{i}": X[:, i] for i in range(13)}
    return pl.DataFrame({"row": [f"r{i}" for i in range(178)]} | named | {"kind": [f"k{code}" for code in y]})


def sweep(folder, pipelines=None, **parts) -> Sweep:
    wine().write_parquet(folder / "wine.parquet")
    declaration = {
        "name": "wine",
        "data": {"source": "wine.parquet", "target": "kind", "index": "row", "labels": {"k0": "Barolo"}},
        "metrics": ["accuracy", "log_loss"],
        "rank_by": "accuracy",
        "splits": {"holdout": {"kind": "random", "test": 0.25}},
        "pipelines": pipelines or {"knn": KNN},
        "keep": {"models": "best:1"},
    }
    return Sweep(folder=folder, **{**declaration, **parts})


@pytest.fixture
def ran(monkeypatch):
    """Return what runs a sweep in this process, keeps the best models, and returns the results."""

    return lambda made: run_here(made, monkeypatch)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A sweep with two pipelines and the best model of each, for tests that only read."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("done")
        patch.setenv("MANYFIT_CACHE", str(folder / "cache"))
        made = sweep(folder, {"knn": KNN, "tree": TREE}, keep={"models": "best:1 per pipeline"})
        return made.run(workers=1)


def test_the_best_of_each_pipeline_and_split_are_kept(done):
    """One model of each pipeline, the best of its own; the index lists them with what they are."""
    found = kept_models(done.store)
    assert [model.pipeline for model in found] == ["knn", "tree"]
    for model in found:
        [best] = done.leaderboard(pipeline=model.pipeline, top=1)["params"].to_list()
        assert model.params == best
        assert (model.format, model.trusted, model.present) == ("skops", True, True)
        assert model.scores["test_accuracy"] > 0.8
        assert model.n_bytes == len(done.store.artifacts.read(model.file))


def test_keeping_adds_no_task_where_there_is_one(done):
    """A candidate that uses a seed and one that uses none have cells of their own, and are kept on these."""
    assert done.snapshot().counts.planned == 5
    assert {model.task for model in kept_models(done.store)} <= set(done.tasks()["key"])


def test_a_kept_model_is_a_bundle_of_its_task(done):
    """The manifest says what was fitted, on what, and with what; nothing in it is of the moment."""
    model = kept_models(done.store)[0]
    bundle = open_bundle(done.store.artifacts.read(model.file), "kept", sha256=model.id)
    told = bundle.manifest
    assert (told["task"], told["sweep"], told["problem"]) == (model.task, "wine", "classification")
    assert (told["classes"], told["labels"]) == (["k0", "k1", "k2"], {"k0": "Barolo"})
    assert [step["use"].rpartition(":")[2] for step in told["candidate"]["steps"]] == [
        "StandardScaler",
        "KNeighborsClassifier",
    ]
    assert told["table"] == {"include": ["*"], "exclude": [], "others": ["row", "kind"]}
    assert told["scores"]["test"]["accuracy"] == model.scores["test_accuracy"]
    assert told["environment"]["libraries"]["numpy"] == np.__version__
    assert "finished_at" not in json.dumps(told)


def test_a_rebuilt_model_is_the_same_bytes(done, tmp_path):
    """From the task alone, in another process: equal scores bit by bit, and the very bundle that was kept."""
    model = kept_models(done.store)[1]

    found = rebuild(done.store, model.task[:10])

    assert found.equal
    assert {(score.set, score.metric) for score in found.scores} == {
        (name, metric) for name in ("test", "train") for metric in ("accuracy", "log_loss")
    }
    assert found.sha256 == found.kept == model.id
    path = write_bundle(found, tmp_path / "tree.model")
    assert path.read_bytes() == done.store.artifacts.read(model.file)
    assert list(tmp_path.iterdir()) == [path]


def test_a_task_that_was_not_kept_is_rebuilt_too(done):
    """Every task that has scores can be proven."""
    fitted = done.tasks().filter(pl.col("mode") == "fit").row(0, named=True)
    found = rebuild(done.store, fitted["key"])
    assert (found.equal, found.kept) == (True, "")


def test_a_rebuilt_score_that_differs_is_told(done, monkeypatch):
    """Not close but equal: the last bit of one score is a difference."""
    from manyfit.fit.scoring import Scoring

    score = Scoring.score
    off = lambda value: None if value is None else float(np.nextafter(value, 2))  # noqa: E731

    def nearly(self, responses, y):
        scores, details = score(self, responses, y)
        return {name: off(value) for name, value in scores.items()}, details

    monkeypatch.setattr(Scoring, "score", nearly)
    found = rebuild(done.store, kept_models(done.store)[0].task)
    assert not found.equal
    assert [one.stored == one.rebuilt for one in found.scores] == [False] * 4


def test_a_model_is_loaded_by_file_by_task_and_by_leaderboard(done, tmp_path):
    """All three ways give the same answers, with the names that people gave to classes."""
    model = kept_models(done.store)[0]
    path = tmp_path / "knn.model"
    path.write_bytes(done.store.artifacts.read(model.file))
    table = wine()

    by_file, by_task = manyfit.load(path), manyfit.load(done.store, model.task[:8])
    best = manyfit.load(str(done.folder))

    assert by_file.predict(table).equals(by_task.predict(table))
    assert best.manifest["task"] in {one.task for one in kept_models(done.store)}
    assert by_file.schema.mode == ""


def test_what_is_no_model_is_told(done, tmp_path):
    """A file that is none, a sweep that is not there, a task that goes with no file."""
    (tmp_path / "text").write_text("hello")
    with pytest.raises(NotFound, match="neither a bundle nor a sweep"):
        manyfit.load(tmp_path / "text")
    with pytest.raises(NotFound, match="there is no sweep"):
        manyfit.load(tmp_path / "absent")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(Refused, match="no bundle"):
        manyfit.load(tmp_path / "zip")
    with pytest.raises(Refused, match="a task goes with a sweep"):
        manyfit.load(tmp_path / "zip", "abc")


def test_a_table_is_predicted_with_its_index_and_shown_names(done, tmp_path):
    """The index column is carried along, classes have the names of the sweep."""
    trained = manyfit.load(done.store, kept_models(done.store)[0].task)
    wine().drop("kind").sample(fraction=1, shuffle=True, seed=1).write_csv(tmp_path / "new.csv")

    found = predict_table(trained, str(tmp_path / "new.csv"))

    assert found.columns == ["row", "predicted", "confidence", "p:Barolo", "p:k1", "p:k2"]
    truth = wine().select("row", pl.col("kind").replace({"k0": "Barolo"}))
    joined = found.join(truth, on="row", how="left", maintain_order="left")
    assert (joined["predicted"] == joined["kind"]).mean() > 0.95
    whole = trained.predict(wine()).with_columns(wine()["row"])
    row = found.row(7, named=True)
    same = whole.filter(pl.col("row") == row["row"]).row(0, named=True)
    assert (row["confidence"], row["p:k1"]) == (same["confidence"], same["p:k1"])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "npz"])
def test_tables_of_every_format_give_the_same_answers(done, tmp_path, suffix):
    """The readers of sweeps read them, and the answers are the same bits."""
    trained = manyfit.load(done.store, kept_models(done.store)[1].task)
    numbers = wine().drop("kind", "row")
    path = tmp_path / f"new.{suffix}"
    match suffix:
        case "csv":
            numbers.write_csv(path)
        case "parquet":
            numbers.write_parquet(path)
        case "arrow":
            numbers.write_ipc(path)
        case "npz":
            np.savez(path, **{name: numbers[name].to_numpy() for name in numbers.columns})
    assert (
        predict_table(trained, str(path))
        .drop("predicted")
        .equals(trained.predict(wine()).rename({"p:k0": "p:Barolo"}).drop("predicted"))
    )


def test_other_features_are_refused_whole(done, tmp_path):
    """Nothing is half predicted: the difference is shown, in the file as in the frame."""
    trained = manyfit.load(done.store, kept_models(done.store)[0].task)
    wine().drop("c3").with_columns(new=pl.lit(1.0)).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(SchemaMismatch) as caught:
        predict_table(trained, str(tmp_path / "other.parquet"))
    assert caught.value.differences == ("missing: c3", "extra: new")
    with pytest.raises(UserError, match="there is no file"):
        predict_table(trained, "absent.csv")
    with pytest.raises(UserError, match='there is no column "nobody"'):
        predict_table(trained, str(_written(tmp_path)), index="nobody")


def _written(folder):
    wine().write_csv(folder / "w.csv")
    return folder / "w.csv"


def test_a_pickle_is_kept_only_where_it_was_asked_for(tmp_path, ran):
    """It is marked in the index; loading refuses it, models for verification are fitted again."""
    results = ran(sweep(tmp_path, keep={"models": "best:1", "format": "joblib"}))
    [model] = kept_models(results.store)
    assert (model.format, model.trusted) == ("joblib", False)
    with pytest.raises(Refused, match="pickle"):
        manyfit.load(results.store, model.task)
    trusted = manyfit.load(results.store, model.task, trust=True)
    assert trusted.predict(wine()).equals(trained_of(results.store, model.task).predict(wine()))


# -- wishes that change ----------------------------------------------------------------------------------

LINEAR = {"steps": ["StandardScaler", "RidgeClassifier"], "grid": {"alpha": [1.0, 10.0]}}


def test_models_are_kept_anew_in_another_format_or_with_probabilities(tmp_path, ran):
    """What [keep] says now is what is kept, without a new task; said twice, nothing runs again."""
    ran(sweep(tmp_path, {"linear": LINEAR}, metrics=["accuracy"]))
    for keep, wanted in [({"format": "joblib"}, ("joblib", False)), ({"calibrate": "sigmoid"}, ("skops", True))]:
        made = sweep(tmp_path, {"linear": LINEAR}, metrics=["accuracy"], keep={"models": "best:1", **keep})
        results = ran(made)
        [model] = kept_models(results.store)
        trained = manyfit.load(results.store, model.task, trust=True)
        assert (model.format, "p:k1" in trained.predict(wine()).columns) == wanted
        assert results.snapshot().counts.done == results.snapshot().counts.planned == 2
        assert keep_models(results.store, made.declared.spec.keep) == 0


def test_models_stay_kept_when_a_metric_needs_new_fits(tmp_path, ran):
    """The new results have no model; the best is kept again with them."""
    [before] = kept_models(ran(sweep(tmp_path, metrics=["accuracy"])).store)
    [after] = kept_models(ran(sweep(tmp_path, metrics=["accuracy", "f1_macro"])).store)
    assert (after.task, "test_f1_macro" in after.scores, after.present) == (before.task, True, True)


def test_all_models_are_kept_where_none_or_the_best_were(tmp_path, ran):
    """`all` is about the tasks that were done before it was asked for, too."""
    assert len(kept_models(ran(sweep(tmp_path)).store)) == 1
    results = ran(sweep(tmp_path, keep={"models": "all"}))
    assert {model.task for model in kept_models(results.store)} == set(results.tasks()["key"])
    assert results.snapshot().counts.done == results.snapshot().counts.planned == 2


def test_a_model_that_cannot_be_kept_is_not_fitted_for_ever(tmp_path, ran):
    """Its fit was made to keep it, and a warning says why it is not; asking again changes nothing."""
    (tmp_path / "unwritable_tree.py").write_text(UNWRITABLE)
    made = sweep(tmp_path, {"tree": {"steps": ["unwritable_tree:Unwritable"]}}, keep={"models": "all"})
    results = ran(made)
    assert kept_models(results.store) == []
    assert keep_models(results.store, made.declared.spec.keep) == 0


UNWRITABLE = '''
from sklearn.tree import DecisionTreeClassifier


class Unwritable(DecisionTreeClassifier):
    """Cannot be written."""

    def __getstate__(self):
        raise TypeError("not this one")
'''


def test_a_fit_that_failed_is_kept_in_another_format_and_counted_once(tmp_path, ran):
    """A fit on all rows that failed and one on folds that did not: the account holds over the second try."""
    (tmp_path / "moody_tree.py").write_text(MOODY)
    pipelines, folds = {"tree": {"steps": ["moody_tree:Moody"]}}, {"cv": {"folds": 2}}
    failed = ran(sweep(tmp_path, pipelines, splits=folds))
    assert (failed.snapshot().counts.failed, kept_models(failed.store)) == (1, [])
    results = ran(sweep(tmp_path, pipelines, splits=folds, keep={"models": "best:1", "format": "joblib"}))
    counts = results.snapshot().counts
    assert (counts.planned, counts.done, counts.failed) == (3, 2, 1)


MOODY = '''
from sklearn.tree import DecisionTreeClassifier


class Moody(DecisionTreeClassifier):
    """Takes few rows only."""

    def fit(self, X, y):
        if len(X) > 100:
            raise ValueError("too many")
        return super().fit(X, y)
'''


# -- stores ----------------------------------------------------------------------------------------------


def test_a_model_that_is_gone_is_told_in_the_index(tmp_path, ran):
    """Somebody removed the file: the index says so, and the task can still be rebuilt."""
    results = ran(sweep(tmp_path))
    [model] = kept_models(results.store)
    results.store.artifacts.remove([model.file])
    assert [one.present for one in kept_models(results.store)] == [False]
    found = rebuild(results.store, model.task)
    assert (found.equal, found.sha256, found.kept) == (True, model.id, "")


def test_keeping_twice_stores_one_file(tmp_path, ran):
    """The same fit is the same bundle: running the task again adds no bytes."""
    from manyfit.model.unit import Mode
    from manyfit.run.control import again, last_header

    made = sweep(tmp_path)
    results = ran(made)
    [model] = kept_models(results.store)
    assert (
        again(results.store, frozenset([model.task]), last_header(results.store), n_workers=1, mode=Mode.KEEP) == 1
    )
    work(results.store, runner=inline())
    assert [one.id for one in kept_models(results.store)] == [model.id]
    assert len(list(results.store.artifacts.files())) == 1


@pytest.mark.filterwarnings("ignore")
def test_stores_of_earlier_versions_load(tmp_path):
    """A plain skops file, as kept before there were bundles: same models, listed as what they are."""
    with zipfile.ZipFile(ASSETS / "plain-skops.sweep.zip") as archive:
        archive.extractall(tmp_path)
    store = connect.open_store(str(tmp_path / "plain.sweep"))
    [model] = kept_models(store)
    X, y = load_iris(return_X_y=True)
    names = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    frame = pl.DataFrame({name: X[:, i] for i, name in enumerate(names)})

    trained = manyfit.load(store, model.task)

    assert (model.format, model.trusted, model.present) == ("plain skops", True, True)
    assert trained.schema.names == tuple(names)
    assert (trained.predict(frame)["predicted"] == np.array(trained.classes)[y]).mean() > 0.95
    assert rebuild(store, model.task).equal
    assert manyfit.Results(store).best().model().predict(X).shape == (150,)


# -- killed ----------------------------------------------------------------------------------------------

DEADLY = '''
import os
import signal
from pathlib import Path

from sklearn.tree import DecisionTreeClassifier


class Deadly(DecisionTreeClassifier):
    """Kills its process when the first file of a model is half written: the bytes are there, not yet durable."""

    def __getstate__(self):
        here = Path(__file__).parent
        if not (here / "killed").exists():
            fsync = os.fsync

            def kill(fd):
                name = os.readlink(f"/proc/self/fd/{fd}")
                if "/artifacts/" in name and not os.path.isdir(name):
                    os.ftruncate(fd, 100)
                    (here / "killed").write_text(name)
                    os.kill(os.getpid(), signal.SIGKILL)
                return fsync(fd)

            os.fsync = kill
        return super().__getstate__()
'''


@pytest.mark.slow
def test_a_kill_while_keeping_leaves_no_half_bundle(tmp_path):
    """The runner dies between writing and publishing; the task runs again, and only whole files count."""
    (tmp_path / "deadly_tree.py").write_text(DEADLY)
    results = sweep(tmp_path, {"tree": {"steps": ["deadly_tree:Deadly"]}}).run(workers=1)

    half = Path((tmp_path / "killed").read_text())
    [model] = kept_models(results.store)
    assert (half.stat().st_size, half.name.startswith(".")) == (100, True)
    assert results.snapshot().counts.done == 1
    assert [file.name for file in results.store.artifacts.files()] == [model.file]
    content = results.store.artifacts.read(model.file)
    assert open_bundle(content, "kept", sha256=model.id).foreign_types == ("deadly_tree.Deadly",)
    with pytest.raises(Refused, match=r"deadly_tree\.Deadly"):
        manyfit.load(results.store, model.task)
    assert rebuild(results.store, model.task).equal
