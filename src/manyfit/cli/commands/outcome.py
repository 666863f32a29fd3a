"""Commands about what came out: results, failures, warnings, and the compaction that makes reading fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    import polars as pl

    from manyfit.api.results import Results
    from manyfit.cli.output import Output

LONGEST_MESSAGE = 400
"""Characters of a message that lists show: some errors carry whole arrays."""
ROOM_FOR_INDENT = 4
TABLE_ROWS = 20
"""Rows of each split in a table where nobody says how many."""


TopOption = Annotated[
    int | None,
    typer.Option(
        "--top",
        metavar="N",
        min=1,
        show_default=False,
        help="Rows of each split; 20 in a table, all in a file or JSON.",
    ),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="NAME", show_default=False, help="Only this split.")
]
PipelineOption = Annotated[
    str | None, typer.Option("--pipeline", metavar="NAME", show_default=False, help="Only this pipeline.")
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric", metavar="NAME", show_default=False, help="Rank by this metric; else by the sweep's own."
    ),
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="One row for each task instead of means over folds and seeds.")
]
GapOption = Annotated[
    bool, typer.Option("--gap", help="Validation beside held-out scores of each candidate, and the gap.")
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="FILE", show_default=False, help="Write to a file: .csv, .parquet, .json or .ndjson."
    ),
]


def results(
    sweep: options.SweepArgument,
    top: TopOption = None,
    split: SplitOption = None,
    pipeline: PipelineOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    gap: GapOption = False,
    to: FileOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Show the leaderboard so far, or write results to a file."""
    from manyfit.cli.output import Output
    from manyfit.model.errors import UserError

    if raw and gap:
        raise UserError("--raw has rows of tasks and --gap rows of candidates; give one of them")

    out = Output(as_json=as_json)
    found = results_of(sweep)
    whole = to is not None or as_json
    most = top if top or whole else TABLE_ROWS
    if gap:
        frame = found.generalisation(top=most, metric=metric, split=split, pipeline=pipeline)
    else:
        frame = _chosen(found, most, split, pipeline, metric, raw=raw)
    if to is not None:
        _write(out, frame, to)
    elif as_json:
        out.json({"raw": raw, "n_rows": frame.height, "rows": frame.to_dicts()})
    elif frame.is_empty():
        out.wrapped(_why_empty(found, sweep, gap=gap))
    else:
        _show(out, found, frame, metric, raw=raw, gap=gap)
        _say_doubtful(out, found, sweep)


def _why_empty(found: "Results", sweep: str, *, gap: bool) -> str:
    from manyfit.cli.commands.states import without_scores

    if gap and found.snapshot().counts.done:
        return "no split has scores on two sets yet; a split with test = ... beside its folds has"
    return without_scores(found.store, sweep)


def _write(out: "Output", frame: "pl.DataFrame", to: Path) -> None:
    from manyfit.report.results import export
    from manyfit.report.texts import plural

    export(frame, to)
    out.json({"file": str(to), "n_rows": frame.height})
    out.line(f"wrote {plural(frame.height, 'row')} to {to}")


def _show(
    out: "Output", found: "Results", frame: "pl.DataFrame", metric: str | None, *, raw: bool, gap: bool
) -> None:
    from manyfit.cli import boards
    from manyfit.report.frames import ranking_of

    if raw:
        boards.show_tasks(out, frame, metric)
    elif gap:
        boards.show_gaps(out, frame, metric or ranking_of(found.store).rank_by)
    else:
        boards.show_leaderboard(out, frame, metric or ranking_of(found.store).rank_by)


def _say_doubtful(out: "Output", found: "Results", sweep: str) -> None:
    """Say what to do where results are doubtful."""
    from manyfit.cli.audits import why_doubtful

    if text := why_doubtful(found.store, sweep):
        out.line()
        out.wrapped(f"warning: {text}")


def results_of(sweep: str) -> "Results":
    """Return the results in the store that *sweep* means."""
    from manyfit import connect
    from manyfit.api.results import Results

    return Results(connect.open_store(sweep))


def _chosen(
    found: "Results", top: int | None, split: str | None, pipeline: str | None, metric: str | None, *, raw: bool
) -> "pl.DataFrame":
    if not raw:
        return found.leaderboard(top=top, metric=metric, split=split, pipeline=pipeline)
    import polars as pl

    from manyfit.report.results import raw_results

    lazy = raw_results(found.store)
    for column, wanted in (("split", split), ("pipeline", pipeline)):
        if wanted is not None:
            lazy = lazy.filter(pl.col(column) == wanted)
    return (lazy if top is None else lazy.head(top)).collect()


def failures(sweep: options.SweepArgument, as_json: options.JsonOption = False) -> None:
    """
    Show failed tasks by cause, with what to do about it.

    The same error in many tasks is shown once, with one task as an example.
    """
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    found = results_of(sweep)
    groups = found.failures()
    out.json({"failures": failure_facts(groups), "n_tasks": sum(group.count for group in groups)})
    if not groups:
        out.line("no task failed")
    show_failures(out, groups, sweep)


def failure_facts(groups: Any) -> list[dict[str, Any]]:
    """Return groups of failures as JSON values."""
    return [
        {
            "class": group.cls.value,
            "fingerprint": group.fingerprint,
            "n_tasks": group.count,
            "pipelines": list(group.pipelines),
            "example": group.key,
            "label": group.label,
            "error": group.error,
            "message": group.message,
            "do": group.do,
            "host": group.host or None,
            "n_forgiven": group.n_forgiven,
            "evidence": dict(group.evidence),
        }
        for group in groups
    ]


def show_failures(out: "Output", groups: Any, sweep: str) -> None:
    """Show each cause with one example and the next step."""
    from manyfit.cli.output import cut, with_short_words
    from manyfit.report.advice import for_sweep
    from manyfit.report.texts import plural

    for number, group in enumerate(groups):
        if number:
            out.line()
        out.wrapped(f"{group.cls.value}: {plural(group.count, 'task')} of {', '.join(group.pipelines)}")
        what = cut(with_short_words(group.what, out.width - ROOM_FOR_INDENT), LONGEST_MESSAGE)
        out.wrapped(f"  {group.key[:8]} {what}", indent="    ")
        if what != group.what:
            out.wrapped(f"  all of it: manyfit explain {quoted(sweep)} {group.key[:8]}", indent="    ")
        if group.where:
            out.wrapped(f"  {group.where}", indent="    ")
        out.wrapped(f"  next: {for_sweep(group.do, sweep)}", indent="    ")


def warnings(sweep: options.SweepArgument, as_json: options.JsonOption = False) -> None:
    """
    Show what fits warned about, grouped.

    A thousand solvers that did not converge are one line. Also rules that an audit switched off.
    """
    from manyfit.cli.output import Output, cut, with_short_words
    from manyfit.report.warnings import fit_warnings

    out = Output(as_json=as_json)
    found = results_of(sweep)
    groups = fit_warnings(found.store)
    out.json(
        {
            "warnings": [
                {
                    "pipeline": group.pipeline,
                    "category": group.category,
                    "text": group.text,
                    "n_tasks": group.n_tasks,
                    "count": group.count,
                }
                for group in groups
            ]
        }
    )
    if not groups:
        out.line("no fit warned")
    for group in groups:
        out.wrapped(f"{group.pipeline}: {group.n_tasks:,} of its tasks: {group.category}", indent="  ")
        text = cut(with_short_words(group.text, out.width - ROOM_FOR_INDENT), LONGEST_MESSAGE)
        out.wrapped(f"  {text}", indent="  ")
    _say_doubtful(out, found, sweep)


def compact(sweep: options.SweepArgument, as_json: options.JsonOption = False) -> None:
    """
    Gather results in one Parquet file for fast reading.

    `run` does so by itself; nothing is taken away.
    """
    import tempfile

    from manyfit.cli.output import Output
    from manyfit.report import compact as compaction

    out = Output(as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="manyfit-") as folder:
        entry = compaction.compact(results_of(sweep).store, tmp=Path(folder))
    out.json({"compacted": entry is not None, "position": entry.position if entry else None})
    out.line("compacted" if entry else "nothing to compact: every result is in a compaction already")
