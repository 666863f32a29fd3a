"""The commands about fitted models: what they say, what they write, how they end."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.datasets import load_wine
from tests.api.running import run_here
from tests.cli.calls import in_process

from manyfit.cli.documents import JSON_KEYS

SWEEP = """
name = "wine"
rank_by = "accuracy"
metrics = ["accuracy"]
[data]
source = "wine.csv"
target = "kind"
index = "row"
labels = { k0 = "Barolo" }
[splits.holdout]
kind = "random"
test = 0.25
[pipelines.knn]
steps = ["StandardScaler", "KNeighborsClassifier"]
grid = { n_neighbors = [1, 9] }
[keep]
models = "best:1"
[workers]
count = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a sweep that kept a model."""
    from manyfit import Sweep

    folder = tmp_path_factory.mktemp("models")
    X, y = load_wine(return_X_y=True)
    columns = {f"c{i}": X[:, i] for i in range(13)}
    frame = pl.DataFrame({"row": [f"r{i}" for i in range(178)]} | columns | {"kind": [f"k{code}" for code in y]})
    frame.write_csv(folder / "wine.csv")
    frame.drop("kind").head(30).write_csv(folder / "new.csv")
    frame.drop("c3").write_csv(folder / "other.csv")
    (folder / "wine.toml").write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(folder / "cache"))
        run_here(Sweep.load(folder / "wine.toml"), patch)
    return folder


@pytest.fixture
def give(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Commands in that folder, in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return in_process(capsys)


def kept(give: Any) -> dict[str, Any]:
    [model] = give("models", "wine.toml", "--json").json["models"]
    return dict(model)


def test_models_are_listed(give: Any) -> None:
    """Id, task, parameters, score on held-out rows, size, format: in 80 columns."""
    model = kept(give)
    said = give("models", "wine.toml").out
    assert model["id"][:8] in said
    assert f"{model['scores']['test_accuracy']:.4f}" in said
    assert max(map(len, said.splitlines())) <= 80
    assert said.splitlines()[-1].startswith("1 kept, ")


def test_a_sweep_without_models_says_how_to_keep_some(here: Any) -> None:
    """Nothing kept is no error."""
    Path("light.toml").write_text(
        'name = "light"\ndata = "sklearn:iris"\n[pipelines.nb]\nsteps = ["GaussianNB"]\n'
    )
    here("submit", "light.toml")
    assert 'models = "best:1"' in here("models", "light.toml").out
    assert here("models", "light.toml", "--json").json == {"models": [], "n_bytes": 0}


def test_a_rebuilt_task_ends_well_and_writes_its_bundle(give: Any, tmp_path: Path) -> None:
    """Exit code 0, equal scores, the bytes of the kept bundle in a file."""
    model = kept(give)
    path = tmp_path / "knn.model"
    said = give("rebuild", "wine.toml", model["task"][:8], "--to", str(path)).out
    assert "2 scores equal to the stored ones, bit by bit" in said
    assert f"the same bytes as the kept bundle {model['id'][:8]}" in said
    assert path.read_bytes() == Path("wine.sweep", model["file"]).read_bytes()
    assert max(map(len, said.splitlines())) <= 80 + len(str(path))


def test_a_rebuilt_task_that_differs_ends_with_1(give: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is shown in full precision, and as JSON."""
    from manyfit.api import rebuilding

    compared = rebuilding._compared
    monkeypatch.setattr(
        rebuilding,
        "_compared",
        lambda stored, rebuilt: compared(stored, {name: {"accuracy": 0.5} for name in rebuilt}),
    )
    task = kept(give)["task"]
    said = give("rebuild", "wine.toml", task, check=1)
    assert "test accuracy: stored 1.0" in said.out
    assert "now 0.5" in said.out
    told = give("rebuild", "wine.toml", task, "--json", check=1).json
    assert told["equal"] is False
    assert {score["equal"] for score in told["scores"]} == {False}


def test_a_task_without_scores_cannot_be_rebuilt(here: Any) -> None:
    """There is nothing to compare with yet."""
    Path("light.toml").write_text(
        'name = "light"\ndata = "sklearn:iris"\n[pipelines.nb]\nsteps = ["GaussianNB"]\n'
    )
    here("submit", "light.toml")
    key = here("plan", "light.toml", "--json").json["first"][0]["key"]
    assert "has no scores to compare with: it is pending" in here("rebuild", "light.toml", key, check=2).err


def test_a_table_is_predicted_on_the_terminal(give: Any) -> None:
    """Counts by name, the first rows with confidence, and how to get the rest."""
    said = give("predict", "wine.toml", "new.csv").out
    assert said.startswith("30 rows predicted by knn\n  Barolo 30")
    assert "20 more rows" in said
    assert "row" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predictions_are_written_to_a_file(give: Any, tmp_path: Path, suffix: str) -> None:
    """Index, label, confidence and the probability of each class by its name."""
    path = tmp_path / f"out{suffix}"
    told = give("predict", "wine.toml", "new.csv", "--to", str(path), "--json").json
    found = pl.read_csv(path) if suffix == ".csv" else pl.read_parquet(path)
    assert found.columns == ["row", "predicted", "confidence", "p:Barolo", "p:k1", "p:k2"]
    assert (found.height, found["predicted"].to_list()) == (30, ["Barolo"] * 30)
    assert (told["n_rows"], told["counts"], told["rows"]) == (30, {"Barolo": 30}, None)


def test_a_bundle_predicts_without_its_sweep(give: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is enough; another folder, no sweep."""
    content = Path("wine.sweep", kept(give)["file"]).read_bytes()
    told = give("predict", "wine.toml", "new.csv", "--json").json
    data = Path("new.csv").resolve()
    monkeypatch.chdir(tmp_path)
    Path("knn.model").write_bytes(content)
    assert give("predict", "knn.model", str(data), "--json").json == told


def test_other_features_are_refused_and_nothing_is_written(give: Any, tmp_path: Path) -> None:
    """The difference is shown, with the way out where there is one: no option finds a column that is not there."""
    path = tmp_path / "out.csv"
    said = give("predict", "wine.toml", "other.csv", "--to", str(path), check=2)
    assert "  missing: c3" in said.err
    assert not path.exists()
    assert "--by-name" not in said.err
    pl.read_csv("new.csv").with_columns(other=pl.lit(1.0)).write_csv(tmp_path / "more.csv")
    assert "--by-name" in give("predict", "wine.toml", str(tmp_path / "more.csv"), check=2).err


def test_by_name_takes_columns_in_any_order(give: Any, tmp_path: Path) -> None:
    """Refused without the option, the same answers with it."""
    frame = pl.read_csv("new.csv")
    frame.select(reversed(frame.columns)).write_csv(tmp_path / "reversed.csv")
    assert "in another order" in give("predict", "wine.toml", str(tmp_path / "reversed.csv"), check=2).err
    rows = give("predict", "wine.toml", str(tmp_path / "reversed.csv"), "--by-name", "--json").json["rows"]
    assert rows == give("predict", "wine.toml", "new.csv", "--json").json["rows"]


@pytest.mark.parametrize("command", ["models", "rebuild", "predict"])
def test_json_has_the_promised_keys(give: Any, command: str) -> None:
    """Programs rely on them."""
    more = {"models": [], "rebuild": [kept(give)["task"]], "predict": ["new.csv"]}[command]
    assert set(json.loads(give(command, "wine.toml", *more, "--json").out)) == set(JSON_KEYS[command])
