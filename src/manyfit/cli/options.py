"""Arguments and options that several commands share, each described once."""

from typing import Annotated, Any

import typer

SweepArgument = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP",
        show_default=False,
        help="The sweep: its file (sweep.toml), the folder of its store (vowels.sweep), or its name (vowels).",
    ),
]
FilterArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE",
        show_default=False,
        help="More filters, as after --only: kernel=linear pipeline=svc.",
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME=VALUE",
        show_default=False,
        help="Only tasks that match. NAME is pipeline, features, variant, split, fold, seed or a parameter."
        " Values of the same name are alternatives; different names must all match. Repeatable.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        show_default=False,
        help="Worker processes; as the file says, else one for each core.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        show_default=False,
        help="Threads of numerical libraries in each worker; else as the file says.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else there.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; results and errors only.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def filters(positional: list[str] | None, only: list[str] | None) -> list[str]:
    """Return all filters of a command line, in the order of their kinds."""
    return [*(only or ()), *(positional or ())]


def finish(code: int) -> Any:
    """End the command with an exit code."""
    raise typer.Exit(code)
