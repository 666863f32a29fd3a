"""The parts of a search: tokens, fast scores, payloads, bodies, portions."""

import math
import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, issparse
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, r2_score
from sklearn.model_selection._validation import _safe_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from tests.search.estimators import Picky

from manyfit.contracts.fusion import Fuse
from manyfit.search import payload
from manyfit.search.bodies import body_of, scored_of
from manyfit.search.dividing import Dividing
from manyfit.search.evaluation import Evaluation, Scored, Warned
from manyfit.search.fitting import Fitting
from manyfit.search.scores import accuracy, r2
from manyfit.search.tokens import token_of

X = np.random.default_rng(0).normal(size=(90, 4))
y = np.arange(90) % 3


def evaluation(estimator, candidates, **changes):
    """Return an evaluation on three folds."""
    folds = np.array_split(np.arange(90), 3)
    fields = {
        "splits": [(np.setdiff1d(np.arange(90), part), part) for part in folds],
        "scorer": get_scorer("accuracy"),
        "fit_params": {},
        "score_params": {},
        "return_train_score": False,
        "error_score": np.nan,
        "settings": {},
        "filters": list(warnings.filters),
        "fuse": Fuse(),
        "X": X,
        "y": y,
    }
    return Evaluation(estimator=estimator, candidates=candidates, **{**fields, **changes})


FUNCTION, OTHER = (lambda: 1), (lambda: 1)
DIFFERENT = [
    None,
    True,
    1,
    1.0,
    0.0,
    -0.0,
    "1",
    b"1",
    (1,),
    [1],
    {"a": 1},
    np.float32(1),
    np.float64(1),
    np.array([1]),
    np.array([1.0]),
    np.array([[1]]),
    np.array([1], dtype=object),
    FUNCTION,
    OTHER,
    SVC,
    SVC(),
    SVC(C=2),
    StandardScaler(),
]


def test_tokens_differ_where_values_do():
    """No two values that could mean different things have one token."""
    tokens = [token_of(value) for value in DIFFERENT]
    for at, token in enumerate(tokens):
        assert token not in tokens[:at] + tokens[at + 1 :]


@pytest.mark.parametrize(
    "make", [lambda: SVC(C=3), lambda: [1, "a", (2.0,)], lambda: np.ones(3), lambda: {"a": None}]
)
def test_tokens_agree_where_content_does(make):
    """Plain values, arrays and estimators of equal content have equal tokens with equal hashes."""
    assert token_of(make()) == token_of(make())
    assert len({token_of(make()), token_of(make())}) == 1


def test_unknown_objects_are_only_themselves():
    """An object of which nothing is known is equal to itself alone."""
    one = object()
    assert token_of(one) == token_of(one)
    assert token_of(one) != token_of(object())


class Said:
    """Answers that predict what they are given."""

    def __init__(self, predicted):
        self.predicted = predicted

    def raw(self, method):
        """Return the predictions."""
        assert method == "predict"
        return self.predicted


@pytest.mark.parametrize("seed", range(40))
def test_fast_scores_are_scikit_learns(seed):
    """Accuracy and R^2 are those of scikit-learn to the last bit, on data of many sizes and kinds."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 400))
    true, said = random.integers(0, 4, size=(2, n))
    kinds = [lambda v: v, lambda v: v.astype("U"), lambda v: v.astype(np.int8), lambda v: v.astype(float)]
    kind = kinds[seed % 4]
    assert accuracy(Said(kind(said)), None, kind(true)) == accuracy_score(kind(true), kind(said))
    target, answer = random.normal(size=(2, n)) * 10.0 ** random.integers(-5, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast, slow = r2(Said(answer), None, target), r2_score(target, answer)
    assert fast == slow or (math.isnan(fast) and math.isnan(slow))


def test_labels_that_are_no_classes_are_refused():
    """Accuracy of real numbers is scikit-learn's to refuse."""
    with pytest.raises(ValueError, match="continuous"):
        accuracy(Said(np.array([0.5, 1.5])), None, np.array([0.5, 1.5]))


def test_constant_targets_score_as_in_scikit_learn():
    """Where R^2 is not defined, scikit-learn decides."""
    constant = np.ones(5)
    assert r2(Said(constant), None, constant) == r2_score(constant, constant)
    assert r2(Said(constant + 1), None, constant) == r2_score(constant, constant + 1)


CODE = """
import sys
from manyfit.search import payload
large, small = payload.load(sys.argv[1])
print(large.sum(), large.flags.writeable, small)
"""


def test_a_payload_is_shared_by_processes():
    """Another process reads it without a copy of the large array, which it cannot change; no file is made."""
    value = (np.ones((600, 300)), {"small": np.arange(3).tolist()})
    with payload.shared(value) as path:
        done = subprocess.run([sys.executable, "-c", CODE, path], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[0] == "180000.0 False {'small': [0, 1, 2]}"
        if sys.platform.startswith("linux"):
            assert path.startswith(f"/proc/{os.getpid()}/fd/")
    assert not os.path.exists(path)


def test_a_payload_in_a_file_is_the_same(tmp_path):
    """What `write` writes, `load` reads, whatever the sizes of its buffers are."""
    value = [np.arange(n, dtype=np.int8) for n in (0, 1, 1 << 20, (1 << 20) + 1, 1 << 21)]
    with (tmp_path / "x").open("wb") as file:
        payload.write(payload.dumps(value), file)
    assert all(np.array_equal(a, b) for a, b in zip(payload.load(tmp_path / "x"), value, strict=True))


@pytest.mark.parametrize("number", [0.1, math.nan, math.inf, -math.inf, 3, True, 1 / 3])
def test_bodies_keep_every_number(number):
    """Scores, times, errors and warnings come back as they were, also where JSON has no word for them."""
    import json

    warned = (Warned(category=RuntimeWarning, text="beware", filename="f.py", lineno=3),)
    for scores in (number, {"a": number, "b": 1.0}):
        scored = Scored(
            test=scores, train=scores, fit_seconds=0.1, score_seconds=0.2, fit_error="no\n", warned=warned
        )
        again = scored_of(json.loads(json.dumps(body_of(scored, {"cv": 1}), allow_nan=False)))
        assert repr(again) == repr(scored)


class _Renamed(np.ndarray):
    """An array that is not a plain one."""


@pytest.mark.parametrize("wrap", [np.asarray, lambda rows: rows.view(_Renamed), list, pd.DataFrame, csr_array])
def test_rows_of_a_fold_are_those_of_scikit_learn(wrap):
    """Whatever holds the rows, a fold has those that scikit-learn would take."""
    asked = evaluation(KNeighborsClassifier(), [{"n_neighbors": k} for k in (1, 2)], X=wrap(X))
    train, test = asked.splits[1]
    table = Fitting(asked, separate=False)._table(1)
    wanted, targets = _safe_split(asked.estimator, asked.X, y, train)
    others, _ = _safe_split(asked.estimator, asked.X, y, test, train)
    for mine, its in ((table.X, wanted), (table.sets["cv"], others), (table.y, targets)):
        assert type(mine) is type(its)
        dense = [part.toarray() if issparse(part) else np.asarray(part) for part in (mine, its)]
        np.testing.assert_array_equal(*dense)


def test_portions_cover_every_task_once():
    """Each task stands in one portion, a portion has one fold, and what shares work stands together."""
    grid = [{"n_neighbors": k} for k in range(1, 9)]
    asked = evaluation(KNeighborsClassifier(), grid)
    fitting = Fitting(asked, separate=False)
    portions = Dividing(asked, fitting).portions(2)
    assert sorted(index for portion in portions for index in portion.indices) == list(range(24))
    assert all(len({index % 3 for index in portion.indices}) == 1 for portion in portions)
    assert len(portions) < 24


def test_unrelated_candidates_are_divided():
    """A group that shares nothing is divided so that both runners have work to the end."""
    asked = evaluation(LogisticRegression(), [{"C": float(n)} for n in range(1, 41)])
    fitting = Fitting(asked, separate=False)
    portions = Dividing(asked, fitting).portions(2)
    total = sum(portion.seconds for portion in portions)
    assert max(portion.seconds for portion in portions) < total / 4


@pytest.mark.parametrize(
    ("estimator", "params", "expected"),
    [
        (SVC(), {"C": 1}, False),
        (SVC(probability=True), {"C": 1}, True),
        (SVC(probability=True, random_state=1), {"C": 1}, False),
        (SVC(random_state=1), {"random_state": None}, False),
        (DecisionTreeClassifier(), {"max_depth": 2}, True),
        (DecisionTreeClassifier(), {"random_state": 2}, False),
        (KNeighborsClassifier(), {"n_neighbors": 1}, False),
        (Picky(), {"mood": "fine"}, True),
        (BaggingClassifier(DecisionTreeClassifier(random_state=1)), {}, True),
    ],
)
@pytest.mark.parametrize("fuse", [None, Fuse()])
def test_global_draws_are_foreseen(estimator, params, expected, fuse):
    """What may draw from the global random stream is known before."""
    asked = evaluation(estimator, [params], fuse=fuse)
    assert Fitting(asked, separate=False).blueprints.draws(0) is expected
