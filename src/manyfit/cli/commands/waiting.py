"""What `explain --pending` shows: the tasks that wait, by reason."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.contracts.store import Store
    from manyfit.report.reasons import Waiting

NAMED = 6
"""Pipelines that are named; a reason often holds for all."""


def show_waiting(out: "Output", store: "Store", sweep: str, *, n_tenant: int | None) -> None:
    """Show why the tasks of *store* wait, most important reason first, with what to do."""
    from manyfit.report.reasons import pending, situation
    from manyfit.report.texts import plural

    found = situation(store, n_tenant=n_tenant)
    groups = pending(found)
    counts = found.snapshot.counts
    out.json({"pending": counts.pending, "reasons": [_facts(group, sweep) for group in groups]})
    if not groups:
        out.line("no task waits")
    for group in groups:
        out.wrapped(f"{plural(group.n_tasks, 'task')} of {_named(group.pipelines)}: {group.reason.why}")
        if group.reason.do:
            out.wrapped(f"  next: {_do(group, sweep)}", indent="    ")
    if found.snapshot.planning:
        out.wrapped("the submission has not ended: more tasks may come")


def _facts(group: "Waiting", sweep: str) -> dict[str, Any]:
    return {
        "cause": group.reason.cause.value,
        "n_tasks": group.n_tasks,
        "pipelines": list(group.pipelines),
        "why": group.reason.why,
        "do": _do(group, sweep),
    }


def _do(group: "Waiting", sweep: str) -> str:
    from manyfit.report.advice import for_sweep

    return for_sweep(group.reason.do, sweep)


def _named(pipelines: tuple[str, ...]) -> str:
    more = len(pipelines) - NAMED
    return ", ".join(pipelines[:NAMED]) + (f" and {more} more pipelines" if more > 0 else "")
