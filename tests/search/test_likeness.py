"""The search classes find, warn of and raise what scikit-learn's do, in this process and in the pool."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import loguniform
from sklearn import model_selection as theirs
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.metrics import f1_score, make_scorer, mean_absolute_error
from sklearn.model_selection import GroupKFold, ShuffleSplit, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from tests.search.estimators import (
    Counting,
    Picky,
    Weighted,
    accuracy_and_size,
    half_failing,
    most_accurate,
    plain,
    words,
)
from tests.search.likeness import assert_alike

from manyfit.search import classes as ours

X, y = make_classification(150, 8, n_informative=5, n_classes=3, random_state=3)
words_of_y = np.array(["ash", "birch", "cedar"])[y]
Xr, yr = make_regression(120, 6, noise=5.0, random_state=1)
frame = pd.DataFrame(X, columns=[f"c{n}" for n in range(8)])
groups = np.arange(150) % 7
weights = np.linspace(0.1, 3, 150)

SVCS = {"C": [0.1, 1, 10], "gamma": ["scale", 0.1]}
STEPS = Pipeline([("scale", StandardScaler()), ("pick", SelectKBest()), ("model", LogisticRegression())])
SWAPPED = [
    {"scale": [StandardScaler(), MinMaxScaler(), "passthrough"], "model__C": [0.1, 1]},
    {"model": [SVC(), GaussianNB()], "pick": [PCA(2, svd_solver="full"), SelectKBest(k=3)]},
]
KNN = {"n_neighbors": [1, 3, 5], "weights": ["uniform", "distance"]}

CASES = {
    "default": ((SVC(), SVCS), {}, (X, y), {}),
    "labels": ((SVC(), SVCS), {"return_train_score": True}, (X, words_of_y), {}),
    "several metrics": (
        (LogisticRegression(), {"C": [0.1, 1]}),
        {"scoring": ["accuracy", "roc_auc_ovr", "neg_log_loss"], "refit": "accuracy", "return_train_score": True},
        (X, y),
        {},
    ),
    "metrics by name": (
        (KNeighborsClassifier(), KNN),
        {"scoring": {"a": "accuracy", "f": make_scorer(f1_score, average="macro")}, "refit": "f"},
        (X, words_of_y),
        {},
    ),
    "no refit of several": (
        (GaussianNB(), {"var_smoothing": [0.1, 1]}),
        {"scoring": ["accuracy"], "refit": False},
        (X, y),
        {},
    ),
    "refit callable": (
        (DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 9]}),
        {"refit": most_accurate},
        (X, y),
        {},
    ),
    "refit without a name": (
        (GaussianNB(), {"var_smoothing": [1]}),
        {"scoring": ["accuracy", "f1_macro"]},
        (X, y),
        {},
    ),
    "scorer callable": ((KNeighborsClassifier(), KNN), {"scoring": plain}, (X, y), {}),
    "scorer of several": (
        (KNeighborsClassifier(), KNN),
        {"scoring": accuracy_and_size, "refit": "accuracy", "return_train_score": True},
        (X, y),
        {},
    ),
    "scorer without a number": ((GaussianNB(), {"var_smoothing": [1, 2]}), {"scoring": words}, (X, y), {}),
    "scorer that fails": ((LogisticRegression(), {"C": [1, 2]}), {"scoring": half_failing}, (X, y), {}),
    "scorer that fails raises": (
        (LogisticRegression(), {"C": [1, 2]}),
        {"scoring": half_failing, "error_score": "raise"},
        (X, y),
        {},
    ),
    "undefined metric": ((SVC(), {"C": [1, 2]}), {"scoring": "roc_auc_ovr"}, (X, y), {}),
    "several, one undefined": (
        (SVC(), {"C": [1, 2]}),
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"},
        (X, y),
        {},
    ),
    "fits that fail": ((Picky(), {"mood": ["fine", "raises"]}), {}, (X, y), {}),
    "fits that fail with a score": ((Picky(), {"mood": ["raises", "fine"]}), {"error_score": -1}, (X, y), {}),
    "fits that raise": ((Picky(), {"mood": ["fine", "raises"]}), {"error_score": "raise"}, (X, y), {}),
    "all fits fail": ((Picky(), {"mood": ["raises"]}), {}, (X, y), {}),
    "parameters that are wrong": ((SVC(), {"C": [1, -1, 2]}), {}, (X, y), {}),
    "names that are wrong": ((SVC(), {"D": [1, 2]}), {}, (X, y), {}),
    "answers that fail": ((Picky(), {"mood": ["fine", "mute"]}), {}, (X, y), {}),
    "warnings": ((Picky(), {"mood": ["warns", "fine"]}), {}, (X, y), {}),
    "no convergence": ((LogisticRegression(max_iter=2), {"C": [1, 10]}), {}, (X, y), {}),
    "weights": ((SVC(), SVCS), {}, (X, y), {"sample_weight": weights}),
    "weights of a scorer": ((SVC(), SVCS), {"scoring": "accuracy"}, (X, y), {"sample_weight": weights}),
    "groups": ((GaussianNB(), {"var_smoothing": [0.1, 1]}), {"cv": GroupKFold(3)}, (X, y), {"groups": groups}),
    "groups left out": ((GaussianNB(), {"var_smoothing": [0.1, 1]}), {"cv": GroupKFold(3)}, (X, y), {}),
    "splits": ((KNeighborsClassifier(), KNN), {"cv": ShuffleSplit(3, random_state=5)}, (X, y), {}),
    "splits as a list": (
        (KNeighborsClassifier(), KNN),
        {"cv": [(np.arange(0, 100), np.arange(100, 150)), (np.arange(50, 150), np.arange(50))]},
        (X, y),
        {},
    ),
    "a missing class": (
        (LogisticRegression(), {"C": [1, 2]}),
        {"cv": [(np.flatnonzero(y > 0), np.arange(150))], "scoring": "accuracy"},
        (X, words_of_y),
        {},
    ),
    "sparse": ((SVC(kernel="linear"), {"C": [0.1, 1]}), {}, (sp.csr_matrix(X), y), {}),
    "sparse array": ((LogisticRegression(), {"C": [0.1, 1]}), {}, (sp.csr_array(X), y), {}),
    "frame": ((STEPS, {"pick__k": [2, 4], "model__C": [0.1, 1]}), {}, (frame, words_of_y), {}),
    "series": ((STEPS, {"pick__k": [2, 4]}), {}, (frame, pd.Series(words_of_y)), {}),
    "series of neighbours": ((KNeighborsClassifier(), KNN), {}, (frame, pd.Series(words_of_y)), {}),
    "columns": (
        (
            make_pipeline(ColumnTransformer([("a", StandardScaler(), ["c0", "c3"])]), KNeighborsClassifier()),
            {"kneighborsclassifier__n_neighbors": [1, 3]},
        ),
        {},
        (frame, y),
        {},
    ),
    "lists": ((SVC(), {"C": [0.1, 1]}), {}, (X.tolist(), y.tolist()), {}),
    "steps": ((STEPS, SWAPPED), {"return_train_score": True}, (X, y), {}),
    "rows changed in place": (
        (make_pipeline(Counting(), StandardScaler(copy=False), SVC()), {"svc__C": [0.1, 1, 10]}),
        {},
        (X, y),
        {},
    ),
    "frozen steps": (
        (
            Pipeline([("scale", StandardScaler()), ("model", KNeighborsClassifier())]),
            {
                "scale": [FrozenEstimator(StandardScaler().fit(X)), FrozenEstimator(StandardScaler().fit(X**3))],
                "model__n_neighbors": [1, 3],
            },
        ),
        {},
        (X, y),
        {},
    ),
    "frames between steps": (
        (
            make_pipeline(
                PCA(svd_solver="full").set_output(transform="pandas"),
                ColumnTransformer([("a", "passthrough", ["pca0"])]),
                KNeighborsClassifier(),
            ),
            {"pca__n_components": [1, 2, 3], "kneighborsclassifier__n_neighbors": [1, 3]},
        ),
        {},
        (X, y),
        {},
    ),
    "rows of others changed in place": (
        (
            Pipeline([("scale", StandardScaler()), ("count", Counting()), ("model", SVC(kernel="poly"))]),
            {"count": [Counting(), Normalizer()], "model__C": [0.1, 1]},
        ),
        {},
        (X, y),
        {},
    ),
    "scorer of several and fits that fail": (
        (Picky(), {"mood": ["raises", "fine"]}),
        {"scoring": accuracy_and_size, "refit": "accuracy", "return_train_score": True},
        (X, y),
        {},
    ),
    "functions": (
        (make_pipeline(FunctionTransformer(np.abs), GaussianNB()), {"gaussiannb__var_smoothing": [0.1, 1]}),
        {},
        (X, y),
        {},
    ),
    "subclass": ((Weighted(), {"C": [0.1, 1]}), {}, (X, y), {}),
    "forest": (
        (RandomForestClassifier(random_state=0), {"n_estimators": [2, 5], "max_depth": [2, None]}),
        {},
        (X, y),
        {},
    ),
    "state of its own": (
        (RandomForestClassifier(n_estimators=3, random_state=np.random.RandomState(4)), {"max_depth": [2, 3]}),
        {},
        (X, y),
        {},
    ),
    "regression": ((Ridge(), {"alpha": [0.1, 1, 10]}), {"return_train_score": True}, (Xr, yr), {}),
    "regression by names": (
        (KNeighborsRegressor(), {"n_neighbors": [1, 3]}),
        {"scoring": ["r2", "neg_mean_squared_error"], "refit": "r2"},
        (Xr, yr),
        {},
    ),
    "several targets": ((Ridge(), {"alpha": [0.1, 1]}), {}, (Xr, np.stack([yr, -yr], axis=1)), {}),
    "own scorer": (
        (Lasso(), {"alpha": [0.1, 1]}),
        {"scoring": make_scorer(mean_absolute_error, greater_is_better=False)},
        (Xr, yr),
        {},
    ),
    "kernel of rows": ((SVC(kernel="precomputed"), {"C": [0.1, 1]}), {}, (X @ X.T, y), {}),
    "no target": ((PCA(), {"n_components": [1, 2]}), {"cv": 3}, (X,), {}),
    "a target that is none": (
        (DummyClassifier(), {"strategy": ["prior", "stratified"]}),
        {"scoring": "accuracy"},
        (X, None),
        {},
    ),
    "no candidates": ((SVC(), {"C": []}), {}, (X, y), {}),
    "too few rows": ((SVC(), {"C": [1]}), {"cv": StratifiedKFold(99)}, (X, y), {}),
    "wrong cv": ((SVC(), {"C": [1]}), {"cv": "five"}, (X, y), {}),
    "wrong scoring": ((SVC(), {"C": [1]}), {"scoring": "accurracy"}, (X, y), {}),
    "wrong refit": ((SVC(), {"C": [1]}), {"refit": 3.5}, (X, y), {}),
}
CLOSE = {"rtol": 1e-9}


def grids(name):
    """Return our and their search of a case."""
    (estimator, grid), options, data, params = CASES[name]
    options = {"cv": 3, **options}
    return (
        ours.GridSearchCV(estimator, grid, n_jobs=2, **options),
        theirs.GridSearchCV(estimator, grid, **options),
        data,
        params,
    )


@pytest.mark.parametrize("name", CASES)
def test_a_grid_search_is_scikit_learns(name):
    """In this process a grid search finds, warns of and raises what scikit-learn's does."""
    mine, other, data, params = grids(name)
    assert_alike(mine, other, *data, **CLOSE, **params)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("pooled")
def test_a_grid_search_in_the_pool_is_scikit_learns(name):
    """In runners a grid search finds, warns of and raises what scikit-learn's does."""
    mine, other, data, params = grids(name)
    assert_alike(mine, other, *data, **CLOSE, **params)


@pytest.mark.parametrize("fuse", [False, ["neighbors"]])
def test_fuse_changes_no_score(fuse):
    """Whether fits share work or not, the results are the same."""
    mine = ours.GridSearchCV(KNeighborsClassifier(), KNN, cv=3, fuse=fuse)
    other = theirs.GridSearchCV(KNeighborsClassifier(), KNN, cv=3)
    assert_alike(mine, other, X, y)


SPACE = {"C": loguniform(0.01, 100), "gamma": [0.1, 0.01]}


def test_a_random_search_is_scikit_learns():
    """The same draws are evaluated, with the same results."""
    options = {"n_iter": 6, "random_state": 7, "cv": 3}
    assert_alike(
        ours.RandomizedSearchCV(SVC(), SPACE, **options),
        theirs.RandomizedSearchCV(SVC(), SPACE, **options),
        X,
        y,
        **CLOSE,
    )


HALVING = [
    {"random_state": 0},
    {"random_state": 0, "factor": 2, "min_resources": 20, "aggressive_elimination": True},
    {"random_state": 0, "resource": "max_iter", "max_resources": 40, "factor": 2},
    {"random_state": 0, "scoring": "f1_macro", "return_train_score": False},
    {"random_state": 0, "cv": ShuffleSplit(3)},
    {"resource": "nothing"},
]


@pytest.mark.parametrize("options", HALVING)
def test_halving_a_grid_is_scikit_learns(options):
    """Each round keeps the same candidates and has the same results."""
    options = {"cv": 3, **options}
    grid = {"C": [0.01, 0.1, 1, 10], "gamma": ["scale", 0.1]}
    assert_alike(
        ours.HalvingGridSearchCV(SVC(), grid, **options),
        theirs.HalvingGridSearchCV(SVC(), grid, **options),
        X,
        y,
        **CLOSE,
    )


@pytest.mark.usefixtures("pooled")
def test_halving_draws_is_scikit_learns():
    """Each round of a random search keeps the same candidates, in the pool too."""
    options = {"cv": 3, "random_state": 2, "n_candidates": 6, "factor": 2}
    assert_alike(
        ours.HalvingRandomSearchCV(SVC(), SPACE, **options),
        theirs.HalvingRandomSearchCV(SVC(), SPACE, **options),
        X,
        y,
        **CLOSE,
    )
