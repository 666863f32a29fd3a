"""The command ``export``: tables for analysis elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted


def export(
    sweep: options.SweepArgument,
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", show_default=False, help="The folder to write; made if need be.")
    ],
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAME,NAME:TYPE,…",
            show_default=False,
            help="Columns of the table of runs, each maybe with its type: text, integer, float, boolean or time;"
            " else those of [export] in the sweep file, else the usual ones.",
        ),
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """
    Write tables of all runs for analysis elsewhere.

    One row for each run, as CSV and Parquet, with a dictionary of the columns. Decimals are plain, missing
    values empty, series of training a table of their own. The folder is there whole or not at all; an
    earlier export in it is replaced, anything else in it is refused.
    """
    from manyfit import connect
    from manyfit.api.exporting import export_sweep
    from manyfit.cli.output import Output
    from manyfit.report.texts import plural

    out = Output(as_json=as_json)
    done = export_sweep(connect.open_store(sweep), to, columns=columns_of(columns))
    out.json(
        {
            "folder": str(done.folder),
            "n_runs": done.n_runs,
            "n_series": done.n_series,
            "complete": done.complete,
            "columns": list(done.columns),
            "files": [
                {"name": file.name, "n_bytes": file.n_bytes, "sha256": file.sha256, "n_rows": file.n_rows}
                for file in done.files
            ],
        }
    )
    series = f" and {plural(done.n_series, 'series').replace('seriess', 'series')}" if done.n_series else ""
    out.wrapped(
        f"exported {plural(done.n_runs, 'run')} with {plural(len(done.columns), 'column')}{series} to {to}:"
        f" {', '.join(file.name for file in done.files)}"
    )
    if not done.complete:
        out.wrapped(f"the sweep is not complete; next: manyfit check {quoted(sweep)}")


def columns_of(text: str | None) -> list[tuple[str, str]]:
    """Return the columns that *text* lists, with the type of each."""
    found = []
    for part in (text or "").split(","):
        name, colon, kind = part.strip().rpartition(":")
        if part.strip():
            found.append((name, kind) if colon and name else (part.strip(), ""))
    return found
