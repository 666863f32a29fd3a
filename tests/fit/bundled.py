"""Fitted models of many kinds, and bundles of them."""

import numpy as np
from sklearn.datasets import load_diabetes, load_iris
from tests.fit.sweeps import ArrayRows, candidate, cell, sweep

from manyfit.fit.bundles import Packed, pack
from manyfit.fit.estimators import estimator_catalog
from manyfit.fit.manifests import manifest_of
from manyfit.fit.pipelines import build
from manyfit.model.sweep import DataSpec, ModelFormat, Problem

IRIS, FLOWERS = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
NAMES = ("setosa", "versicolor", "virginica")
ENVIRONMENT = {"python": "3.11.0", "platform": "linux-x86_64", "manyfit": "0", "libraries": {}}

SCALER = ("sklearn.preprocessing:StandardScaler", {})
SELECTOR = ("sklearn.feature_selection:SelectKBest", {"k": 3})
FEW = {"n_estimators": 7}


def one(path, **params):
    return [(path, params)]


CLASSIFIERS = {
    "svc": [SCALER, ("sklearn.svm:SVC", {"C": 10.0, "gamma": 0.2})],
    "svc with probabilities": one("sklearn.linear_model:LogisticRegression", C=3.0),
    "nu svc": one("sklearn.svm:NuSVC"),
    "linear svc": one("sklearn.svm:LinearSVC"),
    "neighbours": one("sklearn.neighbors:KNeighborsClassifier", n_neighbors=3),
    "neighbours in a tree": one("sklearn.neighbors:KNeighborsClassifier", algorithm="kd_tree", p=3),
    "tree": one("sklearn.tree:DecisionTreeClassifier"),
    "forest": one("sklearn.ensemble:RandomForestClassifier", **FEW),
    "extra trees": one("sklearn.ensemble:ExtraTreesClassifier", **FEW),
    "gradient boosting": one("sklearn.ensemble:GradientBoostingClassifier", **FEW),
    "histogram boosting": one("sklearn.ensemble:HistGradientBoostingClassifier", max_iter=7),
    "ada boost": one("sklearn.ensemble:AdaBoostClassifier", **FEW),
    "bagging": one("sklearn.ensemble:BaggingClassifier", n_estimators=5),
    "network": [SCALER, ("sklearn.neural_network:MLPClassifier", {"max_iter": 20, "hidden_layer_sizes": [8]})],
    "naive Bayes": one("sklearn.naive_bayes:GaussianNB"),
    "discriminant": one("sklearn.discriminant_analysis:LinearDiscriminantAnalysis"),
    "quadratic": one("sklearn.discriminant_analysis:QuadraticDiscriminantAnalysis"),
    "ridge": one("sklearn.linear_model:RidgeClassifier"),
    "gradient descent": one("sklearn.linear_model:SGDClassifier"),
    "selector": [SCALER, SELECTOR, ("sklearn.svm:SVC", {})],
    "components": [("sklearn.decomposition:PCA", {"n_components": 2}), ("sklearn.naive_bayes:GaussianNB", {})],
    "xgboost": [SCALER, ("xgboost:XGBClassifier", FEW)],
    "lightgbm": [SCALER, ("lightgbm:LGBMClassifier", FEW)],
    "gbt": one("manyfit.models.gbt:GbtClassifier"),
    "gbt of xgboost": one("manyfit.models.gbt:GbtClassifier", library="xgboost"),
}
REGRESSORS = {
    "ridge": [SCALER, ("sklearn.linear_model:Ridge", {"alpha": 0.1})],
    "lasso": one("sklearn.linear_model:Lasso"),
    "svr": one("sklearn.svm:SVR"),
    "kernel ridge": one("sklearn.kernel_ridge:KernelRidge"),
    "neighbours": one("sklearn.neighbors:KNeighborsRegressor"),
    "forest": one("sklearn.ensemble:RandomForestRegressor", **FEW),
    "histogram boosting": one("sklearn.ensemble:HistGradientBoostingRegressor", max_iter=7),
    "network": [SCALER, ("sklearn.neural_network:MLPRegressor", {"max_iter": 20})],
    "xgboost": one("xgboost:XGBRegressor", **FEW),
    "lightgbm": one("lightgbm:LGBMRegressor", **FEW),
}


def fitted(steps, *, regression=False):
    """Return a fitted estimator as a runner makes it."""
    X, y = (DIABETES, PROGRESS) if regression else (IRIS, FLOWERS)
    chain = build(estimator_catalog(), candidate(*steps).steps, 0, () if regression else NAMES)
    chain.fit(X, y)
    return chain.estimator()


def manifest(steps=(), *, regression=False, **changes):
    """Return the manifest of a model of *steps*."""
    X, y = (DIABETES, PROGRESS) if regression else (IRIS, FLOWERS)
    data = DataSpec(source="memory", labels={} if regression else {"setosa": "Setosa"})
    made = manifest_of(
        spec=sweep(data=data),
        data=ArrayRows(X, y, () if regression else NAMES),
        candidate=candidate(*steps),
        cell=cell(None),
        classes=() if regression else NAMES,
        problem=Problem.REGRESSION if regression else Problem.CLASSIFICATION,
        fingerprint="f" * 32,
        environment=ENVIRONMENT,
        scores={"test": {"accuracy": 0.9}},
    )
    return {**made, **changes}


def packed(steps, *, regression=False, format=ModelFormat.SKOPS) -> Packed:
    """Return the bundle of a model of *steps*."""
    return pack(fitted(steps, regression=regression), manifest(steps, regression=regression), format)


def answers(estimator, X):
    """Return everything that an estimator says of rows, none of which are the very array that it was fitted on."""
    X = X.copy()
    methods = ("predict", "predict_proba", "decision_function")
    return {name: np.asarray(getattr(estimator, name)(X)) for name in methods if hasattr(estimator, name)}
