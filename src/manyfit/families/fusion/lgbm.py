"""
LightGBM: fits with fewer rounds are answered from the one with the most, through `num_iteration`.

A round that finds nothing to split adds no tree, and a later one may find something again: the number of
trees after each round is written down while the longest fit trains.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Source
from manyfit.families.fusion.prefixes import PrefixSource, by_length, fitted, prefix_seconds, rounds_refusal
from manyfit.families.fusion.tokens import token

PARAMETERS = frozenset(
    {
        "boosting_type",
        "class_weight",
        "colsample_bytree",
        "importance_type",
        "learning_rate",
        "max_depth",
        "min_child_samples",
        "min_child_weight",
        "min_split_gain",
        "n_estimators",
        "n_jobs",
        "num_leaves",
        "objective",
        "random_state",
        "reg_alpha",
        "reg_lambda",
        "subsample",
        "subsample_for_bin",
        "subsample_freq",
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
)
"""Of the constructor, and those that only reach the library and say nothing about rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightGBMRounds:
    """Answers for fits with fewer rounds from the fit with the most."""

    name: str = "lightgbm"
    covers: frozenset[str] = frozenset({"lightgbm:LGBMClassifier", "lightgbm:LGBMRegressor"})
    axes: tuple[str, ...] = ("n_estimators",)
    shares: str = "the fit with the most rounds"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"lightgbm": ("4.7",), "scikit-learn": ("1.9",)}
    )

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        boosting = params.get("boosting_type")
        if boosting == "dart":
            return 'boosting_type="dart" drops and rescales the trees of earlier rounds'
        if boosting not in ("gbdt", "goss"):
            return f'boosting_type="{boosting}" averages its trees: fewer of them are another model'
        return rounds_refusal(params, PARAMETERS, default=False)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return prefix_seconds(alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        if np.ndim(batch.y) != 1:
            raise CannotFuse("the target has several columns")
        lengths = list(by_length(batch.estimators, "n_estimators"))
        trees = TreesAfterRound()
        changes = {"n_estimators": lengths[-1][0]}
        longest = fitted(batch.estimators[0], changes, batch.X, batch.y, callbacks=[trees])
        if len(trees.numbers) != lengths[-1][0]:
            raise CannotFuse(f"training stopped after {len(trees.numbers)} of {lengths[-1][0]} rounds")
        for n_rounds, positions in lengths:
            grown = trees.numbers[n_rounds - 1]
            for position in positions if grown > 0 else ():  # 0 would stand for all of them
                longest.warn_again()
                yield position, PrefixSource(longest.estimator, batch.sets, {"num_iteration": grown})


class TreesAfterRound:
    """A callback that notes how many rounds have left trees behind, after each round."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, environment: Any) -> None:
        """Note the number for the round that has just ended."""
        self.numbers.append(environment.model.current_iteration())


RULES = (LightGBMRounds(),)
