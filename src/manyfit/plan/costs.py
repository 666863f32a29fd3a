"""Predicted seconds of tasks, from the families' formulas and from what earlier tasks really took."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from manyfit.contracts.estimators import EstimatorCatalog, Families, FitSize
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.profile import DataProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What finished tasks took: the factor of real over predicted seconds by pipeline, and how many tasks."""

    factors: Mapping[str, float] = field(default_factory=dict)
    n_tasks: int = 0


class CostModel:
    """Predicts the seconds of one task on one core; remembers candidates of the same size."""

    def __init__(
        self,
        profiles: Mapping[str, DataProfile],
        catalog: EstimatorCatalog,
        families: Families,
        experience: Experience | None = None,
    ) -> None:
        self._profiles = profiles
        self._catalog = catalog
        self._families = families
        self.experience = experience or Experience()
        self._known: dict[tuple[str, str, int], float] = {}

    def seconds(self, candidate: Candidate, cell: Cell) -> float:
        """Return the predicted seconds of fitting and scoring *candidate* on *cell*."""
        key = (candidate.key, candidate.variant, cell.n_train)
        if key not in self._known:
            self._known[key] = self._predict(candidate, cell)
        return self._known[key]

    def _predict(self, candidate: Candidate, cell: Cell) -> float:
        profile = self._profiles[candidate.variant]
        size = FitSize(
            n_rows=cell.n_train,
            n_columns=len(profile.columns[candidate.features]),
            n_classes=len(profile.classes),
        )
        total = 0.0
        for step in candidate.steps:
            params = {**self._catalog.resolve(step.use).defaults, **step.params}
            total += self._families.of(step.use).cost_seconds(step.use, params, size)
        return total * self.experience.factors.get(candidate.pipeline, 1.0)
