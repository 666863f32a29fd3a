"""ROC and precision-recall curves of one candidate, class by class."""

from collections.abc import Sequence
from typing import Any

from manyfit.report.insights.curves import Curve, Curves
from manyfit.report.plots.canvas import INK, MUTED, canvas, color_of
from manyfit.report.plots.labels import one_line, plain_numbers, settle

_DASHES = ("-", "--", ":")
MOST_NAMED = 26
"""Classes that have a line in the legend: more would not fit beside the curves."""


def draw_curves(curves: Curves) -> Any:
    """Return a figure with the ROC curves at the left and the precision-recall curves at the right."""
    n = len(curves.roc)
    height = 4.1 + 0.16 * min(n, MOST_NAMED + 1)
    figure, [[roc, precision]] = canvas(9.2, height, columns=2)
    _draw(roc, curves.roc, "area under the curve")
    _draw(precision, curves.precision, "average precision")
    roc.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=(0, (2, 3)))
    precision.axhline(curves.share, color=MUTED, lw=0.9, ls=(0, (2, 3)))
    roc.set_title("ROC")
    roc.set_xlabel("false positive rate", color=MUTED)
    roc.set_ylabel("true positive rate", color=MUTED)
    precision.set_title("Precision and recall")
    precision.set_xlabel("recall", color=MUTED)
    precision.set_ylabel("precision", color=MUTED)
    settle(figure)
    return figure


def _draw(axes: Any, curves: Sequence[Curve], area: str) -> None:
    alone = len(curves) == 1
    for place, curve in enumerate(curves):
        macro = not alone and place == len(curves) - 1
        axes.plot(
            curve.x,
            curve.y,
            color=INK if macro else color_of(place),
            ls="-" if macro else _DASHES[place // 8 % len(_DASHES)],
            lw=2.4 if macro else 1.3,
            label=f"{one_line(curve.name, 30)}  {curve.area:.3f}" if macro or place < MOST_NAMED else f"_{place}",
        )
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.grid()
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        title=area,
        title_fontsize=8.5,
        fontsize=7.5,
        handlelength=2.6,
    )
