"""What a fitted estimator tells of its training: loss curves, scores of each round, numbers of iterations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from manyfit.model.series import steps_of

LONGEST = 500
"""Numbers that are kept of one series; of a longer one, as many, evenly spread, with the first and the last."""

ATTRIBUTES = (
    "loss_curve_",
    "validation_scores_",
    "train_score_",
    "validation_score_",
    "oob_improvement_",
    "oob_scores_",
    "estimator_errors_",
    "scores_",
    "n_iter_",
)
"""Attributes of fitted estimators that are numbers in the order of training."""

Series = dict[str, list[float]]


def series_of(estimator: Any) -> Series:
    """
    Return what *estimator* tells of its training, by name, whole; {} for most estimators.

    Of several metrics on several sets, as boosting libraries record them, each is a series
    `<set>:<metric>`. What cannot be read is left out: nothing here may cost a result.
    """
    found = {name.rstrip("_"): _numbers(getattr(estimator, name, None)) for name in ATTRIBUTES}
    found |= {name: _numbers(values) for name, values in _recorded(estimator).items()}
    return {name: values for name, values in found.items() if values}


def details_of(estimator: Any) -> dict[str, Any]:
    """
    Return the series of *estimator* as a result keeps them: `series`, and where some were thinned `n_values`.

    `n_values` has the length that each thinned series had; `steps_of` says which values are left.
    """
    whole = series_of(estimator)
    if not whole:
        return {}
    kept = {
        name: [values[step] for step in steps_of(len(values), min(len(values), LONGEST))]
        for name, values in whole.items()
    }
    thinned = {name: len(values) for name, values in whole.items() if len(values) > LONGEST}
    return {"series": kept} | ({"n_values": thinned} if thinned else {})


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the series of both, in the form of `details_of`."""
    parts = {name: {**first.get(name, {}), **second.get(name, {})} for name in ("series", "n_values")}
    return {name: part for name, part in parts.items() if part}


def _thinned(values: list[float]) -> list[float]:
    n_values = len(values)
    return [values[step] for step in steps_of(n_values, min(n_values, LONGEST))]


def _numbers(values: Any) -> list[float]:
    """Return *values* as a flat list of floats; [] for what is no row of real numbers."""
    if values is None or isinstance(values, (str, bytes, Mapping)):
        return []
    try:
        array = np.atleast_1d(np.asarray(values))
    except (ValueError, TypeError):
        return []
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        return []
    return [float(value) for value in array]


def _recorded(estimator: Any) -> dict[str, Any]:
    """Return the histories of XGBoost and LightGBM: sets of metrics of numbers."""
    try:
        history = getattr(estimator, "evals_result_", None)
        if history is None and callable(getattr(estimator, "evals_result", None)):
            history = estimator.evals_result()
    except Exception:  # noqa: BLE001 - these libraries raise where nothing was recorded
        return {}
    if not isinstance(history, Mapping):
        return {}
    return {
        f"{name}:{metric}": values
        for name, metrics in history.items()
        if isinstance(metrics, Mapping)
        for metric, values in metrics.items()
    }
