"""Programs that use a search class do the same whichever module they import it from."""

import io
import itertools
import pickle
import queue
import random
import re
import sys
import threading
import warnings
from collections import deque
from contextlib import redirect_stdout
from functools import partial

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from scipy.stats import loguniform, randint
from sklearn import clone, config_context, model_selection
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, check_scoring, f1_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, TunedThresholdClassifierCV, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from tests.search.estimators import Picky
from tests.search.test_durable import evaluation

import manyfit
from manyfit.search import evaluating
from manyfit.search.remembering import what_remembers

X, y = make_classification(90, 5, n_informative=3, random_state=1)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 2, len(y))
GROUPS = np.arange(len(y)) % 6
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > 0, "u", "v")})
KNN = KNeighborsClassifier(), {"n_neighbors": [1, 3, 5]}
TREE = DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3, 4], "min_samples_leaf": [1, 5]}
LOGISTIC = LogisticRegression(), {"C": [0.1, 1.0]}
TEXTS = ["good film", "bad film", "nice good film", "awful bad film", "good good", "bad bad"] * 3
METHODS = ("predict", "predict_proba", "decision_function", "transform", "inverse_transform", "score_samples")
ATTRIBUTES = ("classes_", "n_features_in_", "best_params_", "best_estimator_", "cv_results_", "feature_names_in_")


def columns():
    """Return a pipeline that takes columns by name."""
    parts = [("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["c"])]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression())


def asked(search, names):
    """Return what the attributes are, or how they are refused."""
    said = []
    for name in names:
        try:
            said.append(type(getattr(search, name)).__name__)
        except (AttributeError, NotFittedError) as error:
            said.append(repr(error))
    return said


def stripped(html):
    """Return HTML without styles, scripts and numbers of elements."""
    return re.sub(r"(?s)<style.*?</style>|<script.*?</script>|id-\d+", "", html)


def search_over_frames(m):
    search = m.GridSearchCV(columns(), {"logisticregression__C": [0.1, 1]}).fit(FRAME, pd.Series(y))
    return found(search), search.feature_names_in_, search.predict(FRAME)


def search_over_polars(m):
    frame = pl.DataFrame(FRAME.to_dict("list"))
    search = m.GridSearchCV(columns(), {"logisticregression__C": [0.1, 1]}).fit(frame, pl.Series(y))
    return found(search), search.predict(frame)


def frame_without_a_column(m):
    search = m.GridSearchCV(columns(), {"logisticregression__C": [0.1, 1]}).fit(FRAME, y)
    return search.predict(FRAME.drop(columns="a"))


def routed(m):
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        search = m.GridSearchCV(estimator, LOGISTIC[1], scoring=scorer, cv=GroupKFold(3))
        search.fit(X, y, sample_weight=WEIGHTS, groups=GROUPS)
        return found(search), search.score(X, y, sample_weight=WEIGHTS), str(search.get_metadata_routing())


def routed_without_asking(m):
    with config_context(enable_metadata_routing=True):
        return m.GridSearchCV(*LOGISTIC).fit(X, y, sample_weight=WEIGHTS)


def pickled(m):
    search = pickle.loads(pickle.dumps(m.GridSearchCV(*LOGISTIC).fit(X, y)))
    return found(search), search.predict_proba(X)


def dumped(m):
    file = io.BytesIO()
    joblib.dump(m.RandomizedSearchCV(SVC(), {"C": loguniform(0.1, 9)}, n_iter=3, random_state=3).fit(X, y), file)
    file.seek(0)
    return found(joblib.load(file))


def cloned(m):
    copy = clone(m.GridSearchCV(*LOGISTIC, cv=4).fit(X, y).set_params(estimator__C=7))
    return repr(copy), asked(copy, ATTRIBUTES)


def unfitted(m):
    return asked(m.GridSearchCV(*LOGISTIC), (*METHODS, *ATTRIBUTES))


def without_refit(m):
    search = m.GridSearchCV(*LOGISTIC, refit=False).fit(X, y)
    with pytest.raises(AttributeError) as refused:
        search.predict(X)
    return found(search), str(refused.value), asked(search, (*METHODS, *ATTRIBUTES))


def methods_of_the_best(m):
    searches = [
        m.GridSearchCV(one, {}, cv=2).fit(X)
        for one in (PCA(2), KernelDensity(), make_pipeline(StandardScaler(), PCA(1)))
    ]
    there = [[hasattr(search, name) for name in METHODS] for search in searches]
    back = searches[0].inverse_transform(searches[0].transform(X))
    return there, back, searches[1].score_samples(X)


def unseeded(m):
    search = m.RandomizedSearchCV(KNeighborsClassifier(), {"n_neighbors": randint(1, 9)}, n_iter=4).fit(X, y)
    return found(search), np.random.rand()


def output_of_frames(m):
    steps = make_pipeline(StandardScaler(), PCA(2)).set_output(transform="pandas")
    search = m.GridSearchCV(steps, {"pca__n_components": [1, 2]}).fit(FRAME[["a", "b"]])
    return found(search), search.transform(FRAME[["a", "b"]]).to_csv()


def wrong_name(m):
    return m.GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svm__C": [1]}).fit(X, y)


def one_used_up_generator(m):
    search = m.GridSearchCV(*KNN, cv=KFold(3).split(X, y)).fit(X, y)
    return found(search), search.fit(X, y).n_splits_


def a_metric_that_looks_at_the_index(m):
    seen = []

    def metric(true, predicted):
        seen.append((type(true).__name__, true.name, true.index[:3].tolist()))
        return float((true == predicted).mean())

    target = pd.Series(y, name="target", index=np.arange(len(y))[::-1])
    search = m.GridSearchCV(*KNN, scoring=make_scorer(metric)).fit(X, target)
    return found(search), seen


def a_metric_of_some_rows(m):
    def metric(true, predicted):
        rows = getattr(true, "index", np.zeros(len(true))) % 3 == 0
        return float((true == predicted)[rows].mean())

    return found(m.GridSearchCV(*KNN, scoring=make_scorer(metric)).fit(X, pd.Series(y)))


def a_scorer_that_draws(m):
    stream = np.random.RandomState(0)
    return found(m.GridSearchCV(*KNN, scoring=lambda *_: stream.rand(), return_train_score=True).fit(X, y))


def a_metric_that_is_given_a_stream(m):
    scoring = make_scorer(drawn, rng=np.random.RandomState(0))
    return found(m.GridSearchCV(*KNN, scoring=scoring).fit(X, y))


def an_estimator_that_keeps_count(m):
    fitted, params = [], []

    class Counted(KNeighborsClassifier):
        def fit(self, X, y):
            fitted.append((X.shape, self.n_neighbors))
            return super().fit(X, y)

        def set_params(self, **changes):
            params.append(changes)
            return super().set_params(**changes)

    return found(m.GridSearchCV(Counted(), KNN[1]).fit(X, y)), fitted, params


def parameters_that_hold_each_other(m):
    class Circular(Picky):
        """What is registered keeps what registers it."""

        def __init__(self, mood="fine", registry=None):
            super().__init__(mood)
            self.registry = registry

    registry = Unchanged()
    estimator = Circular(registry=registry)
    registry.append(estimator)
    return found(m.GridSearchCV(estimator, {"mood": ["fine", "gay"]}).fit(X, y))


class Unchanged(list):
    """A list that is not copied with the estimator that has it."""

    def __deepcopy__(self, memo):
        return self

    def __copy__(self):
        return self


def said_in_detail(m):
    m.GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, verbose=11, n_jobs=1).fit(X, y)
    m.GridSearchCV(Picky(), {"mood": ["raises", "fine"]}, cv=2, verbose=3, n_jobs=1).fit(X, y)


def own_search(m):
    class Twice(m.GridSearchCV):
        """Evaluates in two rounds."""

        def _run_search(self, evaluate_candidates):
            evaluate_candidates([{"n_neighbors": 1}])
            evaluate_candidates([{"n_neighbors": 5}], more_results={"round": [2]})

    return found(Twice(KNeighborsClassifier(), {}).fit(X, y))


PROGRAMS = {
    "nested": lambda m: cross_val_score(m.GridSearchCV(*KNN), X, y, cv=3),
    "nested, kept": lambda m: [
        found(one) for one in cross_validate(m.GridSearchCV(*KNN), X, y, cv=2, return_estimator=True)["estimator"]
    ],
    "in a pipeline": lambda m: (
        make_pipeline(StandardScaler(), m.GridSearchCV(*LOGISTIC)).fit(X, y).predict_proba(X)
    ),
    "stacked": lambda m: StackingClassifier([("s", m.GridSearchCV(*KNN))], cv=2).fit(X, y).predict_proba(X),
    "voting": lambda m: VotingClassifier([("s", m.GridSearchCV(*KNN))], voting="soft").fit(X, y).predict_proba(X),
    "calibrated": lambda m: CalibratedClassifierCV(m.GridSearchCV(*LOGISTIC), cv=2).fit(X, y).predict_proba(X),
    "calibrated with weights": lambda m: (
        CalibratedClassifierCV(m.GridSearchCV(*LOGISTIC), cv=2).fit(X, y, sample_weight=WEIGHTS).predict_proba(X)
    ),
    "threshold": lambda m: TunedThresholdClassifierCV(m.GridSearchCV(*LOGISTIC), cv=2).fit(X, y).best_threshold_,
    "bagged": lambda m: BaggingClassifier(m.GridSearchCV(*KNN), 2, random_state=0).fit(X, y).predict_proba(X),
    "features chosen": lambda m: (
        SequentialFeatureSelector(
            m.GridSearchCV(GaussianNB(), {"var_smoothing": [0.1, 1]}), n_features_to_select=1, cv=2
        )
        .fit(X, y)
        .get_support()
    ),
    "transformed target": lambda m: (
        TransformedTargetRegressor(
            m.GridSearchCV(Ridge(), {"alpha": [0.1, 1]}), func=np.cbrt, inverse_func=lambda v: v**3
        )
        .fit(X, X[:, 0])
        .predict(X)
    ),
    "frames": search_over_frames,
    "polars": search_over_polars,
    "frame without a column": frame_without_a_column,
    "texts": lambda m: found(
        m.GridSearchCV(
            make_pipeline(TfidfVectorizer(), MultinomialNB()),
            {"tfidfvectorizer__ngram_range": [(1, 1), (1, 2)], "multinomialnb__alpha": [0.1, 1]},
            cv=3,
        ).fit(pd.Series(TEXTS), [1, 0, 1, 0, 1, 0] * 3)
    ),
    "groups": lambda m: found(m.GridSearchCV(*LOGISTIC, cv=GroupKFold(3)).fit(X, y, groups=GROUPS)),
    "routed": routed,
    "routed without asking": routed_without_asking,
    "weights that are refused": lambda m: m.GridSearchCV(*KNN).fit(X, y, sample_weight=WEIGHTS),
    "pickled": pickled,
    "dumped": dumped,
    "cloned": cloned,
    "unfitted": unfitted,
    "without refit": without_refit,
    "methods of the best": methods_of_the_best,
    "unseeded": unseeded,
    "seeds that are drawn": lambda m: found(
        m.GridSearchCV(RandomForestClassifier(2), {"max_depth": [1, 2]}, n_jobs=1).fit(X, y)
    ),
    "output of frames": output_of_frames,
    "sparse": lambda m: [found(m.GridSearchCV(*KNN).fit(kind(X), y)) for kind in (sp.csr_matrix, sp.coo_array)],
    "wrong name": wrong_name,
    "an estimator's class": lambda m: m.GridSearchCV(Ridge, {"alpha": [1]}).fit(X, y),
    "no estimator": lambda m: m.GridSearchCV(3, {"alpha": [1]}).fit(X, y),
    "no arguments": lambda m: m.GridSearchCV(),
    "a column as target": lambda m: found(m.GridSearchCV(*KNN, n_jobs=1).fit(X, y[:, None])),
    "missing values": lambda m: m.GridSearchCV(*KNN).fit(np.where(X > 2, np.nan, X), y),
    "one used-up generator": one_used_up_generator,
    "metric that looks at the index": a_metric_that_looks_at_the_index,
    "metric of some rows": a_metric_of_some_rows,
    "scorer that draws": a_scorer_that_draws,
    "metric that is given a stream": a_metric_that_is_given_a_stream,
    "estimator that keeps count": an_estimator_that_keeps_count,
    "parameters that hold each other": parameters_that_hold_each_other,
    "said in detail": said_in_detail,
    "a search of one's own": own_search,
    "tags": lambda m: [repr(get_tags(m.GridSearchCV(one, {}))) for one in (SVC(kernel="precomputed"), Ridge())],
    "text": lambda m: repr(m.HalvingRandomSearchCV(columns(), {"logisticregression__C": [1]}, n_jobs=3)),
    "page that documents it": lambda m: m.HalvingGridSearchCV(*KNN)._get_doc_link(),
}


def found(search):
    """Return the public attributes of a fitted search, without times, as text."""
    shown = {name: value for name, value in vars(search).items() if name.endswith("_") and name[0] != "_"}
    shown.pop("refit_time_", None)
    shown["cv_results_"] = {
        name: told(column) for name, column in search.cv_results_.items() if "_time" not in name
    }
    return {name: told(value) for name, value in shown.items()}


def told(value):
    """Return a value as something that can be compared: numbers to 9 digits."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return str(np.round(value, 9).tolist())
    if isinstance(value, dict):
        return {str(name): told(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(part) for part in value]
    return str(round(float(value), 9)) if isinstance(value, (float, np.floating)) else settled(repr(value))


def settled(text):
    """Return a text without what differs from one time or place to the next."""
    lines = (
        re.sub(r"line \d+|id=\d+|0x[0-9a-fA-F]+|total time=.*", "", text).replace("tests.search.", "").splitlines()
    )
    return "\n".join(line for line in lines if not set(line.strip()) <= set("^~"))


def observed(program, module):
    """Return what a program gives, raises, warns of and prints."""
    out = io.StringIO()
    np.random.seed(0)
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(out):
        warnings.simplefilter("always")
        try:
            value, error = told(program(module)), ""
        except Exception as raised:
            value, error = None, settled(f"{type(raised)}: {raised}")
    warned = [(one.category, settled(str(one.message))) for one in caught]
    return {"value": value, "error": error, "warned": warned, "printed": settled(out.getvalue())}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_only_the_import_differs(program):
    """A program has the same results, errors, warnings and output with scikit-learn's class and with ours."""
    assert observed(program, manyfit) == observed(program, model_selection)


KEEPING = {
    "metric that is given a stream": a_metric_that_is_given_a_stream,
    "scorer that draws": a_scorer_that_draws,
    "estimator that keeps count": an_estimator_that_keeps_count,
    "metric that looks at the index": a_metric_that_looks_at_the_index,
}


@pytest.mark.usefixtures("pooled")
@pytest.mark.parametrize("program", KEEPING.values(), ids=KEEPING)
def test_what_keeps_something_is_called_here(program, monkeypatch):
    """Without n_jobs, what keeps things in variables of this process is called in it, in order."""
    monkeypatch.setattr(evaluating, "n_runners", lambda n_jobs: 2)
    assert observed(program, manyfit) == observed(program, model_selection)


NOTES = []
LIMITS = {"low": 0.5}
COUNT = 0


def notes(estimator, X, y):
    """Keep in a variable of the module what is scored."""
    NOTES.append(len(y))
    return 1.0


def passes_on(estimator, X, y):
    """Keep it by another function."""
    return notes(estimator, X, y)


def counts(estimator, X, y):
    """Count in a variable of the module."""
    global COUNT
    COUNT += 1
    return 1.0


def reads(estimator, X, y):
    """Read a variable of the module."""
    return LIMITS["low"]


class Counter:
    """A scorer that counts."""

    def __init__(self):
        self.n = 0

    def __call__(self, estimator, X, y):
        self.n += 1
        return 1.0

    def limit(self, estimator, X, y):
        return 0.5


class Held:
    """A scorer that computes with what it holds."""

    def __init__(self, held=None, weights=(1, 2)):
        self.held = held
        self.weights = weights

    def __call__(self, estimator, X, y):
        return self.weighed(1.0) if 0 in self.held else 0.0

    def weighed(self, score):
        """Score by the weights."""
        return score * self.weights[0]

    def by_weights(self, estimator, X, y):
        """Score by the weights alone."""
        return self.weights[0]

    def draws(self, estimator, X, y):
        """Draw from a stream."""
        return self.held.normal()

    def by_another(self, estimator, X, y):
        """Keep it by another method."""
        return self.note(y)

    def note(self, y):
        """Count."""
        self.weights = len(y)
        return 1.0

    @classmethod
    def of_all(cls, estimator, X, y):
        """Count for all objects of the class."""
        cls.n = 1
        return 1.0


WRITTEN = {
    "attribute of a function": ("def f(*_): f.calls += 1\nf.calls = 0", True),
    "attribute of a class": ("def f(*_): Counter.n += 1", True),
    "attribute of a module": ("def f(*_): own.COUNT += 1", True),
    "attribute of a module, given": ("def f(*_): own.COUNT = 1", True),
    "list of a module": ("def f(*_): own.NOTES.append(1)", True),
    "class by another name": ("def f(*_):\n c = Counter\n c.n = 1", True),
    "class of an object": ("def f(*_):\n c = type(Counter())\n c.n = 1", True),
    "class of an object, directly": ("def f(*_): Counter().__class__.n = 1", True),
    "emptied": ("L = [1]\ndef f(*_): L.clear()", True),
    "removed": ("L = [1]\ndef f(*_): L.remove(1)", True),
    "queue": ("def f(*_): Q.put(1)", True),
    "deque": ("def f(*_): D.popleft()", True),
    "recorder": ("def f(*_): REC.note(1)", True),
    "list that is passed on": ("L = []\ndef f(*_): bisect.insort(L, 1)", True),
    "list by another name": ("L = []\ndef f(*_):\n a = L\n a.append(1)", True),
    "list that is returned": ("L = []\ndef g(): return L\ndef f(*_): g().append(1)", True),
    "list as default": ("def f(e, X, y, l=[]):\n l += [1]", True),
    "list as default, made longer": ("def f(e, X, y, l=[]):\n l += y", True),
    "list in a list": ("L = [[]]\ndef f(*_): L[0].append(1)", True),
    "part of an array": ("A = np.zeros(3)\ndef f(*_):\n a = A[1:]\n a += 1", True),
    "row of an array": ("A = np.zeros((3, 1))\ndef f(*_):\n for a in A: a += 1", True),
    "place in a table": ("T = {}\ndef f(*_): T['a'] = 1", True),
    "count in a table": ("T = {'a': 0}\ndef f(e, X, y): T['a'] += 1", True),
    "by its name": ("def f(*_): globals()['n'] = 1", True),
    "stream of Python": ("def f(*_): return random.random()", True),
    "stream of NumPy": ("def f(*_): return np.random.rand()", True),
    "iterator": ("I = iter([1, 2])\ndef f(*_): return next(I)", True),
    "imported in it": ("def f(*_):\n import random\n return random.random()", True),
    "estimator that counts": ("class f(BaseEstimator):\n n = 0\n def fit(self, X, y): f.n += 1", True),
    "estimator that notes": ("class f(BaseEstimator):\n l = []\n def fit(self, X, y): self.l.append(1)", True),
    "estimator that counts by its class": (
        "class f(BaseEstimator):\n n = 0\n def fit(self, X, y): type(self).n += 1",
        True,
    ),
    "estimator that counts in a class method": (
        "class f(BaseEstimator):\n @classmethod\n def g(cls): cls.n = 1\n def fit(self, X, y): self.g()",
        True,
    ),
    "reads a list and has its own": (
        "L = [1, 2]\ndef f(e, X, y):\n a = []\n for v in L: a.append(v * L[0])\n return sum(a) / len(L)",
        False,
    ),
    "reads a table": ("T = {'a': 1}\ndef f(e, X, y): return T['a'] if 'a' in T else 0", False),
    "computes with an array": ("A = np.ones(3)\ndef f(e, X, y): return (X[0] * A).sum()", False),
    "calls others": (
        "def g(a):\n b = {}\n b['a'] = a\n return b\ndef f(e, X, y): return accuracy_score(y, g(y)['a'])",
        False,
    ),
    "asks for a signal": ("def f(*_):\n import signal\n return signal.SIGKILL", False),
    "asks a module": ("def f(e, X, y): return np.mean(e.predict(X) == y) + own.COUNT", False),
    "makes objects": ("def f(e, X, y):\n c = Counter()\n c.n = 3\n return c.n", False),
    "inner function": ("def f(e, X, y):\n n = 0\n def g():\n  nonlocal n\n  n += 1\n g()\n return n", False),
    "estimator": (
        "class f(BaseEstimator):\n kinds = ['a']\n def fit(self, X, y):\n  self.n_ = 1\n  self.n_ += 1\n"
        "  self.l_ = []\n  self.l_.append(1)\n  return self\n"
        " def __sklearn_tags__(self):\n  t = super().__sklearn_tags__()\n  t.input_tags.sparse = True\n  return t",
        False,
    ),
}


def written(source):
    """Return what a program of the user defines as `f`."""
    import bisect

    names = {name: value for name, value in globals().items() if not name.startswith("test")}
    objects = {
        "BaseEstimator": BaseEstimator,
        "Q": queue.Queue(),
        "D": deque([1]),
        "REC": Held(),
        "bisect": bisect,
        "random": random,
    }
    names |= {"own": sys.modules[__name__], **objects}
    exec(source, names)
    return names["f"]


@pytest.mark.parametrize(("source", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_code_that_keeps_something_is_known(source, expected):
    """Whether code may keep something is told by what it says: rather yes, and no where it plainly does not."""
    found = written(source)
    changed = {"estimator": found()} if isinstance(found, type) else {"scorer": found}
    assert bool(what_remembers(evaluation(**changed))) is expected


def with_what_it_notes(log, estimator, X, y):
    """Note in a list that is given."""
    log.append(1)
    return 1.0


def drawn(true, predicted, rng=None, table=None):
    """Score by a stream that is given."""
    return 1.0 if rng is None else rng.normal()


SCORERS = {
    "helper method": (Held().by_another, True),
    "class method": (Held.of_all, True),
    "stream of an object": (Held(np.random.RandomState(0)).draws, True),
    "list of an object": (Held([0]), False),
    "object of an object": (Held(Counter()), True),
    "partial function": (partial(with_what_it_notes, []), True),
    "partial function, by name": (partial(with_what_it_notes, log=[]), True),
    "stream that is given": (make_scorer(drawn, rng=np.random.RandomState(0)), True),
    "table that is given": (make_scorer(drawn, table={"a": 1}), False),
    "labels": (make_scorer(f1_score, labels=[0, 1], average="macro"), False),
    "iterator of an installed function": (partial(next, itertools.count()), True),
    "method of a stream": (random.Random(0).random, True),
    "notes": (notes, True),
    "passes on": (passes_on, True),
    "counts": (counts, True),
    "counting object": (Counter(), True),
    "metric that notes": (make_scorer(lambda true, predicted: notes(None, true, predicted)), True),
    "reads": (reads, False),
    "method that reads": (Counter().limit, False),
    "scikit-learn's": (make_scorer(accuracy_score), False),
}


@pytest.mark.parametrize(("scorer", "expected"), SCORERS.values(), ids=SCORERS)
def test_what_keeps_something_is_known(scorer, expected):
    """Scorers that keep what they see are told from those that do not: these can be called anywhere."""
    assert bool(what_remembers(evaluation(scorer=scorer))) is expected


@pytest.mark.parametrize("place", [None, "nowhere"])
def test_a_function_without_a_module_is_known(place):
    """A function that Python knows no module of is the user's."""
    scorer = written("def f(*_): NOTES.append(1)")
    scorer.__module__ = place
    assert what_remembers(evaluation(scorer=scorer))


def test_objects_of_one_class_may_differ():
    """Of two scorers of one class, one may hold what changes."""
    scorers = {"one": Held(()).by_weights, "other": Held((), np.random.RandomState(0)).by_weights}
    for names, expected in ((["one"], False), (["one", "other"], True)):
        scorer = check_scoring(Ridge(), {name: scorers[name] for name in names})
        assert bool(what_remembers(evaluation(scorer=scorer))) is expected


def test_a_function_that_an_estimator_calls_is_known():
    """A transformer may call a function of the user that notes."""
    steps = make_pipeline(FunctionTransformer(written("def f(X):\n NOTES.append(1)\n return X")), Ridge())
    assert what_remembers(evaluation(estimator=steps))
    tried = [{"func": written("def f(X):\n NOTES.append(1)\n return X")}]
    assert what_remembers(evaluation(estimator=FunctionTransformer(), candidates=tried))
    assert not what_remembers(evaluation(estimator=FunctionTransformer(np.log1p)))


def test_why_a_search_is_made_here_is_said_once(monkeypatch):
    """`verbose` tells once which function may keep something, where there would be runners."""
    monkeypatch.setattr(evaluating, "n_runners", lambda n_jobs: 1 if n_jobs == 1 else 2)
    searches = [
        manyfit.HalvingGridSearchCV(*KNN, scoring=notes, cv=2, factor=2, verbose=1, random_state=0),
        manyfit.GridSearchCV(*KNN, scoring=notes, cv=2, verbose=1, n_jobs=1),
        manyfit.GridSearchCV(*KNN, scoring=notes, cv=2),
    ]
    said = [observed(lambda _, one=one: one.fit(X, y) and 0, manyfit)["printed"] for one in searches]
    assert [text.count("notes, by NOTES may keep") for text in said] == [1, 0, 0]
    assert said[0].count("Fitting") > 1


@pytest.mark.usefixtures("pooled")
def test_what_the_pool_cannot_do_has_scikit_learns_order():
    """Where runners cannot have a scorer, its draws are those of scikit-learn's search in one process."""

    def draws(m, n_jobs):
        stream, lock = np.random.RandomState(0), threading.Lock()
        search = m.GridSearchCV(
            *TREE, scoring=lambda *_: stream.rand() + lock.locked(), return_train_score=True, n_jobs=n_jobs
        )
        return found(search.fit(X, y))

    assert draws(manyfit, 2) == draws(model_selection, 1)
