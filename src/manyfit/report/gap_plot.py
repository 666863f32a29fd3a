"""The plot of a verification: for each model its score in the sweep beside that on rows it never saw."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from manyfit.model.errors import MissingExtra, UserError

SUFFIXES = (".png", ".svg", ".pdf")
MOST_MODELS = 40
"""More models than this are not drawn: nobody could read their names."""
LONGEST_NAME = 44

_SEEN, _UNSEEN, _LINE = "#4c72b0", "#dd8452", "#999999"
_ROW_INCHES, _LEAST_INCHES, _WIDTH_INCHES = 0.38, 2.2, 9.0


def draw_gaps(summary: Mapping[str, Any], path: Path) -> Path:
    """
    Draw the *summary* of a verification to *path*, and return it.

    For each model there is a line from its score in the sweep to that on the verified rows.
    Raises `MissingExtra` without matplotlib and `UserError` for an ending that is not in `SUFFIXES`.
    """
    check_path(path)
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra("plots need matplotlib: pip install 'manyfit[plots]'") from exc
    models = list(summary["models"])[:MOST_MODELS]
    height = max(_LEAST_INCHES, 1.5 + _ROW_INCHES * len(models))
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    _draw(figure.add_subplot(), models, _title(summary))
    try:
        figure.savefig(path, dpi=150)
    except OSError as exc:
        raise UserError(f"{path} cannot be written: {exc}") from exc
    return path


def check_path(path: Path) -> None:
    """Raise `UserError` for an ending that no plot has."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f'a plot cannot be written as "{path.name}"; endings: {", ".join(SUFFIXES)}')


def _title(summary: Mapping[str, Any]) -> str:
    shown = len(summary["models"])
    more = f", the first {MOST_MODELS} of {shown} models" if shown > MOST_MODELS else ""
    where = _cut(summary["source"]["shown"], 50)
    return (
        f"{summary['sweep']}: score in the sweep and on {where}{more}\n(numbers: the gap; positive is worse there)"
    )


def _draw(axes: Any, models: Sequence[Mapping[str, Any]], title: str) -> None:
    sets = sorted({model["set"] for model in models if model["set"]})
    for at, model in enumerate(models):
        ends = [value for value in (model["validation"], model["verified"]) if value is not None]
        axes.plot(ends, [at] * len(ends), color=_LINE, linewidth=1.5, zorder=1)
        if model["gap"] is not None:
            axes.annotate(
                f"{model['gap']:+.3f}",
                (sum(ends) / 2, at),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                color="#555555",
            )
    for column, colour, marker, label in (
        ("validation", _SEEN, "o", f"in the sweep ({', '.join(sets)})"),
        ("verified", _UNSEEN, "D", "on the verified rows"),
    ):
        pairs = [(model[column], at) for at, model in enumerate(models) if model[column] is not None]
        axes.scatter(
            [x for x, _ in pairs], [y for _, y in pairs], color=colour, marker=marker, label=label, zorder=2
        )
    axes.set_yticks(range(len(models)), [_name(model, models) for model in models], fontsize=9)
    axes.set_ylim(len(models) - 0.4, -0.7)
    axes.set_xlabel(models[0]["metric"])
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.14 - 0.5 / len(models)), ncols=2, frameon=False, fontsize=9
    )


def _name(model: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> str:
    extra = [model[name] for name in ("split", "features", "variant") if len({one[name] for one in models}) > 1]
    return _cut(" ".join(filter(None, (model["pipeline"], model["params"], *extra))), LONGEST_NAME)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
