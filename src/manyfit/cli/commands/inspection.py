"""Commands that look: ``status`` at the sweep, ``explain`` at one task."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.model.result import TaskResult
    from manyfit.model.snapshot import Counts, Snapshot, WorkerView
    from manyfit.report.tasks import TaskView

TRACEBACK_LINES = 12
LONGEST_LINE = 400
"""Characters of a line of a traceback that are shown: the message in it was shown in full before."""
MOST_DEAD = 3
"""Workers that ended are shown up to this many: a long sweep has seen hundreds."""
FRESH_SECONDS = 30.0
"""A heartbeat of another machine is remarkable from this age on."""


def status(sweep: options.SweepArgument, as_json: options.JsonOption = False) -> None:
    """
    Show how far a sweep is, and who works on it.

    Counts that add up, by pipeline too; workers with what they do; time left.
    """
    from manyfit import connect
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    snapshot = connect.open_store(sweep).snapshot()
    pace = _pace(snapshot)
    out.json(_facts(snapshot, pace))
    out.wrapped(str(snapshot.counts))
    out.wrapped(_headline(snapshot, pace, sweep))
    _pipelines(out, snapshot)
    _workers(out, snapshot, time.time())
    for note in snapshot.notes:
        out.wrapped(f"note: {note}")


def state_of(snapshot: "Snapshot") -> str:
    """Return the state of a sweep in one word: planning, complete, paused, running or waiting."""
    counts = snapshot.counts
    if snapshot.planning:
        return "planning"
    if counts.running + counts.pending == 0:
        return "complete"
    if snapshot.paused:
        return "paused"
    return "running" if any(worker.alive for worker in snapshot.workers) else "waiting"


def _pace(snapshot: "Snapshot") -> tuple[float, float | None]:
    """
    Return tasks in a second of the workers alive, and the seconds left at their pace (None: unknown).

    The time is that of predicted work, corrected by how much of it these workers really did.
    """
    counts = snapshot.counts
    settled = counts.done + counts.failed
    rate = sum(_rate(worker) for worker in snapshot.workers if worker.alive)
    if not rate or not settled or not snapshot.cost_done_seconds:
        return rate, None
    rest = snapshot.cost_seconds - snapshot.cost_done_seconds
    return rate, max(0.0, rest * settled / (snapshot.cost_done_seconds * rate))


def _rate(worker: "WorkerView") -> float:
    if worker.beat is None:
        return 0.0
    elapsed = worker.beat.at - worker.info.started_at
    return worker.beat.n_total / elapsed if elapsed > 0 else 0.0


def _facts(snapshot: "Snapshot", pace: tuple[float, float | None]) -> dict[str, Any]:
    rate, left = pace
    return {
        "sweep": snapshot.sweep,
        "state": state_of(snapshot),
        "counts": counts_facts(snapshot.counts),
        "pipelines": {name: counts_facts(counts) for name, counts in snapshot.per_pipeline.items()},
        "units": {"total": snapshot.n_units, "closed": snapshot.n_units_closed},
        "predicted_seconds": {"total": snapshot.cost_seconds, "done": snapshot.cost_done_seconds},
        "tasks_per_second": rate,
        "left_seconds": left,
        "paused": snapshot.paused,
        "planning": snapshot.planning,
        "workers": [_worker_facts(worker) for worker in snapshot.workers],
        "notes": list(snapshot.notes),
    }


def counts_facts(counts: "Counts") -> dict[str, int]:
    """Return counts by their names."""
    names = ("planned", "done", "failed", "running", "pending", "cancelled")
    return {name: getattr(counts, name) for name in names}


def _worker_facts(worker: "WorkerView") -> dict[str, Any]:
    beat = worker.beat
    return {
        "id": worker.info.id,
        "host": worker.info.host,
        "pid": worker.info.pid,
        "threads": worker.info.threads,
        "alive": worker.alive,
        "state": _state(worker),
        "beat_at": beat.at if beat else None,
        "unit": worker.unit,
        "settled": beat.n_total if beat else 0,
        "failed": beat.n_total_failed if beat else 0,
        "tasks_per_second": _rate(worker),
        "memory_bytes": beat.memory_bytes if beat else 0,
    }


def _state(worker: "WorkerView") -> str:
    from manyfit.model.worker import WorkerState

    if worker.beat is None:
        return "starting" if worker.alive else "gone"
    ended = worker.beat.state is WorkerState.STOPPED
    return worker.beat.state.value if worker.alive or ended else "gone"


def _headline(snapshot: "Snapshot", pace: tuple[float, float | None], sweep: str) -> str:
    from manyfit.cli.output import plural
    from manyfit.report.texts import show_duration

    n_alive = sum(worker.alive for worker in snapshot.workers)
    state = state_of(snapshot)
    texts = {
        "planning": "being planned: tasks are still added",
        "complete": f"complete; next: manyfit results {sweep}",
        "paused": f"paused; next: manyfit resume {sweep}",
        "waiting": f"no worker is at work; next: manyfit run {sweep}",
        "running": f"running on {plural(n_alive, 'worker')}, {pace[0]:.1f} tasks/s"
        + ("" if pace[1] is None else f", about {show_duration(pace[1])} left"),
    }
    failed = (
        f"; {plural(snapshot.counts.failed, 'failure')}: manyfit failures {sweep}"
        if snapshot.counts.failed
        else ""
    )
    return texts[state] + failed


def _pipelines(out: "Output", snapshot: "Snapshot") -> None:
    if not snapshot.per_pipeline:
        return
    headers = ("pipeline", "planned", "done", "failed", "running", "pending", "cancelled")
    rows = [
        (name, *(f"{n:,}" for n in counts_facts(counts).values()))
        for name, counts in snapshot.per_pipeline.items()
    ]
    out.line()
    out.table(headers, rows, right=range(1, 7))


def _workers(out: "Output", snapshot: "Snapshot", now: float) -> None:
    gone = [worker for worker in snapshot.workers if not worker.alive]
    shown = [worker for worker in snapshot.workers if worker.alive] + gone[-MOST_DEAD:]
    if not shown:
        return
    rows = [
        (
            worker.info.id,
            worker.info.host,
            str(worker.info.pid),
            _state(worker),
            worker.unit or "-",
            f"{worker.beat.n_total if worker.beat else 0:,}",
            f"{_rate(worker):.1f}/s",
        )
        for worker in shown
    ]
    out.line()
    out.table(("worker", "host", "pid", "state", "unit", "tasks", "rate"), rows, right=(2, 5, 6))
    for worker in shown:
        if age := age_elsewhere(worker, now):
            out.wrapped(f"{worker.info.id} on {worker.info.host}: last beat {age} ago by its own clock")
    if len(gone) > MOST_DEAD:
        out.line(f"and {len(gone) - MOST_DEAD:,} workers that ended before")


def age_elsewhere(worker: "WorkerView", now: float) -> str:
    """
    Return how old the last heartbeat is of a worker that works, or seems to, on another machine; "" if fresh.

    Whether it lives shows only after its heartbeat was seen to stand still for a while; a person who knows that
    its clock is right need not wait.
    """
    from manyfit.report.texts import show_duration
    from manyfit.run.identity import boot_identity

    if worker.beat is None or _state(worker) == "stopped" or worker.info.boot == boot_identity():
        return ""
    age = now - worker.beat.at
    return show_duration(age) if age > FRESH_SECONDS else ""


def explain(
    sweep: options.SweepArgument,
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", show_default=False, help="A task's key, or its first characters as tables show them."
        ),
    ],
    as_json: options.JsonOption = False,
) -> None:
    """
    Show all about one task, or why it waits.

    Its parameters, scores, timings, warnings, failure; what it waits for when it has not run.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.report.tasks import describe

    out = Output(as_json=as_json)
    view = describe(connect.open_store(sweep), task, sweep=sweep)
    out.json(_task_facts(view))
    out.wrapped(f"{view.key[:8]}… {view.label()}: {view.state.value}")
    for reason in view.why:
        out.wrapped(f"  {reason}", indent="    ")
    _steps(out, view)
    result = view.result or next(reversed(view.attempts), None)
    if result is not None:
        settled = view.state.value in ("done", "failed")
        if not settled:
            out.line("  before this:")
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
