"""Univariate selection: the scores of the columns are computed once, whatever number of them is kept."""

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import clone
from sklearn.feature_selection import chi2, f_classif, f_regression, r_regression

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Transforming
from manyfit.families.fusion.echoes import heard, repeat
from manyfit.families.fusion.tokens import token

K_BEST = "sklearn.feature_selection:SelectKBest"
PERCENTILE = "sklearn.feature_selection:SelectPercentile"
REPEATABLE = (f_classif, f_regression, r_regression, chi2)
"""Functions whose scores are the same each time; others may draw."""
_NAMES = frozenset(function.__name__ for function in REPEATABLE)
_SHARE_OF_A_FIT = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRule:
    """
    Selections of columns by the same scores are made from scores that are computed once.

    Exact where the scores are the same each time: `f_classif`, `f_regression`, `r_regression` and `chi2`. Fits
    with another `score_func`, or that keep more columns than there are, are fitted alone.
    """

    name: str
    covers: frozenset[str]
    axes: tuple[str, ...]
    shares: str = "the scores of the columns"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        # A plan names only parameters that are plain values: without it, the function is the default.
        function = params.get("score_func", f_classif)
        if isinstance(function, str):
            module, _, name = function.partition(":")
            known = module.partition(".")[0] == "sklearn" and name in _NAMES
        else:
            known = any(function is each for each in REPEATABLE)
        return None if known else "score_func may give other scores each time: only those of known ones are shared"

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return max(alone) + _SHARE_OF_A_FIT * (sum(alone) - max(alone))

    def run(self, batch: Batch) -> Iterator[tuple[int, Any, Mapping[str, Any]]]:
        members = [at for at, each in enumerate(batch.estimators) if not _warns_itself(each, batch.X.shape[1])]
        if not members:
            return
        scored, warned = heard(clone(batch.estimators[members[0]]).fit, batch.X, batch.y)
        for position in members:
            repeat(warned)
            params = {name: getattr(batch.estimators[position], name) for name in self.axes}
            part = copy.copy(scored).set_params(**params)
            yield (
                position,
                part.transform(batch.X),
                {name: part.transform(given) for name, given in batch.sets.items()},
            )


def _warns_itself(estimator: Any, n_columns: int) -> bool:
    """Whether the fit gives a warning of its own: it asks for more columns than there are."""
    wanted = getattr(estimator, "k", "all")
    return not isinstance(wanted, str) and bool(wanted > n_columns)


RULES: tuple[Transforming, ...] = (
    SelectionRule(name="k-best", covers=frozenset({K_BEST}), axes=("k",)),
    SelectionRule(name="percentile", covers=frozenset({PERCENTILE}), axes=("percentile",)),
)
