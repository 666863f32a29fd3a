"""Rules files of gates: TOML, read into `manyfit.model.gates` with every mistake at once."""

import math
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from manyfit.declare import quantities
from manyfit.declare.complaints import Complaints, mistakes_of, received, shown, unknown, wrong
from manyfit.declare.files import read_mapping
from manyfit.declare.table import Count, Table, Text
from manyfit.model.gates import (
    CalibrationGate,
    ChampionGate,
    Gates,
    LatencyGate,
    MetricGate,
    PairedTest,
    Regression,
    SchemaGate,
)
from manyfit.model.mistake import Mistake

FEWEST_RESAMPLES = 200
MAX_SEED = 2**32 - 1

Kind = TypeVar("Kind", bound=Enum)


def _number(value: Any) -> float:
    if not quantities.is_number(value) or not math.isfinite(value):
        wrong(f"{received(value)}; a number is wanted")
    return float(value)


def _size(value: Any) -> int:
    try:
        found = quantities.memory_bytes(value)
    except PydanticCustomError:
        found = None
    if found is None:
        wrong(f'{shown(value)} is no size; write bytes as an integer above 0, or "500KiB", "5MiB"')
    return found


def _share(value: Any) -> float:
    found = _number(value)
    if not 0.5 <= found < 1:
        wrong(f"{found:g} is no confidence; a number from 0.5 to below 1 is wanted, such as 0.95")
    return found


def _margin(value: Any) -> float:
    found = _number(value)
    if found < 0:
        wrong(f"{found:g} is negative; a margin is how much worse the model may be, 0 or more")
    return found


def _positive(value: Any) -> float:
    found = _number(value)
    if found <= 0:
        wrong(f"{found:g} is too small; a number above 0 is wanted")
    return found


def _resamples(value: Any) -> int:
    return quantities.whole(value, FEWEST_RESAMPLES)


def _seed(value: Any) -> int:
    found = quantities.whole(value, 0)
    if found > MAX_SEED:
        wrong(f"{found} is too large; a seed is at most {MAX_SEED}")
    return found


def _one_of(kind: type[Kind]) -> Any:
    def read(value: Any) -> Kind:
        known = [one.value for one in kind]
        if value not in known:
            wrong(unknown(str(value), known, "value"))
        return kind(value)

    return read


def _types(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        wrong(f"{received(value)}; a list of types is wanted")
    complaints = Complaints()
    for at, one in enumerate(value):
        if one not in ("float", "int", "bool"):
            complaints.add(unknown(str(one), ("float", "int", "bool"), "type"), at)
    complaints.raise_any()
    return tuple(value)


Number = Annotated[float, PlainValidator(_number)]
Positive = Annotated[float, PlainValidator(_positive)]
Texts = Annotated[tuple[str, ...], PlainValidator(quantities.texts)]
Label = Annotated[str, PlainValidator(quantities.label)]
Flag = Annotated[bool, PlainValidator(quantities.flag)]


class MetricTable(Table):
    """A bound on a metric."""

    metric: Text
    at_least: Number | None = None
    at_most: Number | None = None
    of_class: Label = Field(default="", alias="class")
    group: Label = ""
    min_rows: Count = 1

    @model_validator(mode="after")
    def _whole(self) -> "MetricTable":
        if self.at_least is None and self.at_most is None:
            wrong("has no bound; write at_least or at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            wrong(f"at_least {self.at_least:g} is above at_most {self.at_most:g}: nothing passes")
        if self.of_class and self.group:
            wrong("is of a class and of a group; write two gates")
        if "min_rows" in self.model_fields_set and not self.group:
            wrong("min_rows goes with group")
        return self

    def gate(self, at: int) -> MetricGate:
        return MetricGate(
            key=f"metrics[{at}]",
            metric=self.metric,
            at_least=self.at_least,
            at_most=self.at_most,
            of_class=self.of_class,
            group=self.group,
            min_rows=self.min_rows,
        )


class ChampionTable(Table):
    """No regression against the champion."""

    metric: Text
    margin: Annotated[float, PlainValidator(_margin)] = 0.0
    confidence: Annotated[float, PlainValidator(_share)] = 0.95
    test: Annotated[PairedTest, PlainValidator(_one_of(PairedTest))] = PairedTest.BOOTSTRAP
    regression: Annotated[Regression, PlainValidator(_one_of(Regression))] | None = None
    resamples: Annotated[int, PlainValidator(_resamples)] = 2000
    seed: Annotated[int, PlainValidator(_seed)] = 0
    by_group: Flag = False

    @model_validator(mode="after")
    def _whole(self) -> "ChampionTable":
        if self.test is PairedTest.MCNEMAR:
            self._check_mcnemar()
        return self

    def _check_mcnemar(self) -> None:
        if self.metric != "accuracy":
            wrong(f'McNemar\'s test is of accuracy, not of {self.metric}; write test = "bootstrap"')
        if self.margin:
            wrong('McNemar\'s test knows no margin; write test = "bootstrap", or leave margin out')
        if self.regression is Regression.EXCLUDED:
            wrong('McNemar\'s test can show a regression, not exclude one; write test = "bootstrap"')
        if given := sorted({"resamples", "seed", "by_group"} & self.model_fields_set):
            wrong(f"{' and '.join(given)}: McNemar's test draws no rows")

    def gate(self, at: int) -> ChampionGate:
        usual = Regression.NOT_SHOWN if self.test is PairedTest.MCNEMAR else Regression.EXCLUDED
        return ChampionGate(
            key=f"champion[{at}]",
            metric=self.metric,
            margin=self.margin,
            confidence=self.confidence,
            test=self.test,
            regression=self.regression or usual,
            resamples=self.resamples,
            seed=self.seed,
            by_group=self.by_group,
        )


class LatencyTable(Table):
    """Bounds on the time of a prediction."""

    rows: Count = 1
    median_ms: Positive | None = None
    p95_ms: Positive | None = None
    repeats: Count = 50
    warm_up: Count = 5

    @model_validator(mode="after")
    def _whole(self) -> "LatencyTable":
        if self.median_ms is None and self.p95_ms is None:
            wrong("has no bound; write median_ms or p95_ms")
        return self

    def gate(self) -> LatencyGate:
        return LatencyGate(
            rows=self.rows,
            median_seconds=None if self.median_ms is None else self.median_ms / 1000,
            p95_seconds=None if self.p95_ms is None else self.p95_ms / 1000,
            repeats=self.repeats,
            warm_up=self.warm_up,
        )


class SizeTable(Table):
    """A bound on the size of the bundle."""

    at_most: Annotated[int, PlainValidator(_size)]


class SchemaTable(Table):
    """The features that a model must have."""

    champion: Flag = False
    names: Texts = ()
    types: Annotated[tuple[str, ...], PlainValidator(_types)] = ()

    @model_validator(mode="after")
    def _whole(self) -> "SchemaTable":
        if not self.champion and not self.names:
            wrong("asks for nothing; write champion = true, or names")
        if self.types and len(self.types) != len(self.names):
            wrong(f"has {len(self.names)} names and {len(self.types)} types")
        return self

    def gate(self) -> SchemaGate:
        return SchemaGate(champion=self.champion, names=self.names, types=self.types)


class CalibrationTable(Table):
    """Bounds on calibration."""

    ece_at_most: Positive | None = None
    brier_at_most: Positive | None = None
    bins: Count = 15

    @model_validator(mode="after")
    def _whole(self) -> "CalibrationTable":
        if self.ece_at_most is None and self.brier_at_most is None:
            wrong("has no bound; write ece_at_most or brier_at_most")
        return self

    def gate(self) -> CalibrationGate:
        return CalibrationGate(ece_at_most=self.ece_at_most, brier_at_most=self.brier_at_most, bins=self.bins)


class GatesFile(Table):
    """A rules file."""

    set: Text | None = None
    metrics: tuple[MetricTable, ...] = ()
    champion: tuple[ChampionTable, ...] = ()
    latency: LatencyTable | None = None
    size: SizeTable | None = None
    schema_: SchemaTable | None = Field(default=None, alias="schema")
    calibration: CalibrationTable | None = None

    def gates(self, file: str) -> Gates:
        return Gates(
            file=file,
            set=self.set or "",
            metrics=tuple(table.gate(at) for at, table in enumerate(self.metrics)),
            champion=tuple(table.gate(at) for at, table in enumerate(self.champion)),
            latency=self.latency.gate() if self.latency else None,
            size_bytes=self.size.at_most if self.size else None,
            schema=self.schema_.gate() if self.schema_ else None,
            calibration=self.calibration.gate() if self.calibration else None,
        )


def load_gates(path: Path) -> tuple[Gates | None, list[Mistake]]:
    """
    Read the rules file *path*.

    Returns the gates and no mistakes, or None and everything that is wrong with the file, in file order. Which
    metrics and classes there are, only the model and the data can tell.
    """
    content = read_mapping(path)
    if isinstance(content, Mistake):
        return None, [content]
    file = str(path)
    try:
        gates = GatesFile.model_validate(content).gates(file)
    except ValidationError as error:
        return None, mistakes_of(error, GatesFile, file)
    if not (
        gates.metrics or gates.champion or gates.latency or gates.size_bytes or gates.schema or gates.calibration
    ):
        return None, [
            Mistake(file=file, key="file", message="has no gates; `manyfit gate --init` writes an example")
        ]
    return gates, []


STARTER = """\
# Gates that a model has to pass: manyfit gate MODEL --rules gates.toml
# Every table may be left out. Exit code: 0 passed, 1 a gate failed, 2 a mistake.

# set = "test"              # the held-out set of a sweep to judge on; with --data FILE it is not needed

[[metrics]]                 # over all rows
metric   = "accuracy"
at_least = 0.90

[[metrics]]                 # recall, precision or f1 of one class, or of each: class = "*"
metric   = "recall"
class    = "*"
at_least = 0.80

# [[metrics]]               # in each group (data.group of the sweep) that has 20 rows or more
# metric   = "accuracy"
# group    = "*"
# min_rows = 20
# at_least = 0.75

# [[champion]]              # needs --champion MODEL: not worse by more than the margin, on the same rows
# metric     = "accuracy"
# margin     = 0.02
# confidence = 0.95
# test       = "bootstrap"  # or "mcnemar": accuracy, without a margin
# regression = "excluded"   # "excluded": shown to be none; "not_shown": not shown to be one

# [latency]                 # milliseconds of one prediction of so many rows, on the machine that runs the gate
# rows      = 1
# median_ms = 20
# p95_ms    = 50

[size]
at_most = "20MiB"           # of the bundle file

# [schema]                  # the same features as the champion, or as this list
# champion = true
# names    = ["height", "width"]

# [calibration]             # of the probabilities
# ece_at_most   = 0.10
# brier_at_most = 0.20
"""
"""What `manyfit gate --init` writes."""
