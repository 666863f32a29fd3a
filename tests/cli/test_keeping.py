"""What commands say of models and series that are wanted and not kept, of scores of folds, and of no scores."""

from pathlib import Path
from typing import Any

import pytest
from tests.api.running import run_here
from tests.run.plans import inline, work

from manyfit import Sweep
from manyfit.fit.artifacts import FOLDER_VARIABLE

SWEEP = """
name = "wine"
metrics = ["accuracy"]
data = "sklearn:wine"
[splits.cv]
folds = 3
[pipelines.knn]
steps = ["StandardScaler", "KNeighborsClassifier"]
grid = { n_neighbors = [1, 9] }
[pipelines.tree]
steps = ["DecisionTreeClassifier"]
"""
FAILING = """
name = "bad"
metrics = ["accuracy"]
data = "sklearn:wine"
[splits.cv]
folds = 3
test = 0.2
[pipelines.pca]
steps = [{ use = "PCA", n_components = 99 }, "GaussianNB"]
[keep]
models = "best:1"
"""


def declare(keep: str, text: str = SWEEP) -> Sweep:
    """Write the sweep file with this [keep], and load it."""
    Path("s.toml").write_text(f"{text}\n[keep]\n{keep}\n" if keep else text)
    return Sweep.load("s.toml")


def work_alone(made: Sweep, patch: pytest.MonkeyPatch) -> None:
    """Submit a sweep and let a worker finish it, as `submit` and `work` do."""
    made.plan().submit()
    store = made.store()
    patch.setenv(FOLDER_VARIABLE, str(store.artifacts.folder))
    work(store, runner=inline())


def keeping(here: Any, *more: str) -> dict[str, Any]:
    found = here("plan", "s.toml", *more, "--json").json["keeping"]
    assert isinstance(found, dict)
    return found


def test_a_plan_tells_how_many_models_it_may_keep(here: Any) -> None:
    """Before there are scores it is a bound: no more than the candidates of each pipeline on each split."""
    declare('models = "best:5 per pipeline"')
    assert keeping(here) == {"fits": 3, "at_most": True, "why": {}, "without_series": 0}
    said = here("plan", "s.toml").out
    assert "a run makes up to 3 fits only to keep" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert keeping(here, "pipeline=tree")["fits"] == 0
    declare("")
    assert keeping(here)["fits"] == 0
    assert "models:" not in here("plan", "s.toml").out


def test_a_change_of_keep_alone_is_announced(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `run` does next is what the plan said: a fit for the format, none when nothing changed."""
    run_here(declare('models = "best:1"'), monkeypatch)
    assert keeping(here) == {"fits": 0, "at_most": False, "why": {}, "without_series": 0}
    assert "nothing to submit" in here("plan", "s.toml").out

    made = declare('models = "best:1"\nformat = "joblib"\nseries = true')
    assert keeping(here) == {"fits": 1, "at_most": False, "why": {"kept_otherwise": 1}, "without_series": 9}
    said = " ".join(here("plan", "s.toml").out.split())
    assert "a run makes 1 fit only to keep models (1 kept in another format or with another calibration)" in said
    assert "series: 9 tasks done without" in said
    assert said.endswith("next: manyfit run s.toml")

    before = len(made.store().entries())
    run_here(made, monkeypatch)
    assert len(made.store().entries()) > before
    assert keeping(here)["fits"] == 0

    declare('models = "all"')
    assert keeping(here)["why"] == {"not_kept": 9, "kept_otherwise": 1}


def test_models_that_no_worker_keeps_are_told_with_the_command_that_does(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status and the list of models say what is missing after workers alone; after a run they do not."""
    made = declare('models = "best:1 per pipeline"')
    work_alone(made, monkeypatch)
    for command in ("status", "models"):
        said = " ".join(here(command, "s.toml").out.split())
        assert "2 models that [keep] asks for are not kept" in said
        assert "next: manyfit run s.toml" in said
    assert here("status", "s.toml", "--json").json["models_lacking"] == 2
    assert keeping(here)["why"] == {"not_kept": 2}

    run_here(made, monkeypatch)
    assert here("status", "s.toml", "--json").json["models_lacking"] == 0
    assert "asks for" not in here("status", "s.toml").out


def test_a_sweep_that_is_not_complete_lacks_nothing_yet(here: Any) -> None:
    """Before the last score nobody knows which models are the best."""
    declare('models = "best:1"').plan().submit()
    assert here("status", "s.toml", "--json").json["models_lacking"] is None


def test_a_model_of_a_sweep_of_folds_has_the_score_of_its_folds(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit on all rows leaves none out: the mean over folds of its candidate is shown, and called so."""
    results = run_here(declare('models = "best:1"'), monkeypatch)
    best = results.leaderboard(top=1).row(0, named=True)
    said = here("models", "s.toml").out
    assert "cv accuracy" in said.splitlines()[0]
    assert f"{best['score']:.4f}" in said
    assert max(map(len, said.splitlines())) <= 80
    [model] = here("models", "s.toml", "--json").json["models"]
    assert model["fold_scores"] == {"accuracy": pytest.approx(best["score"], abs=1e-12)}
    assert "cv_accuracy" not in model["scores"]


def test_models_with_held_out_rows_and_of_folds_show_their_own_scores(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the fit itself was scored on comes first; the model of a fold has no mean."""
    text = SWEEP.replace("folds = 3", "folds = 2\ntest = 0.2")
    run_here(declare('models = "all"', text), monkeypatch)
    said = here("models", "s.toml").out
    assert "cv accuracy" not in said.splitlines()[0]
    found = here("models", "s.toml", "--json").json["models"]
    assert {bool(model["fold_scores"]) for model in found if model["fold"] is None} == {True}
    assert {bool(model["fold_scores"]) for model in found if model["fold"] is not None} == {False}


def test_a_sweep_whose_fits_all_failed_says_so(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not "no results yet": all failed, and the command that shows why."""
    run_here(declare("", FAILING), monkeypatch)
    for command in (("compare",), ("compare", "--one-se"), ("results", "--gap"), ("models",)):
        said = " ".join(here(command[0], "s.toml", *command[1:]).out.split())
        assert said.endswith("all 4 fits failed, so that there are no scores; next: manyfit failures s.toml"), (
            command
        )
        assert "[keep]" not in said


def test_a_sweep_that_did_not_run_has_no_results_yet(here: Any) -> None:
    """Nothing failed: the next look is at its status."""
    declare("").plan().submit()
    for command in (("compare",), ("compare", "--one-se"), ("results", "--gap"), ("results",)):
        said = here(command[0], "s.toml", *command[1:]).out
        assert said == "no results yet; next: manyfit status s.toml\n"


def test_each_of_several_sweeps_without_scores_is_named(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that can be compared does not hide that the other one failed."""
    run_here(declare(""), monkeypatch)
    run_here(declare("", FAILING), monkeypatch)
    said = " ".join(here("compare", "s.toml", "wine.sweep").out.split())
    assert said.startswith("bad: all 4 fits failed")
    assert "best: " in said
