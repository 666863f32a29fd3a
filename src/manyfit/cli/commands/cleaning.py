"""The command that takes away what nobody needs any more."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.api.pruning import Pruned
    from manyfit.cli.output import Output
    from manyfit.run.retention import Due

KEPT_HELP = "Keep {} this long, whatever the sweep says: 90d, 24h, 30m, 3600 (seconds) or never."


def _kept(option: str, what: str) -> Any:
    return typer.Option(option, metavar="TIME", show_default=False, help=KEPT_HELP.format(what))


def gc(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            show_default=False,
            help="Sweeps, folders with sweeps, or databases; else $MANYFIT_STORE, else this folder.",
        ),
    ] = None,
    completed: Annotated[str | None, _kept("--completed", "sweeps with a success")] = None,
    failed: Annotated[str | None, _kept("--failed", "sweeps without any success")] = None,
    logs: Annotated[str | None, _kept("--logs", "logs of workers that ended")] = None,
    artifacts: Annotated[str | None, _kept("--artifacts", "kept files that no result refers to")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it; else it is only listed.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    List what nobody needs any more, and remove it with --yes.

    Whole sweeps that are settled and idle for longer than their policy says, logs of workers that ended,
    kept files that no result refers to, unfinished files of dead writers. Nothing is ever taken from a
    sweep that is not settled, or that a worker is at.
    """
    from manyfit.api.pruning import prune
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    options.without_password_in_environment()
    wanted = [options.without_password(target) for target in targets or ()]
    given = {"completed": completed, "failed": failed, "logs": logs, "artifacts": artifacts}
    overrides = {
        f"{name}_seconds": options.kept_seconds(f"--{name}", text)
        for name, text in given.items()
        if text is not None
    }
    found = prune(wanted or [os.environ.get("MANYFIT_STORE") or "."], overrides=overrides, yes=yes)
    out.json(_facts(found))
    _show(out, found, yes=yes, again=_again(wanted, given))


def _again(targets: Sequence[str], given: dict[str, str | None]) -> str:
    flags = [part for name, text in given.items() if text is not None for part in (f"--{name}", text)]
    return " ".join(["manyfit gc", *map(quoted, [*targets, *flags]), "--yes"])


def _facts(found: "Pruned") -> dict[str, Any]:
    return {
        "due": [_due_facts(one) for one in found.due],
        "removed": [_due_facts(one) for one in found.removed],
        "spared": [{"store": one.store, "why": one.why} for one in found.spared],
        "n_bytes": sum(one.n_bytes for one in found.due),
    }


def _due_facts(one: "Due") -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "store": one.store,
        "name": one.name,
        "why": one.why,
        "age_seconds": one.age_seconds,
        "n_bytes": one.n_bytes,
    }


def _named(one: "Due") -> str:
    """Return the name of one thing: sweeps may have one name in several places, and are called by theirs."""
    from manyfit import connect

    if one.kind.value == "leftover":
        return one.name
    shown = connect.parse(one.store, Path.cwd()).shown
    return shown if one.kind.value == "sweep" else f"{shown}: {one.name}"


def _show(out: "Output", found: "Pruned", *, yes: bool, again: str) -> None:
    from manyfit.report.texts import plural, show_bytes, show_duration

    if found.due:
        rows = [
            (one.kind.value, _named(one), show_duration(one.age_seconds), show_bytes(one.n_bytes), one.why)
            for one in found.due
        ]
        out.table(("what", "name", "idle or age", "size", "why"), rows, right=(2, 3))
        out.line()
    for one in found.spared:
        out.wrapped(f"left alone: {one.store}: {one.why}")
    total = show_bytes(sum(one.n_bytes for one in found.due))
    if not found.due:
        out.line("nothing is to go")
    elif yes:
        out.line(f"removed {plural(len(found.removed), 'thing')} of {len(found.due):,}, {total}")
    else:
        out.wrapped(f"{plural(len(found.due), 'thing')}, {total}; nothing was removed; next: {again}")
