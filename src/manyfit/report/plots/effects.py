"""The effect of each factor: all scores by its values, with the mean and its spread."""

import math
from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.factors import Factor
from manyfit.report.plots.canvas import ACCENT, INK, MUTED, canvas, is_dense
from manyfit.report.plots.labels import decades, one_line, plain_numbers, put_names, settle

ACROSS = 3
LONGEST_NAME = 32
FEW = 7
"""So many numbers are written at the axis themselves."""


def draw_effects(factors: Sequence[Factor], *, axis: str) -> Any:
    """Return a figure with one panel for each of *factors*; *axis* names the scores."""
    columns = min(ACROSS, len(factors))
    rows = math.ceil(len(factors) / columns)
    width = {1: 5.2, 2: 7.4, 3: 9.0}[columns]
    named = [level.text for factor in factors if not factor.numeric for level in factor.levels]
    height = 3.3 if any(len(name) > 12 for name in named) else 2.75
    figure, axes = canvas(width, 0.3 + height * rows, rows=rows, columns=columns, sharey=True)
    panels = list(axes.flat)
    for panel, factor in zip(panels, factors, strict=False):
        _panel(panel, factor)
    for panel in panels[len(factors) :]:
        panel.set_visible(False)
    for line in axes:
        line[0].set_ylabel(axis, color=MUTED)
    settle(figure)
    return figure


def _panel(axes: Any, factor: Factor) -> None:
    axes.set_title(one_line(factor.name, 34))
    axes.grid(axis="y")
    plain_numbers(axes.yaxis)
    _points(axes, factor)
    levels = factor.levels
    middle = [level.at for level in levels]
    means = [level.mean for level in levels]
    below = [max(0.0, level.mean - level.quartiles[0]) for level in levels]
    above = [max(0.0, level.quartiles[1] - level.mean) for level in levels]
    axes.errorbar(
        middle,
        means,
        yerr=[below, above],
        fmt="o-" if factor.numeric else "o",
        color=ACCENT,
        ecolor=ACCENT,
        ms=5.5,
        mec=INK,
        mew=0.6,
        lw=1.6,
        elinewidth=1.2,
        capsize=3,
        zorder=3,
    )
    if factor.numeric:
        _numeric(axes, factor)
    else:
        put_names(axes, [level.text for level in levels], axis="x", longest=LONGEST_NAME)
        axes.set_xlim(-0.6, len(levels) - 0.4)


def _points(axes: Any, factor: Factor) -> None:
    pairs = factor.pairs()
    if factor.numeric:
        x = [float(value) for value, _ in pairs]
    else:
        place = {value: at for at, value in enumerate(factor.distinct)}
        # spread sideways by the golden ratio: no two at one place, and the same in every report
        x = [place[value] + 0.44 * ((number * 0.618034) % 1 - 0.5) for number, (value, _) in enumerate(pairs)]
    y = [score for _, score in pairs]
    many = is_dense(len(pairs))
    axes.plot(
        x,
        y,
        ".",
        color=MUTED,
        ms=3.2 if many else 5.5,
        alpha=0.18 if many else 0.55,
        mew=0,
        rasterized=many,
        zorder=2,
    )


def _numeric(axes: Any, factor: Factor) -> None:
    low, high = float(factor.distinct[0]), float(factor.distinct[-1])
    few = len(factor.distinct) <= FEW
    if factor.log:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.06, high * (high / low) ** 0.06)
        decades(axes.xaxis, low, high)
    else:
        margin = 0.06 * (high - low)
        axes.set_xlim(low - margin, high + margin)
    if few:
        axes.xaxis.set_ticks([float(value) for value in factor.distinct])
    plain_numbers(axes.xaxis)
