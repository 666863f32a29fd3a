"""Arguments and options that several commands share, each described once."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from manyfit.model.shell import quoted

SweepArgument = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP",
        show_default=False,
        help="The sweep: its file (sweep.toml), the folder of its store (vowels.sweep), its name (vowels),"
        " or a URL (sqlite:///lab.db#vowels).",
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        show_default=False,
        help="A bundle (knn.model), or a sweep (its file, folder, name or URL) for its best model.",
    ),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Load a model that can run code: only from people you trust.")
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        show_default=False,
        help="Where the sweep is stored: a folder, sqlite:///FILE.db or postgresql://USER@HOST/DATABASE;"
        " else as its file says, else $MANYFIT_STORE, else beside its file.",
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


def target(sweep: str, store: str = "") -> str:
    """
    Return how to call *sweep* where it is stored: in *store*, if one is given.

    A password in a URL moves into the environment of this process, so that nothing shows it from here on.
    """
    from manyfit import connect

    sweep, store = without_password(sweep), without_password(store)
    without_password_in_environment()
    return connect.expected(sweep, store=store).shown if store and not connect.is_url(sweep) else sweep


def safe_url(target: str, sweep: str) -> str:
    """Return how to call *sweep* in the store *target*, without a password."""
    from manyfit import connect

    return connect.within(connect.parse(target, Path.cwd()), sweep).shown


def said_store(store: str) -> str:
    """Return the option that says *store* again, with a space before it; "" where none was given."""
    return f" --store {quoted(store)}" if store else ""


def without_password(text: str) -> str:
    """Return *text*, a URL or anything else, without the password in it, which moves into the environment."""
    from manyfit import connect

    if not connect.is_url(text):
        return text
    address = connect.parse(text, Path.cwd())
    if not address.password:
        return text
    os.environ.update(address.environment)
    return address.url


def without_password_in_environment() -> None:
    """Take the password out of `$MANYFIT_STORE`, which commands show."""
    from manyfit import connect

    if connect.STORE_VARIABLE in os.environ:
        os.environ[connect.STORE_VARIABLE] = without_password(os.environ[connect.STORE_VARIABLE])


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}


def kept_seconds(option: str, text: str) -> float | None:
    """Return the seconds that *text* says, None for "never"."""
    if text == "never":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([dhms]?)", text.strip())
    if found is None:
        from manyfit.model.errors import UserError

        raise UserError(f'{option} "{text}" is no time; write 90d, 24h, 30m, 3600 (seconds) or never')
    return float(found[1]) * _UNITS[found[2]]


def filters(positional: list[str] | None, only: list[str] | None) -> list[str]:
    """Return all filters of a command line, in the order of their kinds."""
    return [*(only or ()), *(positional or ())]


def finish(code: int) -> Any:
    """End the command with an exit code."""
    raise typer.Exit(code)
