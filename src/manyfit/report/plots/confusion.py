"""Confusion matrices: how often each class was taken for each other one."""

from typing import Any

from manyfit.report.insights.details import Matrix
from manyfit.report.plots.canvas import MUTED, canvas
from manyfit.report.plots.heatmaps import readable_on
from manyfit.report.plots.labels import put_names, settle

MOST_NAMED = 60
"""With more classes than this, names cannot be read any more and are left out."""


def draw_confusion(matrix: Matrix) -> Any:
    """Return a figure with counts in the cells; the colour is the part of the true class."""
    n = len(matrix.names)
    side = min(9.0, 0.43 * n + 0.35) if n > 4 else 0.75 * n + 0.5
    figure, [[axes]] = canvas(min(10.5, side + 2.5), min(10.5, side + 1.6))
    shares = matrix.shares
    image = axes.pcolormesh(shares, cmap="Blues", vmin=0.0, vmax=1.0, edgecolors="none", rasterized=n > 40)
    axes.set_aspect("equal")
    axes.set_ylim(n, 0)
    if n <= MOST_NAMED:
        put_names(axes, matrix.names, axis="x", offset=0.5)
        put_names(axes, matrix.names, axis="y", offset=0.5)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.set_xlabel("predicted", color=MUTED)
    axes.set_ylabel("true", color=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if n <= 30:
        _numbers(axes, image, matrix, size=10.0 if n <= 4 else 8.0 if n <= 16 else 6.0)
    settle(figure)
    return figure


def _numbers(axes: Any, image: Any, matrix: Matrix, *, size: float) -> None:
    import numpy as np

    shares = matrix.shares
    for (row, column), count in np.ndenumerate(matrix.counts):
        if count:
            color = readable_on(image.cmap(image.norm(shares[row, column])))
            text = short_count(int(count))
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=color)


def short_count(count: int) -> str:
    """Return a count in at most four characters."""
    if count < 10_000:
        return str(count)
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.0f}{unit}"
    return str(count)
