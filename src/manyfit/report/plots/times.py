"""Seconds of fitting by pipeline, alone and computed together."""

from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.comparing import Timing
from manyfit.report.plots.canvas import ACCENT, INK, MUTED, canvas
from manyfit.report.plots.labels import plain_numbers, put_names, settle
from manyfit.report.texts import show_duration

MOST_BARS = 30


def draw_times(found: Sequence[Timing]) -> Any:
    """Return a figure with one bar for each pipeline, the dearest at the top, `MOST_BARS` at most."""
    shown = found[:MOST_BARS]
    figure, [[axes]] = canvas(8.4, 1.1 + 0.34 * len(shown))
    places = range(len(shown))
    alone = [one.fit_seconds - one.fused_seconds for one in shown]
    together = [one.fused_seconds for one in shown]
    axes.barh(places, alone, height=0.62, color=ACCENT, label="fitted alone")
    if any(together):
        axes.barh(places, together, height=0.62, left=alone, color="#e69f00", label="computed together")
    for place, one in zip(places, shown, strict=True):
        axes.annotate(
            show_duration(one.fit_seconds),
            (one.fit_seconds, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.set_xlim(0, 1.12 * max((one.fit_seconds for one in shown), default=1.0) or 1.0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    put_names(axes, [one.pipeline for one in shown], axis="y")
    axes.grid(axis="x")
    plain_numbers(axes.xaxis)
    axes.set_xlabel("seconds of fitting, all tasks", color=MUTED)
    if any(together):
        axes.legend(loc="lower right")
    settle(figure)
    return figure
