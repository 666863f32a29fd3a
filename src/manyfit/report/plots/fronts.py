"""Score against fit time, with the candidates that nothing beats in both."""

from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.comparing import Point
from manyfit.report.plots.canvas import INK, MUTED, canvas, color_of, is_dense, marker_of, size_of
from manyfit.report.plots.labels import decades, one_line, plain_numbers, settle

MOST_NAMED = 10
"""Pipelines that have a line in a legend; the others share the last one."""


def draw_front(points: Sequence[Point], *, pipelines: Sequence[str], axis: str) -> Any:
    """Return a figure with one mark for each of *points*; *axis* names the scores."""
    figure, [[axes]] = canvas(8.4, 4.2)
    low = max(1e-5, min((point.seconds for point in points if point.seconds > 0), default=1e-3))
    high = max(2 * low, max((point.seconds for point in points), default=1.0))
    for place, pipeline in enumerate(pipelines):
        mine = [point for point in points if point.pipeline == pipeline]
        scatter(
            axes, [max(low, point.seconds) for point in mine], [point.score for point in mine], place, pipeline
        )
    best = [point for point in points if point.best]
    axes.plot([max(low, one.seconds) for one in best], [one.score for one in best], color=INK, lw=1.1, ls="--")
    axes.plot([], [], color=INK, lw=1.1, ls="--", label="nothing is better and quicker")
    axes.set_xscale("log")
    axes.set_xlim(low / 1.6, high * 1.6)
    decades(axes.xaxis, low / 1.6, high * 1.6)
    axes.set_xlabel("mean fit time, seconds", color=MUTED)
    axes.set_ylabel(axis, color=MUTED)
    finish(figure, axes)
    return figure


def scatter(axes: Any, x: Sequence[float], y: Sequence[float], place: int, pipeline: str) -> None:
    """Draw the candidates of the pipeline at *place* in colour and marker of their own."""
    many = is_dense(len(x))
    axes.plot(
        x,
        y,
        marker_of(place),
        color=color_of(place),
        ms=size_of(place, 3.0 if many else 5.0),
        alpha=0.35 if many else 0.75,
        mew=0,
        rasterized=many,
        label=one_line(pipeline, 26) if place < MOST_NAMED else f"_{place}",
    )


def finish(figure: Any, axes: Any) -> None:
    """Add grid, plain numbers and a legend beside the data."""
    axes.grid()
    plain_numbers(axes.yaxis)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)
    settle(figure)
