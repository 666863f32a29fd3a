"""Mean scores by two parameters."""

from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.factors import Grid
from manyfit.report.plots.canvas import MUTED, SEQUENTIAL, canvas
from manyfit.report.plots.labels import one_line, plain_numbers, put_names, settle
from manyfit.report.texts import show_number

LONGEST_NAME = 32


def draw_heatmap(grid: Grid, *, axis: str, greater: bool) -> Any:
    """Return a figure with one cell for each pair of values; *axis* names the scores."""
    import numpy as np

    n_rows, n_columns = len(grid.rows), len(grid.columns)
    width = min(10.0, 2.4 + 0.62 * n_columns + _room(grid.rows))
    height = min(10.0, 1.3 + 0.42 * n_rows + _room(grid.columns))
    figure, [[axes, beside]] = canvas(width, height, columns=2, width_ratios=[4.0 * width, 1.0])
    means = np.array([[np.nan if mean is None else mean for mean in row] for row in grid.means])
    image = axes.pcolormesh(means, cmap=SEQUENTIAL if greater else f"{SEQUENTIAL}_r", edgecolors="none")
    axes.set_ylim(n_rows, 0)
    put_names(axes, grid.columns, axis="x", offset=0.5, longest=LONGEST_NAME)
    put_names(axes, grid.rows, axis="y", offset=0.5, longest=LONGEST_NAME)
    axes.set_xlabel(one_line(grid.across.name), color=MUTED)
    axes.set_ylabel(one_line(grid.down.name), color=MUTED)
    for side in axes.spines.values():
        side.set_visible(False)
    _numbers(axes, image, means)
    bar = figure.colorbar(image, cax=beside)
    bar.outline.set_visible(False)
    plain_numbers(bar.ax.yaxis)
    bar.set_label(axis, color=MUTED)
    settle(figure)
    return figure


def _room(names: Sequence[str]) -> float:
    """Return the inches that *names* may need beside the cells."""
    return 0.075 * min(LONGEST_NAME, max(map(len, names), default=0))


def _numbers(axes: Any, image: Any, means: Any) -> None:
    import numpy as np

    if means.size > 150:
        return
    size = 8.5 if means.shape[1] <= 9 else 6.5
    for (row, column), mean in np.ndenumerate(means):
        if np.isfinite(mean):
            color = readable_on(image.cmap(image.norm(mean)))
            text = show_number(float(mean))
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=color)


def readable_on(color: tuple[float, ...]) -> str:
    """Return black or white, whichever is read better on *color* (red, green, blue from 0 to 1)."""
    red, green, blue = (_linear(part) for part in color[:3])
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if luminance > 0.179 else "#ffffff"


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
