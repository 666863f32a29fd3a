"""The command ``verify``: models on rows that they never saw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.report.verifications import Verification

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FILE",
        show_default=False,
        help="Rows of this table, read like the sweep's own data: a file, or any other source of a sweep.",
    ),
]
GroupsOption = Annotated[
    bool,
    typer.Option(
        "--unseen-groups",
        help="Rows of the sweep's own data whose group took no part in training, also those in no set.",
    ),
]
UnusedOption = Annotated[
    bool, typer.Option("--unused-rows", help="Rows of the sweep's own data that are in no set of the split.")
]
TopOption = Annotated[int, typer.Option("--top", metavar="K", min=1, help="The best K candidates of each split.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every candidate that has a score.")]
TaskOption = Annotated[
    str, typer.Option("--task", metavar="KEY", show_default=False, help="The model of this task alone.")
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="NAME", show_default=False, help="Candidates of this split alone.")
]
MetricOption = Annotated[
    str | None,
    typer.Option("--metric", metavar="NAME", show_default=False, help="Compare by this metric; else the sweep's."),
]
SampleOption = Annotated[
    str,
    typer.Option(
        "--sample",
        metavar="HOW",
        help="Which rows: all; balanced:N, the same number of each class, at most N; stratified:N, N in all, of"
        " each class its share; per-class:MIN[,cap=MAX], all up to MAX, and at least MIN there.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Draws the sample.")]
SeenOption = Annotated[
    bool, typer.Option("--keep-seen", help="Keep rows of --data that stand among the training rows.")
]
WhereOption = Annotated[
    str,
    typer.Option("--where", metavar="SQL", show_default=False, help="Only rows that fulfil this condition."),
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", show_default=False, help="Draw the gaps: .png, .svg or .pdf."),
]
RowsOption = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="FILE",
        show_default=False,
        help="Write a row for each prediction: .csv, .parquet, .json or .ndjson.",
    ),
]
ListOption = Annotated[bool, typer.Option("--list", help="List the verifications that are stored.")]
ShowOption = Annotated[
    str, typer.Option("--show", metavar="ID", show_default=False, help="Show a stored verification again.")
]


def verify(
    sweep: options.SweepArgument,
    data: DataOption = None,
    unseen_groups: GroupsOption = False,
    unused_rows: UnusedOption = False,
    top: TopOption = 1,
    every: AllOption = False,
    task: TaskOption = "",
    split: SplitOption = None,
    metric: MetricOption = None,
    sample: SampleOption = "all",
    seed: SeedOption = 0,
    where: WhereOption = "",
    keep_seen: SeenOption = False,
    plot: PlotOption = None,
    to: RowsOption = None,
    trust: options.TrustOption = False,
    listing: ListOption = False,
    show: ShowOption = "",
    as_json: options.JsonOption = False,
) -> None:
    """
    Run models on rows that they never saw.

    Rows go through the whole pipeline of each model, the kept one or else the same fit made again, and the scores
    stand beside those of the sweep. Scores by class, group and category and every prediction are stored with it.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.cli.verifications import show_list, verification_facts
    from manyfit.report.verifications import verification, verifications

    out = Output(as_json=as_json)
    _check_paths(plot, to)
    store = connect.open_store(sweep)
    if listing:
        found = verifications(store)
        out.json({"verifications": [verification_facts(one) for one in found]})
        show_list(out, found, sweep)
        return
    if show:
        _show(out, verification(store, show), sweep, plot, to)
        return
    from manyfit.api.verifying import requested
    from manyfit.api.verifying import verify as verified

    request = requested(
        data=data,
        unseen_groups=unseen_groups,
        unused_rows=unused_rows,
        sample=sample,
        seed=seed,
        keep_seen=keep_seen,
        where=where,
    )
    made = verified(store, request, top=None if every else top, task=task, split=split, metric=metric, trust=trust)
    _show(out, made, sweep, plot, to)


def _check_paths(plot: Path | None, to: Path | None) -> None:
    """Refuse files that cannot be written before anything is computed for them."""
    from manyfit.model.errors import UserError
    from manyfit.report.plots.canvas import check_path
    from manyfit.report.results import WRITERS

    if plot is not None:
        check_path(plot)
    if to is not None and to.suffix.lower() not in WRITERS:
        raise UserError(f'predictions cannot be written as "{to.name}"; endings: {", ".join(WRITERS)}')


def _show(out: "Output", found: "Verification", sweep: str, plot: Path | None, to: Path | None) -> None:
    from manyfit.cli.verifications import show_verification, verification_facts
    from manyfit.report.results import export

    out.json(verification_facts(found))
    show_verification(out, found, sweep)
    if to is not None:
        out.line(f"wrote {export(found.rows(), to)}")
    if plot is not None:
        out.line(f"wrote {found.plot(plot)}")
