"""What rules share that answer for many fits from the longest of them: seeds, warnings, costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from sklearn.base import clone

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse, Params
from manyfit.families.family import SCORING_SECONDS
from manyfit.families.fusion.echoes import Heard, heard, repeat

ANSWER_SECONDS = 1e-3
"""Answering for one more fit, and scoring it, for a few rows (two cores, one thread each)."""


def seed_refusal(params: Params) -> str | None:
    """Return why fits with this `random_state` do not repeat one another's draws, or None when they do."""
    seed = params.get("random_state")
    if is_whole(seed):
        return None
    return f"random_state is {_named(seed)}, no whole number: each fit would draw other numbers"


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether *value* is a whole number; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _named(seed: Any) -> str:
    return "None" if seed is None else f"a {type(seed).__name__}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted estimator and the warnings of its fit, which every fit that it stands for would have given."""

    estimator: Any
    warned: Heard

    def warn_again(self) -> None:
        """Emit the warnings of the fit once more, on behalf of one of the fits."""
        repeat(self.warned)


def fitted(estimator: Any, changes: Params, X: Any, y: Any) -> Fitted:
    """
    Return a clone of *estimator* with *changes*, fitted; its warnings are held back.

    Raises `CannotFuse` when the fit fails: each fit alone has its own error.
    """
    return grown(clone(estimator).set_params(**changes).fit, X, y)


def grown(grow: Callable[[Any, Any], Any], X: Any, y: Any) -> Fitted:
    """Return the estimator that *grow* returns for rows and target, in the way of `fitted`."""
    try:
        return Fitted(*heard(grow, X, y))
    except Exception as error:
        raise _unless_memory(error, "the fit with the most of them failed") from error


def prepared(prepare: Callable[[Any], Any], sets: Mapping[str, Any]) -> dict[str, Any]:
    """Return each set after *prepare*; raises `CannotFuse` when a set cannot be: its answers alone say why."""
    try:
        return {name: prepare(rows) for name, rows in sets.items()}
    except Exception as error:
        raise _unless_memory(error, "a set cannot be answered for") from error


def _unless_memory(error: Exception, what: str) -> Exception:
    return error if isinstance(error, MemoryError) else CannotFuse(f"{what}: {type(error).__name__}: {error}")


def by_length(estimators: Sequence[Any], length: Callable[[Any], int]) -> Sequence[tuple[int, Sequence[int]]]:
    """Return each *length* that estimators have and the positions of those that have it, the shortest first."""
    positions: dict[int, list[int]] = {}
    for position, estimator in enumerate(estimators):
        positions.setdefault(int(length(estimator)), []).append(position)
    return sorted(positions.items())


def prefix_seconds(alone: Sequence[float], size: FitSize) -> float:
    """Return the seconds of the longest of the fits, and of answering and scoring the others from it."""
    scoring = ANSWER_SECONDS + SCORING_SECONDS * size.n_rows * max(size.n_classes, 1)
    return max(alone) + sum(min(scoring, seconds) for seconds in alone) - min(scoring, max(alone))
