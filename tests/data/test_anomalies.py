"""Data for the search of anomalies: with labels, with normal rows only, and without any."""

import numpy as np
import polars as pl
import pytest

from manyfit.fit import metrics
from manyfit.model.sweep import Problem

FOREST = {"pipelines": {"p": {"steps": ["anomaly_forest"]}}}


@pytest.fixture
def rows():
    """A hundred rows, every tenth of them odd."""
    draw = np.random.RandomState(0)
    state = ["odd" if i % 10 == 0 else "usual" for i in range(100)]
    return pl.DataFrame({"a": draw.normal(size=100), "b": draw.normal(size=100), "state": state, "n": range(100)})


def anomalies(**more):
    return {"source": "a.csv", "problem": "anomaly", **more}


def test_the_rarer_class_is_the_second(bench, rows):
    """Whatever the classes are called, anomalies have the code 1."""
    bench.write(rows)
    found = bench.good(anomalies(target="state"), **FOREST)
    assert found.classes == ("usual", "odd")
    assert found.problem is Problem.CLASSIFICATION
    part = bench.rows(found.fingerprint, anomalies(target="state"), **FOREST).select("cv", 0, 0, ["a"], False)
    assert part.y["train"].sum() == 8
    bench.write(
        rows.with_columns(state=pl.when(pl.col("state") == "odd").then(pl.lit("usual")).otherwise(pl.lit("odd")))
    )
    assert bench.good(anomalies(target="state"), **FOREST).classes == ("odd", "usual")


def test_training_rows_may_all_be_normal(bench, rows):
    """Detectors learn from normal rows alone; from anomalies alone nothing is learned, and that is a mistake."""
    bench.write(rows)
    fine = {"clean": {"train": "state = 'usual' AND n < 50", "test": "n >= 50"}}
    assert bench.good(anomalies(target="state"), splits=fine, **FOREST).splits["clean"].n_train == 45
    odd = {"clean": {"train": "state = 'odd' AND n < 50", "test": "n >= 50"}}
    assert 'are of the class "odd"' in bench.wrong(anomalies(target="state"), splits=odd, **FOREST)["splits.clean"]
    plain = {"source": "a.csv", "target": "state"}
    assert 'are of the class "usual"' in bench.wrong(plain, splits=fine)["splits.clean"]


def test_rows_without_labels_are_enough(bench, rows):
    """Without a target all rows count as normal and have two possible answers."""
    bench.write(rows.drop("state"))
    found = bench.good(anomalies(), **FOREST)
    assert found.classes == ("normal", "anomaly")
    assert found.columns[""] == ("a", "b", "n")
    part = bench.rows(found.fingerprint, anomalies(), **FOREST).select("cv", 0, 0, ["a"], False)
    assert part.y["train"].tolist() == [0] * 80


def test_three_classes_are_refused(bench, rows):
    """What is neither normal nor an anomaly has no place."""
    bench.write(rows.with_columns(state=(pl.col("n") % 3).cast(pl.String)))
    message = bench.wrong(anomalies(target="state"), **FOREST)["data.problem"]
    assert 'and "state" has 3; leave target out' in message


def test_metrics_follow_the_labels():
    """Without labels only the share of flagged rows is computed."""
    assert metrics.anomaly_metrics(labelled=False) == ("flagged",)
    labelled = metrics.anomaly_metrics(labelled=True)
    assert labelled[0] == "average_precision"
    assert {"precision", "recall", "f1", "roc_auc", "flagged"} <= {*labelled}
    assert metrics.check(labelled, Problem.CLASSIFICATION) == []
    assert metrics.undefined("flagged", 3)
