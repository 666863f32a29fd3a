"""Models of a verification: for each its score in the sweep beside that on rows it never saw."""

from collections.abc import Sequence
from typing import Any

from manyfit.model.verification import Summary, VerifiedModel
from manyfit.report.plots.canvas import COLORS, MUTED, canvas
from manyfit.report.plots.labels import one_line

MOST_MODELS = 40
"""More models than this are not drawn: nobody could read their names."""
LONGEST_NAME = 44

_ROW_INCHES, _LEAST_INCHES, _WIDTH_INCHES = 0.38, 2.2, 9.0


def draw_verified(summary: Summary) -> Any:
    """Return a figure of the *summary* of a verification: a line for each model from one score to the other."""
    models = summary.models[:MOST_MODELS]
    height = max(_LEAST_INCHES, 1.5 + _ROW_INCHES * len(models))
    figure, [[axes]] = canvas(_WIDTH_INCHES, height)
    _draw(axes, models, _title(summary))
    return figure


def _title(summary: Summary) -> str:
    shown = len(summary.models)
    more = f", the first {MOST_MODELS} of {shown} models" if shown > MOST_MODELS else ""
    where = one_line(summary.source.shown, 50)
    return f"{summary.sweep}: score in the sweep and on {where}{more}\n(numbers: the gap; positive is worse there)"


def _draw(axes: Any, models: Sequence[VerifiedModel], title: str) -> None:
    sets = sorted({model.set for model in models if model.set})
    for at, model in enumerate(models):
        ends = [value for value in (model.validation, model.verified) if value is not None]
        axes.plot(ends, [at] * len(ends), color=MUTED, linewidth=1.2, zorder=1)
        if model.gap is not None:
            axes.annotate(
                f"{model.gap:+.3f}",
                (sum(ends) / 2, at),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                color=MUTED,
            )
    for column, colour, marker, label in (
        ("validation", COLORS[0], "o", f"in the sweep ({', '.join(sets)})"),
        ("verified", COLORS[1], "D", "on the verified rows"),
    ):
        pairs = [(value, at) for at, model in enumerate(models) if (value := getattr(model, column)) is not None]
        axes.scatter(
            [x for x, _ in pairs], [y for _, y in pairs], color=colour, marker=marker, label=label, zorder=2
        )
    axes.set_yticks(range(len(models)), [_name(model, models) for model in models], fontsize=9)
    axes.set_ylim(len(models) - 0.4, -0.7)
    axes.set_xlabel(models[0].metric)
    axes.set_title(title, fontweight="normal")
    axes.grid(axis="x")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14 - 0.5 / len(models)), ncols=2)


def _name(model: VerifiedModel, models: Sequence[VerifiedModel]) -> str:
    named = ("split", "features", "variant")
    extra = [getattr(model, name) for name in named if len({getattr(one, name) for one in models}) > 1]
    return one_line(" ".join(filter(None, (model.pipeline, model.params, *extra))), LONGEST_NAME)
