"""The search classes beside scikit-learn's: three more parameters, warm runners, no traces."""

import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn import clone, config_context, model_selection
from sklearn.base import is_classifier, is_regressor
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from tests.run.processes_seen import marked, wait_until
from tests.search.estimators import Picky
from tests.search.likeness import assert_alike

import manyfit
from manyfit.model.errors import UserError
from manyfit.search.classes import GridSearchCV
from manyfit.search.pools import close_pools, n_runners

NAMES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
X, y = make_classification(120, 6, random_state=0)
GRID = {"n_neighbors": [1, 3, 5]}


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_is_scikit_learns_and_three_more(name):
    """All parameters, their order, kinds and defaults are scikit-learn's; behind them stand manyfit's own."""
    mine = list(inspect.signature(getattr(manyfit, name)).parameters.values())
    theirs = list(inspect.signature(getattr(model_selection, name)).parameters.values())
    plain = [(p.name, p.kind, repr(p.default)) for p in theirs]
    assert [(p.name, p.kind, repr(p.default)) for p in mine[: len(plain)]] == plain
    assert [(p.name, p.default) for p in mine[len(plain) :]] == [
        ("store", None),
        ("progress", None),
        ("fuse", True),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_search_is_one_of_scikit_learns(name):
    """isinstance, names and tags are those of scikit-learn's class."""
    cls = getattr(manyfit, name)
    assert issubclass(cls, getattr(model_selection, name))
    assert cls.__name__ == name
    assert is_classifier(cls(LogisticRegression(), {"C": [1]}))
    assert is_regressor(cls(Ridge(), {"alpha": [1]}))


def test_own_parameters_survive_cloning():
    """store, progress and fuse are parameters like others."""
    search = clone(GridSearchCV(Ridge(), {}, store="s", progress=False, fuse=["ridge"]))
    assert (search.store, search.progress, search.fuse) == ("s", False, ["ridge"])
    assert search.set_params(fuse=False).get_params()["fuse"] is False


def test_a_fitted_search_can_be_pickled():
    """A fitted search predicts the same after it was pickled."""
    search = GridSearchCV(KNeighborsClassifier(), GRID).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    assert (again.predict(X) == search.predict(X)).all()
    assert again.best_params_ == search.best_params_


def test_a_search_inside_a_search():
    """A search is an estimator: it can be scored by cross-validation and searched over."""
    inner = GridSearchCV(KNeighborsClassifier(), GRID)
    theirs = model_selection.GridSearchCV(KNeighborsClassifier(), GRID)
    assert (cross_val_score(inner, X, y, cv=3) == cross_val_score(theirs, X, y, cv=3)).all()
    assert_alike(GridSearchCV(inner, {"cv": [2, 3]}), model_selection.GridSearchCV(theirs, {"cv": [2, 3]}), X, y)


def test_fuse_names_must_exist():
    """A rule that there is not is an error that names those that there are."""
    with pytest.raises(ValueError, match=r"fuse names 'magic'; the rules are .*neighbors"):
        GridSearchCV(KNeighborsClassifier(), GRID, fuse=["magic"]).fit(X, y)


def test_metadata_is_routed():
    """With metadata routing on, what scikit-learn hands to fit and scorers is handed on here."""
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        assert_alike(
            GridSearchCV(estimator, {"C": [0.1, 1]}),
            model_selection.GridSearchCV(estimator, {"C": [0.1, 1]}),
            X,
            y,
            sample_weight=np.arange(120.0) + 1,
        )


@pytest.mark.usefixtures("pooled")
def test_settings_reach_runners():
    """What set_config asks for holds in a runner: without validation another error comes of a wrong parameter."""
    with config_context(skip_parameter_validation=True):
        assert_alike(
            GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2, "deep"]}),
            model_selection.GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2, "deep"]}),
            X,
            y,
        )


def test_unset_seeds_draw_as_in_scikit_learn():
    """In this process, fits that ask the global random stream ask it in scikit-learn's order."""
    grid = {"max_features": [1, 2], "splitter": ["random"]}
    found = []
    for module in (manyfit, model_selection):
        np.random.seed(11)
        found.append(module.GridSearchCV(DecisionTreeClassifier(), grid).fit(X, y).cv_results_["mean_test_score"])
    assert (found[0] == found[1]).all()


@pytest.mark.usefixtures("pooled")
def test_unset_seeds_are_repeatable_in_the_pool():
    """In runners, equal global seeds give equal scores, and different ones different scores."""

    def scores(seed):
        np.random.seed(seed)
        estimator = RandomForestClassifier(n_estimators=2)
        search = GridSearchCV(estimator, {"max_depth": [1, 2, 3]}, n_jobs=2, refit=False).fit(X, y)
        return [search.cv_results_[f"split{n}_test_score"].tolist() for n in range(5)]

    assert scores(1) == scores(1)
    assert scores(1) != scores(2)


@pytest.mark.usefixtures("pooled")
def test_what_only_this_process_knows_reaches_runners():
    """Functions and classes that cannot be imported are sent along."""

    class Local(KNeighborsClassifier):
        """Known here alone."""

        def predict(self, X):
            return super().predict(X)

    def score(estimator, X, y):
        return float((estimator.predict(X) == y).mean())

    assert_alike(
        GridSearchCV(Local(), GRID, scoring=score, n_jobs=2),
        model_selection.GridSearchCV(Local(), GRID, scoring=score),
        X,
        y,
    )


@pytest.mark.usefixtures("pooled")
def test_what_cannot_be_pickled_is_fitted_here():
    """An estimator that holds a lock is fitted in this process, without a word."""
    estimator = Picky(mood="fine")
    lock = threading.Lock()
    with pytest.raises(TypeError):
        pickle.dumps(lock)

    def score(estimator, X, y, lock=lock):
        with lock:
            return float((estimator.predict(X) == y).mean())

    search = GridSearchCV(estimator, {"mood": ["fine", "gay"]}, scoring=score, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.4


@pytest.mark.usefixtures("pooled")
def test_a_fit_that_kills_its_process_has_failed():
    """A fit that takes its runner down has the error score; the others have theirs."""
    search = GridSearchCV(Picky(), {"mood": ["fine", "dies", "gay"]}, cv=2, n_jobs=2, refit=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert any("killed by SIGKILL" in str(one.message) for one in caught)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, False]


@pytest.mark.usefixtures("pooled")
def test_a_fit_that_kills_its_process_raises_if_asked():
    """With error_score="raise" the death of a runner is an error that says how it died."""
    search = GridSearchCV(Picky(), {"mood": ["fine", "dies"]}, cv=2, n_jobs=2, error_score="raise")
    with pytest.raises(UserError, match="SIGKILL"):
        search.fit(X, y)


def test_n_jobs(monkeypatch):
    """None means all cores, a number that many, and inside a runner there is only one."""
    cores = n_runners(-1)
    assert n_runners(None) == cores >= 1
    assert n_runners(3) == 3
    with pytest.raises(ValueError, match="n_jobs == 0"):
        n_runners(0)
    monkeypatch.setenv("MANYFIT_WORKER_MARK", "x")
    assert n_runners(None) == n_runners(2) == 1


def test_verbose_says_what_scikit_learn_says(capsys):
    """The line that begins a verbose search, and the order of the parts of the others, are scikit-learn's."""
    said = []
    for module in (manyfit, model_selection):
        module.GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1]}, cv=2, verbose=3).fit(X, y)
        said.append([line.partition(" total time=")[0] for line in capsys.readouterr().out.splitlines()])
    assert said[0] == said[1]


def test_a_bar_is_shown_if_asked(capsys):
    """progress=True shows a bar on standard error; without a terminal nothing is shown by default."""
    GridSearchCV(KNeighborsClassifier(), GRID).fit(X, y)
    assert capsys.readouterr().err == ""
    GridSearchCV(KNeighborsClassifier(), GRID, progress=True).fit(X, y)
    assert "15/15" in capsys.readouterr().err


def test_the_second_search_finds_warm_runners(pooled):
    """Runners stay from one search to the next."""
    search = GridSearchCV(KNeighborsClassifier(), GRID, n_jobs=2)
    search.fit(X, y)
    began = time.monotonic()
    search.fit(X, y)
    assert time.monotonic() - began < 5
    close_pools()


PROGRAM = """
import os, sys, warnings
import numpy as np
from manyfit import GridSearchCV
from manyfit.search import running
from tests.search.estimators import Slow
running.SMALL_SECONDS = -1.0
running.HANDING_SECONDS = 0.0
running.Running._help = lambda *_: None
X = np.random.default_rng(0).normal(size=(40000, 8))
y = np.arange(40000) % 2
search = GridSearchCV(Slow(), {"seconds": [0.01, HOW_LONG], "n": [1, 2]}, cv=2, n_jobs=2, refit=False)
print("begins", flush=True)
try:
    search.fit(X, y)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(3)
print("ended", flush=True)
"""


def program(tmp_path, mark, seconds):
    """Start a program that searches in a folder of its own."""
    places = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for place in places.values():
        Path(place).mkdir()
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, **places, "MANYFIT_TEST": mark, "PYTHONPATH": root}
    code = PROGRAM.replace("HOW_LONG", str(seconds))
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def files_in(folder):
    """Return the files, not folders, that are somewhere in *folder*."""
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@pytest.mark.slow
def test_nothing_is_written_and_nothing_is_left(tmp_path):
    """A search without a store writes no file while it runs; afterwards no process and no folder is left."""
    mark = f"search-{os.getpid()}"
    process = program(tmp_path, mark, 1.0)
    assert process.stdout.readline() == b"begins\n"
    wait_until(lambda: sum(text.startswith("runner") for text in marked(mark).values()) == 2, 60)
    while process.poll() is None:
        assert not files_in(tmp_path)
        time.sleep(0.02)
    out, err = process.communicate()
    assert (out, process.returncode) == (b"ended\n", 0), err.decode()
    wait_until(lambda: not marked(mark))
    assert not list((tmp_path / "TMPDIR").iterdir())


@pytest.mark.slow
def test_ctrl_c_ends_a_search(tmp_path):
    """After Ctrl-C the program goes on at once, and its runners do not."""
    mark = f"search-c-{os.getpid()}"
    process = program(tmp_path, mark, 600)
    assert process.stdout.readline() == b"begins\n"
    wait_until(lambda: sum(text.startswith("runner") for text in marked(mark).values()) == 2, 60)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"interrupted\n", 3), err.decode()
    wait_until(lambda: not marked(mark))
