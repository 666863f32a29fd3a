"""From a declaration to a plan: reading, checking against data and estimators, planning every task."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from manyfit.connect.addresses import Address, Kind
from manyfit.connect.opening import open_address, resolve
from manyfit.connect.targets import address_of
from manyfit.contracts.estimators import EstimatorCatalog, Families
from manyfit.contracts.fusion import Fuse, Rules
from manyfit.model.errors import NotFound, SweepMistakes, UserError
from manyfit.model.mistake import Mistake, did_you_mean
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import FuseSpec, Models, Problem, SweepSpec
from manyfit.plan import only as filters
from manyfit.plan.choosing import Using
from manyfit.plan.costs import Experience, costs_to_json, planned_costs
from manyfit.plan.expand import Expander, Expansion
from manyfit.plan.summary import PlanSummary, summarise
from manyfit.plan.tasks import Plan, make_plan, peaks
from manyfit.plan.units import Draft

if TYPE_CHECKING:
    from manyfit.model.profile import DataProfile

EXECUTOR = "manyfit.fit.executor:fit_executor"
"""The executor of declared sweeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """
    A sweep declaration: its normal form, the file that it came from and the folder of its paths.

    `text` is the file's content, for the copy in the store (empty for a sweep built in Python). `store` is
    set for what was read from a store.
    """

    spec: SweepSpec
    file: str
    folder: Path
    text: bytes = b""
    store: Address | None = None


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
        found = summarise(self.plan, draft, self.profiles, self.experience)
        return replace(found, warnings=tuple(self.warnings), not_fused=_why_not_fused(self.spec))


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


def stored_sweep(target: str | Path | Address, *, store: str = "") -> Declared:
    """Return the declaration of the latest submission in the store that *target* means. Raises `NotFound`."""
    from manyfit import declare
    from manyfit.run.control import last_header

    address = resolve(target, store=store)
    opened = open_address(address)
    try:
        header = last_header(opened)
    finally:
        opened.close()
    folder = address.path.parent if address.kind is Kind.DIRECTORY else Path(header.folder)
    spec = declare.from_json(header.spec)
    return Declared(spec=spec, file=str(target), folder=folder, store=address.of(spec.name))


def plan_sweep(
    declared: Declared,
    *,
    n_workers: int,
    only: filters.Only | None = None,
    experience: Experience | None = None,
    rules_off: Collection[str] = (),
) -> Planned:
    """
    Check a declaration against its data and estimators and plan every task. Nothing is written.

    *rules_off* are fusion rules that an audit switched off. Raises `SweepMistakes` with every mistake found,
    `UserError` for a filter that matches nothing.
    """
    from manyfit import declare

    checked = _check(declared)
    if checked.mistakes or not checked.profiles:
        raise SweepMistakes(checked.mistakes)
    spec, profiles = checked.spec, checked.profiles
    costs = planned_costs(profiles, *estimators(), experience)
    plan = make_plan(checked.expansion, costs, _using(spec, checked.expansion, rules_off))
    if only:
        plan = _filtered(plan, only)
    header = SegmentHeader(
        sweep=spec.name,
        executor=EXECUTOR,
        # Where a plan is stored is no part of it: a copy in another store is the same plan.
        spec=declare.to_json(replace(spec, store="")),
        folder=str(declared.folder),
        fingerprints={name: profile.fingerprint for name, profile in profiles.items()},
        metrics=spec.metrics,
        limits=spec.limits,
        priority=spec.priority,
        costs=costs_to_json(costs, plan.candidates),
        memory_bytes=peaks(costs, plan),
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
    found = [
        *mistakes,
        *_metric_mistakes(declared, profiles),
        *_fuse_mistakes(declared.spec.fuse, declared.file),
        *expansion.mistakes,
    ]
    return _Checked(spec=spec, profiles=profiles, expansion=expansion, mistakes=_once(found))


def _with_metrics(spec: SweepSpec, profile: "DataProfile | None") -> SweepSpec:
    """Return *spec* with the metrics filled in that it leaves open; unchanged for data that cannot be read."""
    from manyfit.fit import metrics

    if profile is None:
        return spec
    categories = bool(spec.data.categories)
    standard = metrics.standard_metrics(profile.problem, len(profile.classes), categories)
    ranked = metrics.default_rank(profile.problem)
    if spec.data.problem is Problem.ANOMALY:
        standard = metrics.anomaly_metrics(labelled=spec.data.target is not None)
        ranked = standard[0]
    names = spec.metrics or standard
    rank_by = spec.rank_by or (spec.metrics[0] if spec.metrics else ranked)
    if rank_by not in names:
        names = (*names, rank_by)
    return replace(spec, metrics=tuple(names), rank_by=rank_by)


def _metric_mistakes(declared: Declared, profiles: "Mapping[str, DataProfile]") -> Iterator[Mistake]:
    """Yield what is wrong with the metrics; where the problem is unknown, what is wrong for any problem."""
    from manyfit.fit import metrics

    spec = declared.spec
    problems = [profile.problem for profile in profiles.values()] or [
        Problem.CLASSIFICATION,
        Problem.REGRESSION,
    ]
    ranking = [spec.rank_by] if spec.rank_by and spec.rank_by not in spec.metrics else []
    for key, names in (("metrics", spec.metrics), ("rank_by", ranking)):
        found = [metrics.check(names, problem) for problem in problems]
        for message in found[0]:
            if all(message in messages for messages in found) or profiles:
                yield Mistake(file=declared.file, key=key, message=message)
    ranked = spec.rank_by or next(iter(spec.metrics), "")
    if message := metrics.undefined(ranked, _most_classes(profiles)):
        yield Mistake(file=declared.file, key="rank_by" if spec.rank_by else "metrics[0]", message=message)


def _fuse_mistakes(fuse: FuseSpec, file: str) -> Iterator[Mistake]:
    known = fusion_rules().names() if fuse.also else {}
    for i, name in enumerate(fuse.also):
        if name not in known:
            asked = sorted(rule for rule, guarantee in known.items() if not guarantee.is_default)
            yield Mistake(
                file=file,
                key=f"fuse[{i}]",
                message=f'no rule "{name}"{did_you_mean(name, known)}; rules that have to be asked for:'
                f" {', '.join(asked) or 'none'}",
            )


def _why_not_fused(spec: SweepSpec) -> str:
    if spec.keep.models is Models.ALL:
        return 'every model is kept (keep.models = "all"), and a kept model is fitted alone'
    return "" if spec.fuse.exact or spec.fuse.also else 'the sweep says "fuse = false"'


def _using(spec: SweepSpec, expansion: Expansion, rules_off: Collection[str]) -> Using | None:
    """Return the rules for this sweep, with the installed releases of what they were proven on."""
    if _why_not_fused(spec):
        return None
    from manyfit.families.telling import TellingAlone
    from manyfit.fit.releases import releases_for

    rules = TellingAlone(fusion_rules()) if spec.keep.series else fusion_rules()
    uses = {step.use for made in expansion.made.values() for one in made for step in one.candidate.steps}
    return Using(
        rules=rules,
        fuse=Fuse(exact=spec.fuse.exact, also=spec.fuse.also, without=frozenset(rules_off)),
        installed=releases_for(rule for use in uses for rule in rules.of(use)),
    )


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
    from manyfit.fit.estimators import estimator_catalog

    return estimator_catalog(), families()


def families() -> Families:
    """Return what manyfit knows of families of estimators; imports no library of estimators."""
    from manyfit.families.catalog import FamilyCatalog

    return FamilyCatalog()


def fusion_rules() -> Rules:
    """Return the rules by which related fits are computed together; a rule's libraries are imported when asked."""
    from manyfit.families.fusion.catalog import FusionCatalog

    return FusionCatalog()


def place_of(declared: Declared, *, store: str = "") -> Address:
    """
    Return the address of the store of a declaration.

    Where it came from a store, that is it; else *store*, else what the declaration says, else what the
    environment says, else the folder beside the declaration. Raises `UserError`.
    """
    if declared.store is not None:
        return declared.store
    return address_of(declared.spec, declared.folder, store=store)
