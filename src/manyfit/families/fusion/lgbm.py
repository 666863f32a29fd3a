"""
LightGBM: fits with fewer rounds are answered from the one with the most, through `num_iteration`.

A round that finds nothing to split adds no tree, and a later one may find something again: the number of
trees after each round is written down while the longest fit trains. `boosting_type` must be gbdt or goss:
dart changes earlier trees, and rf averages them.
"""

from operator import attrgetter
from typing import Any

from manyfit.contracts.fusion import Batch, Params, Predicting
from manyfit.families.fusion.prefixes import Fitted, fitted
from manyfit.families.fusion.rounds import RoundsRule, Stop, require_rounds, rounds_refusal
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


class TreesAfterRound:
    """A callback that notes how many rounds have left trees behind, after each round."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, environment: Any) -> None:
        """Note the number for the round that has just ended."""
        self.numbers.append(environment.model.current_iteration())


def _refusal(params: Params) -> str | None:
    boosting = params.get("boosting_type")
    if boosting == "dart":
        return "boosting_type=dart drops and rescales the trees of earlier rounds"
    if boosting not in ("gbdt", "goss"):
        return f"boosting_type={boosting} averages its trees: fewer of them are another model"
    return rounds_refusal(params, PARAMETERS, default=False)


def _train(batch: Batch, n_rounds: int) -> tuple[Fitted, Stop]:
    trees = TreesAfterRound()
    longest = fitted(batch.estimators[0], {"n_estimators": n_rounds}, batch.X, batch.y, callbacks=[trees])
    require_rounds(len(trees.numbers), n_rounds)

    def stop(n_rounds: int) -> Params | None:
        grown = trees.numbers[n_rounds - 1]
        return {"num_iteration": grown} if grown > 0 else None  # 0 would stand for all of them

    return longest, stop


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
