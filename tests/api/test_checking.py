"""Checks, exports and archives of real sweeps: what went wrong is found, and what is put away comes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.calls import in_process
from tests.run.plans import inline, work

from manyfit import connect
from manyfit.api.archiving import archive_sweep, check_archive, restore_archive
from manyfit.api.sweeps import Sweep
from manyfit.contracts.store import Store
from manyfit.fit.artifacts import FOLDER_VARIABLE
from manyfit.model.errors import Refused, StoreCorrupt, UserError
from manyfit.report.frames import results_frame
from manyfit.report.quality.rules import RULES

Make = Callable[..., Sweep]
NET = {"steps": ["MLPRegressor"], "grid": {"learning_rate_init": [0.001, 1e6], "solver": ["sgd"], "max_iter": [5]}}
SGD = {"steps": ["SGDRegressor"], "grid": {"eta0": [0.01, 100.0]}}
LR = {"steps": ["LogisticRegression"], "grid": {"C": [1.0, 10.0], "max_iter": [2]}}
DUMMY = {"steps": ["DummyClassifier"], "grid": {"constant": [0, 1, 2]}}
KNN = {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1, 5], "n_jobs": [1, 2]}}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what submits a sweep, has it worked on in this process unless told otherwise, and returns it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def made(data: Any = "sklearn:iris", *, fit: bool = True, **changes: Any) -> Sweep:
        pipelines = changes.pop("pipelines")
        sweep = Sweep(
            name="flowers", folder=tmp_path, data=data, splits={"cv": {"folds": 3}}, pipelines=pipelines, **changes
        )
        sweep.plan().submit()
        folder = sweep.store().artifacts.folder
        assert folder is not None
        monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
        if fit:
            work(sweep.store(), runner=inline())
        return sweep

    return made


def named(sweep: Sweep) -> dict[str, list[str]]:
    """What each rule says of a sweep."""
    found: dict[str, list[str]] = {}
    for remark in sweep.results().check().remarks:
        found.setdefault(remark.rule.name, []).append(remark.found.text)
    return found


@pytest.mark.slow
def test_nets_and_gradient_descent_that_diverge(make: Make) -> None:
    """By their loss curves, and by absurd scores where there is no curve; also beside good fits."""
    found = named(make("sklearn:diabetes", keep={"series": True}, pipelines={"net": NET, "sgd": SGD}))
    assert any(text.endswith("of 6 fits of net diverged") for text in found["diverged-fits"])
    assert any("fits of sgd diverged" in text for text in found["diverged-fits"])
    assert "missing-tasks" not in found


def test_solvers_that_do_not_converge(make: Make) -> None:
    """A logistic regression with two iterations."""
    found = named(make(pipelines={"lr": LR}))
    assert found["not-converged"] == ["6 of 6 fits of lr did not converge"]


def test_a_parameter_and_a_pipeline_without_effect(make: Make) -> None:
    """Of a dummy with the most frequent class nothing has an effect; that it only guesses is what it is for."""
    found = named(make(pipelines={"knn": KNN, "dummy": DUMMY}))
    said = " ".join(found.get("constant-parameter", []) + found.get("constant-scores", []))
    assert "dummy" in said
    assert "chance-scores" not in found


def test_a_sweep_with_holes(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks that nobody ran are counted, and the command ends with 1 and says what to do."""
    give = in_process(capsys)
    sweep = make(pipelines={"knn": KNN}, fit=False)
    store = sweep.store()
    n_tasks = store.snapshot().counts.planned
    said = give("check", "flowers", check=1)
    assert f"{n_tasks} of {n_tasks} tasks of knn on cv have no result" in " ".join(said.out.split())
    assert "next: manyfit run flowers runs what is left" in " ".join(said.out.split())
    assert all(len(line) <= 80 for line in said.out.splitlines())
    facts = give("check", "flowers", "--rule", "missing-tasks", "--json", check=1).json
    assert [remark["rule"] for remark in facts["remarks"]] == ["missing-tasks"]
    assert facts["remarks"][0]["n_found"] == n_tasks
    assert facts["rules"] == ["missing-tasks"]
    assert "no rule" in give("check", "flowers", "--rule", "missing-task", check=2).err
    work(store, runner=inline())
    assert give("check", "flowers", "--rule", "missing-tasks").code == 0


def test_nothing_is_submitted_yet(make: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A name without a sweep is an error that says so."""
    assert "there is no sweep" in in_process(capsys)("check", "nothing", check=2).err


# -- export ------------------------------------------------------------------------------------------


def test_exports_from_the_command_line(make: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Files, columns as asked for, columns as declared in the sweep."""
    give = in_process(capsys)
    sweep = make(pipelines={"knn": KNN}, export={"columns": ["key", "cv_accuracy:float"]})
    facts = give("export", "flowers", "--to", "out", "--json").json
    assert facts["columns"] == ["key", "cv_accuracy"]
    assert pl.read_csv(tmp_path / "out/runs.csv").height == facts["n_runs"] == sweep.status().counts.done
    give("export", "flowers", "--to", "out", "--columns", "param_n_neighbors:float, fold")
    assert pl.read_csv(tmp_path / "out/runs.csv").columns == ["param_n_neighbors", "fold"]
    error = give("export", "flowers", "--to", "other", "--columns", "cv_acc", check=2)
    assert 'did you mean "cv_accuracy"' in " ".join(error.err.split())
    assert not (tmp_path / "other").exists()
    done = sweep.results().export(tmp_path / "third", columns={"key": "text"})
    assert done.columns == ["key"]


# -- archives ----------------------------------------------------------------------------------------


@pytest.fixture
def kept(make: Make) -> Sweep:
    """A finished sweep with predictions and series."""
    boosted = {"steps": ["GradientBoostingClassifier"], "grid": {"n_estimators": [2, 3]}}
    return make(pipelines={"knn": KNN, "gb": boosted}, keep={"predictions": True, "series": True})


def same(left: Store, right: Store) -> None:
    """Both stores have the same results and the same kept files."""
    frames = [results_frame(store).sort("key").drop("epoch") for store in (left, right)]
    assert frames[0].equals(frames[1])
    files = [
        {file.name: store.artifacts.read(file.name) for file in store.artifacts.files()} for store in (left, right)
    ]
    assert files[0] == files[1]
    assert files[0]
    assert left.entries() == right.entries()


@pytest.mark.parametrize("target", ["back", "sqlite:///lab.db"])
def test_what_is_archived_comes_back(kept: Sweep, tmp_path: Path, target: str) -> None:
    """In a folder and in a database: results, kept files and the control chain, all equal."""
    made = archive_sweep(kept.store(), tmp_path / "a.zip")
    assert made.complete
    assert check_archive(tmp_path / "a.zip").manifest == made.manifest
    restored = restore_archive(tmp_path / "a.zip", target)
    store = connect.open_store(restored.target)
    same(kept.store(), store)
    assert restored.counts == kept.status().counts
    leftovers = [path.name for path in tmp_path.iterdir() if path.name.startswith((".restore", ".a.zip"))]
    assert leftovers == []
    assert restore_archive(tmp_path / "a.zip", target).copied.n_new_epochs == 0, "again is harmless"


def test_an_unfinished_sweep_is_archived_when_asked_for(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the counts are shown, with what to do."""
    give = in_process(capsys)
    make(pipelines={"knn": KNN}, fit=False)
    refused = " ".join(give("archive", "flowers", "--to", "a.zip", check=2).err.split())
    assert "tasks of flowers are left" in refused
    assert "--partial" in refused
    facts = give("archive", "flowers", "--to", "a.zip", "--partial", "--json").json
    assert (facts["complete"], facts["n_runs"]) == (False, 0)
    assert "was not complete" in give("check", "a.zip").out
    assert give("archive", "a.zip", "--restore", "--to", "back", "--json").json["counts"]["pending"] > 0


def test_archives_from_the_command_line(kept: Sweep, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Made, checked, put back; a broken one is refused with 1, and nothing is put back from it."""
    give = in_process(capsys)
    assert "a.zip is whole" in give("archive", "flowers", "--to", "a.zip").out
    facts = give("check", "a.zip", "--json").json
    assert facts["n_runs"] == kept.status().counts.done
    give("archive", "flowers", "--to", "a.zip", "--quiet")
    (tmp_path / "thesis.tex").write_text("x")
    assert "is no archive" in give("archive", "flowers", "--to", "thesis.tex", check=2).err

    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "b.zip").write_bytes(content)
    assert "not a whole archive" in " ".join(give("check", "b.zip", check=1).err.split())
    give("archive", "b.zip", "--restore", "--to", "back", check=2)
    assert not (tmp_path / "back").exists()
    assert "there is no archive" in give("archive", "c.zip", "--restore", "--to", "back", check=2).err
    assert "rules are for sweeps" in give("check", "a.zip", "--rule", "flat-series", check=2).err


def test_an_archive_whose_counts_lie_is_refused(
    kept: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checksums can be right of numbers that are wrong: each kind of count is compared with what is there."""
    from manyfit.api import archiving

    honest = archiving._facts

    def lying(**changes: Any) -> None:
        monkeypatch.setattr(archiving, "_facts", lambda *given: honest(*given) | changes)
        with pytest.raises(StoreCorrupt, match="not a whole archive"):
            archive_sweep(kept.store(), tmp_path / "a.zip")
        assert not (tmp_path / "a.zip").exists(), "what is not whole gets no name"

    lying(n_runs=3)
    lying(n_artifacts=99)
    lying(n_entries=99)
    lying(segments=["gone"])


def test_archives_and_stores_are_told_apart(kept: Sweep, tmp_path: Path) -> None:
    """Neither another sweep's store nor a file that is none is written over."""
    archive_sweep(kept.store(), tmp_path / "a.zip")
    other = tmp_path / "other.toml"
    other.write_text("x")
    with pytest.raises(Refused, match="is no archive"):
        archive_sweep(kept.store(), other)
    assert other.read_text() == "x"
    with pytest.raises(UserError):
        check_archive(tmp_path / "absent.zip")


def test_every_rule_is_documented() -> None:
    """The page about checks names each rule."""
    page = Path(__file__).parents[2] / "docs/how-to/check-results.md"
    text = page.read_text()
    assert [name for name in RULES if f"`{name}`" not in text] == []
