"""The critical-difference diagram: mean ranks on a line, with bars that join those not shown to differ."""

from typing import TYPE_CHECKING, Any

from manyfit.report.plots.canvas import blank
from manyfit.report.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, BAR, TOP = 0.30, 0.16, 0.85
"""Inches: between names, between bars, and above the axis."""
AXIS_WIDTH, LETTER, LEAST_MARGIN = 4.6, 0.077, 0.9
"""Inches: of the axis, of a letter of a name, and beside the axis at least."""


def draw_ranks(ranking: Ranking) -> Any:
    """
    Return a figure of *ranking* after Demsar (2006), figure 1.

    The best names stand on the left, from the top; each has a line of its own, so that no two meet.
    """
    n = len(ranking.names)
    n_left = (n + 1) // 2
    bars = BAR * (len(ranking.groups) + 1)
    margins = [
        max([LEAST_MARGIN, *(LETTER * len(_label(ranking, at)) + 0.45 for at in side)]) for side in _sides(n)
    ]
    width, height = sum(margins) + AXIS_WIDTH, TOP + bars + ROW * n_left + 0.15
    figure = blank(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-margins[0], AXIS_WIDTH + margins[1])
    axes.set_ylim(-(bars + ROW * n_left + 0.15), TOP)
    _axis(axes, ranking)
    for side, positions in enumerate(_sides(n)):
        edge = -0.25 if side == 0 else AXIS_WIDTH + 0.25
        for row, at in enumerate(positions):
            _name(axes, ranking, at, edge, -(bars + ROW * (row + 0.5)))
    for level, group in enumerate(ranking.groups):
        y = -BAR * (level + 1)
        ends = [_x(ranking, ranking.ranks[group[0]]) - 0.05, _x(ranking, ranking.ranks[group[-1]]) + 0.05]
        axes.plot(ends, [y, y], color="black", linewidth=3.5, solid_capstyle="butt")
    return figure


def _sides(n: int) -> tuple[range, range]:
    """Return the positions on the left, best at the top, and on the right, worst at the top."""
    half = (n + 1) // 2
    return range(half), range(n - 1, half - 1, -1)


def _x(ranking: Ranking, rank: float) -> float:
    """Return where a rank is on the axis, which goes from 1 to the number of competitors."""
    return AXIS_WIDTH * (rank - 1) / max(1, len(ranking.names) - 1)


def _label(ranking: Ranking, at: int) -> str:
    return f"{ranking.names[at]}  {ranking.ranks[at]:.2f}"


def _axis(axes: "Axes", ranking: Ranking) -> None:
    n = len(ranking.names)
    axes.plot([0, AXIS_WIDTH], [0, 0], color="black", linewidth=1)
    step = max(1, round(n / 12))
    for rank in range(1, n + 1):
        labelled = (rank - 1) % step == 0
        axes.plot([_x(ranking, rank)] * 2, [0, 0.09 if labelled else 0.05], color="black", linewidth=1)
        if labelled:
            axes.text(_x(ranking, rank), 0.12, str(rank), ha="center", va="bottom")
    length = min(AXIS_WIDTH, _x(ranking, 1 + ranking.critical_difference))
    axes.plot([0, length], [0.42, 0.42], color="black", linewidth=1)
    for end in (0, length):
        axes.plot([end, end], [0.38, 0.46], color="black", linewidth=1)
    text = f"critical difference {ranking.critical_difference:.2f}"
    more = "" if length < AXIS_WIDTH else " (wider than the axis)"
    axes.text(
        0, 0.50, f"{text}{more}, {ranking.metric}, {len(ranking.data_sets)} data sets", ha="left", va="bottom"
    )


def _name(axes: "Axes", ranking: Ranking, at: int, edge: float, y: float) -> None:
    x = _x(ranking, ranking.ranks[at])
    axes.plot([x, x, edge], [0, y, y], color="0.45", linewidth=0.8)
    left = edge < 0
    axes.text(
        edge + (-0.05 if left else 0.05), y, _label(ranking, at), ha="right" if left else "left", va="center"
    )
