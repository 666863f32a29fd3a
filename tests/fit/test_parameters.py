"""Parameters of estimators are those that the estimator itself names."""

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.svm import SVC
from tests.families.libraries import needs

from manyfit.families.estimators import SklearnCatalog
from manyfit.fit.parameters import Parameters


class Extra(BaseEstimator):
    """Takes parameters that its constructor does not name, as boosting libraries do."""

    def __init__(self, named=1, **others):
        self.named = named
        self.others = others

    def get_params(self, deep=True):
        return {"named": self.named, **self.others}


@pytest.mark.parametrize("estimator", [Ridge(alpha=2.0), SVC(C=3.0), Extra(named=2, rate=0.1)])
def test_all_parameters_are_found(estimator):
    """They are what `get_params` says, also where a class has more than its constructor names."""
    assert Parameters().of(estimator) == estimator.get_params(deep=False)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("xgboost:XGBClassifier", marks=needs("xgboost")),
        pytest.param("lightgbm:LGBMClassifier", marks=needs("lightgbm")),
    ],
)
def test_parameters_of_boosting_libraries_tell_fits_apart(path):
    """Two learning rates are two groups, whatever the constructor's signature says."""
    catalog = SklearnCatalog()
    slow, fast = (catalog.make(path, {"learning_rate": rate, "max_depth": 3}) for rate in (0.05, 0.3))
    assert Parameters().of(slow) != Parameters().of(fast)
    assert Parameters().of(slow)["max_depth"] == 3


def test_accepted_as_scikit_learn_does():
    """A value that no constraint admits is not accepted; unhashable values are checked too."""
    parameters = Parameters()
    cases = ((Ridge(alpha=1.0), True), (Ridge(alpha="much"), False), (SVC(class_weight={0: 2}), True))
    for estimator, accepted in cases:
        assert parameters.accepted(estimator, parameters.of(estimator)) is accepted


def test_what_was_accepted_before_is_not_taken_for_another_parameter():
    """After an estimator that is accepted, each other one is judged by the values that are its own."""
    parameters = Parameters()
    plain = Ridge(alpha=1.0)
    cases = ((plain, True), (Ridge(alpha=-1.0), False), (plain, True), (Ridge(alpha=1.0, tol="much"), False))
    for estimator, accepted in (*cases, (Ridge(max_iter=0), False), (SVC(C=1.0, tol=0), False)):
        assert parameters.accepted(estimator, parameters.of(estimator)) is accepted
