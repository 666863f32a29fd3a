"""Every registered family is held to the shipped suite, and the suite catches wrong families."""

import dataclasses

import numpy as np
import pytest
from tests.families.libraries import needs

from manyfit.contracts.estimators import FitSize
from manyfit.families import (
    anomaly,
    bayes,
    boosting,
    catalog,
    discriminant,
    forecast,
    forests,
    gbt,
    knn,
    lgbm,
    linear,
    neighbors,
    nets,
    ridge,
    signals,
    svm,
    transforms,
    xgb,
)
from manyfit.families.family import JOBS, NEVER_MATTER, rule
from manyfit.testing.families import FamilySuite

SMALL_FOREST = {"n_estimators": 5}
SMALL_NET = {"hidden_layer_sizes": [4], "max_iter": 6}


def each(module, names, *params):
    """Every class with every set of parameters."""
    return [(f"sklearn.{module}:{name}", values) for name in names.split() for values in params]


def kernels(*names):
    return [{"kernel": name} for name in names]


class TestSvm(FamilySuite):
    family = svm.FAMILY
    samples = (
        *each("svm", "SVC NuSVC SVR NuSVR OneClassSVM", *kernels("linear", "rbf", "poly", "sigmoid")),
        *each("svm", "SVC", {"kernel": "linear", "C": 50.0}, {"probability": True}),
        *each(
            "svm", "LinearSVC", {}, {"dual": False}, {"fit_intercept": False}, {"multi_class": "crammer_singer"}
        ),
        *each(
            "svm",
            "LinearSVR",
            {},
            {"dual": False, "loss": "squared_epsilon_insensitive"},
            {"fit_intercept": False},
        ),
    )


class TestLinear(FamilySuite):
    family = linear.FAMILY
    samples = (
        *each(
            "linear_model",
            "LogisticRegression",
            *[{"solver": s} for s in ("lbfgs", "newton-cg", "newton-cholesky")],
        ),
        *each("linear_model", "LogisticRegression", {"solver": "liblinear", "fit_intercept": False}),
        *each("linear_model", "LogisticRegression", {"solver": "liblinear"}, {"solver": "saga", "l1_ratio": 0.5}),
        *each("linear_model", "LogisticRegression", {"penalty": "l2"}, {"penalty": None}),
        *each("linear_model", "LogisticRegression", {"penalty": "l1", "solver": "liblinear"}),
        *each("linear_model", "LogisticRegression", {"penalty": "l1", "solver": "saga"}),
        *each(
            "linear_model",
            "SGDClassifier SGDRegressor",
            *[{"learning_rate": name} for name in ("optimal", "constant", "adaptive", "invscaling")],
            *[{"loss": name} for name in ("huber", "squared_error", "epsilon_insensitive")],
            {"penalty": "elasticnet"},
            {"penalty": "l1", "early_stopping": True},
            {"shuffle": False},
            {"shuffle": False, "early_stopping": True},
            {"average": True, "learning_rate": "constant"},
            {"penalty": None, "learning_rate": "constant"},
        ),
        *each(
            "linear_model",
            "SGDClassifier",
            *[{"loss": name} for name in ("log_loss", "modified_huber", "perceptron")],
        ),
        *each("linear_model", "Perceptron", {}, {"penalty": "l2"}, {"penalty": "elasticnet"}, {"shuffle": False}),
        *each(
            "linear_model", "PassiveAggressiveClassifier PassiveAggressiveRegressor", {}, {"early_stopping": True}
        ),
        *each("linear_model", "Lasso ElasticNet", {}, {"selection": "random"}, {"alpha": 0.01, "positive": True}),
        *each("linear_model", "LinearRegression HuberRegressor", {}),
    )

    @pytest.mark.slow
    def test_inactive_parameters_never_change_an_answer(self):
        """As for every family; there are many samples."""
        super().test_inactive_parameters_never_change_an_answer()


class TestRidge(FamilySuite):
    family = ridge.FAMILY
    samples = (
        *each(
            "linear_model",
            "Ridge RidgeClassifier",
            *[{"solver": s} for s in ("auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga")],
            {"positive": True},
            {"positive": True, "solver": "lbfgs"},
            {"fit_intercept": False},
        ),
        *each("kernel_ridge", "KernelRidge", *kernels("linear", "rbf", "laplacian", "poly", "sigmoid", "cosine")),
    )


class TestNeighbors(FamilySuite):
    family = neighbors.FAMILY
    samples = (
        *each(
            "neighbors",
            "KNeighborsClassifier KNeighborsRegressor",
            *[{"metric": name} for name in ("minkowski", "manhattan", "chebyshev", "cosine")],
            {"algorithm": "brute"},
            {"algorithm": "kd_tree", "weights": "distance"},
        ),
        *each(
            "neighbors",
            "RadiusNeighborsClassifier RadiusNeighborsRegressor",
            {"radius": 50.0, "metric": "manhattan"},
            {"radius": 50.0, "algorithm": "brute"},
        ),
        *each("neighbors", "NearestCentroid", {}),
    )


class TestForests(FamilySuite):
    family = forests.FAMILY
    samples = (
        *each("tree", "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor", {}),
        *each(
            "ensemble",
            "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor",
            {**SMALL_FOREST, "bootstrap": True},
            {**SMALL_FOREST, "bootstrap": False},
            {**SMALL_FOREST, "bootstrap": True, "max_samples": 0.5},
        ),
    )


class TestBoosting(FamilySuite):
    family = boosting.FAMILY
    samples = (
        *each("ensemble", "GradientBoostingClassifier GradientBoostingRegressor", SMALL_FOREST),
        *each("ensemble", "GradientBoostingClassifier", {**SMALL_FOREST, "n_iter_no_change": 2}),
        *each(
            "ensemble", "GradientBoostingRegressor", *[{**SMALL_FOREST, "loss": n} for n in ("huber", "quantile")]
        ),
        *each("ensemble", "GradientBoostingRegressor", {**SMALL_FOREST, "loss": "absolute_error"}),
        *each(
            "ensemble",
            "HistGradientBoostingClassifier HistGradientBoostingRegressor",
            {"max_iter": 3, "early_stopping": False},
            {"max_iter": 3, "early_stopping": True},
            {"max_iter": 3},
        ),
        *each("ensemble", "HistGradientBoostingRegressor", {"max_iter": 3, "loss": "quantile", "quantile": 0.3}),
    )

    @pytest.mark.slow
    def test_inactive_parameters_never_change_an_answer(self):
        """As for every family; there are many samples."""
        super().test_inactive_parameters_never_change_an_answer()


@needs("xgboost")
class TestXGBoost(FamilySuite):
    family = xgb.FAMILY
    accepted = {"importance_type": ("gain", "weight"), "verbosity": (0, 1)}  # noqa: RUF012 - as in the suite
    samples = tuple(
        (f"xgboost:{name}", {"n_estimators": 4, "n_jobs": 1, **values})
        for name in ("XGBClassifier", "XGBRegressor")
        for values in (
            {},
            {"tree_method": "exact", "num_parallel_tree": 2},
            {"subsample": 0.5},
            {"colsample_bytree": 0.5},
            {"colsample_bynode": 0.5, "max_depth": 2},
            {"booster": "gblinear", "max_depth": 2},
        )
    )


@needs("lightgbm")
class TestLightGBM(FamilySuite):
    family = lgbm.FAMILY
    accepted = {"importance_type": ("gain", "split"), "subsample": (0.3, 0.6)}  # noqa: RUF012 - as in the suite
    samples = tuple(
        (f"lightgbm:{name}", {"n_estimators": 4, "n_jobs": 1, **values})
        for name in ("LGBMClassifier", "LGBMRegressor")
        for values in (
            {},
            {"subsample_freq": 1, "subsample": 0.5},
            {"boosting_type": "dart"},
            {"boosting_type": "goss"},
        )
    )


class TestDiscriminant(FamilySuite):
    family = discriminant.FAMILY
    samples = (
        *each("discriminant_analysis", "LinearDiscriminantAnalysis", {}, {"solver": "lsqr"}),
        *each("discriminant_analysis", "LinearDiscriminantAnalysis", {"solver": "eigen", "shrinkage": 0.1}),
        *each("discriminant_analysis", "QuadraticDiscriminantAnalysis", {}, {"reg_param": 0.2}),
    )


class TestBayes(FamilySuite):
    family = bayes.FAMILY
    samples = (
        *each("naive_bayes", "GaussianNB", {}),
        *each("naive_bayes", "MultinomialNB BernoulliNB", {}, {"alpha": 1e-12}, {"class_prior": [0.2, 0.3, 0.5]}),
        *each("naive_bayes", "ComplementNB", {}, {"alpha": 1e-12}, {"norm": True}),
        *each("naive_bayes", "CategoricalNB", {"min_categories": 8}, {"min_categories": 8, "alpha": 1e-12}),
    )


class TestNets(FamilySuite):
    family = nets.FAMILY
    samples = (
        *each(
            "neural_network",
            "MLPClassifier MLPRegressor",
            *[{**SMALL_NET, "solver": solver} for solver in ("adam", "lbfgs", "sgd")],
            {**SMALL_NET, "early_stopping": True},
            {**SMALL_NET, "solver": "lbfgs", "early_stopping": True},
            {**SMALL_NET, "solver": "sgd", "learning_rate": "invscaling"},
            {**SMALL_NET, "solver": "sgd", "learning_rate": "adaptive"},
            {**SMALL_NET, "solver": "sgd", "momentum": 0.0},
        ),
    )

    @pytest.mark.slow
    def test_inactive_parameters_never_change_an_answer(self):
        """As for every family; there are many samples."""
        super().test_inactive_parameters_never_change_an_answer()


class TestTransforms(FamilySuite):
    family = transforms.FAMILY
    samples = (
        *each("preprocessing", "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer Binarizer", {}),
        *each("preprocessing", "QuantileTransformer", {"n_quantiles": 20}),
        *each("preprocessing", "PowerTransformer PolynomialFeatures", {}),
        *each("feature_selection", "SelectKBest", {"k": 2}),
        *each("feature_selection", "SelectPercentile VarianceThreshold", {}),
        *each("impute", "SimpleImputer", {"strategy": "mean"}, {"strategy": "median"}, {"strategy": "constant"}),
        *each(
            "decomposition",
            "PCA",
            *[
                {"n_components": 2, "svd_solver": s}
                for s in ("full", "covariance_eigh", "arpack", "randomized", "auto")
            ],
        ),
        *each("decomposition", "TruncatedSVD", {}, {"algorithm": "arpack"}),
    )


WIDTHS = [
    *each("decomposition", "PCA", {"n_components": 3}, {"n_components": None}),
    *each("decomposition", "KernelPCA NMF", {"n_components": 3}),
    *each("decomposition", "TruncatedSVD", {"n_components": 4}),
    *each("feature_selection", "SelectKBest", {"k": "all"}, {"k": 3}),
    *each("feature_selection", "SelectPercentile", {"percentile": 40}, {"percentile": 100}),
    *each(
        "preprocessing",
        "PolynomialFeatures",
        {"degree": 3},
        {"degree": 3, "interaction_only": True},
        {"degree": [2, 3], "include_bias": False},
    ),
    *[
        (f"manyfit.models.signals.{path}", values)
        for path, values in (
            ("decimate:Decimate", {"factor": 3}),
            ("decimate:Decimate", {"factor": 2, "n_channels": 2}),
            ("time_features:TimeFeatures", {"n_channels": 3}),
            ("time_features:TimeFeatures", {"features": ["mean", "std"], "n_channels": 2}),
            ("time_features:TimeFeatures", {"features": "mean"}),
            ("spectral_features:SpectralFeatures", {"n_channels": 3, "bands": 3}),
            (
                "spectral_features:SpectralFeatures",
                {"features": ["power", "band_powers"], "bands": [0, 0.1, 0.5]},
            ),
            ("references:ReferenceDistances", {"metrics": ["l1", "l2"], "n_references": 4}),
        )
    ],
]


@pytest.mark.parametrize(("path", "params"), WIDTHS)
def test_columns_behind_a_transformer_are_those_that_it_gives(path, params):
    """What is told before any fit is what a fit gives, wherever parameters tell it."""
    estimators = FamilySuite.catalog
    rng = np.random.default_rng(0)
    X, y = rng.uniform(0.1, 1.0, size=(60, 6)), np.arange(60) % 3
    given = estimators.make(path, dict(params)).fit_transform(X, y).shape[1]
    full = {**estimators.resolve(path).defaults, **params}
    size = FitSize(n_rows=60, n_columns=6, n_classes=3)
    assert catalog.FamilyCatalog().of(path).n_columns(path, full, size) == given


@pytest.mark.parametrize("n_components", [0.9, "mle"])
def test_columns_that_only_a_fit_tells_are_those_of_the_table(n_components):
    """A share of the variance is no number of columns."""
    size = FitSize(n_rows=60, n_columns=6, n_classes=3)
    assert transforms.FAMILY.n_columns("sklearn.decomposition:PCA", {"n_components": n_components}, size) == 6


GROWN = [{}, {"subsample": 0.5}, {"colsample": 0.5, "max_depth": 2}, {"max_leaves": 4, "reg_alpha": 0.1}]


@needs("lightgbm")
@needs("xgboost")
class TestGbt(FamilySuite):
    family = gbt.FAMILY
    samples = tuple(
        (f"manyfit.models.gbt:{name}", {"n_estimators": 4, "library": library, **values})
        for name in ("GbtClassifier", "GbtRegressor")
        for library in ("lightgbm", "xgboost")
        for values in GROWN
    )


class TestKnn(FamilySuite):
    family = knn.FAMILY
    samples = (
        *[(f"manyfit.models.knn:{name}", {"scale": "standard"}) for name in ("KnnClassifier", "KnnRegressor")],
        *[
            ("manyfit.models.knn_semi:KnnSemiClassifier", values)
            for values in ({}, {"stage": "labeler"}, {"labelled": 1.0}, {"rounds": 3, "scale": "robust"})
        ],
    )


class TestAnomaly(FamilySuite):
    family = anomaly.FAMILY
    samples = tuple(
        (f"manyfit.models.anomaly:Anomaly{name}", values)
        for name, values in (
            ("Forest", {"n_estimators": 5}),
            ("Neighbors", {}),
            ("Svm", {}),
            ("Svm", {"kernel": "linear"}),
            ("Envelope", {}),
        )
    )


class TestForecast(FamilySuite):
    family = forecast.FAMILY
    samples = tuple((f"manyfit.models.forecast:{name}", {}) for name in ("SeasonalNaive", "Drift"))


@needs("dtaidistance")
class TestSignals(FamilySuite):
    family = signals.FAMILY
    samples = tuple(
        (f"manyfit.models.signals.{path}", values)
        for path, several in (
            ("decimate:Decimate", ({"factor": 1}, {"factor": 2}, {"factor": 2, "method": "iir"})),
            (
                "amplitude:Amplitude",
                ({"method": "none"}, {"method": "robust"}, {"n_channels": 5, "method": "rms"}),
            ),
            ("time_features:TimeFeatures", ({},)),
            (
                "spectral_features:SpectralFeatures",
                ({}, {"features": ["centroid", "band_shares"]}, {"features": "rolloff"}),
            ),
            (
                "references:ReferenceDistances",
                (
                    {"metrics": ["l1", "cosine"]},
                    {"metrics": "dtw", "n_references": 3},
                    {"metrics": "l2", "selection_metric": "dtw"},
                ),
            ),
        )
        for values in several
    )


SUITES = (
    TestSvm,
    TestLinear,
    TestRidge,
    TestNeighbors,
    TestForests,
    TestBoosting,
    TestXGBoost,
    TestLightGBM,
    TestDiscriminant,
    TestBayes,
    TestNets,
    TestTransforms,
    TestGbt,
    TestKnn,
    TestAnomaly,
    TestForecast,
    TestSignals,
)
CASES = [pytest.param(suite, marks=getattr(suite, "pytestmark", ()), id=suite.family.name) for suite in SUITES]
"""The suites as parameters, each with its own reason to be skipped."""


def test_registered_means_tested():
    """Every registered family has a suite, and no suite is of another family."""
    assert {suite.family.name for suite in SUITES} == {family.name for family in catalog.REGISTERED}


def test_no_class_has_two_families():
    """The families divide the classes."""
    paths = [path for family in catalog.REGISTERED for path in family.covers]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("suite", CASES)
def test_every_rule_is_tried(suite):
    """Each rule applies to at least one sample, so that none goes unproven."""
    made = suite()
    for each_rule in suite.family.rules:
        if each_rule in (NEVER_MATTER, JOBS):
            continue
        assert any(
            each_rule.applies(path, full) and full.keys() & set(each_rule.drops)
            for path, full in ((path, made._full(path, params)) for path, params in suite.samples)
        ), each_rule


@pytest.mark.parametrize("suite", CASES)
def test_every_rule_has_a_limit(suite):
    """A conditional rule does not apply to at least one sample: its condition is needed."""
    made = suite()
    for each_rule in suite.family.rules:
        if each_rule.when is not rule("x").when:
            assert not all(
                each_rule.when(made._full(path, params))
                for path, params in suite.samples
                if not each_rule.only or path.rpartition(":")[2] in each_rule.only
            ), each_rule


WRONG = (
    (TestSvm, rule("gamma", when=lambda p: p["kernel"] == "rbf")),
    (TestSvm, rule("degree", when=lambda p: p.get("kernel") == "poly")),
    (TestLinear, rule("l1_ratio", only=("SGDClassifier",))),
    (TestRidge, rule("tol", only=("Ridge",))),
    (TestNeighbors, rule("p", only=("KNeighborsRegressor",))),
    (TestKnn, rule("stage", only=("KnnSemiClassifier",))),
    (TestAnomaly, rule("n_neighbors", only=("AnomalyNeighbors",))),
    pytest.param(TestGbt, rule("max_leaves"), marks=needs("lightgbm")),
    pytest.param(TestSignals, rule("window", only=("ReferenceDistances",)), marks=needs("dtaidistance")),
    (TestForests, rule("max_samples", "bootstrap", only=("RandomForestClassifier",))),
    (TestNets, rule("momentum", only=("MLPRegressor",))),
    pytest.param(TestXGBoost, rule("max_depth"), marks=needs("xgboost")),
    pytest.param(TestLightGBM, rule("subsample"), marks=needs("lightgbm")),
)


@pytest.mark.parametrize(("suite", "wrong"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_rule_is_caught(suite, wrong):
    """The suite fails for a family with one rule too many."""

    class Mutant(suite):
        family = dataclasses.replace(suite.family, rules=(wrong,))

    with pytest.raises(AssertionError, match="matters to"):
        Mutant().test_inactive_parameters_never_change_an_answer()


def test_a_wrong_seed_claim_is_caught():
    """The suite fails for a family that denies a seed which matters."""

    class Mutant(TestNets):
        family = dataclasses.replace(nets.FAMILY, seeded=lambda path, params: False)

    with pytest.raises(AssertionError, match="the seed matters"):
        Mutant().test_without_a_seed_fits_repeat()
