"""How long tasks of a running sweep really take against what its plan said, by pipeline."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit, root_of

PRIOR_TASKS = 3.0
"""A pipeline's own ratio counts against that of all pipelines as if this many of its tasks were known before."""


@dataclass(slots=True, kw_only=True)
class Work:
    """Predicted seconds of a pipeline in all and of its finished tasks, and the seconds that these really took."""

    planned_seconds: float = 0.0
    predicted_seconds: float = 0.0
    real_seconds: float = 0.0
    n_tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTask:
    """A task that has not ended: its unit, the seconds it should really take, whether it is alone in its unit."""

    unit: UnitId
    seconds: float
    alone: bool


Place = tuple[int, int, str]
"""A pipeline as one plan had it: how many tasks that plan had learned from, generation of its units, its name."""


@dataclass(slots=True)
class _Units:
    """Units of one place, the one with the longest tasks first; those before `start` have ended."""

    units: list[Unit] = field(default_factory=list)
    start: int = 0


@dataclass(slots=True)
class Pace:
    """
    Sums of predicted and real seconds, told by `plan` and `ended`.

    A later plan that has learned predicts otherwise, and what runs again is not predicted anew: they are kept
    apart.
    """

    work: dict[Place, Work] = field(default_factory=dict)
    _units: dict[Place, _Units] = field(default_factory=dict)
    _left: dict[UnitId, int] = field(default_factory=dict)
    _planned: set[SegmentId] = field(default_factory=set)

    def knows(self, segment: SegmentId) -> bool:
        """Whether *segment* was planned."""
        return segment in self._planned

    def plan(self, segment: Segment) -> None:
        """Add what *segment* plans, once."""
        if segment.id in self._planned:
            return
        self._planned.add(segment.id)
        n_learned = learned_from(segment)
        for unit in segment.units:
            place = _place(n_learned, unit)
            self.work.setdefault(place, Work()).planned_seconds += unit.cost_seconds
            self._units.setdefault(place, _Units()).units.append(unit)
            self._left.setdefault(unit.id, len(unit))
        for units in self._units.values():
            units.units.sort(key=_mean, reverse=True)
            units.start = 0

    def ended(self, n_learned: int, unit: Unit, seconds: float | None) -> None:
        """Count a task of *unit* that took *seconds*; None for one whose time says nothing: it failed."""
        self._left[unit.id] = self._left.get(unit.id, len(unit)) - 1
        if seconds is None:
            return
        work = self.work.setdefault(_place(n_learned, unit), Work())
        work.n_tasks += 1
        work.real_seconds += seconds
        work.predicted_seconds += _mean(unit)

    def ratios(self) -> Mapping[Place, float]:
        """Return real over predicted seconds of each pipeline, drawn to that of all while few tasks have ended."""
        return {place: self._ratio(place, work) for place, work in self.work.items()}

    def _ratio(self, place: Place, work: Work) -> float:
        like = [one for (*plan, _), one in self.work.items() if plan == [*place[:2]]]
        predicted = sum(one.predicted_seconds for one in like)
        n_tasks = sum(one.n_tasks for one in like)
        if not n_tasks:
            return 1.0
        mean = predicted / n_tasks
        together = (sum(one.real_seconds for one in like) + mean) / (predicted + mean)
        prior = PRIOR_TASKS * (work.predicted_seconds / work.n_tasks if work.n_tasks else 1.0)
        return (work.real_seconds + prior * together) / (work.predicted_seconds + prior)

    def done_ratio(self) -> float | None:
        """Return real over predicted seconds of all tasks that have ended, None before the first."""
        predicted = sum(work.predicted_seconds for work in self.work.values())
        return sum(work.real_seconds for work in self.work.values()) / predicted if predicted > 0 else None

    def rest_ratio(self) -> float:
        """Return real over predicted seconds of what is left, as far as the pipelines tell."""
        ratios = self.ratios()
        rest = {place: max(0.0, one.planned_seconds - one.predicted_seconds) for place, one in self.work.items()}
        total = sum(rest.values())
        if total <= 0:
            return self.done_ratio() or 1.0
        return sum(seconds * ratios[place] for place, seconds in rest.items()) / total

    def long_tasks(self, open_units: Collection[UnitId]) -> Iterator[LongTask]:
        """Yield the longest task of each pipeline that waits, and what is at work in *open_units* alone."""
        at_work = {root_of(unit) for unit in open_units}
        ratios = self.ratios()
        for place, units in self._units.items():
            while units.start < len(units.units) and self._left[units.units[units.start].id] <= 0:
                units.start += 1
            for unit in itertools.islice(units.units, units.start, None):
                if self._left[unit.id] > 0:
                    yield LongTask(unit=unit.id, seconds=_mean(unit) * ratios[place], alone=len(unit) == 1)
                    if unit.id not in at_work:
                        break


def learned_from(segment: Segment) -> int:
    """Return how many finished tasks the plan of *segment* had learned from."""
    found = segment.header.costs.get("experience", {}).get("n_tasks", 0)
    return int(found)


def _place(n_learned: int, unit: Unit) -> Place:
    return (n_learned, unit.generation, unit.pipeline)


def _mean(unit: Unit) -> float:
    """Return the predicted seconds of one task of *unit*."""
    return unit.cost_seconds / max(1, len(unit))
