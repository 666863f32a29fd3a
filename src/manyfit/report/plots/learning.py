"""Series that models leave while they are trained: loss and score by step."""

import math
from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.details import Series
from manyfit.report.plots.canvas import MUTED, canvas, color_of
from manyfit.report.plots.labels import one_line, plain_numbers, settle


def draw_series(found: Sequence[Series]) -> Any:
    """Return a figure with one panel for each name of a series: thin lines by fold and seed, thick means."""
    names = sorted({one.name for one in found})
    pipelines = list(dict.fromkeys(one.pipeline for one in found))
    columns = min(2, len(names))
    rows = math.ceil(len(names) / columns)
    figure, axes = canvas(4.6 * columns + 0.4, 0.3 + 3.0 * rows, rows=rows, columns=columns)
    panels = list(axes.flat)
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, name, [one for one in found if one.name == name], pipelines)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    settle(figure)
    return figure


def _panel(axes: Any, name: str, found: Sequence[Series], pipelines: Sequence[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(one_line(name, 40))
    for one in found:
        color = color_of(pipelines.index(one.pipeline))
        for line in one.lines:
            axes.plot(one.steps(len(line)), line, color=color, lw=0.6, alpha=0.35)
        mean = one.mean()
        axes.plot(one.steps(len(mean)), mean, color=color, lw=2.0, label=one_line(one.label, 34))
    axes.grid()
    axes.set_xlabel("step", color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.legend(fontsize=7.5)
