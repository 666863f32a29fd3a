"""Every registered model is a scikit-learn estimator, and sweeps know it by its name."""

import warnings

import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.estimator_checks import check_estimator
from tests.families.libraries import needs

from manyfit.families.catalog import FamilyCatalog
from manyfit.fit.estimators import estimator_catalog
from manyfit.models.catalog import NAMES

OWN = {
    "gbt": "classifier",
    "gbt_regressor": "regressor",
    "knn": "classifier",
    "knn_regressor": "regressor",
    "knn_semi": "classifier",
    "anomaly_forest": "classifier",
    "anomaly_neighbors": "classifier",
    "anomaly_svm": "classifier",
    "anomaly_envelope": "classifier",
    "seasonal_naive": "regressor",
    "drift": "regressor",
}
"""The registered models that predict, with what they are."""

SMALL = {"anomaly_forest": {"n_estimators": 5}}
BOTH = {"xgboost": needs("xgboost"), "lightgbm": needs("lightgbm")}
CASES = [
    *[
        pytest.param(name, {"library": library, "n_estimators": 30}, marks=mark, id=f"{name}-{library}")
        for name in ("gbt", "gbt_regressor")
        for library, mark in BOTH.items()
    ],
    *[pytest.param(name, SMALL.get(name, {}), id=name) for name in OWN if not name.startswith("gbt")],
    pytest.param("knn", {"scale": "standard", "weights": "distance"}, id="knn-scaled"),
    pytest.param("knn_semi", {"stage": "labeler", "labelled": 0.5}, id="knn_semi-labeler"),
    pytest.param("anomaly_forest", {"contamination": "auto", "n_estimators": 5}, id="anomaly_forest-auto"),
]


@pytest.mark.parametrize(("name", "params"), CASES)
def test_scikit_learns_checks_pass(name, params):
    """Not one of scikit-learn's checks fails; what it skips is only what it cannot try at all."""
    catalog = estimator_catalog()
    made = catalog.make(catalog.path(name), params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(made, on_fail=None, on_skip=None)
    failed = {one["check_name"]: repr(one["exception"]) for one in found if one["status"] == "failed"}
    assert failed == {}
    skipped = {one["check_name"] for one in found if one["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert len(found) > 45


@pytest.mark.parametrize("name", OWN)
def test_planning_knows_what_a_name_is(name):
    """A name leads to a class whose kind, constraints and family planning knows."""
    catalog = estimator_catalog()
    found = catalog.resolve(name)
    assert found.kind == OWN[name]
    cls = catalog.load(found.path)
    assert (is_classifier(cls()), is_regressor(cls())) == (OWN[name] == "classifier", OWN[name] == "regressor")
    assert set(cls._parameter_constraints) == set(found.defaults)
    assert FamilyCatalog().of(found.path).name != "generic"


def test_every_registered_model_is_checked():
    """A name that is new in the catalog has a place in these tests, unless it only transforms."""
    kinds = {name: estimator_catalog().resolve(name).kind for name in NAMES}
    assert {name: kind for name, kind in kinds.items() if kind != "transformer"} == OWN


def test_wrong_values_are_refused_before_anything_runs():
    """Planning says what is allowed, as for scikit-learn's own classes."""
    catalog = estimator_catalog()
    assert '"lightgbm", "xgboost"' in (catalog.check(catalog.path("gbt"), "library", "catboost") or "")
    assert "n_estimatrs" in (catalog.check(catalog.path("gbt"), "n_estimatrs", 3) or "")
    assert catalog.check(catalog.path("knn_semi"), "labelled", 1.5)
    assert catalog.check(catalog.path("anomaly_forest"), "contamination", 0.7)
    assert not catalog.check(catalog.path("anomaly_forest"), "contamination", "auto")
