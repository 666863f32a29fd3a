"""
What a user declares, checked for shape and complete: the normal form of a sweep file.

Everything here is plain frozen values of the standard library, so that it is stored as JSON in a plan
segment and read back by runners on other machines. Texts that need knowledge of the data or of the
estimators (column names, SQL conditions, class names, parameters) are checked when planning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from manyfit.model.terms import Concurrency, Needs

__pydantic_config__ = {"extra": "forbid"}

Values = tuple[Any, ...]
Grid = Mapping[str, Values]


class Problem(Enum):
    """What is predicted."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    ANOMALY = "anomaly"
    """Declared only: read as a classification into normal rows and anomalies, with or without labels."""


class Mixed(Enum):
    """What becomes of a window whose samples have different labels."""

    DROP = "drop"
    """It is left out."""
    MAJORITY = "majority"
    """It has the most frequent label; of equally frequent ones the first in the order of the classes."""
    LAST = "last"
    """It has the label of its last sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsSpec:
    """
    How a table with one row a sample becomes one with one row a window.

    `sizes` and `step` count samples; each size is one data variant. Without `step` a window begins
    `size * (1 - overlap)` samples after the one before it. `by` names the column of the recording
    (None: the table is one), `order` the column that its samples are sorted by (None: as they stand).
    """

    sizes: tuple[int, ...]
    channels: tuple[str, ...]
    by: str | None = None
    order: str | None = None
    step: int | None = None
    overlap: float = 0.0
    mixed: Mixed = Mixed.DROP


LAG_STATISTICS = ("mean", "std", "min", "max")
LAG_CALENDAR = ("hour", "weekday", "day", "yearday", "month")


@dataclass(frozen=True, slots=True, kw_only=True)
class LagsSpec:
    """
    What rows of series know of their past, and how far ahead their target lies.

    `lags` and `windows` count steps; lag 0 and the end of a window are the row itself. `columns` are the
    series that are looked at (none: the target). `by` names the column that tells several series of one
    table apart. With `every_seconds` a step is that long, else it is a row.
    """

    lags: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    statistics: tuple[str, ...] = ("mean", "std")
    calendar: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    horizon: int = 1
    by: str | None = None
    every_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeSpec:
    """
    Which columns of texts become numbers.

    `onehot` are names and patterns of columns that become one column for each value, `max_values` at most;
    `ordinal` maps a column to its values in their order, and it becomes a column of their places.
    """

    onehot: tuple[str, ...] = ()
    ordinal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    max_values: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """
    Where the rows come from and what the columns mean.

    `source` is a path relative to the sweep file, `sklearn:NAME` or `package.module:function`; `grid`
    holds arguments of such a function, and each combination is one data variant. `labels` maps the
    text of a class to the name that is shown, `categories` a category to the labels in it. `windows`,
    then `lags`, then `encode` shape the table after it was read and joined.
    """

    source: str
    metadata: str | None = None
    index: str | None = None
    target: str | None = None
    group: str | None = None
    time: str | None = None
    problem: Problem | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    windows: WindowsSpec | None = None
    lags: LagsSpec | None = None
    encode: EncodeSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """A named set of feature columns, as shell-style patterns; excludes win over includes."""

    name: str
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


class FoldKind(Enum):
    """How the training rows are divided for cross-validation."""

    STRATIFIED = "stratified"
    PLAIN = "plain"
    GROUP = "group"
    STRATIFIED_GROUP = "stratified_group"
    TIME = "time"
    LEAVE_ONE_GROUP_OUT = "leave_one_group_out"
    """Every group is held out once: the data say how many folds there are, and their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """
    Cross-validation inside the training rows; `shuffle` uses the seed of the cell.

    `n` is 0 where the data say how many folds there are (`FoldKind.LEAVE_ONE_GROUP_OUT`).
    """

    n: int
    kind: FoldKind
    shuffle: bool = True


class SplitKind(Enum):
    """How a split selects its rows."""

    ALL = "all"
    """Every row is a training row (for cross-validation alone)."""
    FILTER = "filter"
    """SQL conditions on the columns."""
    RANDOM = "random"
    """Fractions, stratified by the target of a classification."""
    GROUPS = "groups"
    """Whole groups are held out, by name or by fraction."""
    TIME = "time"
    """The latest rows are held out."""
    COLUMN = "column"
    """A column names the set of each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """
    A named selection of training rows and evaluation sets.

    `train` is an SQL condition or None (the rows in no evaluation set). `sets` maps the name of an
    evaluation set ("validate", "test", or any other) to its recipe: an SQL condition (FILTER), a
    fraction (RANDOM, TIME, GROUPS), a tuple of group names (GROUPS) or the text in `column` (COLUMN).
    `validation` asks for the fit on all training rows that is scored on `sets`; `folds` asks for
    cross-validation inside the training rows. At least one of them holds. `gap` rows between those that train
    and those that evaluate are in neither, where rows are in the order of time.
    """

    name: str
    kind: SplitKind
    train: str | None = None
    sets: Mapping[str, str | float | tuple[str, ...]] = field(default_factory=dict)
    column: str | None = None
    seed: int = 0
    folds: Folds | None = None
    validation: bool = True
    gap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One declared step: the name of an estimator (scikit-learn's, or an import path) and fixed parameters."""

    use: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """
    A distribution of one parameter.

    `kind` is uniform, loguniform, normal, lognormal (with two numbers in `args`), int, logint (low and
    high, both included) or choice (the values).
    """

    kind: str
    args: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """
    A named list of steps with its search: sub-grids, or `draws` candidates from `space`.

    Parameter names are `step__parameter`; a bare name belongs to the last step.
    """

    name: str
    steps: tuple[StepSpec, ...]
    grids: tuple[Grid, ...] = ({},)
    space: Mapping[str, Distribution] = field(default_factory=dict)
    draws: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Steps before every pipeline; each combination of `grid` is one data variant of the candidates."""

    steps: tuple[StepSpec, ...] = ()
    grid: Grid = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    Limits of one task: seconds of wall time, bytes of memory (None: no limit), attempts in all.

    An attempt after one that ran out of memory is given more, `memory_cap_bytes` at most (None: four
    times `memory_bytes`).
    """

    time_seconds: float = 3600.0
    memory_bytes: int | None = None
    attempts: int = 3
    memory_cap_bytes: int | None = None


class Models(Enum):
    """Which fitted models are kept."""

    NONE = "none"
    BEST = "best"
    ALL = "all"


class Calibration(Enum):
    """How kept classifiers that have no probabilities get them."""

    NONE = "none"
    SIGMOID = "sigmoid"
    ISOTONIC = "isotonic"


class ModelFormat(Enum):
    """How kept models are written."""

    SKOPS = "skops"
    """In formats that run no code when they are read."""
    JOBLIB = "joblib"
    """As a pickle, which can write any model, and which nobody should read whose maker is not trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """
    What is kept beside scores; `n_best` counts per split, and with `per_pipeline` per pipeline and split.

    With `series`, what fitted estimators tell of their training, such as a loss curve.
    """

    models: Models = Models.NONE
    n_best: int = 0
    predictions: bool = False
    calibrate: Calibration = Calibration.NONE
    series: bool = False
    format: ModelFormat = ModelFormat.SKOPS
    per_pipeline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSpec:
    """How many workers are started, and BLAS/OpenMP threads for each; None means as many as cores allow."""

    count: int | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """
    How long things are kept, in seconds since the sweep was last worked on; None keeps them for ever.

    A sweep is `completed` when it is settled with at least one success, `failed` when it is settled
    without any. `logs` are those of workers that ended; `artifacts` those that no result refers to.
    """

    completed_seconds: float | None = 90 * 86400.0
    failed_seconds: float | None = 30 * 86400.0
    logs_seconds: float | None = 7 * 86400.0
    artifacts_seconds: float | None = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseSpec:
    """
    Which related fits are computed together.

    `exact` asks for the rules that keep every score, `also` names others that are asked for.
    """

    exact: bool = True
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksSpec:
    """With `hold`, a pipeline most of whose fits diverge is held while the sweep runs."""

    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """The columns of an export with the type of each ("": as it is); none: the usual ones."""

    columns: tuple[tuple[str, str], ...] = ()


PRIORITIES: Mapping[str, int] = {"urgent": 30, "high": 20, "normal": 10, "low": 0}
MAX_PRIORITY = 1_000_000
"""Priorities are between minus this and this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSpec:
    """
    A whole sweep: data x features x prepare x pipelines x splits x folds x seeds, and how to run it.

    `store` is the URL of its store ("": a folder beside the sweep file). `needs` are by pipeline, ""
    for those without any of their own.
    """

    name: str
    data: DataSpec
    pipelines: tuple[PipelineSpec, ...]
    splits: tuple[Split, ...]
    features: tuple[FeatureSet, ...] = (FeatureSet(name=""),)
    prepare: Prepare = Prepare()
    metrics: tuple[str, ...] = ()
    rank_by: str = ""
    score_train: bool = True
    seeds: tuple[int, ...] = (0,)
    priority: int = PRIORITIES["normal"]
    limits: Limits = Limits()
    keep: Keep = Keep()
    workers: WorkersSpec = WorkersSpec()
    store: str = ""
    tenant: str = ""
    concurrency: Concurrency = Concurrency()
    needs: Mapping[str, Needs] = field(default_factory=dict)
    retention: Retention = Retention()
    fuse: FuseSpec = FuseSpec()
    checks: ChecksSpec = ChecksSpec()
    export: ExportSpec = ExportSpec()
