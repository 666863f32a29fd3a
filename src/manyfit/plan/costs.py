"""Predicted seconds and memory of tasks: the families' formulas, corrected by what finished tasks really took."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from manyfit.contracts.estimators import EstimatorCatalog, Families, FitSize
from manyfit.model.candidate import Candidate, Cell, Params, Step
from manyfit.model.profile import DataProfile

Trait = float | str
"""What a correction may depend on: the logarithm of a positive number, or a text."""

NUMBER_BYTES = 8
COPIES = 3
"""Copies of its training rows that a fit is supposed to make until experience says better."""

FLOOR_BYTES = 8 << 20
"""Smaller differences of memory are the allocator's, not the task's."""

_LONGEST_TEXT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """
    How far predictions are off, as factors max(predicted / real, real / predicted): 1 is perfect.

    Half of the `n_tasks` tasks are off by less than `median`, nine tenths by less than `p90`.
    """

    n_tasks: int
    median: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """
    One summand of a correction, in logarithms.

    With `value` None it grows with the trait's number, held constant outside of the range `low` to `high`
    that was seen; a task whose trait is a text gets nothing. Otherwise it is for tasks with that text.
    """

    trait: str
    value: str | None
    weight: float
    centre: float
    low: float = 0.0
    high: float = 0.0

    def of(self, found: Trait | None) -> float:
        """Return the summand for a task with this trait."""
        if self.value is not None:
            return self.weight * ((found == self.value) - self.centre)
        if not isinstance(found, float):
            return 0.0
        return self.weight * (min(max(found, self.low), self.high) - self.centre)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """
    What finished tasks say of a formula: its result is multiplied by exp(intercept + sum of the terms).

    `steps` are the classes that it was learned from. The exponent stays between `low` and `high`, a little
    more than the range of what was seen. `accuracy` is that on tasks which the correction had not seen.
    """

    steps: tuple[str, ...]
    intercept: float
    terms: tuple[Term, ...]
    low: float
    high: float
    accuracy: Accuracy

    def within(self, exponent: float) -> float:
        """Return the factor for the sum of intercept and terms."""
        return math.exp(min(max(exponent, self.low), self.high))

    def factor(self, traits: Mapping[str, Trait]) -> float:
        """Return the factor for a task with these traits."""
        return self.within(self.intercept + sum(term.of(traits.get(term.trait)) for term in self.terms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """Corrections by pipeline, and by class of the step that predicts for pipelines without experience."""

    by_pipeline: Mapping[str, Correction] = field(default_factory=dict)
    by_class: Mapping[str, Correction] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_pipeline or self.by_class)

    def of(self, pipeline: str, uses: tuple[str, ...]) -> Correction | None:
        """Return the nearest correction for *pipeline* with steps of these classes, None without experience."""
        own = self.by_pipeline.get(pipeline)
        return own if own is not None and own.steps == uses else self.by_class.get(uses[-1] if uses else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """
    What finished tasks teach about seconds and memory.

    `n_tasks` were looked at. `accuracy` is that of predicted seconds over all pipelines, on tasks that the
    corrections had not seen. `runner_bytes` is the smallest peak of any task: what the runner itself needs.
    Memory is learned beyond it; 0 means that nothing is known of memory.
    """

    seconds: Corrections = Corrections()
    memory: Corrections = Corrections()
    runner_bytes: int = 0
    n_tasks: int = 0
    accuracy: Accuracy | None = None


_Divided = tuple[Sequence[Term], Mapping[int, Mapping[str, Sequence[Term]]]]
"""The terms of a correction: those of sizes, and those of parameters by step and name."""


@dataclass(slots=True)
class _Known:
    """What is the same for every task of a candidate: its correction, and the summands of its parameters."""

    correction: Correction | None
    exponent: float
    sizes: Sequence[Term]


Defaults = Callable[[str], Params]
Columns = Mapping[str, Mapping[str, tuple[int, int]]]
"""Numbers of columns and of classes, by data variant and feature set."""


class CostModel:
    """
    Predicts seconds on one core and peak memory of single tasks; remembers candidates of the same size.

    `defaults` gives the parameters of a class that a step does not name. Use `planned_costs` or
    `stored_costs` to make one.
    """

    def __init__(
        self, columns: Columns, defaults: Defaults, families: Families, experience: Experience | None = None
    ) -> None:
        self.experience = experience or Experience()
        self.columns = columns
        self._look_up = defaults
        self._families = families
        self._defaults: dict[str, Params] = {}
        self._seconds: dict[tuple[str, str, int], float] = {}
        self._last: dict[str, tuple[Candidate, _Known]] = {}
        self._size_exponents: dict[tuple[int, str, str, int], float] = {}
        self._divided: dict[int, _Divided] = {}

    def seconds(self, candidate: Candidate, cell: Cell) -> float:
        """Return the predicted seconds of fitting and scoring *candidate* on *cell*."""
        key = (candidate.key, candidate.variant, cell.n_train)
        if key not in self._seconds:
            formula = self.formula_seconds(candidate, cell.n_train)
            self._seconds[key] = formula * self._factor("seconds", candidate, cell.n_train)
        return self._seconds[key]

    def memory_bytes(self, candidate: Candidate, n_train: int) -> int:
        """Return the predicted peak of the runner during the task, 0 when nothing is known of this pipeline."""
        beyond = self._beyond_bytes(candidate, n_train)
        return 0 if beyond is None else self.experience.runner_bytes + int(beyond)

    def _beyond_bytes(self, candidate: Candidate, n_train: int) -> float | None:
        known = self._of("memory", candidate)
        if known.correction is None:
            return None
        factor = self._factor("memory", candidate, n_train)
        return max(0.0, (self.formula_bytes(candidate, n_train) + FLOOR_BYTES) * factor - FLOOR_BYTES)

    def formula_seconds(self, candidate: Candidate, n_train: int) -> float:
        """Return what the families' formulas say, without experience."""
        return sum(self.step_seconds(step, size) for step, size in self.steps(candidate, n_train))

    def steps(self, candidate: Candidate, n_train: int) -> Iterator[tuple[Step, FitSize]]:
        """Yield the steps of *candidate*, each with the size of what it meets."""
        size = self.size(candidate, n_train)
        for position, step in enumerate(candidate.steps, 1):
            yield step, size
            if position < len(candidate.steps):
                size = self.after(step, size)

    def after(self, step: Step, size: FitSize) -> FitSize:
        """Return the size of what comes behind *step*: transformers give other columns than they get."""
        n_columns = self._families.of(step.use).n_columns(step.use, self.params(step), size)
        return size if n_columns == size.n_columns else replace(size, n_columns=n_columns)

    def step_seconds(self, step: Step, size: FitSize) -> float:
        """Return what the formula of one step says, without experience."""
        return self._families.of(step.use).cost_seconds(step.use, self.params(step), size)

    def size(self, candidate: Candidate, n_train: int) -> FitSize:
        """Return how large the table of a fit of *candidate* on this many rows is."""
        n_columns, n_classes = self.columns[candidate.variant][candidate.features]
        return FitSize(n_rows=n_train, n_columns=n_columns, n_classes=n_classes)

    def formula_bytes(self, candidate: Candidate, n_train: int) -> float:
        """Return a first guess of what a task needs beyond its runner."""
        return float(COPIES * NUMBER_BYTES * n_train * self.columns[candidate.variant][candidate.features][0])

    def covers(self, candidate: Candidate) -> bool:
        """Whether the size of the candidate's data is known: it is not for data that a later plan dropped."""
        return candidate.features in self.columns.get(candidate.variant, {})

    def correction(self, candidate: Candidate) -> Correction | None:
        """Return the correction of seconds that applies to *candidate*, None without experience."""
        return self._of("seconds", candidate).correction

    def params(self, step: Step) -> Params:
        """Return all parameters of a step, with those defaults filled in that are plain values."""
        return {**self.defaults(step.use), **step.params}

    def defaults(self, use: str) -> Params:
        """Return the defaults of a class that are plain values."""
        if use not in self._defaults:
            self._defaults[use] = _plain(self._look_up(use))
        return self._defaults[use]

    def traits(self, candidate: Candidate, n_train: int) -> dict[str, Trait]:
        """
        Return all that a correction may depend on.

        Parameters are called by the position of their step, counted from the last, and their name: "0.C".
        """
        found = self._size_traits(candidate.variant, candidate.features, n_train)
        for back, step in enumerate(reversed(candidate.steps)):
            found |= {f"{back}.{name}": trait(value) for name, value in self.params(step).items()}
        return found

    def _size_traits(self, variant: str, features: str, n_train: int) -> dict[str, Trait]:
        n_columns, n_classes = self.columns[variant][features]
        counts = {"rows": n_train, "columns": n_columns, "classes": n_classes}
        return {**{name: trait(n) for name, n in counts.items()}, "variant": variant, "features": features}

    def _factor(self, what: str, candidate: Candidate, n_train: int) -> float:
        if not (self.experience.seconds if what == "seconds" else self.experience.memory):
            return 1.0
        known = self._of(what, candidate)
        if known.correction is None:
            return 1.0
        return known.correction.within(known.exponent + self._size_exponent(known, candidate, n_train))

    def _size_exponent(self, known: _Known, candidate: Candidate, n_train: int) -> float:
        key = (id(known.sizes), candidate.variant, candidate.features, n_train)
        if key not in self._size_exponents:
            traits = self._size_traits(candidate.variant, candidate.features, n_train)
            self._size_exponents[key] = sum(term.of(traits.get(term.trait)) for term in known.sizes)
        return self._size_exponents[key]

    def _of(self, what: str, candidate: Candidate) -> _Known:
        # Planners ask for all tasks of one candidate in a row: remembering the last is as good as all.
        last = self._last.get(what)
        if last is not None and last[0] is candidate:
            return last[1]
        known = self._know(what, candidate)
        self._last[what] = (candidate, known)
        return known

    def _know(self, what: str, candidate: Candidate) -> _Known:
        corrections = self.experience.seconds if what == "seconds" else self.experience.memory
        correction = corrections.of(candidate.pipeline, tuple(step.use for step in candidate.steps))
        if correction is None:
            return _Known(None, 0.0, ())
        if id(correction) not in self._divided:
            self._divided[id(correction)] = _divided(correction)
        sizes, own = self._divided[id(correction)]
        exponent = correction.intercept
        for back, of_step in own.items():
            step = candidate.steps[-1 - back]
            defaults = self.defaults(step.use)
            for name, terms in of_step.items():
                params = step.params if name in step.params else defaults
                found = trait(params[name]) if name in params else None
                exponent += sum(term.of(found) for term in terms)
        return _Known(correction, exponent, sizes)


def planned_costs(
    profiles: Mapping[str, DataProfile],
    catalog: EstimatorCatalog,
    families: Families,
    experience: Experience | None = None,
) -> CostModel:
    """Return the predictions for a plan over this data."""
    columns = {
        variant: {name: (len(found), len(profile.classes)) for name, found in profile.columns.items()}
        for variant, profile in profiles.items()
    }
    return CostModel(columns, lambda use: catalog.resolve(use).defaults, families, experience)


def stored_costs(stored: Mapping[str, Any], families: Families) -> CostModel:
    """
    Return the predictions of an earlier plan from what `costs_to_json` kept of them.

    They are the same without its data and without importing its estimators. Of an empty *stored* no
    candidate is covered.
    """
    columns = {
        variant: {name: (n_columns, n_classes) for name, (n_columns, n_classes) in found.items()}
        for variant, found in stored.get("columns", {}).items()
    }
    defaults = stored.get("defaults", {})
    experience = experience_from_json(stored["experience"]) if "experience" in stored else None
    return CostModel(columns, lambda use: defaults.get(use, {}), families, experience)


def costs_to_json(costs: CostModel, candidates: Iterable[Candidate]) -> dict[str, Any]:
    """Return as JSON values what `stored_costs` needs to predict *candidates* again."""
    uses = {step.use for candidate in candidates for step in candidate.steps}
    kept = {
        "columns": {variant: dict(found) for variant, found in costs.columns.items()},
        "defaults": {use: dict(costs.defaults(use)) for use in sorted(uses)},
        "experience": asdict(costs.experience),
    }
    # Lists for tuples at once: what is published equals what is read.
    found: dict[str, Any] = json.loads(json.dumps(kept))
    return found


def experience_from_json(value: Mapping[str, Any]) -> Experience:
    """Return the experience that `asdict` took apart."""
    return Experience(
        seconds=_corrections(value["seconds"]),
        memory=_corrections(value["memory"]),
        runner_bytes=value["runner_bytes"],
        n_tasks=value["n_tasks"],
        accuracy=None if value["accuracy"] is None else Accuracy(**value["accuracy"]),
    )


def _corrections(value: Mapping[str, Any]) -> Corrections:
    return Corrections(
        by_pipeline={name: _correction(one) for name, one in value["by_pipeline"].items()},
        by_class={name: _correction(one) for name, one in value["by_class"].items()},
    )


def _correction(value: Mapping[str, Any]) -> Correction:
    parts = {
        "steps": tuple(value["steps"]),
        "terms": tuple(Term(**term) for term in value["terms"]),
        "accuracy": Accuracy(**value["accuracy"]),
    }
    return Correction(**{**value, **parts})


def trait(value: Any) -> Trait:
    """
    Return a parameter's value as corrections see it.

    Positive numbers as logarithms, lists of them by their sum, everything else as text.
    """
    if isinstance(value, (list, tuple)) and value and all(_is_number(part) for part in value):
        value = sum(value)
    if _is_number(value) and value > 0:
        return math.log(value)
    return str(value)[:_LONGEST_TEXT]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _plain(params: Params) -> dict[str, Any]:
    """Return the parameters that JSON can keep; no formula looks at others."""
    return {name: value for name, value in params.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(part) for part in value)
    return value is None or isinstance(value, (bool, str)) or _is_number(value)


def _divided(correction: Correction) -> _Divided:
    sizes = [term for term in correction.terms if "." not in term.trait]
    own: dict[int, dict[str, list[Term]]] = {}
    for term in correction.terms:
        back, dot, name = term.trait.partition(".")
        if dot:
            own.setdefault(int(back), {}).setdefault(name, []).append(term)
    return sizes, own
