"""The one form of a pipeline with parameters: defaults and ignored parameters dropped, values normalised."""

from collections.abc import Mapping, Sequence
from typing import Any

from manyfit.contracts.estimators import EstimatorCatalog, Families
from manyfit.model.candidate import Step
from manyfit.plan.steps import SEED_PARAM, ResolvedStep

_MISSING = object()


class Canonicaliser:
    """
    Brings steps into canonical form.

    A parameter is dropped when it equals the constructor's default, or when the family of its estimator
    knows that it is ignored under the other parameters. So a key does not depend on how much of a
    default a person wrote down.
    """

    def __init__(self, catalog: EstimatorCatalog, families: Families) -> None:
        self._catalog = catalog
        self._families = families
        self._normalised: dict[tuple[str, str, str, str], Any] = {}

    def value(self, path: str, param: str, value: Any) -> Any:
        """Return the canonical form of one value."""
        if isinstance(value, Mapping) and "use" in value:
            return self._nested(value)
        key = (path, param, type(value).__name__, repr(value))
        if key not in self._normalised:
            self._normalised[key] = self._catalog.normalise(path, param, _plain(value))
        return self._normalised[key]

    def step(self, step: ResolvedStep, params: Mapping[str, Any]) -> tuple[Step, frozenset[str]]:
        """Return the canonical step, and the names of the given parameters that it ignores."""
        path, defaults = step.info.path, step.info.defaults
        values = {name: self.value(path, name, value) for name, value in params.items()}
        ignored = self._families.of(path).inactive(path, {**defaults, **values}) & values.keys()
        kept = {
            name: value
            for name, value in sorted(values.items())
            if name not in ignored and (_fixed_seed(name, value) or not _same(value, defaults.get(name, _MISSING)))
        }
        return Step(name=step.spec.name, use=path, params=kept), ignored

    def seeded(self, steps: Sequence[ResolvedStep], concrete: Sequence[Step]) -> bool:
        """Whether a fit depends on the seed of its cell: some step uses a random_state that is left open."""
        return any(self._step_seeded(step, made) for step, made in zip(steps, concrete, strict=True))

    def _step_seeded(self, step: ResolvedStep, concrete: Step) -> bool:
        if any(isinstance(value, Mapping) for value in concrete.params.values()):
            return True  # a nested estimator may have a random_state of its own
        if SEED_PARAM not in step.info.defaults or SEED_PARAM in concrete.params:
            return False
        return self._families.of(concrete.use).uses_seed(concrete.use, {**step.info.defaults, **concrete.params})

    def _nested(self, table: Mapping[str, Any]) -> dict[str, Any]:
        info = self._catalog.resolve(str(table["use"]))
        params = {name: self.value(info.path, name, value) for name, value in table.items() if name != "use"}
        return {"use": info.path, **dict(sorted(params.items()))}


def _fixed_seed(name: str, value: Any) -> bool:
    """Whether a seed was given: one that equals the default is still not the seed of the cell."""
    return name == SEED_PARAM and value is not None


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _same(value: Any, default: Any) -> bool:
    """Equal in value and type: 1 is not 1.0 and not True."""
    if isinstance(default, tuple):
        default = list(default)
    return type(value) is type(default) and bool(value == default)
