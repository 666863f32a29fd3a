"""Validation against held-out scores, candidate by candidate."""

from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.comparing import Gap
from manyfit.report.plots.canvas import INK, MUTED, canvas
from manyfit.report.plots.fronts import finish, scatter
from manyfit.report.plots.labels import one_line, plain_numbers


def draw_gap(gap: Gap, *, pipelines: Sequence[str], metric: str) -> Any:
    """Return a figure with the score that ranks across and the other one up; the line is "no gap"."""
    figure, [[axes]] = canvas(7.6, 4.6)
    for place, pipeline in enumerate(pipelines):
        mine = [i for i, name in enumerate(gap.pipelines) if name == pipeline]
        scatter(axes, [gap.scores[i] for i in mine], [gap.others[i] for i in mine], place, pipeline)
    both = (*gap.scores, *gap.others)
    low, high = min(both), max(both)
    margin = 0.04 * (high - low) or 0.05
    ends = [low - margin, high + margin]
    axes.plot(ends, ends, color=MUTED, lw=1.0, ls=(0, (2, 3)), label="equal scores")
    axes.plot(gap.scores[:1], gap.others[:1], "o", ms=11, mfc="none", mec=INK, mew=1.3, label="the best candidate")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    plain_numbers(axes.xaxis)
    axes.set_xlabel(one_line(f"{gap.ranked} {metric}"), color=MUTED)
    axes.set_ylabel(one_line(f"{gap.other} {metric}"), color=MUTED)
    finish(figure, axes)
    return figure
