"""
LightGBM: fits with fewer rounds are answered from the one with the most, through `num_iteration`.

A round that finds nothing to split adds no tree, and a later one may find something again: the number of
trees after each round is written down while the longest fit trains. `boosting_type` must be gbdt or goss:
dart changes earlier trees, and rf averages them.

The library's class prepares the fit and answers. The rounds are called here: its own loop would end by writing
the model as a text and reading it again.
"""

from functools import partial
from operator import attrgetter
from typing import Any

from sklearn.base import clone

from manyfit.contracts.fusion import Batch, Params, Predicting, Source
from manyfit.families.fusion.leaf_sums import LeafSource, LeafSums
from manyfit.families.fusion.prefixes import Fitted, grown
from manyfit.families.fusion.rounds import After, RoundsRule, rounds_refusal
from manyfit.families.lgbm import CONSTRUCTOR

PARAMETERS = CONSTRUCTOR | {
    "deterministic",
    "extra_trees",
    "feature_fraction_bynode",
    "force_col_wise",
    "force_row_wise",
    "is_unbalance",
    "max_bin",
    "max_delta_step",
    "min_data_in_bin",
    "path_smooth",
    "scale_pos_weight",
    "verbose",
    "verbosity",
}
"""Of the constructor, and those that only reach the library and say nothing about rounds."""


def _refusal(params: Params) -> str | None:
    boosting = params.get("boosting_type")
    if boosting == "dart":
        return "boosting_type=dart drops and rescales the trees of earlier rounds"
    if boosting not in ("gbdt", "goss"):
        return f"boosting_type={boosting} averages its trees: fewer of them are another model"
    return rounds_refusal(params, PARAMETERS, default=False)


class _Begun(Exception):
    """Raised before the first round, with the booster that the library's class has prepared."""

    def __init__(self, booster: Any) -> None:
        super().__init__("the first round is about to begin")
        self.booster = booster


def _stop(environment: Any) -> None:
    raise _Begun(environment.model)


_stop.before_iteration = True  # type: ignore[attr-defined]


def _train(batch: Batch, n_rounds: int) -> tuple[Fitted, After]:
    estimator = clone(batch.estimators[0]).set_params(n_estimators=n_rounds)
    trees: list[int] = []
    longest = grown(partial(_grow, estimator, n_rounds, trees), batch.X, batch.y)
    sums = LeafSums(booster=estimator._Booster, objective=estimator._objective)
    estimator._Booster = sums

    def after(n_rounds: int) -> Source | None:
        grown_rounds = trees[n_rounds - 1]
        if grown_rounds == 0:
            return None  # 0 would stand for all of them
        return LeafSource(estimator, sums, batch.sets, grown_rounds)

    return longest, after


def _grow(estimator: Any, n_rounds: int, trees: list[int], X: Any, y: Any) -> Any:
    """Fit *estimator* and note how many rounds have left trees behind after each round."""
    try:
        estimator.fit(X, y, callbacks=[_stop])
    except _Begun as begun:
        booster = begun.booster
    for _ in range(n_rounds):
        booster.update()
        trees.append(booster.current_iteration())
    estimator._Booster, estimator.fitted_ = booster, True
    estimator._n_features = booster.num_feature()
    estimator._fitted_with_feature_names = booster.train_set._has_non_default_feature_names
    return estimator


RULES: tuple[Predicting, ...] = (
    RoundsRule(
        name="lightgbm",
        covers=frozenset({"lightgbm:LGBMClassifier", "lightgbm:LGBMRegressor"}),
        proven_on={"lightgbm": ("4.7",), "scikit-learn": ("1.9",)},
        refusal=_refusal,
        n_rounds=attrgetter("n_estimators"),
        train=_train,
    ),
)
