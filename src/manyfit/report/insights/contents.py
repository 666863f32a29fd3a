"""Everything that a report shows, as values."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from manyfit.model.snapshot import Counts
from manyfit.report.failures import FailureGroup
from manyfit.report.insights.comparing import Gap, Point, Timing
from manyfit.report.insights.curves import Curves, Residuals
from manyfit.report.insights.details import Matrix, Series
from manyfit.report.insights.factors import Factor, Family, Grid
from manyfit.report.insights.origin import Origin
from manyfit.report.insights.standing import Standing
from manyfit.report.warnings import WarningGroup


class Predictions(enum.Enum):
    """Where the predictions of a candidate come from."""

    KEPT = "kept"
    """The sweep kept them."""
    FITTED = "fitted again"
    """The candidate was fitted again for the report."""
    MISSING = "missing"
    """There are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """
    One of the best candidates, looked at closely.

    `row` is its row of the leaderboard. `note` says in a sentence where its predictions come from, and whether
    fits that were made again gave the scores that are stored.
    """

    row: Mapping[str, Any]
    predictions: Predictions = Predictions.MISSING
    note: str = ""
    matrix: Matrix | None = None
    categories: Matrix | None = None
    curves: Curves | None = None
    residuals: Residuals | None = None
    series: tuple[Series, ...] = ()

    @property
    def name(self) -> str:
        """The candidate in one line."""
        return f"{self.row['pipeline']} {self.row['params'] or ''}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One verification in words, and a row for each model: pipeline, params, validation, verified, gap."""

    headline: str
    models: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """
    What one report shows: all splits in `standings`, one of them closely in `standing` (None: no results).

    `spec` is the sweep as JSON values. `folds` are the scores of the first rows of the leaderboard by fold and
    seed. `notes` are sentences for the summary, about the report itself.
    """

    sweep: str
    spec: Mapping[str, Any]
    counts: Counts
    standings: Sequence[Standing]
    standing: Standing | None
    folds: Sequence[Sequence[float]] = ()
    factors: Sequence[Factor] = ()
    families: Sequence[Family] = ()
    grids: Sequence[Grid] = ()
    points: Sequence[Point] = ()
    gaps: Sequence[Gap] = ()
    leads: Sequence[Lead] = ()
    timings: Sequence[Timing] = ()
    verifications: Sequence[Verified] = ()
    failures: Sequence[FailureGroup] = ()
    warnings: Sequence[WarningGroup] = ()
    origin: Origin
    rows: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def pipelines(self) -> list[str]:
        """The pipelines of the split, best first: the order of their colours."""
        return (
            [] if self.standing is None else self.standing.board["pipeline"].unique(maintain_order=True).to_list()
        )
