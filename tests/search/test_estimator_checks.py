"""The search classes pass scikit-learn's own checks for estimators."""

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from manyfit import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

FEW = {"min_resources": "smallest", "random_state": 0}


def searches():
    """Return a small search of each class, two for a classifier and two for a regressor."""
    classifier, regressor = LogisticRegression(), Ridge()
    yield GridSearchCV(classifier, {"C": [0.1, 1.0]}, cv=2, n_jobs=1)
    yield RandomizedSearchCV(regressor, {"alpha": [0.1, 1.0]}, n_iter=2, cv=2, random_state=0, n_jobs=1)
    yield HalvingGridSearchCV(regressor, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=1, **FEW)
    yield HalvingRandomSearchCV(classifier, {"C": [0.1, 1.0]}, cv=2, n_jobs=1, **FEW)


def known_failures(search):
    """Return the checks that scikit-learn says its own class fails, with its reasons."""
    return PER_ESTIMATOR_XFAIL_CHECKS.get(type(search).__mro__[1], {})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(list(searches()), expected_failed_checks=known_failures, xfail_strict=False)
def test_scikit_learns_checks(estimator, check):
    """Each check of scikit-learn that applies to the class holds."""
    check(estimator)
