"""Commands that change under which conditions the tasks of a sweep are given to workers: priority, limit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.model.terms import Concurrency


def priority(
    sweep: options.SweepArgument,
    wanted: Annotated[
        str, typer.Argument(metavar="PRIORITY", show_default=False, help="urgent, high, normal, low or a number.")
    ],
    as_json: options.JsonOption = False,
) -> None:
    """
    Change the priority of a sweep while it runs.

    It counts for all its tasks from the next claim on, and until the sweep file declares another one.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.run import control

    number = _number(wanted)
    before = control.set_priority(connect.open_store(sweep), number)
    out = Output(as_json=as_json)
    out.json({"priority": number, "before": before, "changed": number != before})
    if number == before:
        out.line(f"the priority is {_shown(number)} already")
    else:
        out.line(f"priority {_shown(before)} -> {_shown(number)}")
        out.wrapped(f"undo: manyfit priority {quoted(sweep)} {_word(before)}")


def _number(text: str) -> int:
    from manyfit.model.errors import UserError
    from manyfit.model.mistake import did_you_mean
    from manyfit.model.sweep import PRIORITIES

    if text.lower() in PRIORITIES:
        return PRIORITIES[text.lower()]
    try:
        return int(text)
    except ValueError:
        known = ", ".join(PRIORITIES)
        raise UserError(
            f'no priority "{text}"{did_you_mean(text, PRIORITIES)}; known: {known}, or an integer'
        ) from None


def _word(number: int) -> str:
    """Return a priority as people write it; a negative number needs the mark that ends the options."""
    from manyfit.model.sweep import PRIORITIES

    names = {value: name for name, value in PRIORITIES.items()}
    return names.get(number, str(number) if number >= 0 else f"-- {number}")


def _shown(number: int) -> str:
    from manyfit.model.sweep import PRIORITIES

    return next((f"{name} ({number})" for name, value in PRIORITIES.items() if value == number), str(number))


def limit(
    sweep: options.SweepArgument,
    running: Annotated[
        str | None,
        typer.Option("--running", metavar="N", show_default=False, help="Tasks of the sweep at once, or none."),
    ] = None,
    pipelines: Annotated[
        list[str] | None,
        typer.Option(
            "--pipeline",
            metavar="NAME=N",
            show_default=False,
            help="Tasks of one pipeline at once: svc=2, or svc=none. Repeatable.",
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant",
            metavar="N",
            show_default=False,
            help="Tasks at once of all sweeps of this sweep's tenant in its store, or none.",
        ),
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """
    Change how many tasks of a sweep run at once.

    On all machines together. Without an option: show the limits. "none" removes one. What runs goes on; a
    lower limit is reached as units end. It holds until the sweep file declares another one.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.run import control

    wanted = _limits(running, tenant, pipelines or ())
    before, after = control.limit(connect.open_store(sweep), lambda limits: _with(limits, wanted))
    old, new = _flat(before), _flat(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    out = Output(as_json=as_json)
    out.json(
        {
            "running": after.sweep,
            "tenant": after.tenant,
            "pipelines": dict(after.pipelines),
            "changed": bool(changed),
        }
    )
    for name in changed or sorted({*new, "--running"}):
        said = f"{_shown_count(before, name)} -> " if changed else ""
        out.line(f"{_meaning(name)} at once: {said}{_shown_count(after, name)}")
    if changed:
        back = " ".join(_option(name, before) for name in changed)
        out.wrapped(f"undo: manyfit limit {quoted(sweep)} {back}")


NO_LIMIT = "none"


def _limits(running: str | None, tenant: str | None, pipelines: Sequence[str]) -> Mapping[str, int | None]:
    """Return the limits that are asked for, by "--running", "--tenant" or the name of a pipeline."""
    from manyfit.model.errors import UserError

    found: dict[str, int | None] = {}
    for option, text in (("--running", running), ("--tenant", tenant)):
        if text is not None:
            found[option] = _count(option, text)
    for text in pipelines:
        name, separator, count = text.partition("=")
        if not separator or not name:
            raise UserError(f'--pipeline "{text}" is not NAME=N; write --pipeline svc=2, or svc=none')
        found[name] = _count(f"--pipeline {name}=", count)
    return found


def _count(option: str, text: str) -> int | None:
    from manyfit.model.errors import UserError

    if text.lower() == NO_LIMIT:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise UserError(f'{option} "{text}" is no number of tasks; write 1 or more, or none for no limit')
    return int(text)


def _with(limits: "Concurrency", wanted: Mapping[str, int | None]) -> "Concurrency":
    pipelines = {**limits.pipelines, **{name: n for name, n in wanted.items() if not name.startswith("--")}}
    return replace(
        limits,
        sweep=wanted.get("--running", limits.sweep),
        tenant=wanted.get("--tenant", limits.tenant),
        pipelines={name: n for name, n in pipelines.items() if n is not None},
    )


def _flat(limits: "Concurrency") -> Mapping[str, int]:
    """Return the limits that there are, by "--running", "--tenant" or the name of a pipeline."""
    found = {"--running": limits.sweep, "--tenant": limits.tenant, **limits.pipelines}
    return {name: n for name, n in found.items() if n is not None}


def _shown_count(limits: "Concurrency", name: str) -> str:
    return str(_flat(limits).get(name, "any number"))


def _meaning(name: str) -> str:
    of = {"--running": "the sweep", "--tenant": "all sweeps of its tenant"}
    return f"tasks of {of.get(name, f'pipeline {name}')}"


def _option(name: str, limits: "Concurrency") -> str:
    """Return the option that gives a limit the value that it has in *limits*."""
    count = _flat(limits).get(name, NO_LIMIT)
    return f"{name} {count}" if name.startswith("--") else f"--pipeline {name}={count}"
