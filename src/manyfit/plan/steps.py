"""A declared pipeline made concrete: which class each step is, and which parameter belongs to which step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.contracts.estimators import EstimatorCatalog, EstimatorInfo
from manyfit.model.errors import MissingExtra, NotFound, UserError
from manyfit.model.mistake import Mistake, did_you_mean
from manyfit.model.sweep import Problem, StepSpec

_DETECTORS = (
    ': write "anomaly_forest", "anomaly_neighbors", "anomaly_svm" or "anomaly_envelope", detectors that are'
    " scored as classifiers"
)

SEED_PARAM = "random_state"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedStep:
    """A step with the estimator that it names."""

    spec: StepSpec
    info: EstimatorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a declared parameter goes: the position of the step, and the path of names inside it."""

    step: int
    path: tuple[str, ...]


class Resolver:
    """Resolves steps and parameter names, and collects every mistake instead of stopping at the first."""

    def __init__(self, catalog: EstimatorCatalog, file: str) -> None:
        self._catalog = catalog
        self._file = file
        self.mistakes: list[Mistake] = []

    def mistake(self, key: str, message: str) -> None:
        self.mistakes.append(Mistake(file=self._file, key=key, message=message))

    def steps(self, specs: Sequence[StepSpec], key: str) -> tuple[ResolvedStep, ...] | None:
        """Resolve the steps declared under *key*; None when one of them is unknown."""
        resolved = [self._step(spec, f"{key}.steps[{i}]") for i, spec in enumerate(specs)]
        found = tuple(step for step in resolved if step is not None)
        return found if len(found) == len(resolved) else None

    def _step(self, spec: StepSpec, key: str) -> ResolvedStep | None:
        try:
            info = self._catalog.resolve(spec.use)
        except (NotFound, UserError, MissingExtra) as error:
            self.mistake(key, str(error))
            return None
        for name, value in spec.params.items():
            self._check(info, (name,), value, f"{key}.{name}")
        return ResolvedStep(spec=spec, info=info)

    def check_kinds(self, steps: Sequence[ResolvedStep], n_prepare: int, problem: Problem, key: str) -> None:
        """Check that all steps but the last transform, and that the last predicts what is asked for."""
        for position, step in enumerate(steps[:-1]):
            if step.info.kind not in {"transformer", "other"}:
                where = "prepare" if position < n_prepare else key
                self.mistake(
                    f"{where}.steps", f"{step.spec.use} is a {step.info.kind}; only the last step may be one"
                )
        wanted = "classifier" if problem is Problem.CLASSIFICATION else "regressor"
        last = steps[-1]
        article = "an" if last.info.kind[0] in "aeiou" else "a"
        if last.info.kind not in {wanted, "other"}:
            self.mistake(
                f"{key}.steps",
                f"the last step {last.spec.use} is {article} {last.info.kind}; the target is a {problem.value}"
                f" problem and needs a {wanted}{_DETECTORS if last.info.kind == 'outlier_detector' else ''}",
            )

    def target(self, name: str, steps: Sequence[ResolvedStep], key: str) -> Target | None:
        """Return where the parameter *name* goes; a bare name belongs to the last step. None for a mistake."""
        head, _, rest = name.partition("__")
        positions = {step.spec.name: i for i, step in enumerate(steps)}
        if rest and head in positions:
            step, path = positions[head], tuple(rest.split("__"))
        else:
            step, path = len(steps) - 1, tuple(name.split("__"))
        info = steps[step].info
        if path[0] in info.defaults:
            return Target(step=step, path=path)
        known = [*info.defaults, *(f"{other}__" for other in positions)]
        self.mistake(key, f'no parameter "{path[0]}" in {short(info.path)}{did_you_mean(path[0], known)}')
        return None

    def check_value(self, target: Target, steps: Sequence[ResolvedStep], value: Any, key: str) -> None:
        """Check one value that the search would give to *target*."""
        step = steps[target.step]
        if len(target.path) == 1:
            self._check(step.info, target.path, value, key)
            return
        nested = step.spec.params.get(target.path[0])
        if not isinstance(nested, Mapping) or "use" not in nested:
            message = f'"{target.path[0]}" of {short(step.info.path)} is not declared as {{ use = ... }}'
            self.mistake(key, f"{message}, so it has no parameters to search")
            return
        try:
            inner = self._catalog.resolve(str(nested["use"]))
        except (NotFound, UserError, MissingExtra) as error:
            self.mistake(key, str(error))
            return
        self._check(inner, target.path[1:], value, key)

    def _check(self, info: EstimatorInfo, path: tuple[str, ...], value: Any, key: str) -> None:
        if path[0] not in info.defaults:
            message = f'no parameter "{path[0]}" in {short(info.path)}{did_you_mean(path[0], info.defaults)}'
            self.mistake(key, message)
        elif len(path) == 1 and (wrong := self._catalog.check(info.path, path[0], value)):
            self.mistake(key, wrong)


def short(path: str) -> str:
    """Return the class name of an import path."""
    return path.replace(":", ".").rpartition(".")[2]
