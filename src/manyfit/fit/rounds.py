"""
How a fitted booster would have scored after fewer rounds.

Nothing is fitted: the trees are there, and answers of the first of them are scored. No evaluation set is given to
any fit, so that none stops early for it.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from manyfit.fit.responses import Responses
from manyfit.fit.scoring import Scoring
from manyfit.model.series import steps_of

MOST = 50
"""Numbers of rounds at which a booster is scored, evenly spread, with the first and the last."""

Answer = Callable[[str, int], Any]
"""What a booster answers by method (see `responses.METHODS`) after that many rounds, None for no such method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The rounds of a fitted booster; `on` gives its answers for rows. Rounds are asked for in rising order."""

    n_rounds: int
    on: Callable[[Any], Answer]


class _After(Responses):
    """The answers of a booster after some of its rounds."""

    def __init__(self, estimator: Any, n_classes: int, answer: Callable[[str], Any]) -> None:
        super().__init__(estimator, None, n_classes)
        self._answer = answer

    def _ask(self, method: str) -> Any:
        return self._answer(method) if hasattr(self._estimator, method) else None


def scores_by_round(
    estimator: Any,
    answers: Mapping[str, Responses],
    y: Mapping[str, NDArray[Any]],
    scoring: Scoring,
    n_classes: int,
) -> dict[str, Any]:
    """
    Return the scores of a fitted booster by number of rounds, as details of a result have series.

    One series for each set of *answers* and each metric of *scoring*, called "SET METRIC"; {} for what is no
    booster, has one round, or cannot be asked. A series without a value somewhere is left out: nothing here may
    cost a result.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would only repeat those of the whole booster
            found = rounds_of(estimator)
            if found is None or found.n_rounds < 2:
                return {}
            series = {
                f"{name} {metric}": values
                for name, responses in answers.items()
                for metric, values in _scored(
                    estimator, found, responses.rows, y[name], scoring, n_classes
                ).items()
            }
    except Exception:  # noqa: BLE001 - a booster that cannot answer for some of its rounds, such as a linear one
        return {}
    thinned = dict.fromkeys(series, found.n_rounds) if found.n_rounds > MOST else {}
    return {"series": series} | ({"n_values": thinned} if thinned else {}) if series else {}


def _scored(
    estimator: Any, found: Rounds, X: Any, y: NDArray[Any], scoring: Scoring, n_classes: int
) -> dict[str, list[float]]:
    answer = found.on(X)
    lines: dict[str, list[float | None]] = {}
    for step in steps_of(found.n_rounds, min(found.n_rounds, MOST)):
        responses = _After(estimator, n_classes, lambda method, n=step + 1: answer(method, n))  # type: ignore[misc]
        for name, value in scoring.score(responses, y)[0].items():
            lines.setdefault(name, []).append(value)
    return {
        name: [value for value in values if value is not None]
        for name, values in lines.items()
        if None not in values
    }


def rounds_of(estimator: Any) -> Rounds | None:
    """Return the rounds of a fitted booster; None for anything else."""
    library = type(estimator).__module__.partition(".")[0]
    if _has_other_rounds(estimator):
        return None
    if hasattr(estimator, "staged_predict"):
        return Rounds(n_rounds=_n_stages(estimator), on=lambda X: _Stages(estimator, X).answer)
    if library == "lightgbm" and hasattr(estimator, "booster_"):
        n_rounds = int(estimator.booster_.current_iteration())
        return Rounds(n_rounds=n_rounds, on=_asking(estimator, lambda n: {"num_iteration": n}))
    if library == "xgboost" and hasattr(estimator, "get_booster"):
        n_rounds = int(estimator.get_booster().num_boosted_rounds())
        return Rounds(n_rounds=n_rounds, on=_asking(estimator, lambda n: {"iteration_range": (0, n)}))
    if library == "manyfit" and hasattr(estimator, "booster_"):
        return _of_gbt(estimator)
    return None


_KINDS = ("booster", "boosting_type", "boosting", "boost")
"""Parameters of the two libraries that say how rounds add up; the last two are other names of LightGBM's."""


def _has_other_rounds(estimator: Any) -> bool:
    """Whether rounds change what earlier ones gave: in linear boosters, and where trees are dropped (DART)."""
    params = estimator.get_params(deep=False)
    kinds = (params.get(name) for name in _KINDS)
    return any(kind in ("gblinear", "dart") for kind in kinds if isinstance(kind, str))


def _n_stages(estimator: Any) -> int:
    for name in ("n_estimators_", "n_iter_"):
        if hasattr(estimator, name):
            return int(getattr(estimator, name))
    return len(estimator.estimators_)


@dataclass(slots=True)
class _Stages:
    """scikit-learn's staged answers, which come one after the other: each method is asked for once, on demand."""

    estimator: Any
    X: Any
    _begun: dict[str, Iterator[tuple[int, Any]]] = field(default_factory=dict)

    def answer(self, method: str, n_rounds: int) -> Any:
        if method not in self._begun:
            self._begun[method] = enumerate(getattr(self.estimator, f"staged_{method}")(self.X), 1)
        # A copy: some of them go on in the array that they gave.
        return next(copy.copy(values) for n, values in self._begun[method] if n == n_rounds)


def _asking(estimator: Any, options: Callable[[int], dict[str, Any]]) -> Callable[[Any], Answer]:
    return lambda X: lambda method, n_rounds: getattr(estimator, method)(X, **options(n_rounds))


def _of_gbt(estimator: Any) -> Rounds:
    """Return the rounds of manyfit's own trees, whose booster is that of one of the two libraries."""
    booster = estimator.booster_
    xgboost = hasattr(booster, "num_boosted_rounds")

    def answer(X: Any, method: str, n_rounds: int) -> Any:
        short = copy.copy(estimator)
        short.booster_ = _ShortXgboost(booster, n_rounds) if xgboost else _ShortLightgbm(booster, n_rounds)
        return getattr(short, method)(X)

    n_rounds = booster.num_boosted_rounds() if xgboost else booster.current_iteration()
    return Rounds(n_rounds=int(n_rounds), on=lambda X: lambda method, n: answer(X, method, n))


@dataclass(frozen=True, slots=True)
class _ShortXgboost:
    booster: Any
    n_rounds: int

    def inplace_predict(self, X: Any, **options: Any) -> Any:
        return self.booster.inplace_predict(X, iteration_range=(0, self.n_rounds), **options)


@dataclass(frozen=True, slots=True)
class _ShortLightgbm:
    booster: Any
    n_rounds: int

    def predict(self, X: Any, **options: Any) -> Any:
        return self.booster.predict(X, num_iteration=self.n_rounds, **options)
