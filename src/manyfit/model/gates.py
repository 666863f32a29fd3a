"""What a model has to be to pass: gates, as a rules file declares them."""

from dataclasses import dataclass
from enum import Enum

EVERY = "*"
"""In the place of a class or a group: each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """
    A bound on a metric: of all rows, of one class or each, of one group or each.

    At least one of `at_least` and `at_most` is a number. `of_class` and `group` are a name, `EVERY`, or "" for all
    rows; one of them is "". Groups with fewer than `min_rows` rows are not judged. `key` is its place in the file.
    """

    key: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    of_class: str = ""
    group: str = ""
    min_rows: int = 1


class PairedTest(Enum):
    """How the model and the champion are compared on the same rows."""

    BOOTSTRAP = "bootstrap"
    MCNEMAR = "mcnemar"


class Regression(Enum):
    """What has to hold of a regression beyond the margin."""

    EXCLUDED = "excluded"
    """The data shows, at the confidence, that there is none: few rows do not pass."""
    NOT_SHOWN = "not_shown"
    """The data does not show, at the confidence, that there is one: few rows pass easily."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionGate:
    """
    No regression of a metric against the champion beyond `margin`, at one-sided `confidence`.

    `margin` is in units of the metric. `by_group` resamples whole groups in place of rows.
    """

    key: str
    metric: str
    margin: float = 0.0
    confidence: float = 0.95
    test: PairedTest = PairedTest.BOOTSTRAP
    regression: Regression = Regression.EXCLUDED
    resamples: int = 2000
    seed: int = 0
    by_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGate:
    """Seconds of a prediction of `rows` rows at most: median and 95th percentile of `repeats`, after `warm_up`."""

    rows: int = 1
    median_seconds: float | None = None
    p95_seconds: float | None = None
    repeats: int = 50
    warm_up: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaGate:
    """The features that a model must have: the champion's, or `names` with `types` (empty: any) in order."""

    champion: bool = False
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationGate:
    """Bounds on the expected calibration error over `bins` bins of equal width, and on the Brier score."""

    ece_at_most: float | None = None
    brier_at_most: float | None = None
    bins: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All gates of a rules file; `set` is the held-out set of a sweep to judge on ("": test, or the only one)."""

    file: str
    set: str = ""
    metrics: tuple[MetricGate, ...] = ()
    champion: tuple[ChampionGate, ...] = ()
    latency: LatencyGate | None = None
    size_bytes: int | None = None
    schema: SchemaGate | None = None
    calibration: CalibrationGate | None = None

    @property
    def need_champion(self) -> bool:
        """Whether a gate compares with the champion."""
        return bool(self.champion) or (self.schema is not None and self.schema.champion)
