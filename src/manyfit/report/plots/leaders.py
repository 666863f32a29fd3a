"""The best candidates with the spread of their scores over folds and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.report.plots.canvas import INK, MUTED, canvas, color_of, marker_of
from manyfit.report.plots.labels import one_line, plain_numbers, settle


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """One candidate: what it is, its score, and its scores by fold and seed."""

    pipeline: str
    params: str
    score: float
    folds: tuple[float, ...]


def draw_leaders(leaders: Sequence[Leader], *, pipelines: Sequence[str], axis: str) -> Any:
    """Return a figure with one line for each of *leaders*, best at the top; *axis* names the scores."""
    figure, [[axes]] = canvas(9.2, 1.0 + 0.3 * max(2, len(leaders)))
    for place, leader in enumerate(leaders):
        color, marker = color_of(pipelines.index(leader.pipeline)), marker_of(pipelines.index(leader.pipeline))
        if len(leader.folds) > 1:
            axes.plot([min(leader.folds), max(leader.folds)], [place, place], color=color, lw=1.4, alpha=0.45)
            axes.plot(leader.folds, [place] * len(leader.folds), "|", color=color, ms=8, mew=1.2, alpha=0.8)
        axes.plot([leader.score], [place], marker, color=color, ms=7, mec=INK, mew=0.6, zorder=3)
    axes.set_ylim(max(1, len(leaders)) - 0.4, -0.6)
    texts = [one_line(f"{one_line(one.pipeline, 20)} {one.params}", 72) for one in leaders]
    axes.yaxis.set_ticks(range(len(leaders)), texts)
    axes.yaxis.set_tick_params(length=0, labelsize=8.0)
    axes.grid(axis="x")
    plain_numbers(axes.xaxis)
    axes.set_xlabel(axis, color=MUTED)
    settle(figure)
    return figure
