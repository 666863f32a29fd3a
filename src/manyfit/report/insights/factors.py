"""What varies among candidates, and how much it matters: parameters, feature sets, data variants, pipelines."""

import itertools
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from manyfit.model.candidate import show_value
from manyfit.report.insights.standing import Standing, values_of

MOST_LEVELS = 14
"""A numeric factor with more values than this is a range: its values are looked at in bins."""
BINS = 8
_DECADES = 1.0
"""Positive values over more than this many powers of ten stand on a log axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One value of a factor, or a bin of them: where it stands on the axis, and the scores that it has."""

    text: str
    at: float
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the scores."""
        return statistics.fmean(self.scores)

    @property
    def std(self) -> float:
        """The standard deviation of the scores, 0 for one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0

    @property
    def quartiles(self) -> tuple[float, float]:
        """The ends of the middle half of the scores."""
        if len(self.scores) < 2:
            return self.scores[0], self.scores[0]
        first, _, third = statistics.quantiles(self.scores, n=4, method="inclusive")
        return first, third


@dataclass(frozen=True, kw_only=True)
class Factor:
    """
    One thing that varies: for each candidate its value (None: it does not have it) and its score.

    Values are numbers, truth values or texts.
    """

    name: str
    values: tuple[Any, ...]
    scores: tuple[float, ...]

    @cached_property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return all(_is_number(value) for value in self.values if value is not None)

    @cached_property
    def distinct(self) -> tuple[Any, ...]:
        """The different values: numbers by size, others by the order in which texts are sorted."""
        found = {value for value in self.values if value is not None}
        return tuple(sorted(found)) if self.numeric else tuple(sorted(found, key=_order))

    @cached_property
    def is_range(self) -> bool:
        """Whether there are too many values to look at one by one."""
        return self.numeric and (len(self.distinct) > MOST_LEVELS or self._is_drawn)

    @property
    def _is_drawn(self) -> bool:
        """Whether the values look drawn at random: as many as candidates, and longer than people write them."""
        long = sum(len(f"{value:.12g}".strip("0").replace(".", "")) > 5 for value in self.distinct)
        return len(self.distinct) > 6 and len(self.distinct) == len(self.pairs()) and 2 * long > len(self.distinct)

    @cached_property
    def log(self) -> bool:
        """Whether the values belong on a log axis."""
        if not self.numeric or not self.distinct or self.distinct[0] <= 0:
            return False
        return math.log10(self.distinct[-1] / self.distinct[0]) > _DECADES

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The values, or bins of them, with their scores, in order; those without a score are left out."""
        if self.is_range:
            return tuple(self._bins())
        by_value: dict[Any, list[float]] = {value: [] for value in self.distinct}
        for value, score in self.pairs():
            by_value[value].append(score)
        return tuple(
            Level(text=show_value(value), at=float(value) if self.numeric else float(place), scores=tuple(scores))
            for place, (value, scores) in enumerate(by_value.items())
            if scores
        )

    def _bins(self) -> Iterator[Level]:
        ordered = sorted(self.pairs())
        size = _bin_size(len(ordered))
        for start in range(0, len(ordered), size):
            part = ordered[start : start + size]
            low, high = part[0][0], part[-1][0]
            at = math.sqrt(low * high) if self.log else (low + high) / 2
            yield Level(text=f"{low:.3g} to {high:.3g}", at=at, scores=tuple(score for _, score in part))

    def pairs(self) -> list[tuple[Any, float]]:
        """Return value and score of every candidate that has the factor."""
        return [(value, score) for value, score in zip(self.values, self.scores, strict=True) if value is not None]

    @property
    def effect(self) -> float:
        """The difference between the best and the worst mean score of its values."""
        means = [level.mean for level in self.levels]
        return max(means) - min(means) if means else 0.0

    @property
    def varies(self) -> bool:
        """Whether there is more than one value with a score."""
        return len(self.levels) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The candidates of one pipeline, and what varies among them, largest effect first."""

    pipeline: str
    factors: tuple[Factor, ...]
    scores: tuple[float, ...]

    def factor(self, name: str) -> Factor | None:
        """Return the factor with this name, None where the pipeline has none."""
        return next((one for one in self.factors if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Mean scores of candidates by two factors; `means` and `counts` by row of *down*, then column of *across*."""

    pipeline: str
    across: Factor
    down: Factor
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    means: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def families(standing: Standing, variants: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    """Return what varies in each pipeline, those with most candidates first; *variants* are arguments by name."""
    parts = standing.scored.partition_by("pipeline", maintain_order=True)
    ordered = sorted(parts, key=lambda part: (-part.height, part["pipeline"][0]))
    return [_family(part, variants) for part in ordered]


def across_pipelines(standing: Standing, variants: Mapping[str, Mapping[str, Any]]) -> list[Factor]:
    """Return what varies over all candidates: pipelines, feature sets, arguments of the data."""
    table = standing.scored
    pipelines = Factor(name="pipeline", values=tuple(table["pipeline"]), scores=tuple(table["score"]))
    return [one for one in (pipelines, *_outer(table, variants)) if one.varies]


def grids(found: Sequence[Family], most: int) -> list[Grid]:
    """Return the *most* heat maps of the pairs of parameters with the largest effects, one a pipeline first."""
    by_family = [[grid for grid in _grids(family) if _is_full(grid)] for family in found]
    turns = itertools.zip_longest(*by_family)
    return [grid for turn in turns for grid in turn if grid is not None][:most]


def grids_of(found: Sequence[Family], names: tuple[str, str]) -> list[Grid]:
    """Return the heat maps of two named parameters, of each pipeline that varies both."""
    pairs = [(family, family.factor(names[0]), family.factor(names[1])) for family in found]
    return [_grid(family, one, other) for family, one, other in pairs if one is not None and other is not None]


def _family(part: pl.DataFrame, variants: Mapping[str, Mapping[str, Any]]) -> Family:
    values = [values_of(text) for text in part["values"]]
    names = dict.fromkeys(name for one in values for name in one)
    scores = tuple(part["score"])
    own = [Factor(name=name, values=tuple(_value(one, name) for one in values), scores=scores) for name in names]
    varying = [one for one in (*own, *_outer(part, variants)) if one.varies]
    ordered = sorted(varying, key=lambda one: (-one.effect, one.name))
    return Family(pipeline=part["pipeline"][0], factors=tuple(ordered), scores=scores)


def _outer(table: pl.DataFrame, variants: Mapping[str, Mapping[str, Any]]) -> list[Factor]:
    """Return feature sets and arguments of the data as factors."""
    scores = tuple(table["score"])
    arguments = [variants.get(name, {}) for name in table["variant"]]
    found = [Factor(name="features", values=tuple(table["features"]), scores=scores)]
    for name in dict.fromkeys(name for one in arguments for name in one):
        values = tuple(_value(one, name) for one in arguments)
        found.append(Factor(name=name, values=values, scores=scores))
    return found


def _grids(family: Family) -> Iterator[Grid]:
    pairs = sorted(itertools.combinations(family.factors, 2), key=lambda pair: -(pair[0].effect + pair[1].effect))
    yield from (_grid(family, *pair) for pair in pairs[:6])


def _is_full(grid: Grid) -> bool:
    """Whether enough of the cells have a score to compare more than one row and one column."""
    filled = sum(count > 0 for row in grid.counts for count in row)
    return filled > max(len(grid.rows), len(grid.columns)) and 2 * filled >= len(grid.rows) * len(grid.columns)


def _grid(family: Family, one: Factor, other: Factor) -> Grid:
    # the factor with more values goes across, where there is more room
    across, down = (one, other) if len(one.levels) >= len(other.levels) else (other, one)
    columns, rows = _places(across), _places(down)
    cells: dict[tuple[int, int], list[float]] = {}
    for x, y, score in zip(columns, rows, family.scores, strict=True):
        if x is not None and y is not None:
            cells.setdefault((y, x), []).append(score)
    shape = range(len(down.levels)), range(len(across.levels))
    return Grid(
        pipeline=family.pipeline,
        across=across,
        down=down,
        columns=tuple(level.text for level in across.levels),
        rows=tuple(level.text for level in down.levels),
        means=tuple(
            tuple(statistics.fmean(cells[y, x]) if (y, x) in cells else None for x in shape[1]) for y in shape[0]
        ),
        counts=tuple(tuple(len(cells.get((y, x), ())) for x in shape[1]) for y in shape[0]),
    )


def _places(factor: Factor) -> list[int | None]:
    """Return for each candidate the position of its level, None where it does not have the factor."""
    if not factor.is_range:
        position = {level.text: place for place, level in enumerate(factor.levels)}
        return [None if value is None else position.get(show_value(value)) for value in factor.values]
    order = sorted(range(len(factor.values)), key=lambda i: (factor.values[i] is None, factor.values[i] or 0.0))
    n = len(factor.pairs())
    size = _bin_size(n)
    found: list[int | None] = [None] * len(factor.values)
    for place, at in enumerate(order[:n]):
        found[at] = place // size
    return found


def _bin_size(n: int) -> int:
    """Return how many of *n* candidates are in a bin: a mean of one or two says nothing."""
    return max(4, math.ceil(n / BINS))


def _value(params: Mapping[str, Any], name: str) -> Any:
    """Return a value that can be compared and shown, None where there is none; all but numbers become texts."""
    if name not in params:
        return None
    value = params[name]
    if _is_number(value):
        return value
    if value is None or isinstance(value, (str, bool, float)):
        return str(value)
    return show_value(value) if isinstance(value, (list, tuple)) else json.dumps(value, default=str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _order(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if _is_number(value) else (1, 0.0, str(value))
