"""
The only place that maps names, files and URLs to backends, and that joins the layers.

Heavy libraries are imported inside the functions that need them: a worker process and `manyfit status`
go through here and must stay small.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from manyfit.contracts.estimators import EstimatorCatalog, Families
from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, SweepMistakes, UserError
from manyfit.model.mistake import Mistake
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Problem, SweepSpec
from manyfit.plan import only as filters
from manyfit.plan.costs import CostModel, Experience
from manyfit.plan.expand import Expander, Expansion
from manyfit.plan.summary import PlanSummary, summarise
from manyfit.plan.tasks import Plan, make_plan
from manyfit.plan.units import Draft

if TYPE_CHECKING:
    from manyfit.model.profile import DataProfile

EXECUTOR = "manyfit.fit.executor:fit_executor"
"""The executor of declared sweeps."""

STORE_SUFFIX = ".sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """
    A sweep declaration: its normal form, the file that it came from and the folder of its paths.

    `text` is the file's content, for the copy in the store (empty for a sweep built in Python).
    """

    spec: SweepSpec
    file: str
    folder: Path
    text: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A declaration checked against its data and its estimators, with all tasks planned."""

    declared: Declared
    spec: SweepSpec
    profiles: "Mapping[str, DataProfile]"
    plan: Plan
    header: SegmentHeader
    experience: Experience
    n_workers: int

    @property
    def warnings(self) -> Sequence[str]:
        found = [warning for profile in self.profiles.values() for warning in profile.warnings]
        return [*found, *self._undefined(), *self.plan.warnings]

    def _undefined(self) -> Iterator[str]:
        """Yield what is said of metrics that no task will have a value of."""
        from manyfit.fit import metrics

        n_classes = _most_classes(self.profiles)
        yield from filter(None, (metrics.undefined(name, n_classes) for name in self.spec.metrics))

    def summary(self) -> PlanSummary:
        """Return the plan in numbers."""
        draft = Draft(header=self.header, n_workers=self.n_workers)
        return replace(summarise(self.plan, draft, self.profiles, self.experience), warnings=tuple(self.warnings))


def read_sweep(path: Path) -> Declared:
    """
    Read a sweep file (TOML or YAML).

    Raises `NotFound`, and `SweepMistakes` for a file whose entries are not of the right form: with all
    other mistakes as well that the rest of the file makes about data and estimators.
    """
    from manyfit import declare

    if not path.is_file():
        raise NotFound(f"there is no sweep file {path}; write one (see `manyfit init`) or check the name")
    content = declare.content_of(path)
    if isinstance(content, Mistake):
        raise SweepMistakes([content])
    return replace(_declared(content, str(path), path.resolve().parent), text=path.read_bytes())


def declare_sweep(mapping: Mapping[str, object], folder: Path) -> Declared:
    """Make a declaration from Python values of the same shape as a sweep file. Raises `SweepMistakes`."""
    return _declared(mapping, "", folder)


def _declared(content: Mapping[str, object], file: str, folder: Path) -> Declared:
    from manyfit import declare

    spec, mistakes = declare.from_mapping(content, file=file)
    if spec is not None:
        return Declared(spec=spec, file=file, folder=folder)
    sound = declare.sound_part(content)
    if sound is not None:
        rest = _check(Declared(spec=sound.spec, file=file, folder=folder), with_data=sound.data)
        mistakes = [*mistakes, *rest.mistakes]
    raise SweepMistakes(_once(mistakes))


def stored_sweep(target: str | Path) -> Declared:
    """
    Return the declaration of the latest submission in the store that *target* means.

    Raises `NotFound`, and `UserError` for a store whose folder has another name than its sweep.
    """
    from manyfit import declare
    from manyfit.run.control import last_header

    folder = find_store(target).resolve()
    spec = declare.from_json(last_header(open_store(folder)).spec)
    if folder.name != f"{spec.name}{STORE_SUFFIX}":
        raise UserError(f'{folder} holds the sweep "{spec.name}"; name the folder {spec.name}{STORE_SUFFIX} again')
    return Declared(spec=spec, file=str(target), folder=folder.parent)


def plan_sweep(
    declared: Declared, *, n_workers: int, only: filters.Only | None = None, experience: Experience | None = None
) -> Planned:
    """
    Check a declaration against its data and estimators and plan every task. Nothing is written.

    Raises `SweepMistakes` with every mistake found, `UserError` for a filter that matches nothing.
    """
    from manyfit import declare

    checked = _check(declared)
    if checked.mistakes or not checked.profiles:
        raise SweepMistakes(checked.mistakes)
    spec, profiles = checked.spec, checked.profiles
    costs = CostModel(profiles, *estimators(), experience)
    plan = make_plan(checked.expansion, costs)
    if only:
        plan = _filtered(plan, only)
    header = SegmentHeader(
        sweep=spec.name,
        executor=EXECUTOR,
        spec=declare.to_json(spec),
        folder=str(declared.folder),
        fingerprints={name: profile.fingerprint for name, profile in profiles.items()},
        metrics=spec.metrics,
        limits=spec.limits,
        priority=spec.priority,
        cost_factors=costs.experience.factors,
    )
    return Planned(
        declared=declared,
        spec=spec,
        profiles=profiles,
        plan=plan,
        header=header,
        experience=costs.experience,
        n_workers=n_workers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A declaration held against its data and the estimators, with everything that is wrong with it."""

    spec: SweepSpec
    profiles: "Mapping[str, DataProfile]"
    expansion: Expansion
    mistakes: Sequence[Mistake]


def _check(declared: Declared, *, with_data: bool = True) -> _Checked:
    from manyfit import data
    from manyfit.families.estimators import find_beside

    find_beside(str(declared.folder))
    profiles: Mapping[str, DataProfile] = {}
    mistakes: Sequence[Mistake] = ()
    if with_data:
        profiles, mistakes = data.profile(declared.spec, folder=declared.folder, file=declared.file)
    spec = _with_metrics(declared.spec, next(iter(profiles.values()), None))
    expansion = Expander(spec, profiles, *estimators(), declared.file).expand()
    found = [*mistakes, *_metric_mistakes(declared, profiles), *expansion.mistakes]
    return _Checked(spec=spec, profiles=profiles, expansion=expansion, mistakes=_once(found))


def _with_metrics(spec: SweepSpec, profile: "DataProfile | None") -> SweepSpec:
    """Return *spec* with the metrics filled in that it leaves open; unchanged for data that cannot be read."""
    from manyfit.fit import metrics

    if profile is None:
        return spec
    categories = bool(spec.data.categories)
    names = spec.metrics or metrics.standard_metrics(profile.problem, len(profile.classes), categories)
    rank_by = spec.rank_by or (spec.metrics[0] if spec.metrics else metrics.default_rank(profile.problem))
    if rank_by not in names:
        names = (*names, rank_by)
    return replace(spec, metrics=tuple(names), rank_by=rank_by)


def _metric_mistakes(declared: Declared, profiles: "Mapping[str, DataProfile]") -> Iterator[Mistake]:
    """Yield what is wrong with the metrics; where the problem is unknown, what is wrong for any problem."""
    from manyfit.fit import metrics

    spec = declared.spec
    problems = [profile.problem for profile in profiles.values()] or [*Problem]
    ranking = [spec.rank_by] if spec.rank_by and spec.rank_by not in spec.metrics else []
    for key, names in (("metrics", spec.metrics), ("rank_by", ranking)):
        found = [metrics.check(names, problem) for problem in problems]
        for message in found[0]:
            if all(message in messages for messages in found) or profiles:
                yield Mistake(file=declared.file, key=key, message=message)
    ranked = spec.rank_by or next(iter(spec.metrics), "")
    if message := metrics.undefined(ranked, _most_classes(profiles)):
        yield Mistake(file=declared.file, key="rank_by" if spec.rank_by else "metrics[0]", message=message)


def _most_classes(profiles: "Mapping[str, DataProfile]") -> int:
    return max((len(profile.classes) for profile in profiles.values()), default=0)


def _once(mistakes: Iterable[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(mistakes))


def _filtered(plan: Plan, only: filters.Only) -> Plan:
    filters.check(only, plan.candidates, plan.cells)
    candidates = [only.candidate(candidate) for candidate in plan.candidates]
    cells = [only.cell(cell) for cell in plan.cells]
    kept = plan.where(lambda candidate, cell: candidates[candidate] and cells[cell])
    if not kept.n_tasks:
        raise UserError(f"no task matches all of {' '.join(only.as_texts())}; leave one of them out")
    return kept


def estimators() -> tuple[EstimatorCatalog, Families]:
    """Return the catalog of estimators and what manyfit knows of their families."""
    from manyfit.families.catalog import FamilyCatalog
    from manyfit.families.estimators import SklearnCatalog

    return SklearnCatalog(), FamilyCatalog()


def store_folder(declared: Declared) -> Path:
    """Return the folder of the directory store that belongs to a declaration: beside its file."""
    return declared.folder / f"{declared.spec.name}{STORE_SUFFIX}"


def create_store(declared: Declared) -> Store:
    """Open the store of a declaration, creating it when there is none yet."""
    from manyfit.stores.directory import DirectoryStore

    return DirectoryStore.create(store_folder(declared), sweep=declared.spec.name, declaration=declared.text)


def find_store(target: str | Path) -> Path:
    """
    Return the store folder that *target* means: a store folder, a sweep file, or the name of a sweep here.

    Raises `NotFound` when there is none.
    """
    path, folder = Path(target), expected_store(target)
    if (folder / "manyfit.json").is_file():
        return folder
    if path.is_dir():
        raise NotFound(f"{path} is a folder without a sweep in it (no manyfit.json)")
    if path.is_file():
        raise NotFound(f"{path} has not been submitted yet (no {folder.name}); next: manyfit run {path}")
    raise NotFound(f"there is no sweep {target}; give a sweep file, or the folder of a store (*{STORE_SUFFIX})")


def expected_store(target: str | Path) -> Path:
    """Return the folder where the store that *target* means is, or will be once the sweep is submitted."""
    path = Path(target)
    if path.is_file():
        return path.resolve().parent / f"{_name_in(path)}{STORE_SUFFIX}"
    if path.suffix == STORE_SUFFIX or (path / "manyfit.json").is_file():
        return path
    named = path.with_name(path.name + STORE_SUFFIX) if path.name else path
    return path if path.is_dir() and not named.is_dir() else named


def _name_in(path: Path) -> str:
    """Return the name that a sweep file declares, without checking the rest of it."""
    text = path.read_bytes()
    try:
        if path.suffix in {".yaml", ".yml"}:
            import yaml

            found = yaml.safe_load(text)
        else:
            found = tomllib.loads(text.decode())
        return str(found["name"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} declares no name that could be read; next: manyfit plan {path}") from None


def open_store(target: str | Path) -> Store:
    """Open the store that *target* means (see `find_store`). Raises `NotFound`, `StoreError`."""
    from manyfit.stores.directory import DirectoryStore

    return DirectoryStore(find_store(target))
