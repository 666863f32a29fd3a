"""Looking up estimators and checking their parameters."""

import re
import sys
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.svm import SVC

from manyfit.families.estimators import SklearnCatalog
from manyfit.families.sklearn_names import PATHS
from manyfit.model.errors import MissingExtra, NotFound, UserError

SVC_PATH, FOREST, NET = (
    "sklearn.svm:SVC",
    "sklearn.ensemble:RandomForestClassifier",
    "sklearn.neural_network:MLPClassifier",
)
BAGGING = "sklearn.ensemble:BaggingClassifier"


@pytest.fixture(scope="module")
def catalog():
    return SklearnCatalog()


EXPERIMENTAL = {"IterativeImputer", "HalvingGridSearchCV", "HalvingRandomSearchCV"}


@pytest.mark.skipif(not sklearn.__version__.startswith("1.9"), reason="the table is of scikit-learn 1.9")
def test_the_table_of_names_is_complete():
    """Names and classes are those that scikit-learn itself lists, but for those it calls experimental."""
    from sklearn.utils.discovery import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        listed = {name: cls for name, cls in all_estimators() if name not in EXPERIMENTAL}
    assert set(PATHS) == set(listed)
    catalog = SklearnCatalog()
    assert all(catalog.load(PATHS[name]) is cls for name, cls in listed.items())


@pytest.mark.parametrize("name", ["SVC", "sklearn.svm:SVC", "sklearn.svm.SVC", "sklearn.svm._classes:SVC"])
def test_one_class_has_one_path(catalog, name):
    """However an estimator is named, its path is the same."""
    info = catalog.resolve(name)
    assert (info.path, info.kind) == (SVC_PATH, "classifier")
    assert info.defaults["C"] == 1.0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Ridge", "regressor"),
        ("PCA", "transformer"),
        ("KMeans", "clusterer"),
        ("OneClassSVM", "outlier_detector"),
        ("LinearDiscriminantAnalysis", "classifier"),
        ("IterativeImputer", "transformer"),
    ],
)
def test_kinds(catalog, name, kind):
    """The kind tells what an estimator is for."""
    assert catalog.resolve(name).kind == kind


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("SVCC", NotFound, 'no estimator "SVCC" in scikit-learn; did you mean "SVC"'),
        ("sklearn.svm:SCV", NotFound, 'no "SCV" in module sklearn.svm; did you mean "SVR"'),
        ("nowhere.models:Net", NotFound, 'no module "nowhere"'),
        ("json:dumps", UserError, "is not an estimator"),
        (":SVC", NotFound, "write it as package.module:Class"),
    ],
)
def test_wrong_names(catalog, name, error, message):
    """A wrong name says what is wrong and what is near."""
    with pytest.raises(error, match=message):
        catalog.resolve(name)


def test_an_estimator_of_a_library_that_is_not_installed(catalog, monkeypatch):
    """The message names the extra that brings the library."""
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'manyfit[boost]'")):
        catalog.resolve("XGBClassifier")


@pytest.mark.parametrize(
    ("error", "advised"),
    [
        ("OSError('libgomp.so.1: cannot open shared object file')", True),
        ("OSError('lib_lightgbm.so: cannot open shared object file')", False),
    ],
)
def test_a_library_that_cannot_be_loaded(tmp_path, monkeypatch, error, advised):
    """The message says what was raised, and how to install the OpenMP library where that is what is missing."""
    (tmp_path / "lightgbm.py").write_text(f"raise {error}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    with pytest.raises(UserError, match="cannot open shared object file") as caught:
        SklearnCatalog().resolve("LGBMClassifier")
    assert ("apt-get install libgomp1" in str(caught.value)) == advised


def test_a_registered_name():
    """A name can be registered for any import path."""
    assert SklearnCatalog({"Mine": "sklearn.svm:SVC"}).resolve("Mine").path == SVC_PATH


@pytest.mark.parametrize(
    ("path", "param", "value", "message"),
    [
        (SVC_PATH, "gama", 1, 'no parameter "gama" in SVC; did you mean "gamma"?'),
        (
            FOREST,
            "n_estimators",
            "100",
            '"100" is a text; RandomForestClassifier wants an int in the range [1, inf)',
        ),
        (SVC_PATH, "C", -1, "-1 is not allowed; SVC wants a float in the range (0.0, inf]"),
        (SVC_PATH, "C", [1, 2], "[1, 2] is a list; SVC wants a float in the range (0.0, inf]"),
        (
            BAGGING,
            "estimator",
            {"use": "SVC", "C": -1},
            "-1 is not allowed; SVC wants a float in the range (0.0, inf]",
        ),
        (BAGGING, "estimator", {"use": "SVCC"}, 'no estimator "SVCC" in scikit-learn; did you mean "SVC"?'),
    ],
)
def test_messages_of_wrong_values(catalog, path, param, value, message):
    """The message shows the value, what it is, and what is wanted."""
    assert catalog.check(path, param, value) == message


def test_a_wrong_option_has_a_near_one(catalog):
    """Options are listed in order, with the nearest one; deprecated and hidden ones are not offered."""
    message = catalog.check(SVC_PATH, "kernel", "rbff")
    assert message.startswith(
        '"rbff" is a text; SVC wants one of "linear", "poly", "precomputed", "rbf", "sigmoid"'
    )
    assert message.endswith('did you mean "rbf"?')


@pytest.mark.parametrize(
    ("path", "param", "value"),
    [
        (SVC_PATH, "gamma", "scale"),
        (SVC_PATH, "gamma", 0.1),
        (FOREST, "max_features", "none"),
        (SVC_PATH, "C", 1),
        (NET, "hidden_layer_sizes", [10, 10]),
        (BAGGING, "estimator", {"use": "SVC", "C": 2}),
        (BAGGING, "estimator__C", 2),
        ("sklearn.preprocessing:MinMaxScaler", "feature_range", [0, 2]),
    ],
)
def test_allowed_values(catalog, path, param, value):
    """What scikit-learn accepts, once decoded, is not complained of."""
    assert catalog.check(path, param, value) is None


def test_whole_numbers_become_floats_only_where_they_mean_the_same(catalog):
    """1 and 1.0 are one C, but two different max_features."""
    assert repr(catalog.normalise(SVC_PATH, "C", 1)) == "1.0"
    assert repr(catalog.normalise(SVC_PATH, "gamma", 1)) == "1.0"
    assert repr(catalog.normalise(FOREST, "max_features", 1)) == "1"
    assert repr(catalog.normalise(FOREST, "min_samples_split", 2)) == "2"
    assert catalog.normalise(SVC_PATH, "probability", True) is True
    assert catalog.normalise(FOREST, "max_features", "none") is None
    assert catalog.normalise(BAGGING, "estimator", {"use": "SVC", "C": 1}) == {"use": SVC_PATH, "C": 1.0}


def test_decoding(catalog):
    """Tables become estimators, lists tuples where tuples are wanted, "none" None where that is allowed."""
    assert catalog.decode("sklearn.preprocessing:MinMaxScaler", "feature_range", [0, 2]) == (0, 2)
    assert catalog.decode(NET, "hidden_layer_sizes", [3, 4]) == [3, 4]
    assert catalog.decode(FOREST, "max_features", "none") is None
    nested = catalog.decode(BAGGING, "estimator", {"use": "SVC", "kernel": "linear"})
    assert isinstance(nested, SVC)
    assert nested.kernel == "linear"
    pairs = catalog.decode("sklearn.ensemble:VotingClassifier", "estimators", [["a", {"use": "SVC"}]])
    assert pairs[0][0] == "a"
    assert isinstance(pairs[0][1], SVC)
    function = catalog.decode("sklearn.preprocessing:FunctionTransformer", "func", "numpy:log1p")
    assert function is np.log1p


def test_parameters_of_nested_estimators_are_set(catalog):
    """`estimator__C` reaches the estimator inside."""
    made = catalog.make(BAGGING, {"estimator": {"use": "SVC"}, "estimator__C": 3.0, "n_estimators": 2})
    assert made.estimator.C == 3.0
    assert catalog.required("sklearn.ensemble:VotingClassifier") == ("estimators",)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_defaults_are_allowed(catalog, name):
    """Every default of every scikit-learn estimator passes its own check."""
    info = catalog.resolve(name)
    required = ("estimator",) if name == "SelfTrainingClassifier" else catalog.required(info.path)
    for param, value in info.defaults.items():
        if param not in required:
            assert catalog.check(info.path, param, value) is None, param


def test_a_nested_estimator_without_what_it_needs_is_a_mistake(catalog):
    """An estimator inside another that cannot be made is told when planning, by the name of what it lacks."""
    nested = {"use": "OneVsRestClassifier"}
    found = catalog.check("sklearn.ensemble:BaggingClassifier", "estimator", nested)
    assert found == 'OneVsRestClassifier needs the parameter "estimator"'
