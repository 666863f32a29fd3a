"""
XGBoost: fits with fewer rounds are answered from the one with the most, through `iteration_range`.

Every round draws from one stream and builds on the rounds before it. `booster` must be gbtree (dart changes
earlier trees, gblinear has none) and `device` the processor; callbacks are not known to keep to their round.

The library's class prepares the fit and turns margins into answers. In between its own loop would spend a
twentieth of the time on callbacks, evaluations and names that nobody asked for: the rounds are called here.
Rows that are held as a matrix are answered by the library from where its last answer for them stopped, in the
same order of additions, so that a prefix costs no more than its own rounds.
"""

import ctypes
from collections.abc import Mapping
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np
from sklearn.base import clone

from manyfit.contracts.fusion import Batch, Params, Predicting
from manyfit.families.fusion.prefixes import Fitted, grown
from manyfit.families.fusion.rounds import After, RoundsRule, require_rounds, rounds_refusal
from manyfit.families.fusion.sources import FittedSource

LARGEST_SET_BYTES = 128 << 20
"""Of one set as a matrix of the library, held as long as the batch; larger ones are predicted in place."""

PARAMETERS = frozenset(
    {
        "base_score",
        "booster",
        "callbacks",
        "colsample_bylevel",
        "colsample_bynode",
        "colsample_bytree",
        "device",
        "early_stopping_rounds",
        "enable_categorical",
        "eval_metric",
        "feature_types",
        "feature_weights",
        "gamma",
        "grow_policy",
        "importance_type",
        "interaction_constraints",
        "learning_rate",
        "max_bin",
        "max_cat_threshold",
        "max_cat_to_onehot",
        "max_delta_step",
        "max_depth",
        "max_leaves",
        "min_child_weight",
        "missing",
        "monotone_constraints",
        "multi_strategy",
        "n_estimators",
        "n_jobs",
        "num_parallel_tree",
        "objective",
        "random_state",
        "reg_alpha",
        "reg_lambda",
        "sampling_method",
        "scale_pos_weight",
        "subsample",
        "tree_method",
        "validate_parameters",
        "verbosity",
    }
)


def _refusal(params: Params) -> str | None:
    booster = params.get("booster")
    if booster == "dart":
        return "booster=dart drops and rescales the trees of earlier rounds"
    if booster not in (None, "gbtree"):
        return f"booster={booster} has no trees to leave out"
    if params.get("early_stopping_rounds") is not None:
        return f"early_stopping_rounds={params['early_stopping_rounds']} decides the number of rounds"
    if params.get("callbacks") is not None:
        return "callbacks may remember earlier rounds, or change the learning rate"
    if params.get("device") not in (None, "cpu"):
        return f"device={params['device']} adds up in another order each time"
    return rounds_refusal(params, PARAMETERS, default=True)


class GoingOn:
    """Stands for a booster where its class asks it to predict: rows held as matrices are not started anew."""

    def __init__(self, booster: Any, matrices: Mapping[int, Any]) -> None:
        self._booster = booster
        self._matrices = matrices

    def inplace_predict(self, data: Any, *, predict_type: str, validate_features: bool, **asked: Any) -> Any:
        """Return what the booster would, by the identity of *data* where it is known."""
        matrix = self._matrices.get(id(data))
        if matrix is None:
            asked |= {"predict_type": predict_type, "validate_features": validate_features}
            return self._booster.inplace_predict(data, **asked)
        return self._booster.predict(
            matrix,
            output_margin=predict_type == "margin",
            iteration_range=asked["iteration_range"],
            validate_features=validate_features,
        )

    def predict(self, data: Any, **asked: Any) -> Any:
        """Return what the booster would: its class asks so for rows that it cannot predict in place."""
        return self._booster.predict(data, **asked)


def _train(batch: Batch, n_rounds: int) -> tuple[Fitted, After]:
    longest = grown(partial(_grow, clone(batch.estimators[0]), n_rounds), batch.X, batch.y)
    booster = longest.estimator.get_booster()
    require_rounds(booster.num_boosted_rounds(), n_rounds)
    longest.estimator._Booster = GoingOn(booster, _matrices(longest.estimator, batch))
    return longest, lambda n_rounds: FittedSource(
        longest.estimator, batch.sets, {"iteration_range": (0, n_rounds)}
    )


def _grow(estimator: Any, n_rounds: int, X: Any, y: Any) -> Any:
    """Fit *estimator*: no rounds by its own class, and then all of them."""
    from xgboost import config_context
    from xgboost.core import _LIB, _check_call

    held: list[Any] = []
    make = estimator._create_dmatrix

    def keep(*arguments: Any, **keywords: Any) -> Any:
        held.append(make(*arguments, **keywords))
        return held[0]

    estimator._create_dmatrix = keep
    try:
        estimator.set_params(n_estimators=0).fit(X, y)
    finally:
        del estimator._create_dmatrix  # it holds the estimator, which holds it
    booster, (matrix,) = estimator.get_booster(), held
    with config_context(verbosity=estimator.verbosity):
        for number in range(n_rounds):
            _check_call(_LIB.XGBoosterUpdateOneIter(booster.handle, ctypes.c_int(number), matrix.handle))
    return estimator


def _matrices(estimator: Any, batch: Batch) -> dict[int, Any]:
    """Return the sets that may be held as matrices of the library, by identity."""
    if not isinstance(batch.X, np.ndarray) or estimator.feature_types is not None:
        return {}
    held = {id(rows): _matrix(estimator, rows, batch.X.shape) for rows in batch.sets.values()}
    return {key: matrix for key, matrix in held.items() if matrix is not None}


def _matrix(estimator: Any, rows: Any, shape: tuple[int, ...]) -> Any:
    """Return rows as a matrix, None for large ones, and where predicting from them may be something else."""
    from xgboost import DMatrix

    if (
        not isinstance(rows, np.ndarray)
        or rows.dtype not in (np.float32, np.float64)
        or rows.shape[1:] != shape[1:]
        or 8 * rows.size > LARGEST_SET_BYTES
    ):
        return None
    try:
        return DMatrix(rows, missing=estimator.missing, nthread=estimator.n_jobs)
    except ValueError:  # infinite numbers are refused in matrices only
        return None


RULES: tuple[Predicting, ...] = (
    RoundsRule(
        name="xgboost",
        covers=frozenset({"xgboost:XGBClassifier", "xgboost:XGBRegressor"}),
        proven_on={"xgboost": ("3.2",), "scikit-learn": ("1.9",)},
        refusal=_refusal,
        n_rounds=methodcaller("get_num_boosting_rounds"),
        train=_train,
    ),
)
