"""
XGBoost: fits with fewer rounds are answered from the one with the most, through `iteration_range`.

Every round draws from one stream and builds on the rounds before it. What looks at the rounds, or changes
earlier ones (dart), is refused.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Source
from manyfit.families.fusion.prefixes import PrefixSource, fitted, prefix_seconds, rounds_refusal
from manyfit.families.fusion.tokens import token

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


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostRounds:
    """Answers for fits with fewer rounds from the fit with the most."""

    name: str = "xgboost"
    covers: frozenset[str] = frozenset({"xgboost:XGBClassifier", "xgboost:XGBRegressor"})
    axes: tuple[str, ...] = ("n_estimators",)
    shares: str = "the fit with the most rounds"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"xgboost": ("3.2",), "scikit-learn": ("1.9",)}
    )

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        booster = params.get("booster")
        if booster == "dart":
            return 'booster="dart" drops and rescales the trees of earlier rounds'
        if booster not in (None, "gbtree"):
            return f'booster="{booster}" has no trees to leave out'
        if params.get("early_stopping_rounds") is not None:
            return f"early_stopping_rounds={params['early_stopping_rounds']} decides the number of rounds"
        if params.get("callbacks") is not None:
            return "callbacks may remember earlier rounds, or change the learning rate"
        if params.get("device") not in (None, "cpu"):
            return f'device="{params["device"]}": sums on a GPU are not repeatable'
        return rounds_refusal(params, PARAMETERS, default=True)

    def group(self, path: str, params: Params) -> Hashable:
        missing = params.get("missing")
        if isinstance(missing, float) and math.isnan(missing):
            params = {**params, "missing": "nan"}  # NaN is not equal to itself
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return prefix_seconds(alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        if np.ndim(batch.y) != 1:
            raise CannotFuse("the target has several columns")
        rounds = [estimator.get_num_boosting_rounds() for estimator in batch.estimators]
        longest = fitted(batch.estimators[0], {"n_estimators": max(rounds)}, batch.X, batch.y)
        _expect_rounds(longest.estimator, max(rounds))
        for position in np.argsort(rounds, kind="stable").tolist():
            longest.warn_again()
            yield position, PrefixSource(longest.estimator, batch.sets, {"iteration_range": (0, rounds[position])})


def _expect_rounds(estimator: Any, n_rounds: int) -> None:
    found = estimator.get_booster().num_boosted_rounds()
    if found != n_rounds:
        raise CannotFuse(f"training stopped after {found} of {n_rounds} rounds")


RULES = (XGBoostRounds(),)
