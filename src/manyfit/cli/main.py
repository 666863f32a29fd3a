"""The command ``manyfit``: its commands, its exit codes, and the one place where errors become messages."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from manyfit._version import __version__
from manyfit.cli import options
from manyfit.cli.commands import (
    archiving,
    auditing,
    checking,
    cleaning,
    comparing,
    control,
    doctor,
    explaining,
    exporting,
    gating,
    logs,
    models,
    moving,
    outcome,
    planning,
    reporting,
    running,
    starting,
    status,
    terms,
    verifying,
)
from manyfit.model.errors import Interrupted

EPILOG = (
    "Exit codes: 0 done; 1 unexpected error, or an audit, a check, a gate or a rebuild found something wrong;"
    " 2 wrong use or a mistake in the sweep; 3 the sweep finished with failed tasks;"
    " 4 tasks are left that could not run; 130 interrupted (nothing is lost)."
)

app = typer.Typer(
    name="manyfit",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"manyfit {__version__}\n")
        raise typer.Exit


@app.callback()
def manyfit(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """
    Train many models: declare a sweep in a file, run it, see the result.

    Begin with `manyfit init`, `manyfit plan sweep.toml` and `manyfit run sweep.toml`. Every command takes
    the sweep file, the folder or URL of its store or the sweep's name, and has --json.
    """


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Return *command* with Ctrl-C as one of manyfit's errors: typer would end the process without a word."""

    @functools.wraps(command)
    def call(*arguments: Any, **named: Any) -> None:
        try:
            command(*arguments, **named)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; everything finished is kept") from None

    return call


def addressed(command: Callable[..., None]) -> Callable[..., None]:
    """
    Return *command* with the option --store, where it takes a sweep and has no such option of its own.

    The command then gets the sweep as its URL: whatever it says to do next works as it stands.
    """
    signature = inspect.signature(command)
    names = signature.parameters
    if "sweep" not in names or "store" in names:
        return command

    @functools.wraps(command)
    def call(*arguments: Any, sweep: str, store: str = "", **named: Any) -> None:
        command(*arguments, sweep=options.target(sweep, store), **named)

    option = inspect.Parameter("store", inspect.Parameter.KEYWORD_ONLY, default="", annotation=options.StoreOption)
    call.__signature__ = signature.replace(parameters=[*names.values(), option])  # type: ignore[attr-defined]
    call.__annotations__ = {**command.__annotations__, "store": options.StoreOption}
    return call


for command in (
    starting.init,
    planning.plan,
    running.run,
    running.watch,
    status.status,
    outcome.results,
    outcome.failures,
    outcome.warnings,
    reporting.report,
    comparing.compare,
    gating.gate,
    explaining.explain,
    models.models,
    models.predict,
    models.rebuild,
    auditing.audit,
    checking.check,
    exporting.export,
    archiving.archive,
    verifying.verify,
    control.pause,
    control.resume,
    control.stop,
    control.cancel,
    control.retry,
    terms.priority,
    terms.limit,
    planning.submit,
    running.work,
    logs.logs,
    outcome.compact,
    moving.copy,
    cleaning.gc,
    doctor.doctor,
):
    app.command()(interruptible(addressed(command)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* (the process's own when None) and return the exit code."""
    from manyfit.cli.errors import report

    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return int(app(arguments, prog_name="manyfit", standalone_mode=False) or 0)
    except BrokenPipeError:
        # The reader of a pipe left; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except typer.TyperException as exc:
        return _usage(exc)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the edge of the program
        return report(exc, as_json="--json" in arguments)


def _usage(exc: typer.TyperException) -> int:
    show = getattr(exc, "show", None)
    if show is not None:
        show()
    else:
        sys.stderr.write(f"manyfit: {exc}\n")
    return int(exc.exit_code)
