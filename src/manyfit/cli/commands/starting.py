"""The command that writes a first sweep file."""

from pathlib import Path
from typing import Annotated

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted


def init(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A table (csv, parquet, arrow, npz), or sklearn:digits, sklearn:iris, ..."
        ),
    ] = "sklearn:digits",
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The sweep file to write.")] = Path(
        "sweep.toml"
    ),
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", show_default=False, help="The sweep's name; else that of the data."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="COLUMN", show_default=False, help="The column to predict; else it is guessed."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE when it exists.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    Write a commented sweep file that runs as it is.

    For your table, whose columns are guessed, or for data that scikit-learn brings along.
    """
    from manyfit.cli import template
    from manyfit.cli.output import Output
    from manyfit.model.errors import Refused

    out = Output(as_json=as_json)
    if to.exists() and not force:
        raise Refused(f"{to} exists already; give another name with --to, or --force to replace it")
    found = template.look(data, folder=to.parent, target=target)
    to.write_text(template.text(found, name=name or found.name), encoding="utf-8")
    out.json(
        {
            "file": str(to),
            "name": name or found.name,
            "source": found.source,
            "target": found.target,
            "group": found.group,
            "encoded": list(found.encoded),
            "problem": found.problem,
        }
    )
    out.line(f"wrote {to}")
    for guess in found.guesses:
        out.wrapped(f"  guessed: {guess}")
    out.line(f"next: manyfit plan {quoted(to)}")
