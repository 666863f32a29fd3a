"""Probabilities for kept classifiers that have none."""

from typing import Any

from manyfit.fit.rows import Selection
from manyfit.model.sweep import Calibration, Problem


def calibrated(estimator: Any, rows: Selection, method: Calibration) -> Any:
    """
    Return *estimator* as it is kept: with probabilities, fitted on the same rows, where it has none by itself.

    Its predictions stay the same. The folds leave out whole groups where the data has groups. Raises ValueError
    where a class has a single row, and whatever a fit raises.
    """
    if method is Calibration.NONE or not _lacks_probabilities(estimator, rows):
        return estimator
    from sklearn.base import clone

    from manyfit.models.calibrated import Calibrated

    return Calibrated(clone(estimator), method=method.value).fit(rows.X["train"], rows.y["train"], rows.groups)


def _lacks_probabilities(estimator: Any, rows: Selection) -> bool:
    if rows.problem is not Problem.CLASSIFICATION or hasattr(estimator, "predict_proba"):
        return False
    return hasattr(estimator, "decision_function")
