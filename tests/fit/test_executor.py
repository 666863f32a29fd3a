"""The executor: scores as scikit-learn's, failures, warnings, seeds, kept models and predictions."""

import itertools
import json
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from tests.fit.sweeps import ArrayRows, bodies, candidate, cell, executor, work

from manyfit.contracts.executor import Started
from manyfit.families.estimators import SklearnCatalog
from manyfit.fit.artifacts import Artifacts
from manyfit.fit.bundles import load_bundle
from manyfit.fit.models import load_model
from manyfit.model.errors import DataChanged, NotFound, Refused, UserError
from manyfit.model.sweep import Calibration, Keep, Models
from manyfit.model.unit import Mode

SCALER = ("sklearn.preprocessing:StandardScaler", {})
SVC = ("sklearn.svm:SVC", {"C": 1.0})
NAIVE = ("sklearn.naive_bayes:GaussianNB", {})


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return ArrayRows(X[order], y[order], ("setosa", "versicolor", "virginica"))


@pytest.fixture
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return ArrayRows(X[:300], y[:300], ("0", "1"))


@pytest.fixture
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return ArrayRows(X[:200], y[:200])


CLASSIFIERS = [
    [SCALER, ("sklearn.svm:SVC", {"C": 10.0, "kernel": "linear"})],
    [SCALER, ("sklearn.svm:LinearSVC", {"C": 0.1})],
    [SCALER, ("sklearn.linear_model:LogisticRegression", {"C": 0.5})],
    [SCALER, ("sklearn.linear_model:SGDClassifier", {"penalty": "elasticnet"})],
    [
        ("sklearn.decomposition:PCA", {"n_components": 3}),
        ("sklearn.neighbors:KNeighborsClassifier", {"n_neighbors": 3}),
    ],
    [("sklearn.ensemble:RandomForestClassifier", {"n_estimators": 10})],
    [("sklearn.ensemble:ExtraTreesClassifier", {"n_estimators": 10})],
    [("sklearn.ensemble:BaggingClassifier", {"n_estimators": 5})],
    [("sklearn.tree:DecisionTreeClassifier", {"max_depth": 3})],
    [("sklearn.ensemble:HistGradientBoostingClassifier", {"max_iter": 5})],
    [("sklearn.ensemble:GradientBoostingClassifier", {"n_estimators": 5})],
    [SCALER, ("sklearn.neural_network:MLPClassifier", {"hidden_layer_sizes": [5], "max_iter": 20})],
    [("sklearn.discriminant_analysis:LinearDiscriminantAnalysis", {})],
    [NAIVE],
]


def reference(steps, rows, seed, scoring):
    """What cross_validate gives for the same pipeline, folds and seed."""
    made = [SklearnCatalog().make(use, params) for use, params in steps]
    pipeline = make_pipeline(*made)
    seeds = {name: seed for name in pipeline.get_params() if name.endswith("__random_state")}
    pipeline.set_params(**seeds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cross_validate(
            pipeline,
            rows.X,
            rows.y,
            cv=rows.folds(seed),
            scoring=scoring,
            return_train_score=True,
            error_score="raise",
        )


@pytest.mark.parametrize("steps", CLASSIFIERS, ids=lambda steps: steps[-1][0].rpartition(":")[2])
@pytest.mark.parametrize("data", ["iris", "cancer"])
def test_scores_equal_cross_validate(steps, data, request):
    """Scores on the held-out and on the training rows of every fold are those of cross_validate."""
    rows = request.getfixturevalue(data)
    exact = ("accuracy", "balanced_accuracy", "f1_macro", "precision_weighted")
    ranking = ("roc_auc",) if len(rows.classes) == 2 else ("roc_auc_ovr",)
    if "SVC" in steps[-1][0] or "SGD" in steps[-1][0]:
        ranking = ranking if len(rows.classes) == 2 else ()
    expected = reference(steps, rows, 5, [*exact, *ranking])
    made = candidate(*steps)
    found = bodies(executor(rows, metrics=(*exact, *ranking)), work([(made, cell(fold, 5)) for fold in range(3)]))
    for fold in range(3):
        scores = found[fold]["scores"]
        for name in exact:
            assert scores["cv"][name] == pytest.approx(expected[f"test_{name}"][fold], rel=1e-15), name
            assert scores["train"][name] == pytest.approx(expected[f"train_{name}"][fold], rel=1e-15), name
        for name in ranking:
            assert scores["cv"][name] == pytest.approx(expected[f"test_{name}"][fold], rel=1e-12)


@pytest.mark.parametrize(
    "use", ["linear_model:Ridge", "svm:SVR", "ensemble:RandomForestRegressor", "linear_model:Lasso"]
)
def test_regression_scores_equal_cross_validate(use, diabetes):
    """Regressions score as in scikit-learn."""
    steps = [(f"sklearn.{use}", {})]
    expected = reference(steps, diabetes, 2, ["r2", "neg_mean_absolute_error"])
    found = bodies(executor(diabetes, metrics=("r2", "mae")), work([(candidate(*steps), cell(1, 2))]))[0]
    assert found["scores"]["cv"]["r2"] == expected["test_r2"][1]
    assert found["scores"]["cv"]["mae"] == pytest.approx(-expected["test_neg_mean_absolute_error"][1], rel=1e-15)
    assert "details" not in found


def test_a_body_is_json_and_complete(iris):
    """A result holds scores, timings, row counts and confusion matrices as JSON values without NaN."""
    found = bodies(executor(iris), work([(candidate(SCALER, SVC), cell(None))]))[0]
    json.dumps(found, allow_nan=False)
    assert set(found["scores"]) == {"train", "test"}
    assert found["n_rows"] == {"train": 112, "test": 38}
    assert set(found["timings"]) == {"load", "fit", "predict", "score"}
    matrix = np.array(found["details"]["test"]["confusion_matrix"])
    assert matrix.sum() == 38
    assert np.trace(matrix) / 38 == found["scores"]["test"]["accuracy"]


def test_training_scores_can_be_left_out(iris):
    """Without score_train only the evaluation sets are scored."""
    found = bodies(executor(iris, score_train=False), work([(candidate(NAIVE), cell())]))[0]
    assert set(found["scores"]) == {"cv"}
    assert found["n_rows"]["train"] == 100


def test_rows_are_loaded_once_for_a_cell(iris):
    """Tasks on one cell share its rows; another cell or another feature set has its own."""
    two = candidate(NAIVE, features="two")
    unit = work(
        [(candidate(NAIVE), cell(0)), (candidate(SVC), cell(0)), (candidate(NAIVE), cell(1)), (two, cell(1))]
    )
    found = bodies(executor(iris), unit)
    assert iris.n_selected == 3
    assert ["load" in found[i]["timings"] for i in range(4)] == [True, False, True, True]
    assert found[2]["scores"] != found[3]["scores"]


def test_started_comes_before_finished(iris):
    """Every task is announced, then finished, one after the other and in order."""
    events = list(executor(iris).execute(work([(candidate(NAIVE), cell(fold)) for fold in range(3)])))
    shown = [event.indices[0] if isinstance(event, Started) else -event.index - 1 for event in events]
    assert [key for key, _ in itertools.groupby(shown)] == [0, -1, 1, -2, 2, -3]


def test_seeds(iris):
    """The seed of the cell reaches every unset random_state, also inside; a set one stays."""
    inner = {"use": "ExtraTreeClassifier"}
    open_seed = candidate(("sklearn.ensemble:BaggingClassifier", {"estimator": inner, "n_estimators": 2}))
    fixed = candidate(
        ("sklearn.ensemble:RandomForestClassifier", {"n_estimators": 2, "max_depth": 2, "random_state": 7})
    )
    pairs = [(made, cell(None, seed)) for made in (open_seed, fixed) for seed in (0, 1, 0)]
    found = bodies(executor(iris, metrics=("log_loss",)), work(pairs))
    scores = [found[i]["scores"]["test"]["log_loss"] for i in range(6)]
    assert scores[0] == scores[2] != scores[1]
    assert scores[3] == scores[4] == scores[5]


class Broken(ClassifierMixin, BaseEstimator):
    """Fails, warns or answers, as told."""

    def __init__(self, how="value"):
        self.how = how

    def fit(self, X, y):
        if self.how == "memory":
            raise MemoryError("too much")
        if self.how == "warn":
            for i in range(40):
                warnings.warn(f"again {i % 12}", UserWarning, stacklevel=1)
        if self.how.startswith("value"):
            raise ValueError(f"cannot fit {self.how}")
        if self.how == "write":
            X[0, 0] = 0.0
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


BROKEN = f"{__name__}:Broken"


@pytest.fixture
def broken(iris):
    import sys

    made = executor(iris)
    made._catalog._classes["tests.fit.broken:Broken"] = Broken
    assert sys.modules
    return made


def run_broken(made, *hows):
    pairs = [(candidate(("tests.fit.broken:Broken", {"how": how})), cell()) for how in hows]
    return bodies(made, work(pairs))


def test_a_failure_is_a_result(broken):
    """An exception ends its task with class, message, traceback and fingerprint; the next task runs."""
    found = run_broken(broken, "value1", "value2", "memory", "fine")
    first, second, memory = (found[i]["failure"] for i in range(3))
    assert (first["cls"], first["error"], first["message"]) == ("user", "ValueError", "cannot fit value1")
    assert "fit" in first["traceback"]
    assert "manyfit/fit" not in first["traceback"]
    assert first["fingerprint"] == second["fingerprint"] != memory["fingerprint"]
    assert len(first["fingerprint"]) == 8
    assert memory["cls"] == "oom"
    assert found[3]["scores"]["cv"]["accuracy"] == pytest.approx(1 / 3, abs=0.05)


def test_shared_rows_cannot_be_changed(broken):
    """An estimator that writes into the rows fails instead of spoiling those of the next task."""
    assert run_broken(broken, "write")[0]["failure"]["error"] == "ValueError"


def test_warnings_are_kept_and_counted(broken):
    """Equal warnings are counted, at most ten kinds are kept, and nothing is printed."""
    found = run_broken(broken, "warn")[0]["warnings"]
    assert len(found) == 10
    assert found[0] == ["UserWarning", "again 0", 4]


def test_non_convergence_is_kept(cancer):
    """scikit-learn's own warnings stand in the result."""
    made = candidate(("sklearn.linear_model:LogisticRegression", {"max_iter": 1}))
    assert bodies(executor(cancer), work([(made, cell())]))[0]["warnings"][0][0] == "ConvergenceWarning"


class Unreadable:
    """A table that is not there any more."""

    def __init__(self, error):
        self.error = error
        self.n_tried = 0

    def columns(self, features):
        self.n_tried += 1
        raise self.error


def test_unreadable_rows_fail_their_tasks_as_data():
    """Rows that cannot be read fail every task on them, after one try."""
    rows = Unreadable(OSError("no such file"))
    found = bodies(executor(rows), work([(candidate(NAIVE), cell()), (candidate(SVC), cell())]))
    assert [body["failure"]["cls"] for body in found.values()] == ["data", "data"]
    assert rows.n_tried == 1


def test_changed_data_refuses_the_unit():
    """Data that is not what was planned ends the call, with no task charged."""
    events = executor(Unreadable(DataChanged("f.csv changed"))).execute(work([(candidate(NAIVE), cell())]))
    next(events)
    with pytest.raises(DataChanged):
        next(events)


def test_class_weights_by_class_text(iris):
    """Weights are given by class, though estimators are fitted on codes; an unknown class is named."""
    weights = {"setosa": 1, "versicolor": 50, "virginica": 1}
    pairs = [
        (candidate(("sklearn.linear_model:LogisticRegression", {"class_weight": given})), cell())
        for given in (weights, {"rose": 2})
    ]
    found = bodies(executor(iris), work(pairs))
    matrix = np.array(found[0]["details"]["train"]["confusion_matrix"])
    assert matrix[1, 1] == matrix[1].sum()
    assert "class_weight names rose" in found[1]["failure"]["message"]


MODELS = [steps for steps in CLASSIFIERS if "Bagging" not in steps[-1][0]]


@pytest.mark.parametrize("steps", CLASSIFIERS, ids=lambda steps: steps[-1][0].rpartition(":")[2])
def test_kept_models_come_back(steps, iris, tmp_path):
    """A kept model is found by its checksum, loads without trust in anything foreign, and predicts the same."""
    made = executor(iris, artifacts=Artifacts(tmp_path / "artifacts", "w"))
    found = bodies(made, work([(candidate(*steps), cell(None, 3))], mode=Mode.KEEP))[0]
    model = found["artifacts"]["model"]
    content = (tmp_path / model["file"]).read_bytes()
    loaded = load_bundle(content, "kept", sha256=model["sha256"])
    X, y = iris.X[112:], iris.y[112:]
    assert np.mean(loaded.estimator.predict(X) == y) == found["scores"]["test"]["accuracy"]
    assert model["file"] == f"artifacts/{model['sha256'][:2]}/{model['sha256']}"
    assert model["length"] == (tmp_path / model["file"]).stat().st_size
    assert (model["format"], model["model"], model["trusted"]) == ("bundle", "skops", True)
    assert loaded.classes == tuple(iris.classes)
    assert loaded.schema.names == ("f0", "f1", "f2", "f3")
    assert loaded.manifest["scores"] == found["scores"]
    assert loaded.manifest["environment"]["libraries"]["scikit-learn"]
    assert [path.name for path in (tmp_path / "artifacts").rglob(".*")] == []


def test_a_model_that_cannot_be_written_costs_no_scores(iris, tmp_path):
    """What skops cannot write is a warning, not a failure."""
    made = executor(iris, artifacts=Artifacts(tmp_path / "artifacts", "w"))

    class Local(Broken):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            self.generator = (i for i in range(3))
            return self

    made._catalog._classes["x:Local"] = Local
    found = bodies(made, work([(candidate(("x:Local", {})), cell())], mode=Mode.KEEP))[0]
    assert found["warnings"][0][0] == "ModelNotKept"
    assert "model" not in found.get("artifacts", {})
    assert found["scores"]["cv"]["accuracy"] is not None


def test_kept_classifiers_get_probabilities(iris, tmp_path):
    """A kept machine answers with probabilities where that is asked for; its scores and predictions stay."""
    task = work([(candidate(SCALER, SVC), cell(None))], mode=Mode.KEEP)
    keep = Keep(models=Models.ALL, calibrate=Calibration.SIGMOID)
    folder = Artifacts(tmp_path / "artifacts", "w")
    with_them = bodies(executor(iris, artifacts=folder, keep=keep), task)[0]
    without = bodies(executor(iris, artifacts=folder, keep=Keep(models=Models.ALL)), task)[0]
    models = [load_bundle(folder.read(one["artifacts"]["model"]), "m").estimator for one in (with_them, without)]
    assert with_them["scores"] == without["scores"]
    assert [hasattr(model, "predict_proba") for model in models] == [True, False]
    assert (models[0].predict(iris.X) == models[1].predict(iris.X)).all()
    assert models[0].predict_proba(iris.X).sum(axis=1) == pytest.approx(1.0)


def test_what_cannot_be_calibrated_is_kept(iris, tmp_path):
    """Of a class with a single row nothing can be held out: the model is kept as it is, and its task warns."""
    rows = np.r_[np.flatnonzero(iris.y == 0)[:1], np.flatnonzero(iris.y == 1)]
    lonely = ArrayRows(iris.X[rows], iris.y[rows], ("setosa", "versicolor"))
    keep = Keep(models=Models.ALL, calibrate=Calibration.SIGMOID)
    folder = Artifacts(tmp_path / "artifacts", "w")
    task = work([(candidate(SCALER, SVC), cell(None))], mode=Mode.KEEP)
    body = bodies(executor(lonely, artifacts=folder, keep=keep), task)[0]
    assert not hasattr(load_bundle(folder.read(body["artifacts"]["model"]), "m").estimator, "predict_proba")
    ((category, text, _),) = body["warnings"]
    assert category == "NotCalibrated"
    assert "class 0 has 1 sample" in text


def test_foreign_types_must_be_trusted_by_name(tmp_path):
    """A model with a class of somebody else loads only when that class is named; a damaged one never."""
    from skops.io import dumps

    path = tmp_path / "m"
    path.write_bytes(dumps(Broken(how="fine").fit(np.zeros((2, 1)), np.array([0, 1]))))
    with pytest.raises(Refused, match="Broken") as caught:
        load_model(path)
    name = str(caught.value).split("contains ")[1].split(";")[0]
    assert load_model(path, trusted=[name]).how == "fine"
    with pytest.raises(Refused, match="checksum"):
        load_model(path, sha256="0" * 64)
    path.write_bytes(b"nonsense")
    with pytest.raises(Refused, match="cannot be read"):
        load_model(path)
    with pytest.raises(NotFound, match="no model at"):
        load_model(tmp_path / "absent")


NAMES = ("accuracy", "f1_macro", "roc_auc_ovr", "average_precision", "log_loss", "f1_micro", "neg_log_loss")


@pytest.mark.parametrize("steps", [[SCALER, SVC], [NAIVE], [("sklearn.linear_model:LogisticRegression", {})]])
def test_scores_from_kept_predictions_equal_direct_ones(steps, iris, tmp_path):
    """A metric computed later from kept predictions is what it would have been at once, without any fit."""
    folder = Artifacts(tmp_path / "artifacts", "w")
    pairs = [(candidate(*steps), cell(fold)) for fold in range(3)]
    kept = bodies(
        executor(iris, metrics=("accuracy",), artifacts=folder, keep=Keep(predictions=True)), work(pairs)
    )
    direct = bodies(executor(iris, metrics=NAMES), work(pairs))
    n_before = iris.n_selected
    inputs = {i: body["artifacts"] for i, body in kept.items()}
    again = bodies(executor(iris, metrics=NAMES, artifacts=folder), work(pairs, mode=Mode.SCORE, inputs=inputs))
    assert iris.n_selected == n_before
    for i in range(3):
        assert again[i]["scores"] == direct[i]["scores"]
        assert again[i]["details"] == direct[i]["details"]
        assert again[i]["n_rows"] == direct[i]["n_rows"]
        assert again[i]["artifacts"] == kept[i]["artifacts"]
    assert len({body["artifacts"]["predictions"]["file"] for body in kept.values()}) == 1


def test_damaged_predictions_fail_their_task_alone(iris, tmp_path):
    """Bytes that no longer match their checksum are never scored."""
    folder = Artifacts(tmp_path / "artifacts", "w")
    pairs = [(candidate(NAIVE), cell(fold)) for fold in range(2)]
    kept = bodies(executor(iris, artifacts=folder, keep=Keep(predictions=True)), work(pairs))
    reference_ = kept[0]["artifacts"]["predictions"]
    path = tmp_path / reference_["file"]
    content = bytearray(path.read_bytes())
    content[reference_["offset"] + 100] ^= 1
    path.write_bytes(bytes(content))
    inputs = {i: body["artifacts"] for i, body in kept.items()}
    again = bodies(executor(iris, artifacts=folder), work(pairs, mode=Mode.SCORE, inputs=inputs))
    assert again[0]["failure"]["error"] == "StoreCorrupt"
    assert again[1]["scores"] == kept[1]["scores"]


def test_keeping_needs_a_folder(iris):
    """Without the folder for artifacts a unit that keeps models is refused with the variable's name."""
    with pytest.raises(UserError, match="MANYFIT_ARTIFACTS"):
        next(iter(executor(iris).execute(work([(candidate(NAIVE), cell())], mode=Mode.KEEP))))
