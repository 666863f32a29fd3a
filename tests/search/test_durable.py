"""Searches in a store: durable, resumed, each a sweep of its own."""

import copy
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import model_selection
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.run.processes_seen import marked, wait_until
from tests.search.estimators import Slow, plain
from tests.search.likeness import assert_alike

from manyfit import GridSearchCV, HalvingGridSearchCV, Sweep
from manyfit.contracts.fusion import Fuse
from manyfit.model.errors import ManyfitError
from manyfit.search.contents import content_of, search_key
from manyfit.search.evaluation import Evaluation

X, y = make_classification(100, 5, random_state=0)
GRID = {"n_neighbors": [1, 3], "weights": ["uniform", "distance"]}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["searches", "sqlite:///searches.db"])
def test_a_durable_search_is_scikit_learns(tmp_path, monkeypatch, place):
    """A search in a store finds the same; fitted again it reads what is there and starts no worker."""
    monkeypatch.chdir(tmp_path)
    mine = GridSearchCV(KNeighborsClassifier(), GRID, n_jobs=2, store=place, return_train_score=True)
    other = model_selection.GridSearchCV(KNeighborsClassifier(), GRID, return_train_score=True)
    first = assert_alike(mine, other, X, y)
    monkeypatch.setattr("manyfit.search.durable._WORKER", "tests.nowhere")
    again = assert_alike(mine, other, X, y)
    assert (again.cv_results_["mean_fit_time"] == first.cv_results_["mean_fit_time"]).all()


@pytest.mark.slow
def test_failures_in_a_store_are_scikit_learns(tmp_path):
    """Fits that fail have their error scores and texts from the store too."""
    grid = {"C": [1.0, -1.0]}
    assert_alike(
        GridSearchCV(LogisticRegression(), grid, n_jobs=1, store=tmp_path),
        model_selection.GridSearchCV(LogisticRegression(), grid),
        X,
        y,
    )


PROGRAM = """
import sys
from sklearn.datasets import make_classification
from manyfit import GridSearchCV
from tests.search.estimators import Slow
X, y = make_classification(100, 5, random_state=0)
grid = {"n": list(range(12)), "seconds": [0.4]}
search = GridSearchCV(Slow(folder=sys.argv[1]), grid, cv=2, n_jobs=2, store=sys.argv[2], refit=False)
search.fit(X, y)
print(search.cv_results_["mean_test_score"].tolist(), flush=True)
"""


def program(tmp_path, mark):
    """Start a program that searches in a store for some seconds."""
    environment = {**os.environ, "MANYFIT_TEST": mark, "PYTHONPATH": str(Path(__file__).parents[2])}
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path), str(tmp_path / "store")]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def n_fits(folder):
    """Return how many fits have begun."""
    trace = folder / "fits"
    return len(trace.read_text().splitlines()) if trace.exists() else 0


@pytest.mark.slow
def test_a_killed_search_goes_on(tmp_path):
    """After SIGKILL the same search goes on: what was finished is not fitted again, and no process is left."""
    mark = f"durable-{os.getpid()}"
    process = program(tmp_path, mark)
    wait_until(lambda: n_fits(tmp_path) >= 8, 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not marked(mark), 30)
    n_before = n_fits(tmp_path)
    assert n_before < 24
    again = program(tmp_path, mark)
    out, err = again.communicate(timeout=100)
    expected = model_selection.GridSearchCV(Slow(), {"n": list(range(12))}, cv=2, refit=False).fit(X, y)
    assert out.decode().strip() == str(expected.cv_results_["mean_test_score"].tolist()), err.decode()
    assert n_fits(tmp_path) <= 24 + 4  # those that were in progress begin again
    wait_until(lambda: not marked(mark))


OWN = """
import sys
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier
from manyfit import GridSearchCV

WORDS = {"one", "two", "three", "four", "five", "six", "seven", "eight"}

def half(value):
    return value * WEIGHT if "one" in WORDS else 0.0

WEIGHT = float(sys.argv[2])

class Own(DecisionTreeClassifier):
    \"\"\"An estimator of this program.\"\"\"
    kinds = frozenset(WORDS)

    def fit(self, X, y):
        with open("fits", "a") as file:
            file.write("+")
        return super().fit(X, y)

def scored(estimator, X, y):
    return half(estimator.score(X, y))

if __name__ == "__main__":
    X, y = make_classification(60, 5, random_state=0)
    options = {"scoring": scored, "cv": 2, "n_jobs": 1, "store": sys.argv[1]}
    search = GridSearchCV(Own(random_state=0), {"max_depth": [1, 2]}, **options)
    print(search.fit(X, y).cv_results_["mean_test_score"].tolist())
"""


@pytest.mark.slow
def test_classes_of_a_program_have_the_same_key_in_another_process(tmp_path):
    """A program with an estimator of its own finds what it found before; another constant is another sweep."""
    (tmp_path / "own.py").write_text(OWN)
    said = [
        subprocess.run(
            [sys.executable, "own.py", "store", weight],
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        ).stdout
        for seed, weight in (("1", "0.5"), ("2", "0.5"), ("3", "0.25"))
    ]
    assert said[0] == said[1] != said[2]
    assert len(list((tmp_path / "store").glob("*.sweep"))) == 2
    assert (tmp_path / "fits").read_text() == "+" * (4 + 1 + 0 + 1 + 4 + 1)  # each program fits the best one again


@pytest.mark.slow
def test_what_shares_work_stays_in_one_unit(tmp_path):
    """Fits that a rule computes together are claimed together: in a store as well, a group is not divided."""
    grid = {"n_neighbors": list(range(1, 31)), "weights": ["uniform", "distance"]}
    GridSearchCV(KNeighborsClassifier(), grid, cv=3, n_jobs=1, store=tmp_path / "one.sweep").fit(X, y)
    tasks = Sweep.stored(tmp_path / "one.sweep").results().tasks()
    groups = tasks.filter(tasks["fused_by"] == "neighbors")["unit"].value_counts()
    assert groups["count"].to_list() == [60] * 3


@pytest.mark.slow
def test_other_data_is_another_sweep(tmp_path):
    """In a folder of sweeps other data has a sweep beside the first; the store of one sweep is refused."""
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1]}, cv=2, n_jobs=1)
    search.set_params(store=tmp_path / "many").fit(X, y)
    search.fit(X + 1, y)
    assert len(list((tmp_path / "many").glob("*.sweep"))) == 2
    search.set_params(store=tmp_path / "one.sweep").fit(X, y)
    with pytest.raises(ManyfitError, match=r"one\.sweep"):
        search.fit(X + 1, y)


@pytest.mark.slow
def test_status_shows_a_search(tmp_path):
    """`manyfit status` and `manyfit results` show the sweep of a search as any other."""
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KNeighborsClassifier()), {}, cv=2, n_jobs=1, store=tmp_path
    )
    search.fit(X, y)
    (place,) = tmp_path.glob("*.sweep")
    said = [
        subprocess.run(
            [sys.executable, "-m", "manyfit", command, str(place)], check=False, capture_output=True, text=True
        )
        for command in ("status", "results")
    ]
    assert [done.returncode for done in said] == [0, 0], said
    assert "planned 2 = done 2" in said[0].stdout
    assert "kneighborsclassifier" in said[1].stdout


@pytest.mark.slow
def test_halving_in_a_store(tmp_path):
    """Each round of successive halving is a sweep; the results are scikit-learn's."""
    options = {"cv": 2, "random_state": 0, "min_resources": 30, "factor": 2}
    grid = {"n_neighbors": [1, 3, 5, 7]}
    assert_alike(
        HalvingGridSearchCV(KNeighborsClassifier(), grid, n_jobs=1, store=tmp_path, **options),
        model_selection.HalvingGridSearchCV(KNeighborsClassifier(), grid, **options),
        X,
        y,
    )
    assert len(list(tmp_path.glob("*.sweep"))) > 1


def evaluation(**changes):
    """Return an evaluation with one thing changed."""
    fields = {
        "estimator": LogisticRegression(),
        "X": X,
        "y": y,
        "candidates": [{"C": 1.0}],
        "splits": [(np.arange(50), np.arange(50, 100))],
        "scorer": make_scorer(f1_score),
        "fit_params": {},
        "score_params": {},
        "return_train_score": False,
        "error_score": np.nan,
        "settings": {},
        "filters": [],
        "fuse": Fuse(),
    }
    return Evaluation(**{**fields, **changes})


DIFFERENT = {
    "estimator": LogisticRegression(max_iter=7),
    "class": Slow(),
    "X": X + 1e-12,
    "float32": X.astype(np.float32),
    "frame": pd.DataFrame(X),
    "sparse": sp.csr_matrix(X),
    "y": 1 - y,
    "words": y.astype(str),
    "candidates": [{"C": 1}],
    "more": [{"C": 1.0}, {"C": 2.0}],
    "splits": [(np.arange(51), np.arange(51, 100))],
    "scorer": make_scorer(f1_score, average="macro"),
    "function": plain,
    "lambda": lambda estimator, X, y: 0.5,
    "fit_params": {"sample_weight": np.ones(100)},
    "return_train_score": True,
    "error_score": 0.0,
}
FIELDS = {
    "class": "estimator",
    "float32": "X",
    "frame": "X",
    "sparse": "X",
    "words": "y",
    "more": "candidates",
    "function": "scorer",
    "lambda": "scorer",
}


def test_any_difference_has_another_key():
    """Whatever decides results changes the key of a search."""
    keys = [search_key(evaluation(**{FIELDS.get(name, name): value})) for name, value in DIFFERENT.items()]
    assert len({search_key(evaluation()), *keys}) == len(keys) + 1


def test_the_same_content_has_the_same_key():
    """Copies have the key of what they are copies of; warning filters and sharing decide nothing."""
    same = evaluation(X=np.asfortranarray(X.copy()), estimator=LogisticRegression(), filters=[1], fuse=None)
    assert search_key(same) == search_key(evaluation())


def test_the_code_of_a_function_is_content():
    """Functions of one name and other code or other variables differ."""

    def made(number):
        return lambda estimator, X, y: number

    assert content_of(made(1)) != content_of(made(2))
    assert content_of(made(1)) == content_of(made(1))


class Limited:
    """Scores by a limit: as an object, and by a method."""

    def __init__(self, limit):
        self.limit = limit

    def scored(self, estimator, X, y):
        return self.limit


class Listed(list):
    """A list with a name."""


class Slotted:
    """Keeps its limit in a slot."""

    __slots__ = ("limit",)

    def __init__(self, limit):
        self.limit = limit


class Wider(Slotted):
    """Has other attributes beside."""


class Dictionary(dict):
    """A dictionary with a method."""


def compiled(source):
    """Return the names that a program of the user defines, whose functions and classes belong to this module."""
    names = {"__name__": __name__, "BaseEstimator": BaseEstimator, "own": sys.modules[__name__]}
    exec(source, names)
    return names


PROGRAMS = {
    "float": ("def f(*_): return 0.5 * len('a')", "def f(*_): return 0.7 * len('a')"),
    "inner function": ("def f(*_): return lambda q: q + 1", "def f(*_): return lambda q: q + 2"),
    "set of constants": ("def f(e, X, y): return y in {1, 3}", "def f(e, X, y): return y in {2, 3}"),
    "tuple of constants": ("def f(e, X, y): return y in (1, 3)", "def f(e, X, y): return y in (1.0, 3)"),
    "bytes": ("def f(*_): return b'a'", "def f(*_): return b'b'"),
    "global variable": ("WEIGHT = 2\ndef f(*_): return WEIGHT", "WEIGHT = 3\ndef f(*_): return WEIGHT"),
    "global table": ("T = {'a': 1}\ndef f(*_): return T", "T = {'a': 2}\ndef f(*_): return T"),
    "called function": ("def g(): return 1\ndef f(*_): return g()", "def g(): return 2\ndef f(*_): return g()"),
    "named arguments": ("def f(a, b): return a", "def f(b, a): return b"),
    "default": ("def f(*_, w=0.5): return w", "def f(*_, w=0.7): return w"),
    "attribute of a function": ("def f(*_): return 1\nf.w = 1", "def f(*_): return 1\nf.w = 2"),
    "what is raised": (
        "def f(*_):\n try: g()\n except KeyError: return 1\n return 2",
        "def f(*_):\n try: g()\n except IndexError: return 1\n return 2",
    ),
    "method": (
        "class C:\n def __call__(self, *_): return 0.5\nf = C()",
        "class C:\n def __call__(self, *_): return 0.7\nf = C()",
    ),
    "static method": (
        "class C:\n @staticmethod\n def g(): return 0.5\nf = C()",
        "class C:\n @staticmethod\n def g(): return 0.7\nf = C()",
    ),
    "property": (
        "class C:\n @property\n def g(self): return 0.5\nf = C()",
        "class C:\n @property\n def g(self): return 0.7\nf = C()",
    ),
    "attribute of a class": ("class C: w = 1\nf = C()", "class C: w = 2\nf = C()"),
    "estimator": (
        "class C(BaseEstimator):\n def fit(self, X): self.a_ = 1\nf = C()",
        "class C(BaseEstimator):\n def fit(self, X): self.a_ = 2\nf = C()",
    ),
    "parent of an estimator": (
        "class B(BaseEstimator): w = 1\nclass C(B): pass\nf = C()",
        "class B(BaseEstimator): w = 2\nclass C(B): pass\nf = C()",
    ),
    "bound method": (
        "class C:\n def g(self, *_): return 0.5\nf = C().g",
        "class C:\n def g(self, *_): return 0.7\nf = C().g",
    ),
    "class of a dictionary": ("class C(dict): w = 1\nf = C()", "class C(dict): w = 2\nf = C()"),
}


@pytest.mark.parametrize(("one", "other"), PROGRAMS.values(), ids=PROGRAMS)
def test_what_a_program_says_is_content(one, other):
    """Functions and classes of the user count by what they do; written elsewhere in a file they are the same."""
    assert content_of(compiled(one)["f"]) == content_of(compiled(f"\n\n{one}")["f"])
    assert content_of(compiled(one)["f"]) != content_of(compiled(other)["f"])


def test_variables_of_a_module_of_the_user_are_content(monkeypatch):
    """A function that asks a module of the user for a variable depends on it."""
    function = compiled("def f(*_): return own.GRID")["f"]
    before = content_of(function)
    monkeypatch.setitem(GRID, "n_neighbors", [7])
    assert content_of(function) != before


def test_local_classes_are_content():
    """Classes of one name that hold other variables differ."""

    def made(weight):
        class Scorer(BaseEstimator):
            def __call__(self, estimator, X, y):
                return weight

        return Scorer()

    assert content_of(made(1)) == content_of(made(1))
    assert content_of(made(1)) != content_of(made(2))


def test_many_functions_that_name_each_other_have_a_key():
    """However many functions call each other, each is told once, and none too deep."""
    source = [f"def f{n}(): return [{', '.join(f'f{m}' for m in range(n, min(n + 9, 400)))}]" for n in range(400)]
    assert len(str(content_of(compiled("\n".join(source))["f0"]))) < 1e6


def dated(day):
    """Return a frame with dates."""
    return pd.DataFrame({"at": pd.to_datetime([f"2024-01-{day}"])})


OTHERS = {
    "partial function": (partial(plain, X=1), partial(plain, X=2)),
    "method": (Limited(1).scored, Limited(2).scored),
    "object": (Limited(1), Limited(2)),
    "list with a name": (Listed([1]), Listed([2])),
    "masked array": (np.ma.array([1, 2]), np.ma.array([1, 3])),
    "set": ({"a", "b"}, {"a", "c"}),
    "slot": (Slotted(1), Slotted(2)),
    "slot of a parent": (Wider(1), Wider(2)),
    "dictionary": (Dictionary(a=1), Dictionary(a=2)),
    "index of a series": (pd.Series([1, 2], [5, 6]), pd.Series([1, 2], [7, 8])),
    "index of a frame": (pd.DataFrame({"a": [1, 2]}, [5, 6]), pd.DataFrame({"a": [1, 2]}, ["u", "v"])),
    "categories": (pd.Series(["a", "b"]), pd.Series(["a", "b"], dtype="category")),
    "dates": (np.array(["2024-01-01"], "M8[D]"), np.array(["2024-01-02"], "M8[D]")),
    "date": (np.array("2024-01-01", "M8[D]"), np.array("2024-01-02", "M8[D]")),
    "durations": (np.array([1], "m8[s]"), np.array([2], "m8[s]")),
    "frame of dates": (dated(10), dated(11)),
    "frozen estimator": tuple(FrozenEstimator(LogisticRegression(C=1).fit(X[:n], y[:n])) for n in (50, 90)),
    "output": tuple(StandardScaler().set_output(transform=kind) for kind in ("default", "pandas")),
    "method of a stream": (np.random.RandomState(1).rand, np.random.RandomState(2).rand),
}


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=OTHERS)
def test_what_an_object_holds_is_content(one, other):
    """What a parameter or a scorer holds counts, whether its attributes tell of it or not."""
    assert content_of(one) == content_of(copy.deepcopy(one))
    assert content_of(one) != content_of(other)


def test_what_holds_itself_has_a_key():
    """A function that calls itself and a list that is in itself are content like any other."""

    def counted(n):
        return n and counted(n - 1)

    endless = [1]
    endless.append(endless)
    assert content_of(counted) == content_of(counted)
    assert content_of(endless) != content_of([1, [1]])
