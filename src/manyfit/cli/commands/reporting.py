"""The command ``report``: one HTML file with everything that a sweep has to say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.api.reporting import Report
    from manyfit.cli.output import Output

ToOption = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="DIR|FILE.html",
        show_default=False,
        help="Where to write: a folder, or the HTML file; else the folder `results` of the sweep.",
    ),
]
PlotsOption = Annotated[
    str,
    typer.Option(
        "--plots", metavar="png,svg", show_default=False, help="Write every plot as a file too, in these formats."
    ),
]
HeatmapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--heatmap",
        metavar="A,B",
        show_default=False,
        help="Heat maps of these two parameters instead of those with the largest effects. Repeatable.",
    ),
]
TopOption = Annotated[int, typer.Option("--top", metavar="N", min=1, help="Candidates of each split to show.")]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="NAME", show_default=False, help="Only this split; else plots show the first."
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric", metavar="NAME", show_default=False, help="Compare by this metric; else by the sweep's."
    ),
]
NoRefitOption = Annotated[
    bool, typer.Option("--no-refit", help="Fit nothing again: curves only where predictions were kept.")
]


def report(
    sweep: options.SweepArgument,
    to: ToOption = None,
    plots: PlotsOption = "",
    heatmap: HeatmapOption = None,
    top: TopOption = 20,
    split: SplitOption = None,
    metric: MetricOption = None,
    no_refit: NoRefitOption = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Write one HTML file with all plots and tables of a sweep.

    Leaderboard, effects, curves, failures, timings and provenance, on a screen or on paper. ROC curves and
    residuals need predictions: without kept ones (`keep.predictions`) the best candidates are fitted again.
    Needs `manyfit[plots]`.
    """
    from manyfit import connect
    from manyfit.api import reporting
    from manyfit.cli.output import Output

    out = Output(as_json=as_json, quiet=quiet)
    made = reporting.report(
        connect.open_store(sweep),
        to=to,
        plots=_names(plots),
        metric=metric,
        split=split,
        heatmaps=[_pair(text) for text in heatmap or ()],
        refit=not no_refit,
        top=top,
        on_step=out.note if out.interactive else lambda step: None,
    )
    out.json(_facts(made))
    _say(out, made)


def _names(text: str) -> Sequence[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _pair(text: str) -> tuple[str, str]:
    from manyfit.model.errors import UserError

    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UserError(f'--heatmap "{text}" is no pair of parameters; write two names: --heatmap C,gamma')
    return names[0], names[1]


def _facts(made: "Report") -> dict[str, object]:
    return {
        "file": str(made.file),
        "n_bytes": made.n_bytes,
        "sections": list(made.sections),
        "plots": [str(path) for path in made.plots],
        "predictions": dict(made.predictions),
        "seconds": made.seconds,
    }


def _say(out: "Output", made: "Report") -> None:
    from manyfit.report.texts import plural, show_bytes, show_duration

    out.line(f"wrote {made.file} ({show_bytes(made.n_bytes)}) in {show_duration(made.seconds)}")
    if made.plots:
        out.line(f"wrote {plural(len(made.plots), 'plot')} to {made.plots[0].parent}")
    for candidate, source in made.predictions.items():
        if source != "kept" and not out.quiet:
            out.wrapped(f"predictions {source}: {candidate}")
