"""From a declaration to candidates and cells: factors x pipelines x parameters, and splits x folds x seeds."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.estimators import EstimatorCatalog, Families, FitSize, Meets
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import CandidateKey, CellKey, content_key
from manyfit.model.mistake import Mistake
from manyfit.model.profile import DataProfile, RowSets
from manyfit.model.sweep import Distribution, PipelineSpec, Split, SweepSpec
from manyfit.plan.canonical import Canonicaliser
from manyfit.plan.draws import draws
from manyfit.plan.steps import ResolvedStep, Resolver, Target, short

Assignment = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A candidate, and whether its fits depend on the seed of a cell beyond the choice of rows."""

    candidate: Candidate
    seeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGroup:
    """
    The cells of one split and one fold, one for each seed.

    `cells` hold the seeds in declared order; `unseeded` is the one cell for candidates that do not use
    the seed, when the seed does not decide the rows either.
    """

    cells: tuple[Cell, ...]
    unseeded: Cell | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """All candidates of each pipeline and all cells of each data variant, without duplicates."""

    made: Mapping[str, Sequence[Made]]
    groups: Mapping[str, Sequence[CellGroup]]
    n_merged: Mapping[str, int]
    mistakes: Sequence[Mistake]
    warnings: Sequence[str]


@dataclass(slots=True)
class Expander:
    """Expands one sweep. Pure: estimators and families are handed in, nothing is fitted or read."""

    spec: SweepSpec
    profiles: Mapping[str, DataProfile]
    catalog: EstimatorCatalog
    families: Families
    file: str = ""
    resolver: Resolver = field(init=False)
    canonical: Canonicaliser = field(init=False)
    _column_keys: Mapping[tuple[str, str], str] = field(init=False)

    def __post_init__(self) -> None:
        self.resolver = Resolver(self.catalog, self.file)
        self.canonical = Canonicaliser(self.catalog, self.families)
        self._column_keys = {
            (variant, features): content_key(list(columns))
            for variant, profile in self.profiles.items()
            for features, columns in profile.columns.items()
        }

    def expand(self) -> Expansion:
        prepare = self.resolver.steps(self.spec.prepare.steps, "prepare")
        searches = [self._search(pipeline, prepare or ()) for pipeline in self.spec.pipelines]
        made: dict[str, list[Made]] = {}
        merged: dict[str, int] = {}
        warnings: list[str] = []
        if not self.resolver.mistakes and prepare is not None:
            for search in searches:
                if search is not None:
                    made[search.name], merged[search.name] = self._candidates(search)
                    warnings += self._warnings(search)
        groups = {name: tuple(self._groups(profile)) for name, profile in self.profiles.items()}
        return Expansion(
            made=made, groups=groups, n_merged=merged, mistakes=self.resolver.mistakes, warnings=warnings
        )

    def _search(self, pipeline: PipelineSpec, prepare: tuple[ResolvedStep, ...]) -> "_Search | None":
        key = f"pipelines.{pipeline.name}"
        own = self.resolver.steps(pipeline.steps, key)
        if own is None:
            return None
        steps = (*prepare, *own)
        self._check_names(steps, key)
        for problem in {profile.problem for profile in self.profiles.values()}:
            self.resolver.check_kinds(steps, len(prepare), problem, key)
        targets: dict[str, Target] = {}
        for name, values, where in self._declared(pipeline, key):
            target = self.resolver.target(name, own, where)
            if target is None:
                continue
            for value in values:
                self.resolver.check_value(target, own, value, where)
            targets[name] = Target(step=target.step + len(prepare), path=target.path)
        for name, values in self.spec.prepare.grid.items():
            where = f"prepare.grid.{name}"
            target = self.resolver.target(name, prepare, where) if prepare else None
            if target is not None:
                for value in values:
                    self.resolver.check_value(target, prepare, value, where)
                targets[_prepared(name)] = target
        self._check_required(steps, targets, key)
        return _Search(name=pipeline.name, spec=pipeline, steps=steps, targets=targets)

    def _check_required(self, steps: Sequence[ResolvedStep], targets: Mapping[str, Target], key: str) -> None:
        """Check that what an estimator cannot be made without is fixed or searched."""
        searched = {(target.step, target.path[0]) for target in targets.values()}
        for position, step in enumerate(steps):
            given = {*step.spec.params, *(name for at, name in searched if at == position)}
            for name in step.info.required:
                if name not in given:
                    self.resolver.mistake(f"{key}.steps", f'{short(step.info.path)} needs the parameter "{name}"')

    def _check_names(self, steps: Sequence[ResolvedStep], key: str) -> None:
        names = [step.spec.name for step in steps]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.resolver.mistake(
                f"{key}.steps", f'two steps are called "{name}"; give one of them a name of its own'
            )

    def _declared(self, pipeline: PipelineSpec, key: str) -> Iterator[tuple[str, Sequence[Any], str]]:
        """Yield every searched parameter with its values and the key where they are declared."""
        for i, grid in enumerate(pipeline.grids):
            position = f"[{i}]" if len(pipeline.grids) > 1 else ""
            for name, values in grid.items():
                yield name, values, f"{key}.grid{position}.{name}"
        for drawn, distribution in pipeline.space.items():
            yield drawn, _probes(drawn, distribution), f"{key}.space.{drawn}"

    def _candidates(self, search: "_Search") -> tuple[list[Made], int]:
        found: dict[tuple[str, str], Made] = {}
        n_all = 0
        for prepared in _product(self.spec.prepare.grid, prepared=True):
            for assignment in self._assignments(search.spec):
                steps, shown = self._concrete(search, {**prepared, **assignment})
                seeded = self.canonical.seeded(search.steps, steps)
                content = [[step.use, step.params] for step in steps]
                for variant, profile in self.profiles.items():
                    for features, columns in profile.columns.items():
                        n_all += 1
                        key = CandidateKey(content_key({"columns": columns, "steps": content}))
                        if (variant, key) in found:
                            continue
                        candidate = Candidate(
                            key=key,
                            pipeline=search.name,
                            steps=steps,
                            shown=shown,
                            features=features,
                            variant=variant,
                        )
                        found[variant, key] = Made(candidate=candidate, seeded=seeded)
        return list(found.values()), n_all - len(found)

    def _assignments(self, pipeline: PipelineSpec) -> Iterator[Assignment]:
        if pipeline.draws:
            yield from draws(pipeline.space, pipeline.draws, "/".join(step.use for step in pipeline.steps))
            if not any(pipeline.grids):
                return
        for grid in pipeline.grids:
            yield from _product(grid)

    def _concrete(self, search: "_Search", assignment: Assignment) -> tuple[tuple[Step, ...], dict[str, Any]]:
        params: list[dict[str, Any]] = [dict(step.spec.params) for step in search.steps]
        for name, value in assignment.items():
            target = search.targets[name]
            _assign(params[target.step], target.path, value)
        made = [self.canonical.step(step, given) for step, given in zip(search.steps, params, strict=True)]
        shown = {
            name.removeprefix(_PREPARED): value
            for name, value in assignment.items()
            if search.targets[name].path[0] not in made[search.targets[name].step][1]
        }
        return tuple(step for step, _ in made), shown

    def _groups(self, profile: DataProfile) -> Iterator[CellGroup]:
        for split in self.spec.splits:
            rows = profile.splits.get(split.name)
            if rows is None:
                continue
            folds: list[int | None] = list(range(_n_folds(split, rows)))
            whole: list[int | None] = [None] if split.sets and split.validation else []
            for fold in folds + whole:
                yield self._group(profile, split, rows, fold)

    def _group(self, profile: DataProfile, split: Split, rows: RowSets, fold: int | None) -> CellGroup:
        seeded = rows.sets_seeded or (fold is not None and rows.folds_seeded)
        n_folds = max(1, _n_folds(split, rows))
        held_out = rows.held_out[fold] if fold is not None and rows.held_out else ""
        n_train = rows.n_train if fold is None else rows.n_train * (n_folds - 1) // n_folds
        recipe = _recipe_of(rows.recipe, fold)

        def cell(seed: int, keyed_seed: int | None) -> Cell:
            content = {"data": profile.fingerprint, "rows": recipe, "fold": fold, "seed": keyed_seed}
            return Cell(
                key=CellKey(content_key(content)),
                split=split.name,
                fold=fold,
                seed=seed,
                variant=profile.variant,
                n_train=n_train,
                held_out=held_out,
            )

        cells = tuple(cell(seed, seed) for seed in self.spec.seeds)
        return CellGroup(cells=cells, unseeded=None if seeded else cell(0, None))

    def _warnings(self, search: "_Search") -> list[str]:
        last = search.steps[-1]
        scaled = any("Scaler" in step.info.path or "Normalizer" in step.info.path for step in search.steps[:-1])
        params = {**last.info.defaults, **last.spec.params}
        data = Meets(
            spreads=[spread for profile in self.profiles.values() for spread in profile.spreads.values()],
            scaled=scaled,
            size=self._largest(),
            searched=_searched(search),
            rules=self.spec.fuse.also,
        )
        warning = self.families.of(last.info.path).warns(last.info.path, params, data)
        return [f'pipeline "{search.name}": {warning}'] if warning else []

    def _largest(self) -> FitSize:
        """Return the size of the largest fit."""
        profiles = list(self.profiles.values())
        return FitSize(
            n_rows=max((rows.n_train for profile in profiles for rows in profile.splits.values()), default=0),
            n_columns=max(
                (len(columns) for profile in profiles for columns in profile.columns.values()), default=0
            ),
            n_classes=max((len(profile.classes) for profile in profiles), default=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    name: str
    spec: PipelineSpec
    steps: tuple[ResolvedStep, ...]
    targets: Mapping[str, Target]


def _searched(search: _Search) -> Mapping[str, Sequence[Any]]:
    """Return the values that are tried of the parameters of the last step; of a range, its ends."""
    declared = [pair for grid in search.spec.grids for pair in grid.items()]
    declared += [(name, distribution.args) for name, distribution in search.spec.space.items()]
    found: dict[str, list[Any]] = {}
    for name, values in declared:
        target = search.targets.get(name)
        if target is not None and target.step == len(search.steps) - 1 and len(target.path) == 1:
            found.setdefault(target.path[0], []).extend(values)
    return found


def _n_folds(split: Split, rows: RowSets) -> int:
    """Return how many folds a split has: what the data say, where they say it."""
    return rows.n_folds or (split.folds.n if split.folds else 0)


def _recipe_of(recipe: Mapping[str, object], fold: int | None) -> Mapping[str, object]:
    """
    Return the part of a split's recipe that decides the rows of one cell.

    The fit on all training rows does not depend on the folds. A fold does not depend on the evaluation
    sets when the training rows are named by a condition of their own: a changed test set then keeps it.
    """
    without = "folds" if fold is None else "sets" if recipe.get("train") is not None else ""
    return {name: value for name, value in recipe.items() if name != without}


def _probes(name: str, distribution: Distribution) -> Sequence[Any]:
    """Return values that stand for a distribution when its parameter is checked."""
    if distribution.kind == "choice":
        return distribution.args
    return [probe[name] for probe in draws({name: distribution}, 3, "probe")]


_PREPARED = "prepare."


def _prepared(name: str) -> str:
    """Keep a factor apart from a pipeline's parameter of the same name."""
    return _PREPARED + name


def _product(grid: Mapping[str, Sequence[Any]], *, prepared: bool = False) -> Iterator[dict[str, Any]]:
    names = [_prepared(name) if prepared else name for name in grid]
    for values in itertools.product(*grid.values()):
        yield dict(zip(names, values, strict=True))


def _assign(params: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    head, *rest = path
    if not rest:
        params[head] = value
        return
    inner = dict(params[head])
    _assign(inner, tuple(rest), value)
    params[head] = inner
