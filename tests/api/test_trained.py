"""Fitted models of a sweep by task key: kept ones and those fitted again give the same answers."""

import json

import polars as pl
import pytest
from sklearn.datasets import load_wine
from tests.api.running import run_here

from manyfit import Sweep
from manyfit.api.trained import trained_for, trained_of
from manyfit.model.errors import NotFound


def wine() -> pl.DataFrame:
    X, y = load_wine(return_X_y=True)
    return pl.DataFrame(
        {f"c{i}": X[:, i] for i in range(13)} | {"kind": [f"k{code}" for code in y], "row": range(178)}
    )


def sweep(folder, **parts):
    wine().write_parquet(folder / "wine.parquet")
    declaration = {
        "name": "wine",
        "data": {"source": "wine.parquet", "target": "kind", "index": "row", "labels": {"k0": "Barolo"}},
        "metrics": ["accuracy"],
        "rank_by": "accuracy",
        "features": {"few": {"include": ["c?"]}},
        "splits": {"holdout": {"kind": "random", "test": 0.25}},
        "pipelines": {
            "knn": {"steps": ["StandardScaler", "KNeighborsClassifier"], "grid": {"n_neighbors": [1, 9]}}
        },
    }
    return Sweep(folder=folder, **{**declaration, **parts})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(folder / "cache"))
        return run_here(sweep(folder, keep={"models": "best:1"}), patch)


def test_a_kept_model_and_the_same_fitted_again_agree(results):
    """One has scores and was read, the other was fitted here: predictions are equal bit by bit."""
    tasks = results.tasks()
    kept = tasks.filter(pl.col("mode") == "keep").row(0, named=True)
    table = wine()

    model = trained_of(results.store, kept["key"][:8])
    again = trained_for(results.store, results.best().candidate(), results.best().cell())

    assert json.loads(kept["artifacts"])["model"]
    assert model.predict(table).equals(again.predict(table))
    assert model.classes == ("k0", "k1", "k2")
    assert dict(model.labels) == {"k0": "Barolo"}
    assert (model.schema.names, model.schema.mode) == (tuple(f"c{i}" for i in range(10)), "few")
    accuracy = (model.predict(table)["predicted"] == table["kind"]).mean()
    assert accuracy > 0.9


def test_a_task_without_a_kept_model_is_fitted_again(results):
    """Any task has a model."""
    fitted = results.tasks().filter(pl.col("mode") == "fit").row(0, named=True)
    model = trained_of(results.store, fitted["key"])
    assert model.manifest["task"] == fitted["key"]
    assert set(model.predict(wine())["predicted"]) == {"k0", "k1", "k2"}


def test_an_unknown_task_is_named(results):
    """No model stands for a key that no task has."""
    with pytest.raises(NotFound, match="no task has a key"):
        trained_of(results.store, "ffff0000ffff")
