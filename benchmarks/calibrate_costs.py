"""
Measure fits of every family against its cost formula.

    python benchmarks/calibrate_costs.py [--seconds 2.0]

Prints predicted and measured seconds for each case and, for each family, the median of measured / predicted:
multiply the constants of the family by it. Fits predicted to take longer than --seconds are skipped. One
BLAS/OpenMP thread, standard metrics, training and test rows scored, as a runner does it. CPU seconds, so
that other load on the machine matters less.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from manyfit.contracts.estimators import FitSize
from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog
from manyfit.fit.pipelines import build
from manyfit.fit.responses import Responses
from manyfit.fit.scoring import Scoring
from manyfit.model.candidate import Step
from manyfit.model.sweep import Problem

SIZES = ((150, 4, 3), (600, 30, 2), (1500, 64, 10), (4000, 20, 3))

CASES = [
    *[
        ("svm:SVC", {"kernel": kernel, "C": C})
        for kernel in ("linear", "rbf", "poly")
        for C in (0.1, 1.0, 10.0, 100.0)
    ],
    ("svm:SVR", {}),
    *[("svm:LinearSVC", {"C": C}) for C in (0.1, 1.0, 10.0)],
    *[("linear_model:LogisticRegression", {"C": C}) for C in (0.01, 1.0, 100.0)],
    ("linear_model:LogisticRegression", {"solver": "saga"}),
    ("linear_model:SGDClassifier", {}),
    ("linear_model:SGDClassifier", {"penalty": "elasticnet"}),
    ("linear_model:Perceptron", {}),
    ("linear_model:Lasso", {"alpha": 0.01}),
    ("linear_model:ElasticNet", {"alpha": 0.1}),
    ("linear_model:LinearRegression", {}),
    ("linear_model:Ridge", {}),
    ("linear_model:RidgeClassifier", {}),
    ("kernel_ridge:KernelRidge", {"kernel": "rbf"}),
    *[("neighbors:KNeighborsClassifier", {"n_neighbors": k}) for k in (1, 15)],
    ("neighbors:KNeighborsClassifier", {"weights": "distance", "p": 1}),
    ("tree:DecisionTreeClassifier", {}),
    ("tree:DecisionTreeRegressor", {}),
    *[("ensemble:RandomForestClassifier", {"n_estimators": n}) for n in (10, 100)],
    ("ensemble:ExtraTreesClassifier", {"n_estimators": 50}),
    ("ensemble:RandomForestRegressor", {"n_estimators": 20}),
    ("ensemble:GradientBoostingClassifier", {"n_estimators": 30}),
    ("ensemble:GradientBoostingRegressor", {}),
    ("ensemble:HistGradientBoostingClassifier", {"max_iter": 30}),
    ("ensemble:HistGradientBoostingRegressor", {}),
    ("discriminant_analysis:LinearDiscriminantAnalysis", {}),
    ("discriminant_analysis:QuadraticDiscriminantAnalysis", {"reg_param": 0.1}),
    ("naive_bayes:GaussianNB", {}),
    ("naive_bayes:BernoulliNB", {}),
    ("neural_network:MLPClassifier", {"hidden_layer_sizes": [20], "max_iter": 50}),
    ("neural_network:MLPClassifier", {"hidden_layer_sizes": [50, 50], "max_iter": 50, "solver": "lbfgs"}),
    ("neural_network:MLPRegressor", {"max_iter": 50}),
    ("decomposition:PCA", {}),
    ("preprocessing:StandardScaler", {}),
    ("preprocessing:QuantileTransformer", {"n_quantiles": 100}),
]


def table(n_rows, n_columns, n_classes, kind):
    rng = np.random.default_rng(n_rows)
    y = rng.integers(0, n_classes, n_rows)
    X = rng.normal(size=(n_rows, n_columns)) + rng.normal(size=(n_classes, n_columns))[y] * 2 / n_columns**0.5
    y = np.where(rng.random(n_rows) < 0.05, rng.integers(0, n_classes, n_rows), y)
    if kind == "regressor":
        return X, X @ rng.normal(size=n_columns) + rng.normal(size=n_rows), 0
    return X, y, n_classes


def measured(catalog, path, params, X, y, n_classes, kind):
    chain = build(catalog, [Step(name="m", use=path, params=params)], 0, [str(c) for c in range(n_classes)])
    began = time.process_time()
    if kind == "transformer":
        chain.final.fit_transform(X, y)
        chain.final.transform(X[: len(X) // 4])
        return time.process_time() - began
    scoring = Scoring((), Problem.CLASSIFICATION if n_classes else Problem.REGRESSION, n_classes, None)
    chain.fit(X, y)
    for part, target in ((X, y), (X[: len(X) // 4], y[: len(y) // 4])):
        scoring.score(Responses(chain.final, part, n_classes), target)
    return time.process_time() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    limit = parser.parse_args().seconds
    catalog, families = SklearnCatalog(), FamilyCatalog()
    ratios = defaultdict(list)
    warnings.simplefilter("ignore")
    for name, params in CASES:
        info = catalog.resolve(f"sklearn.{name}")
        family = families.of(info.path)
        for size in SIZES:
            X, y, n_classes = table(*size, info.kind)
            fit_size = FitSize(n_rows=len(X), n_columns=X.shape[1], n_classes=n_classes)
            predicted = family.cost_seconds(info.path, {**info.defaults, **params}, fit_size)
            if predicted > limit:
                continue
            found = measured(catalog, info.path, params, X, y, n_classes, info.kind)
            ratios[family.name].append(found / predicted)
            ratio = found / predicted
            flag = "" if 1 / 3 <= ratio <= 3 else "  <<<"
            print(f"{name:45} {params!s:50.50} {size!s:16} {predicted:9.4f} {found:9.4f} {ratio:6.2f}{flag}")
    for family, found in ratios.items():
        within = sum(1 / 3 <= ratio <= 3 for ratio in found)
        print(f"{family:14} median {statistics.median(found):5.2f}   within a factor 3: {within} of {len(found)}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    with threadpool_limits(1):
        main()
