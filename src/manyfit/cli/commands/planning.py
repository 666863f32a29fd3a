"""Commands that plan: ``plan`` looks, ``submit`` queues."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

DECLARATIONS = frozenset({".toml", ".yaml", ".yml"})

if TYPE_CHECKING:
    from manyfit.api.lacking import Keeping
    from manyfit.api.sweeps import Sweep
    from manyfit.cli.output import Output
    from manyfit.plan.difference import Difference
    from manyfit.plan.summary import PlanSummary


def plan(
    sweep: options.SweepArgument,
    more: options.FilterArgument = None,
    only: options.OnlyOption = None,
    workers: options.WorkersOption = None,
    store: options.StoreOption = "",
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Also show which tasks are computed together, and why others are not."),
    ] = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    Check a sweep file and show its plan; nothing is written.

    All mistakes of the file are shown at once. Else: tasks of each pipeline, predicted time, memory and
    disk, the first tasks, and what is new compared with the store.
    """
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    wanted = options.filters(more, only)
    sweep, store = options.without_password(sweep), options.without_password(store)
    planned = sweep_of(sweep, store).plan(workers=workers, only=wanted)
    summary, change = planned.summary(), planned.difference()
    keeping = planned.keeping(change)
    out.json(
        {
            **asdict(summary),
            "sureness": summary.sureness,
            "store": str(planned.sweep.address),
            "difference": None if change is None else difference_facts(change),
            "keeping": _keeping_facts(keeping),
        }
    )
    _show_plan(out, summary, explain=explain)
    if change is not None:
        show_difference(out, change)
    if change is None and keeping.n_fits:
        out.line()
    _show_keeping(out, keeping, sweep)
    _show_next(out, sweep, wanted, change, keeping, options.said_store(store))


def sweep_of(target: str, store: str = "") -> "Sweep":
    """Return the sweep that *target* means: declared in a file, else as a store has it."""
    from manyfit.api.sweeps import Sweep

    options.without_password_in_environment()
    if is_declaration(target):
        return Sweep.load(target, store=store)
    return Sweep.stored(target, store=store)


def is_declaration(target: str) -> bool:
    """Whether *target* is a sweep file, or meant as one that is not there."""
    from manyfit import connect

    path = Path(target)
    if connect.is_url(target) or connect.parse(target, Path.cwd()).kind is not connect.Kind.DIRECTORY:
        return False
    return path.is_file() or (path.suffix in DECLARATIONS and not path.is_dir())


def _show_plan(out: "Output", summary: "PlanSummary", *, explain: bool) -> None:
    from manyfit.report.plans import fusion_text, plan_text

    texts = [plan_text(summary), *([fusion_text(summary)] if explain else [])]
    for text in texts:
        out.lines(fitting for line in text.splitlines() for fitting in _fitting(out, line))
        out.line()
    out.line("first tasks")
    rows = [
        (
            task.key[:8],
            task.pipeline,
            task.params,
            task.split,
            "-" if task.fold is None else task.held_out or str(task.fold),
            str(task.seed),
        )
        for task in summary.first
    ]
    out.table(("key", "pipeline", "parameters", "split", "fold", "seed"), rows, right=(4, 5))


def _fitting(out: "Output", text: str) -> list[str]:
    from manyfit.cli.output import wrap

    indent = "    " if text.startswith("  ") else "  "
    return [text] if len(text) <= out.width else wrap(text, out.width, indent=indent)


def _keeping_facts(keeping: "Keeping") -> dict[str, Any]:
    return {
        "fits": keeping.n_fits,
        "at_most": keeping.at_most,
        "why": {why.value: n for why, n in keeping.why.items()},
        "without_series": keeping.n_without_series,
    }


def _show_keeping(out: "Output", keeping: "Keeping", sweep: str) -> None:
    """Say what a run does only to keep models, and what [keep] asks for that no run makes up for."""
    from manyfit.api.lacking import Why
    from manyfit.report.texts import plural

    texts = {
        Why.NOT_KEPT: "not kept so far",
        Why.OTHERWISE: "kept in another format or with another calibration",
        Why.SINCE: "fitted again since, without being kept",
    }
    why = ", ".join(f"{n:,} {texts[why]}" for why, n in keeping.why.items())
    fits = plural(keeping.n_fits, "fit")
    if keeping.n_fits and keeping.at_most:
        out.wrapped(f"models: when all else is done, a run makes up to {fits} only to keep the best models")
    elif keeping.n_fits:
        out.wrapped(f"models: a run makes {fits} only to keep models ({why})")
    if keeping.n_without_series:
        out.wrapped(
            f"series: {plural(keeping.n_without_series, 'task')} done without, which a run leaves as they are;"
            f" manyfit retry {quoted(sweep)} TASK fits one again"
        )


def _show_next(
    out: "Output", sweep: str, wanted: list[str], change: "Difference | None", keeping: "Keeping", store: str
) -> None:
    filters = store + (f" --only {' '.join(map(quoted, wanted))}" if wanted else "")
    out.line()
    if change is not None and change.empty and not keeping.n_fits:
        out.wrapped(
            f"nothing to submit; next: manyfit status {quoted(sweep)}{store},"
            f" or manyfit run {quoted(sweep)}{store} to go on with what is left"
        )
    else:
        out.line(f"next: manyfit run {quoted(sweep)}{filters}")


def difference_facts(change: "Difference") -> dict[str, Any]:
    """Return what submitting changes, as numbers."""
    return {
        "new": change.fresh.n_tasks,
        "kept": change.n_kept,
        "removed": len(change.removed),
        "removed_done": change.removed_done,
        "readded": change.n_readded,
        "lacking_metrics": list(change.lacking),
        "computed_from_predictions": change.n_rescored,
        "renamed": dict(change.renamed),
        "run_again": change.n_lacking - change.n_rescored + change.n_readded,
    }


def show_difference(out: "Output", change: "Difference") -> None:
    """Say what the store has already and what submitting would change."""
    from manyfit.cli.output import table_lines
    from manyfit.report.texts import plural

    out.line()
    for new, old in change.renamed.items():
        out.wrapped(f'pipeline "{new}" was called "{old}": its known tasks keep that name in tables and filters')
    if change.empty:
        out.line(f"the store has all {plural(change.n_kept, 'task')} of this plan: nothing changes")
        return
    out.line("compared with the store")
    out.lines(table_lines(("", "", ""), _difference_rows(change), right=(1,), width=out.width)[1:])


def _difference_rows(change: "Difference") -> list[tuple[str, str, str]]:
    again = change.n_lacking - change.n_rescored
    metrics = ", ".join(change.lacking)
    rows = [
        ("new", change.fresh.n_tasks, "will run"),
        ("kept", change.n_kept, "stay as they are"),
        ("removed", len(change.removed), _removed_text(change)),
        ("readded", change.n_readded, "had left the sweep: run again"),
        ("lacking", change.n_rescored, f"{metrics}: computed from kept predictions"),
        ("lacking", again, f"{metrics}: run again, no predictions were kept"),
    ]
    return [(f"  {name}", f"{n:,}", text) for name, n, text in rows if n]


def _removed_text(change: "Difference") -> str:
    if not change.removed_done:
        return "leave the sweep"
    return f"leave the leaderboard; the results of {change.removed_done:,} stay in the store"


def submit(
    sweep: options.SweepArgument,
    more: options.FilterArgument = None,
    only: options.OnlyOption = None,
    workers: options.WorkersOption = None,
    store: options.StoreOption = "",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Queue the tasks of a sweep without starting workers.

    Doing it twice is harmless: only what is new is added. Workers join with `work`.
    """
    from manyfit.cli.output import Output
    from manyfit.report.texts import plural

    out = Output(as_json=as_json, quiet=quiet)
    sweep, store = options.without_password(sweep), options.without_password(store)
    planned = sweep_of(sweep, store).plan(workers=workers, only=options.filters(more, only))
    submitted = planned.submit()
    change = submitted.difference
    address = planned.sweep.address
    out.json(
        {
            "sweep": planned.sweep.name,
            "store": str(address),
            "submitted": submitted.n_tasks,
            "segments": submitted.n_segments,
            "difference": difference_facts(change),
        }
    )
    if change.empty:
        what = (
            "its declaration is up to date now" if submitted.declaration or submitted.terms else "nothing changed"
        )
        out.wrapped(f"the store has all {plural(change.n_kept, 'task')} of this plan: {what}")
    else:
        out.line(f"submitted {plural(submitted.n_tasks, 'task')} to {address.shown}")
        show_difference(out, change) if change.n_kept or change.removed else None
    said = quoted(sweep) + options.said_store(store)
    out.wrapped(f"next: manyfit work {said} (as often and on as many machines as you like), or manyfit run {said}")
