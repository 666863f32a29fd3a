"""The list of trusted types is as long as needed and no longer."""

import warnings

import numpy as np
import pytest
import skops.io
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier, XGBRegressor

from manyfit.families.catalog import REGISTERED
from manyfit.families.estimators import SklearnCatalog
from manyfit.fit.boosters import taken_out
from manyfit.fit.models import TRUSTED, dump_model
from manyfit.models.calibrated import Calibrated

VARIANTS = (
    {},
    {"algorithm": "kd_tree"},
    *[{"algorithm": "kd_tree", "metric": name} for name in ("euclidean", "manhattan", "chebyshev")],
    {"algorithm": "kd_tree", "p": 3},
    {"algorithm": "ball_tree"},
    {"solver": "sgd"},
    {"library": "xgboost"},
    *[{"score_func": f"sklearn.feature_selection:{name}"} for name in ("f_classif", "chi2", "f_regression")],
    {"score_func": "sklearn.feature_selection:mutual_info_classif"},
)


def types_in(fitted):
    with taken_out(fitted) as (without, _):
        return set(skops.io.get_untrusted_types(data=dump_model(without)))


def asked():
    """The types that skops asks about in models of every covered class of scikit-learn and of manyfit."""
    catalog, found = SklearnCatalog(), {}
    X, y = np.random.default_rng(0).integers(0, 5, (60, 4)).astype(float), np.arange(60) % 2
    for path in sorted(
        path for family in REGISTERED for path in family.covers if path.startswith(("sklearn.", "manyfit."))
    ):
        quick = {name: 5 for name in ("n_estimators", "max_iter") if name in catalog.resolve(path).defaults}
        for params in VARIANTS:
            if not any(catalog.check(path, name, value) for name, value in params.items()):
                fitted = catalog.make(path, {**quick, **params}).fit(X, y)
                found[path, str(params)] = types_in(fitted)
    for method in ("sigmoid", "isotonic"):
        fitted = Calibrated(LinearSVC(), method=method).fit(X, y)
        found["calibrated", method] = types_in(fitted)
    for wrapper in (XGBClassifier, XGBRegressor, LGBMClassifier, LGBMRegressor):
        found["boosters", wrapper.__name__] = types_in(wrapper(n_estimators=5).fit(X, y))
    return found


@pytest.mark.slow
def test_trusted_types_are_exactly_those_of_the_families():
    """Models of every covered class load without a question, and nothing is trusted that none of them has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = asked()
    assert {key: types - set(TRUSTED) for key, types in found.items() if types - set(TRUSTED)} == {}
    assert set(TRUSTED) == set().union(*found.values())
