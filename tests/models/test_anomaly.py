"""Detectors of anomalies answer as classifiers, learn nothing from labels, and find real anomalies."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import RobustScaler
from tests.fit.sweeps import ArrayRows, bodies, candidate, cell, executor, work

from manyfit.fit.estimators import estimator_catalog
from manyfit.model.sweep import Problem, StepSpec
from manyfit.models.anomaly import AnomalyEnvelope, AnomalyForest, AnomalyNeighbors, AnomalySvm
from manyfit.plan.steps import ResolvedStep, Resolver

ALL = [
    AnomalyForest(n_estimators=20, random_state=0),
    AnomalyNeighbors(),
    AnomalySvm(),
    AnomalyEnvelope(random_state=0),
]


def folder_of(package):
    """The folder of an installed package whose data files are read; it is not imported."""
    found = find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed")
    return Path(found.submodule_search_locations[0])


@pytest.fixture(scope="module")
def shuttle():
    """The first 3,000 of the 49,097 rows of the shuttle set, 9 columns, 7 in 100 anomalous."""
    with gzip.open(folder_of("river") / "datasets" / "shuttle.csv.gz") as file:
        table = pl.read_csv(file.read())
    assert table.shape == (49_097, 10)
    return table.drop("anomaly").to_numpy()[:3000].astype(float), table["anomaly"].to_numpy()[:3000]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    X[:15] += 8
    return X, np.repeat([1, 0], [15, 285])


@pytest.mark.parametrize("detector", ALL, ids=lambda made: type(made).__name__)
def test_labels_teach_nothing(detector, rows):
    """Any labels, or none, give the same anomaly scores and the same rows."""
    X, y = rows
    plain = detector.fit(X).decision_function(X)
    flagged = detector.predict(X)
    assert set(flagged) == {0, 1}
    for labels in (y, 1 - y, np.zeros(len(X), dtype=int), np.where(y == 1, "strange", "fine")):
        assert np.array_equal(detector.fit(X, labels).decision_function(X), plain)
    assert detector.classes_.tolist() == ["fine", "strange"]
    assert np.array_equal(detector.predict(X) == "strange", flagged == 1)


@pytest.mark.parametrize("detector", ALL, ids=lambda made: type(made).__name__)
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_contamination_is_the_share_that_is_flagged(detector, share, rows):
    """Of the training rows as many are flagged as was asked for, and what is far off is among them."""
    X, y = rows
    detector.set_params(contamination=share).fit(X)
    assert detector.flagged_ == pytest.approx(share, abs=0.01)
    if type(detector) in (AnomalyForest, AnomalyEnvelope):  # for the others a crowd is less strange
        assert roc_auc_score(y, detector.decision_function(X)) > 0.99
    detector.set_params(contamination=0.1)


def test_thresholds_are_those_of_scikit_learn(rows):
    """With the same contamination the same rows are flagged as by scikit-learn's own detectors."""
    X, _ = rows
    own = AnomalyForest(n_estimators=20, contamination=0.1, random_state=3).fit(X)
    theirs = IsolationForest(n_estimators=20, contamination=0.1, random_state=3).fit(X)
    assert np.array_equal(own.predict(X) == 1, theirs.predict(X) == -1)
    near = AnomalyNeighbors(n_neighbors=15, contamination=0.1).fit(X)
    lof = LocalOutlierFactor(n_neighbors=15, contamination=0.1, novelty=True).fit(X)
    assert np.array_equal(near.predict(X + 0.1) == 1, lof.predict(X + 0.1) == -1)
    auto = AnomalyForest(n_estimators=20, contamination="auto", random_state=3).fit(X)
    theirs = IsolationForest(n_estimators=20, random_state=3).fit(X)
    assert np.array_equal(auto.predict(X) == 1, theirs.predict(X) == -1)


def test_more_than_two_classes_are_refused(rows):
    """A detector has two answers, and one class that is not called 0 may be either."""
    X, _ = rows
    with pytest.raises(ValueError, match="Only binary classification"):
        AnomalyForest().fit(X, np.arange(len(X)) % 3)
    with pytest.raises(ValueError, match="call normal rows 0"):
        AnomalyForest().fit(X, np.full(len(X), "fine"))


def test_the_forest_finds_the_shuttles_anomalies(shuttle):
    """On real data the forest is near to perfect, and neighbours are not."""
    X, y = shuttle
    forest = AnomalyForest(contamination=0.07, random_state=0).fit(X[:1500])
    assert roc_auc_score(y[1500:], forest.decision_function(X[1500:])) > 0.98
    scaled = RobustScaler().fit_transform(X)
    near = AnomalyNeighbors(contamination=0.07).fit(scaled[:1500])
    assert roc_auc_score(y[1500:], near.decision_function(scaled[1500:])) < 0.9


def test_twelve_points_of_a_long_series_stand_out():
    """Trained on a quiet beginning, neighbours see more in the windows around the 12 anomalous points."""
    folder = folder_of("aeon") / "datasets" / "data" / "KDD-TSAD_135"
    quiet, whole = (
        pl.read_csv(folder / f"135_UCR_Anomaly_InternalBleeding16_{name}.csv") for name in ("TRAIN", "TEST")
    )
    assert (len(whole), whole["is_anomaly"].sum()) == (7501, 12)
    width = 60
    windows = [np.lib.stride_tricks.sliding_window_view(t["value"].to_numpy(), width)[::3] for t in (quiet, whole)]
    marks = np.lib.stride_tricks.sliding_window_view(whole["is_anomaly"].to_numpy(), width)[::3].any(axis=1)
    found = AnomalyNeighbors(n_neighbors=10, contamination=0.01).fit(windows[0])
    assert roc_auc_score(marks, found.decision_function(windows[1])) > 0.85


def test_the_share_that_is_flagged_is_a_metric(rows):
    """A sweep scores detectors by labels as classifiers, and by what they flag without any."""
    X, y = rows
    made = executor(ArrayRows(X, y, classes=("0", "1")), metrics=("flagged", "recall", "average_precision"))
    use = "manyfit.models.anomaly:AnomalyForest"
    params = {"n_estimators": 20, "contamination": 0.2, "random_state": 0}
    scores = bodies(made, work([(candidate((use, params)), cell(fold=0))]))[0]["scores"]
    assert scores["train"]["flagged"] == pytest.approx(0.2, abs=0.01)
    assert (scores["cv"]["recall"], scores["cv"]["average_precision"]) == (1, 1)
    alone = executor(ArrayRows(X, np.zeros_like(y), classes=("normal", "anomaly")), metrics=("flagged", "roc_auc"))
    again = bodies(alone, work([(candidate((use, params)), cell(fold=0))]))[0]["scores"]
    assert again["train"]["flagged"] == pytest.approx(0.2, abs=0.01)
    assert again["cv"]["roc_auc"] is None


def test_scikit_learns_own_detectors_lead_to_these():
    """Planning refuses a bare detector and names those that are scored."""
    catalog = estimator_catalog()
    resolver = Resolver(catalog, "f.toml")
    steps = [
        ResolvedStep(spec=StepSpec(use=use, name=use), info=catalog.resolve(use)) for use in ("IsolationForest",)
    ]
    resolver.check_kinds(steps, 0, Problem.CLASSIFICATION, "pipelines.p")
    assert "is an outlier_detector" in resolver.mistakes[0].message
    assert '"anomaly_forest"' in resolver.mistakes[0].message
