"""Dividing the tasks of a search into portions for runners, by what they will cost."""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sklearn.base import is_classifier

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Rule
from manyfit.families.family import OVERHEAD_SECONDS
from manyfit.fit.fusing import Fit
from manyfit.plan.choosing import shared_seconds
from manyfit.search.evaluation import Evaluation
from manyfit.search.fitting import Fitting

_PARTS = 6
"""Portions for each runner, about: enough to end together, few enough to keep together what shares work."""
_MOST_CUTS = 4
Params = Mapping[str, Any]
_Member = tuple[int, float, Params, str, Rule | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Tasks of one fold that one runner does one after the other, and the seconds that they will take."""

    indices: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """
    Candidates that may share work in each fold, and their predicted seconds when they are fitted alone.

    `rule` computes them together from their last steps' `params`; None: they can be divided at will.
    """

    candidates: tuple[int, ...]
    seconds: tuple[float, ...]
    params: tuple[Params, ...] = ()
    path: str = ""
    rule: Rule | None = None

    def cost(self, size: FitSize) -> float:
        """Return the predicted seconds of all of them in one fold."""
        alone = sum(self.seconds)
        if self.rule is None or len(self.candidates) < 2:
            return alone
        return min(alone, shared_seconds(self.rule, self.path, self.params, self.seconds, size))

    def part(self, begin: int, end: int) -> "_Group":
        """Return the candidates from *begin* to before *end* as a group."""
        chosen = slice(begin, end)
        return _Group(
            candidates=self.candidates[chosen],
            seconds=self.seconds[chosen],
            params=self.params[chosen],
            path=self.path,
            rule=self.rule,
        )

    def halves(self, n: int) -> list["_Group"]:
        """Return the group in *n* parts of about as many candidates."""
        bounds = [round(part * len(self.candidates) / n) for part in range(n + 1)]
        return [self.part(begin, end) for begin, end in itertools.pairwise(bounds) if end > begin]


class Dividing:
    """Divides the tasks of one evaluation; predicted seconds are those of one core."""

    def __init__(self, evaluation: Evaluation, fitting: Fitting) -> None:
        self._evaluation = evaluation
        self._blueprints = fitting.blueprints
        self._families = fitting.families
        self._placing = fitting.fitter.placing
        self._known_seconds: dict[int, float] = {}
        self._size = _size_of(evaluation)

    def portions(self, n_runners: int) -> list[Portion]:
        """Return all tasks, in portions so small that *n_runners* end at about the same time."""
        groups = self._groups()
        costs = [group.cost(self._size) for group in groups]
        n_folds = self._evaluation.n_folds
        target = max(sum(costs) * n_folds / (n_runners * _PARTS), 1e-3)
        pieces: list[_Group] = []
        for group, cost in zip(groups, costs, strict=True):
            dominates = cost > sum(costs) / 2
            pieces += self._cut(group, target, n_runners if dominates else 1)
        return [portion for fold in range(n_folds) for portion in self._pack(pieces, fold, target)]

    def _pack(self, pieces: Sequence[_Group], fold: int, target: float) -> list[Portion]:
        """Put small pieces of one fold together until they are worth an order."""
        portions: list[Portion] = []
        indices: list[int] = []
        seconds = 0.0
        for piece in pieces:
            indices += [candidate * self._evaluation.n_folds + fold for candidate in piece.candidates]
            seconds += piece.cost(self._size)
            if seconds >= target or piece is pieces[-1]:
                portions.append(Portion(indices=tuple(indices), seconds=seconds))
                indices, seconds = [], 0.0
        return portions

    def _cut(self, group: _Group, target: float, n_runners: int) -> list[_Group]:
        """Return the group in parts that are worth it."""
        if group.rule is not None:
            return self._cut_shared(group, n_runners)
        n_parts = min(len(group.candidates), max(1, round(sum(group.seconds) / target)))
        return group.halves(n_parts)

    def _cut_shared(self, group: _Group, n_runners: int) -> list[_Group]:
        """Divide a group that shares work only where runners would otherwise wait for each other longer."""
        best, least = [group], float("inf")
        for n_parts in range(1, _MOST_CUTS + 1 if n_runners > 1 else 2):
            parts = group.halves(n_parts)
            longest = max(part.cost(self._size) for part in parts)
            span = -(-self._evaluation.n_folds * n_parts // n_runners) * longest
            if span < 0.95 * least:
                best, least = parts, span
        return best

    # -- groups ------------------------------------------------------------------------------------

    def _groups(self) -> list[_Group]:
        """Return the candidates in groups; those with equal first steps stand side by side."""
        members: dict[Hashable, dict[Hashable, list[_Member]]] = {}
        for candidate in range(len(self._evaluation.candidates)):
            prefix, key, member = self._placed(candidate)
            members.setdefault(prefix, defaultdict(list))[key].append(member)
        return [_group(found) for groups in members.values() for found in groups.values()]

    def _placed(self, candidate: int) -> tuple[Hashable, Hashable, _Member]:
        blueprint = self._blueprints.of(candidate)
        if blueprint is None:
            return None, None, (candidate, self._guess(candidate), {}, "", None)
        fit = blueprint.fit
        placed = self._placing.known(fit, fit.paths[-1], blueprint.final, self._size)
        before = sum(self._step_seconds(fit, at) for at in range(len(fit.steps) - 1))
        if placed.rule is None:
            own = self._seconds(fit.paths[-1], blueprint.final.get_params(deep=False))
            return tuple(fit.tokens[:-1]), None, (candidate, before + own, {}, fit.paths[-1], None)
        member = (candidate, before + placed.seconds, placed.params, placed.path, placed.rule)
        return tuple(fit.tokens[:-1]), placed.group, member

    def _step_seconds(self, fit: Fit, at: int) -> float:
        """Return the predicted seconds of a step before the last, which many candidates have."""
        token = cast(int, fit.tokens[at])
        if token not in self._known_seconds:
            params = fit.steps[at][1].get_params(deep=False)
            self._known_seconds[token] = self._seconds(fit.paths[at], params)
        return self._known_seconds[token]

    def _seconds(self, path: str, params: Params) -> float:
        try:
            return self._families.of(path).cost_seconds(path, params, self._size)
        except Exception:  # noqa: BLE001 - parameters that are wrong: the fit will say so
            return OVERHEAD_SECONDS

    def _guess(self, candidate: int) -> float:
        """Return the predicted seconds of a fit that is made alone: of its last step, as far as that is known."""
        estimator = self._evaluation.estimator
        steps = getattr(estimator, "steps", None)
        final = steps[-1][1] if isinstance(steps, list) and steps else estimator
        if not hasattr(final, "get_params"):
            return OVERHEAD_SECONDS
        named = {name.rpartition("__")[2]: value for name, value in self._evaluation.candidates[candidate].items()}
        return self._seconds(self._blueprints.path(final), {**final.get_params(deep=False), **named})


def _group(found: Sequence[_Member]) -> _Group:
    _, _, _, path, rule = found[0]
    return _Group(
        candidates=tuple(one[0] for one in found),
        seconds=tuple(one[1] for one in found),
        params=tuple(one[2] for one in found),
        path=path,
        rule=rule,
    )


def _size_of(evaluation: Evaluation) -> FitSize:
    """Return the size of a fit: training rows of the first fold, columns, and classes (0: nobody knows)."""
    shape: tuple[int, ...] = getattr(evaluation.X, "shape", ())
    return FitSize(
        n_rows=len(evaluation.splits[0][0]) if evaluation.splits else 1,
        n_columns=shape[1] if len(shape) == 2 else 1,
        n_classes=_n_classes(evaluation),
    )


def _n_classes(evaluation: Evaluation) -> int:
    if evaluation.y is None or not is_classifier(evaluation.estimator) or np.ndim(evaluation.y) != 1:
        return 0
    try:
        return len(np.unique(np.asarray(evaluation.y)))
    except TypeError:
        return 0
