"""
XGBoost: fits with fewer rounds are answered from the one with the most, through `iteration_range`.

Every round draws from one stream and builds on the rounds before it. `booster` must be gbtree (dart changes
earlier trees, gblinear has none) and `device` the processor; callbacks are not known to keep to their round.
"""

from operator import methodcaller

from manyfit.contracts.fusion import Batch, Params, Predicting
from manyfit.families.fusion.prefixes import Fitted, fitted
from manyfit.families.fusion.rounds import RoundsRule, Stop, require_rounds, rounds_refusal

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


def _train(batch: Batch, n_rounds: int) -> tuple[Fitted, Stop]:
    longest = fitted(batch.estimators[0], {"n_estimators": n_rounds}, batch.X, batch.y)
    require_rounds(longest.estimator.get_booster().num_boosted_rounds(), n_rounds)
    return longest, lambda n_rounds: {"iteration_range": (0, n_rounds)}


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
