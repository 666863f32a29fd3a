"""The schema of a sweep file, as pydantic models whose fields read themselves into `manyfit.model.sweep`."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from manyfit.declare import conditions, quantities, searches, selections
from manyfit.declare.complaints import Complaints, received, shown, unknown, wrong
from manyfit.declare.conditions import ConcurrencyTable, NeedsTable, RetentionTable
from manyfit.declare.encode import EncodeTable
from manyfit.declare.lags import LagsTable
from manyfit.declare.outcomes import ChecksTable, ExportTable
from manyfit.declare.table import Count, Name, Table, Text
from manyfit.declare.windows import WindowsTable
from manyfit.model.sweep import (
    MAX_PRIORITY,
    PRIORITIES,
    Calibration,
    DataSpec,
    Distribution,
    FeatureSet,
    FuseSpec,
    Grid,
    Keep,
    Limits,
    ModelFormat,
    Models,
    PipelineSpec,
    Prepare,
    Problem,
    Split,
    StepSpec,
    SweepSpec,
    WorkersSpec,
)

MAX_SEED = 2**32 - 1


def _problem(value: Any) -> Problem:
    known = [problem.value for problem in Problem]
    if value not in known:
        wrong(unknown(str(value), known, "problem"))
    return Problem(value)


def _priority(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > MAX_PRIORITY:
            wrong(f"{value} is out of range; a priority is between -{MAX_PRIORITY} and {MAX_PRIORITY}")
        return value
    if not isinstance(value, str) or value not in PRIORITIES:
        wrong(f"{unknown(str(value), PRIORITIES, 'priority')}, or an integer")
    return PRIORITIES[value]


def _seeds(value: Any) -> tuple[int, ...]:
    declared = list(value) if isinstance(value, (list, tuple, range)) else [value]
    if not declared:
        wrong("is an empty list; give at least one seed")
    complaints = Complaints()
    found = tuple(complaints.keep(_seed, seed, i) for i, seed in enumerate(declared))
    for i, seed in enumerate(found):
        if seed is not None and seed in found[:i]:
            complaints.add(f"the seed {seed} stands in the list twice", i)
    complaints.raise_any()
    return found


def _seed(value: Any) -> int:
    found = quantities.whole(value, 0)
    if found > MAX_SEED:
        wrong(f"{found} is too large; a seed is at most {MAX_SEED}")
    return found


def _models(value: Any) -> tuple[Models, int, bool]:
    words = value.split() if isinstance(value, str) else [""]
    kind, _, count = (words or [""])[0].partition(":")
    if kind in {"all", "none"} and not count and len(words) == 1:
        return Models(kind), 0, False
    if kind == "best" and count.isdigit() and int(count) > 0 and words[1:] in ([], ["per", "pipeline"]):
        return Models.BEST, int(count), len(words) > 1
    return wrong(f'{received(value)}; "all", "none", "best:3" or "best:3 per pipeline" is wanted')


def _predictions(value: Any) -> bool:
    if value in ("all", "none"):
        return bool(value == "all")
    if not isinstance(value, bool):
        wrong(f'{received(value)}; "all", "none", true or false is wanted')
    return value


def _calibration(value: Any) -> Calibration:
    if isinstance(value, bool):
        return Calibration.SIGMOID if value else Calibration.NONE
    known = [one.value for one in Calibration]
    if value not in known:
        wrong(f'{received(value)}; "sigmoid", "isotonic" or "none" is wanted')
    return Calibration(value)


def _format(value: Any) -> ModelFormat:
    known = [one.value for one in ModelFormat]
    if value not in known:
        wrong(f'{received(value)}; "skops" or "joblib" is wanted')
    return ModelFormat(value)


def _fuse(value: Any) -> FuseSpec:
    if isinstance(value, bool):
        return FuseSpec(exact=value)
    if not isinstance(value, (str, list, tuple)):
        wrong(f"{received(value)}; true, false or a list of rules is wanted")
    if not value:
        wrong("is empty; write true for the rules that keep every score, false for none")
    return FuseSpec(also=quantities.texts(value))


def _memory_cap(value: Any) -> int:
    found = quantities.memory_bytes(value)
    if found is None:
        wrong(f'{shown(value)} is no amount of memory; without a cap it is four times memory: write "8GiB"')
    return found


def _count(value: Any) -> int | None:
    return None if value == "auto" else quantities.whole(value, 1)


def _labels(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        wrong(f"{received(value)}; a table of classes with their names is wanted")
    complaints = Complaints()
    found: dict[str, str] = {}
    for key, part in value.items():
        shown_as = complaints.keep(quantities.label, part, str(key))
        if shown_as in found.values():
            complaints.add(f"{shown(part)} is the name of another class as well", str(key))
        found[quantities.label(key)] = shown_as
    complaints.raise_any()
    return found


def _categories(value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        wrong(f"{received(value)}; a table of categories with lists of classes is wanted")
    complaints = Complaints()
    found: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for key, part in value.items():
        listed = list(part) if isinstance(part, (list, tuple)) else [part]
        if not listed:
            complaints.add("is an empty list; a category has at least one class", str(key))
        labels = [complaints.keep(quantities.label, entry, str(key), i) for i, entry in enumerate(listed)]
        for i, entry in enumerate(labels):
            if owner.setdefault(str(entry), str(key)) != key or entry in labels[:i]:
                complaints.add(f"{shown(entry)} is in category {shown(owner[str(entry)])} already", str(key), i)
        found[str(key)] = tuple(labels)
    complaints.raise_any()
    return found


def _feature_sets(value: Any) -> tuple[FeatureSet, ...]:
    """Read a table of named sets, one set alone (include, exclude), or a list of patterns."""
    if not isinstance(value, Mapping) or (value and set(value) <= {"include", "exclude"}):
        return (_feature_set(value, ""),)
    if not value:
        wrong("is an empty table; leave it out for all feature columns")
    complaints = Complaints()
    found = [complaints.keep(partial(_feature_set, name=str(key)), part, str(key)) for key, part in value.items()]
    for key in value:
        complaints.keep(quantities.name, key, key)
    complaints.raise_any()
    return tuple(found)


def _feature_set(value: Any, name: str) -> FeatureSet:
    if not isinstance(value, Mapping):
        return FeatureSet(name=name, include=quantities.texts(value))
    complaints = Complaints()
    for key in value:
        if key not in {"include", "exclude"}:
            complaints.add(unknown(str(key), ("include", "exclude"), "key"), str(key))
    include = complaints.keep(quantities.texts, value["include"], "include") if "include" in value else ("*",)
    no_excludes = "exclude" not in value or value["exclude"] in ([], ())
    exclude = () if no_excludes else complaints.keep(quantities.texts, value["exclude"], "exclude")
    complaints.raise_any()
    return FeatureSet(name=name, include=include, exclude=exclude)


Steps = Annotated[tuple[StepSpec, ...], PlainValidator(searches.steps)]


class DataTable(Table):
    """The table [data], or the source alone as a text."""

    source: Text
    metadata: Text | None = None
    index: Text | None = None
    target: Text | None = None
    group: Text | None = None
    time: Text | None = None
    problem: Annotated[Problem | None, PlainValidator(_problem)] = None
    labels: Annotated[Mapping[str, str], PlainValidator(_labels)] = Field(default_factory=dict)
    categories: Annotated[Mapping[str, tuple[str, ...]], PlainValidator(_categories)] = Field(default_factory=dict)
    grid: Annotated[Grid, PlainValidator(searches.grid)] = Field(default_factory=dict)
    windows: WindowsTable | None = None
    lags: LagsTable | None = None
    encode: EncodeTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "DataTable":
        complaints = Complaints()
        if self.metadata is not None and self.index is None:
            complaints.add('a metadata table needs index = "...", the column that both tables have', "metadata")
        if self.grid and (":" not in self.source or self.source.startswith("sklearn:")):
            message = f"{shown(self.source)} takes no arguments; a grid is for a source package.module:function"
            complaints.add(message, "grid")
        if self.lags is not None and self.time is None:
            complaints.add('need the time of each row: write time = "..." in [data]', "lags")
        if self.encode is not None and self.target is not None:
            for key in ("onehot", "ordinal"):
                if self.target in getattr(self.encode, key):
                    complaints.add(
                        f"{shown(self.target)} is the target; its classes need no numbers", "encode", key
                    )
        complaints.raise_any()
        return self

    def spec(self) -> DataSpec:
        shapes = {
            "windows": self.windows.spec() if self.windows else None,
            "lags": self.lags.spec() if self.lags else None,
            "encode": self.encode.spec() if self.encode else None,
        }
        return DataSpec(**{**{key: getattr(self, key) for key in type(self).model_fields}, **shapes})


class PrepareTable(Table):
    """The table [prepare]."""

    steps: Steps
    grid: Annotated[Grid, PlainValidator(searches.grid)] = Field(default_factory=dict)

    def spec(self) -> Prepare:
        return Prepare(steps=self.steps, grid=self.grid)


class PipelineTable(Table):
    """One table [pipelines.NAME]."""

    steps: Steps
    grid: Annotated[tuple[Grid, ...], PlainValidator(searches.grids)] = ({},)
    space: Annotated[Mapping[str, Distribution], PlainValidator(searches.space)] = Field(default_factory=dict)
    draws: Count = 0
    needs: NeedsTable | None = None

    @model_validator(mode="after")
    def _check(self) -> "PipelineTable":
        complaints = Complaints()
        if self.draws and not self.space:
            complaints.add(f"{self.draws} draws need a space of distributions to draw from", "draws")
        if self.space and not self.draws:
            complaints.add("a space needs draws = ..., the number of candidates to draw from it", "space")
        complaints.raise_any()
        return self

    def spec(self, name: str) -> PipelineSpec:
        return PipelineSpec(name=name, steps=self.steps, grids=self.grid, space=self.space, draws=self.draws)


class LimitsTable(Table):
    """The table [limits]."""

    time: Annotated[float, PlainValidator(quantities.seconds)] = Limits().time_seconds
    memory: Annotated[int | None, PlainValidator(quantities.memory_bytes)] = None
    memory_cap: Annotated[int | None, PlainValidator(_memory_cap)] = None
    attempts: Count = Limits().attempts

    @model_validator(mode="after")
    def _check(self) -> "LimitsTable":
        complaints = Complaints()
        if self.memory_cap is not None and self.memory is None:
            complaints.add("needs memory = ..., the limit of a first attempt", "memory_cap")
        elif self.memory_cap is not None and self.memory is not None and self.memory_cap < self.memory:
            complaints.add("is below memory, the limit of a first attempt; give at least that", "memory_cap")
        complaints.raise_any()
        return self

    def spec(self) -> Limits:
        return Limits(
            time_seconds=self.time,
            memory_bytes=self.memory,
            attempts=self.attempts,
            memory_cap_bytes=self.memory_cap,
        )


class KeepTable(Table):
    """The table [keep]."""

    models: Annotated[tuple[Models, int, bool], PlainValidator(_models)] = (Models.NONE, 0, False)
    predictions: Annotated[bool, PlainValidator(_predictions)] = False
    calibrate: Annotated[Calibration, PlainValidator(_calibration)] = Calibration.NONE
    series: Annotated[bool, PlainValidator(quantities.flag)] = False
    format: Annotated[ModelFormat, PlainValidator(_format)] = ModelFormat.SKOPS

    @model_validator(mode="after")
    def _check(self) -> "KeepTable":
        complaints = Complaints()
        if self.calibrate is not Calibration.NONE and self.models[0] is Models.NONE:
            complaints.add('calibrates kept models, and none is kept: add models = "best:1"', "calibrate")
        complaints.raise_any()
        return self

    def spec(self) -> Keep:
        return Keep(
            models=self.models[0],
            n_best=self.models[1],
            per_pipeline=self.models[2],
            predictions=self.predictions,
            calibrate=self.calibrate,
            series=self.series,
            format=self.format,
        )


class WorkersTable(Table):
    """The table [workers]."""

    count: Annotated[int | None, PlainValidator(_count)] = None
    threads: Count = 1

    def spec(self) -> WorkersSpec:
        return WorkersSpec(count=self.count, threads=self.threads)


class SweepFile(Table):
    """A whole sweep file."""

    name: Name
    data: DataTable
    pipelines: dict[Name, PipelineTable]
    splits: dict[Name, Annotated[Split, PlainValidator(selections.split)]] | None = None
    features: Annotated[tuple[FeatureSet, ...], PlainValidator(_feature_sets)] = (FeatureSet(name=""),)
    prepare: PrepareTable | None = None
    metrics: Annotated[tuple[str, ...], PlainValidator(quantities.texts)] = ()
    rank_by: Annotated[str, PlainValidator(quantities.text)] = ""
    score_train: Annotated[bool, PlainValidator(quantities.flag)] = True
    seeds: Annotated[tuple[int, ...], PlainValidator(_seeds)] = (0,)
    fuse: Annotated[FuseSpec, PlainValidator(_fuse)] = FuseSpec()
    priority: Annotated[int, PlainValidator(_priority)] = PRIORITIES["normal"]
    tenant: Name = ""
    store: Annotated[str, PlainValidator(conditions.store)] = ""
    concurrency: ConcurrencyTable = ConcurrencyTable()
    needs: NeedsTable = NeedsTable()
    limits: LimitsTable = LimitsTable()
    keep: KeepTable = KeepTable()
    workers: WorkersTable = WorkersTable()
    retention: RetentionTable = RetentionTable()
    checks: ChecksTable = ChecksTable()
    export: ExportTable = ExportTable()

    @model_validator(mode="after")
    def _check(self) -> "SweepFile":
        complaints = Complaints()
        if not self.pipelines:
            complaints.add("has no pipeline; declare at least one, such as [pipelines.svc]", "pipelines")
        if self.splits is not None and not self.splits:
            complaints.add("has no split; leave it out for cross-validation with 5 folds", "splits")
        complaints.raise_any()
        return self

    def spec(self) -> SweepSpec:
        splits = self.splits or {"cv": selections.split(DEFAULT_FOLDS)}
        own_needs = {name: table.needs for name, table in self.pipelines.items()}
        return SweepSpec(
            name=self.name,
            data=self.data.spec(),
            pipelines=tuple(table.spec(name) for name, table in self.pipelines.items()),
            splits=tuple(selections.named(split, name) for name, split in splits.items()),
            features=self.features,
            prepare=self.prepare.spec() if self.prepare else Prepare(),
            metrics=self.metrics,
            rank_by=self.rank_by,
            score_train=self.score_train,
            seeds=self.seeds,
            priority=self.priority,
            limits=self.limits.spec(),
            keep=self.keep.spec(),
            workers=self.workers.spec(),
            store=self.store,
            tenant=self.tenant,
            concurrency=self.concurrency.spec(),
            needs=conditions.resolved_needs(self.needs, own_needs),
            retention=self.retention.spec(),
            fuse=self.fuse,
            checks=self.checks.spec(),
            export=self.export.spec(),
        )


DEFAULT_FOLDS = 5
"""Folds of the split "cv" that a sweep without [splits] gets."""
