"""What a regression predicted, against the truth."""

from typing import Any

from manyfit.report.insights.curves import Residuals
from manyfit.report.plots.canvas import ACCENT, MUTED, canvas, is_dense
from manyfit.report.plots.labels import plain_numbers, settle


def draw_residuals(found: Residuals) -> Any:
    """Return a figure with predicted against true values, residuals by prediction, and how they are spread."""
    import numpy as np

    figure, [[values, rest, spread]] = canvas(10.0, 3.6, columns=3, width_ratios=[1, 1, 0.75])
    residuals = found.predicted - found.true
    many = is_dense(len(residuals))
    look = {
        "color": ACCENT,
        "ms": 2.5 if many else 4.0,
        "alpha": 0.25 if many else 0.5,
        "mew": 0,
        "rasterized": many,
    }
    values.plot(found.true, found.predicted, "o", **look)
    ends = [
        float(min(found.true.min(), found.predicted.min())),
        float(max(found.true.max(), found.predicted.max())),
    ]
    values.plot(ends, ends, color=MUTED, lw=1.0, ls=(0, (2, 3)))
    rest.plot(found.predicted, residuals, "o", **look)
    rest.axhline(0.0, color=MUTED, lw=1.0, ls=(0, (2, 3)))
    finite = residuals[np.isfinite(residuals)]
    spread.hist(finite, bins=min(40, max(8, int(len(finite) ** 0.5))), color=ACCENT, alpha=0.8)
    spread.axvline(0.0, color=MUTED, lw=1.0, ls=(0, (2, 3)))
    names = (
        (values, "true", "predicted"),
        (rest, "predicted", "predicted - true"),
        (spread, "predicted - true", "rows"),
    )
    for axes, across, up in names:
        axes.set_xlabel(across, color=MUTED)
        axes.set_ylabel(up, color=MUTED)
        axes.grid()
        plain_numbers(axes.xaxis)
        plain_numbers(axes.yaxis)
    settle(figure)
    return figure
