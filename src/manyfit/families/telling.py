"""Fusion rules for a sweep that keeps series: estimators that tell of their training are fitted alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Guarantee, Params, Rule, Rules

TELLING = frozenset(
    {
        "sklearn.neural_network:MLPClassifier",
        "sklearn.neural_network:MLPRegressor",
        "sklearn.ensemble:GradientBoostingClassifier",
        "sklearn.ensemble:GradientBoostingRegressor",
        "sklearn.ensemble:HistGradientBoostingClassifier",
        "sklearn.ensemble:HistGradientBoostingRegressor",
        "sklearn.ensemble:AdaBoostClassifier",
        "sklearn.ensemble:AdaBoostRegressor",
        "lightgbm:LGBMClassifier",
        "lightgbm:LGBMRegressor",
        "xgboost:XGBClassifier",
        "xgboost:XGBRegressor",
        "manyfit.models.gbt:GbtClassifier",
        "manyfit.models.gbt:GbtRegressor",
    }
)
"""Classes whose fitted estimators have a series; a number of iterations alone is no reason to fit alone."""

REFUSAL = "its series are kept, and a rule has no fitted estimator to take them from"


@dataclass(frozen=True, slots=True)
class _Refusing:
    """A rule that refuses everything."""

    rule: Rule

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        del path, params, size
        return REFUSAL

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rule, name)


@dataclass(frozen=True, slots=True)
class TellingAlone:
    """The rules of a sweep that keeps series."""

    rules: Rules

    def of(self, path: str) -> Sequence[Rule]:
        there = self.rules.of(path)
        return [cast(Rule, _Refusing(rule)) for rule in there] if path in TELLING else there

    def names(self) -> Mapping[str, Guarantee]:
        return self.rules.names()
