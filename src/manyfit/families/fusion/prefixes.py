"""What rules share that answer for many fits from the longest of them: seeds, warnings, costs."""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from sklearn.base import clone

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse, Params
from manyfit.families.family import SCORING_SECONDS
from manyfit.families.fusion.sources import METHODS

ANSWER_SECONDS = 1e-3
"""Answering for one more fit, and scoring it, for a few rows (two cores, one thread each)."""


def seed_refusal(params: Params) -> str | None:
    """Return why fits with this `random_state` do not repeat one another's draws, or None when they do."""
    seed = params.get("random_state")
    if is_whole(seed):
        return None
    return f"random_state is {_named(seed)}, not a whole number: each fit would draw other numbers"


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether *value* is a whole number; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _named(seed: Any) -> str:
    return "None" if seed is None else f"a {type(seed).__name__}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted estimator and the warnings of its fit, which every fit that it stands for would have given."""

    estimator: Any
    warned: Sequence[warnings.WarningMessage]

    def warn_again(self) -> None:
        """Emit the warnings of the fit once more, on behalf of one of the fits."""
        for each in self.warned:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def fitted(estimator: Any, changes: Params, X: Any, y: Any, **fit_params: Any) -> Fitted:
    """
    Return a clone of *estimator* with *changes*, fitted; its warnings are held back.

    Raises `CannotFuse` when the fit fails: each fit alone has its own error.
    """
    made = clone(estimator).set_params(**changes)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            made.fit(X, y, **fit_params)
        except Exception as error:
            raise _unless_memory(error, "the fit with the most of them failed") from error
    return Fitted(made, warned)


def prepared(prepare: Callable[[Any], Any], sets: Mapping[str, Any]) -> dict[str, Any]:
    """Return each set after *prepare*; raises `CannotFuse` when a set cannot be: its answers alone say why."""
    try:
        return {name: prepare(rows) for name, rows in sets.items()}
    except Exception as error:
        raise _unless_memory(error, "a set cannot be answered for") from error


def _unless_memory(error: Exception, what: str) -> Exception:
    return error if isinstance(error, MemoryError) else CannotFuse(f"{what}: {type(error).__name__}: {error}")


def by_length(estimators: Sequence[Any], axis: str) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield each value of *axis* and the positions of the estimators that have it, the smallest first."""
    positions: dict[int, list[int]] = {}
    for position, estimator in enumerate(estimators):
        positions.setdefault(int(getattr(estimator, axis)), []).append(position)
    yield from sorted(positions.items())


def prefix_seconds(alone: Sequence[float], size: FitSize) -> float:
    """Return the seconds of the longest of the fits, and of answering and scoring the others from it."""
    scoring = ANSWER_SECONDS + SCORING_SECONDS * size.n_rows * max(size.n_classes, 1)
    return max(alone) + sum(min(scoring, seconds) for seconds in alone) - min(scoring, max(alone))


@dataclass(frozen=True, slots=True)
class PrefixSource:
    """The answers of a fitted estimator whose methods can stop early; `stop` are the keywords that say where."""

    estimator: Any
    sets: Mapping[str, Any]
    stop: Params

    @property
    def classes(self) -> Any:
        return getattr(self.estimator, "classes_", None)

    @property
    def methods(self) -> Sequence[str]:
        return tuple(name for name in METHODS if hasattr(self.estimator, name))

    def answer(self, name: str, method: str) -> Any:
        return getattr(self.estimator, method)(self.sets[name], **self.stop)


def rounds_refusal(params: Params, known: Collection[str], *, default: bool) -> str | None:
    """
    Return why the number of rounds of a boosting library may not be what `n_estimators` says, or None.

    None stands for a default of the library where *default* is true. Parameters beyond *known* could give
    the number under another name, stop early or schedule the learning rate.
    """
    rounds = params.get("n_estimators")
    if not (is_whole(rounds) and rounds >= 1) and not (default and rounds is None):
        return f"n_estimators is {rounds!r}, not a whole number of at least 1"
    unknown = sorted(set(params) - set(known))
    if unknown:
        return f"{unknown[0]} is no parameter that the rule knows: it may change the number of rounds"
    for name in ("objective", "eval_metric"):
        value = params.get(name)
        if any(callable(part) for part in (value if isinstance(value, (list, tuple)) else [value])):
            return f"{name} is a function, which may remember earlier rounds"
    return None if params.get("random_state") is None else seed_refusal(params)
