"""What planning says before support vector machines take hours."""

import pytest

from manyfit.contracts.estimators import FitSize, Meets
from manyfit.families.estimators import SklearnCatalog
from manyfit.families.svm import FAMILY, linear_seconds

CASE = FitSize(n_rows=868, n_columns=52, n_classes=13)
DEFAULTS = SklearnCatalog().resolve("SVC").defaults
UNSCALED = [10 ** (3 * i / 51) for i in range(52)]


def _warning(params, spreads=UNSCALED, *, scaled=False, size=CASE, path="sklearn.svm:SVC", **searched):
    data = Meets(spreads=spreads, scaled=scaled, size=size, searched=searched)
    return FAMILY.warns(path, {**DEFAULTS, **params}, data)


def test_unscaled_columns_and_a_linear_kernel():
    """The largest C that is searched counts; the hours and what to do are told."""
    warning = _warning({"kernel": "linear"}, C=[0.01, 1.0, 5.0])
    assert "C = 5 may take" in warning
    assert " h a fit because columns are not scaled" in warning
    assert "put StandardScaler before it" in warning
    assert 'fuse = ["svm-interior"]' in warning


def test_a_kernel_that_is_only_searched_counts():
    """The fixed kernel is harmless, one of those in the grid is not."""
    assert "may take" in _warning({}, kernel=["rbf", "linear"], C=[100.0])
    assert _warning({}, kernel=["rbf", "poly"], C=[100.0]) is None


def test_scaled_columns_with_huge_c():
    """A scaler does not help against any C."""
    assert _warning({"kernel": "linear"}, scaled=True, C=[1000.0]) is None
    warning = _warning({"kernel": "linear"}, scaled=True, C=[1e6])
    assert "may take" in warning
    assert "StandardScaler" not in warning


def test_predicted_seconds_are_of_the_measured_size():
    """868 scaled rows of 13 classes took 0.4 s at C = 10, 6.9 s at 300 and 44.6 s at 1000."""
    data = Meets(spreads=[], scaled=True, size=CASE)
    for c, measured in ((10, 0.4), (300, 6.9), (1000, 44.6)):
        assert measured / 3 < linear_seconds("SVC", DEFAULTS, c, data) < measured * 3


@pytest.mark.parametrize("params", [{"kernel": "linear", "max_iter": 1000}, {"kernel": "rbf"}])
def test_other_kernels_and_limited_fits_are_only_warned_of_scales(params):
    """Distances between unscaled columns mean little, but end."""
    warning = _warning(params, [1.0, 1e5], C=[1e6])
    assert warning == "columns differ in scale by a factor of 1e+05 and no scaler stands before SVC"


def test_regressions_have_no_rescue():
    """SVR is not offered what does not cover it."""
    warning = _warning({"kernel": "linear", "C": 100.0}, path="sklearn.svm:SVR")
    assert "SVR with kernel" in warning
    assert "svm-interior" not in warning


def test_calibration_during_the_search():
    """probability = true, fixed or searched, is told to cost a multiple."""
    for warning in (
        _warning({"probability": True}, [1.0, 2.0]),
        _warning({}, [1.0, 2.0], probability=[True, "deprecated"]),
    ):
        assert warning.startswith("probability = true makes every fit about 5 times as slow")
        assert 'calibrate = "sigmoid"' in warning
    assert _warning({}, [1.0, 2.0]) is None


def test_who_asked_for_the_rescue_is_not_warned():
    """The rule bounds the time, so there is nothing to say but that columns differ in scale."""
    data = Meets(spreads=[1.0, 2000.0], scaled=False, size=CASE, searched={"C": [100.0]}, rules=["svm-interior"])
    warning = FAMILY.warns("sklearn.svm:SVC", {**DEFAULTS, "kernel": "linear"}, data)
    assert warning == "columns differ in scale by a factor of 2e+03 and no scaler stands before SVC"


def test_days_are_not_counted():
    """A prediction that is far off says no more than that."""
    assert "may take more than a day a fit" in _warning({"kernel": "linear"}, C=[1e6])
