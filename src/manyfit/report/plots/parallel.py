"""Every candidate of a pipeline as a line through the values of its parameters to its score."""

import math
from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.factors import Factor, Family
from manyfit.report.plots.canvas import INK, MUTED, RULE, SEQUENTIAL, canvas, is_dense
from manyfit.report.plots.labels import number, one_line, settle

MOST_AXES = 8
MOST_LINES = 4000
_ROOM = 0.06
"""Room above and below the values of an axis, as a part of it."""


def draw_parallel(family: Family, *, axis: str, greater: bool) -> Any:
    """
    Return a figure with an axis for each factor of *family* (the `MOST_AXES` with most effect) and the score.

    Of more than `MOST_LINES` candidates as many are drawn, taken evenly from the best to the worst.
    """
    factors = family.factors[:MOST_AXES]
    figure, [[axes]] = canvas(max(4.6, 1.9 * (len(factors) + 1)), 4.0)
    scores = family.scores
    lines = _rows(scores, greater)
    _draw_lines(axes, lines, scores, factors, greater)
    _draw_axes(axes, factors, scores, axis)
    axes.set_xlim(-0.3, len(factors) + 0.45)
    axes.set_ylim(-_ROOM, 1 + _ROOM)
    axes.yaxis.set_visible(False)
    for side in axes.spines.values():
        side.set_visible(False)
    settle(figure)
    return figure


def _rows(scores: Sequence[float], greater: bool) -> list[int]:
    """Return the candidates to draw, worst first, so that the best lie on top."""
    ordered = sorted(range(len(scores)), key=lambda row: scores[row], reverse=not greater)
    step = max(1, math.ceil(len(ordered) / MOST_LINES))
    return ordered[::-1][::step][::-1]


def _draw_lines(
    axes: Any, rows: Sequence[int], scores: Sequence[float], factors: Sequence[Factor], greater: bool
) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    low, high = _span(scores)
    heights = [_heights(factor) for factor in factors]
    lines: list[Any] = []
    for row in rows:
        ends = [(place, found[row]) for place, found in enumerate(heights) if found[row] is not None]
        lines.append([*ends, (len(factors), (scores[row] - low) / (high - low))])
    places = [(scores[row] - low) / (high - low) for row in rows]
    colors = colormaps[SEQUENTIAL if greater else f"{SEQUENTIAL}_r"](places)
    many = len(rows) > 150
    drawn = LineCollection(lines, colors=colors, linewidths=0.7 if many else 1.1, alpha=0.45 if many else 0.75)
    drawn.set_rasterized(is_dense(len(rows)))
    axes.add_collection(drawn)
    if lines:
        axes.plot(*zip(*lines[-1], strict=True), "-o", color="#d55e00", lw=2.4, ms=5, zorder=4)


def _draw_axes(axes: Any, factors: Sequence[Factor], scores: Sequence[float], name: str) -> None:
    low, high = _span(scores)
    for place, factor in enumerate(factors):
        axes.axvline(place, color=MUTED, lw=0.9, zorder=2)
        for text, at in _marks(factor):
            _mark(axes, place, at, text)
    axes.axvline(len(factors), color=INK, lw=1.2, zorder=2)
    for part in (0.0, 0.5, 1.0):
        _mark(axes, len(factors), part, number(low + part * (high - low)))
    names = [one_line(factor.name, 22) for factor in factors]
    axes.xaxis.set_ticks(range(len(factors) + 1), [*names, one_line(name, 22)])
    axes.xaxis.set_tick_params(length=0)
    axes.xaxis.tick_top()


def _mark(axes: Any, place: float, at: float, text: str) -> None:
    """Write the value of an axis at its right, on a ground that lets no line through."""
    ground = {"boxstyle": "round,pad=0.15", "fc": "#ffffff", "ec": RULE, "lw": 0.5, "alpha": 0.85}
    axes.text(
        place + 0.04, at, one_line(text, 14), va="center", fontsize=7.5, color="#1c1c1e", bbox=ground, zorder=5
    )


def _heights(factor: Factor) -> list[float | None]:
    if not factor.numeric:
        last = max(1, len(factor.distinct) - 1)
        place = {value: at / last for at, value in enumerate(factor.distinct)}
        return [None if value is None else place[value] for value in factor.values]
    return [None if value is None else _height(factor, float(value)) for value in factor.values]


def _height(factor: Factor, value: float) -> float:
    low, high = float(factor.distinct[0]), float(factor.distinct[-1])
    if high == low:
        return 0.5
    if factor.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _marks(factor: Factor) -> list[tuple[str, float]]:
    """Return texts and heights of the values to write at an axis: all where they are few and apart."""
    if factor.numeric:
        found = [(number(float(value)), _height(factor, float(value))) for value in factor.distinct]
    else:
        last = max(1, len(factor.distinct) - 1)
        found = [(str(value), at / last) for at, value in enumerate(factor.distinct)]
    kept = found[:1]
    for text, at in found[1:-1]:
        if at - kept[-1][1] >= 0.075 and found[-1][1] - at >= 0.075:
            kept.append((text, at))
    return kept + found[1:][-1:]


def _span(scores: Sequence[float]) -> tuple[float, float]:
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)
