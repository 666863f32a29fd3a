"""The command ``explain``: all about one task, or why tasks wait."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.model.result import TaskResult
    from manyfit.report.tasks import TaskView

TRACEBACK_LINES = 12
LONGEST_LINE = 400
"""Characters of a line of a traceback that are shown: the message in it was shown in full before."""


def explain(
    sweep: options.SweepArgument,
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK", show_default=False, help="A task's key, or its first characters as tables show them."
        ),
    ] = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="All tasks that wait, by reason, with what to do about each.")
    ] = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    Show all about one task, or why tasks wait.

    Its parameters, scores, timings, warnings; every attempt that failed, with the evidence: host, signal or
    exit code, memory, limits; what it waits for when it has not run. With --pending, which pause, need,
    limit or missing worker holds how many tasks.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.model.errors import UserError
    from manyfit.report.tasks import describe

    if (task is None) is not pending:
        raise UserError("name one task, or give --pending for all that wait (keys: manyfit results SWEEP --raw)")
    out = Output(as_json=as_json)
    store = connect.open_store(sweep)
    if task is None:
        from manyfit.cli.commands.waiting import show_waiting

        show_waiting(out, store, sweep, n_tenant=connect.tenant_leases(store))
        return
    view = describe(store, task, sweep=sweep, n_tenant=connect.tenant_leases(store))
    out.json(_task_facts(view))
    _show_task(out, view)


def _show_task(out: "Output", view: "TaskView") -> None:
    out.wrapped(f"{view.key[:8]}… {view.label()}: {view.state.value}")
    for reason in view.why:
        out.wrapped(f"  {reason}", indent="    ")
    _steps(out, view)
    result = view.result or next(reversed(view.attempts), None)
    if result is not None:
        settled = view.state.value in ("done", "failed")
        if not settled:
            out.line("  before this:")
        _attempts(out, view.attempts, told=view.attempts[-1] if settled else result)
        _result(out, result, told=settled)


def _task_facts(view: "TaskView") -> dict[str, Any]:
    return {
        "key": view.key,
        "state": view.state.value,
        "label": view.label(),
        "pipeline": view.candidate.pipeline,
        "params": dict(view.candidate.shown),
        "steps": [
            {"name": step.name, "use": step.use, "params": dict(step.params)} for step in view.candidate.steps
        ],
        "features": view.candidate.features,
        "variant": view.candidate.variant,
        "split": view.cell.split,
        "fold": view.cell.fold,
        "held_out": view.cell.held_out or None,
        "seed": view.cell.seed,
        "segment": view.segment,
        "unit": view.unit,
        "generation": view.generation,
        "attempts_used": view.n_attempts,
        "attempts_allowed": view.max_attempts,
        "workers_lost": view.losses,
        "worker": view.holder,
        "why": list(view.why),
        "attempts": [result_facts(result) for result in view.attempts],
        "result": None if view.result is None else result_facts(view.result),
    }


def result_facts(result: "TaskResult") -> dict[str, Any]:
    """Return a result as JSON values, in the words of the result lines."""
    failure = result.failure
    return {
        "attempt": result.attempt,
        "outcome": result.outcome.value,
        "final": result.final,
        "finished_at": result.finished_at,
        "scores": result.scores,
        "timings": result.timings,
        "n_rows": result.n_rows,
        "peak_bytes": result.peak_bytes,
        "warnings": [list(warning) for warning in result.warnings],
        "details": result.details,
        "artifacts": result.artifacts,
        "fusion": dict(result.fusion),
        "failure": None
        if failure is None
        else {
            "class": failure.cls.value,
            "error": failure.error,
            "message": failure.message,
            "traceback": failure.traceback,
            "fingerprint": failure.fingerprint,
            "evidence": failure.evidence,
        },
    }


def _steps(out: "Output", view: "TaskView") -> None:
    for step in view.candidate.steps:
        params = " ".join(f"{name}={value!r}" for name, value in step.params.items())
        out.wrapped(f"  step {step.name}: {step.use} {params}".rstrip(), indent="    ")


def _attempts(out: "Output", attempts: "Sequence[TaskResult]", *, told: "TaskResult") -> None:
    """Show every attempt with its evidence, unless one success is all; what *told* says is shown elsewhere."""
    if len(attempts) == 1 and attempts[0].failure is None:
        return
    number = 0
    for attempt in attempts:
        if attempt.attempt <= number:
            out.line("  retried:")
        number = attempt.attempt
        _attempt(out, attempt, told=attempt is told)


def _attempt(out: "Output", attempt: "TaskResult", *, told: bool) -> None:
    """Show how one attempt ended; what it said, unless that was *told* already."""
    from manyfit.cli.output import cut, with_short_words
    from manyfit.report.evidence import evidence_text

    failure = attempt.failure
    text = f"  attempt {attempt.attempt}: {attempt.outcome.value}"
    if failure is None:
        out.line(text)
        return
    said = f": {next(iter(failure.told.splitlines()), '')}" if not told else ""
    text = with_short_words(f"{text} ({failure.cls.value}){said}", out.width)
    out.wrapped(cut(text, LONGEST_LINE), indent="    ")
    if evidence := evidence_text(failure.evidence):
        out.wrapped(f"    {evidence}", indent="      ")


def _result(out: "Output", result: "TaskResult", *, told: bool) -> None:
    from manyfit.cli.output import cut
    from manyfit.report.texts import show_duration

    metrics = list(dict.fromkeys(metric for scores in result.scores.values() for metric in scores))
    if metrics:
        out.line()
        rows = [
            (name, f"{result.n_rows.get(name, 0):,}", *(_score(scores, metric) for metric in metrics))
            for name, scores in result.scores.items()
        ]
        _score_table(out, metrics, rows)
    if result.timings:
        out.line("  " + "  ".join(f"{name} {show_duration(seconds)}" for name, seconds in result.timings.items()))
    if bound := result.details.get("limits", {}).get("memory_by"):
        out.line(f"  memory limit held by {bound}")
    for category, text, count in result.warnings:
        out.wrapped(f"  warning ({count}x) {category}: {text}", indent="    ")
    if result.failure is not None:
        failure = result.failure
        if not told:
            out.wrapped(f"  failed ({failure.cls.value}): {failure.told}", indent="    ")
        lines = failure.traceback.rstrip().splitlines()
        for line in lines[-TRACEBACK_LINES:]:
            out.line(f"    {cut(line, LONGEST_LINE)}")  # not wrapped: editors find places by whole lines


def _score_table(out: "Output", metrics: list[str], rows: list[tuple[str, ...]]) -> None:
    """One column for each set: there are few sets and many metrics."""
    sets = [f"{row[0]} ({row[1]} rows)" for row in rows]
    turned = [(f"  {metric}", *(row[i + 2] for row in rows)) for i, metric in enumerate(metrics)]
    out.table(("  metric", *sets), turned, right=range(1, len(sets) + 1))


def _score(scores: Mapping[str, float | None], metric: str) -> str:
    value = scores.get(metric)
    return "-" if value is None else f"{value:.4f}"
