"""The command ``status``: how far a sweep is, who works on it, and how good the predictions were."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from manyfit.cli import options
from manyfit.cli.commands.states import counts_facts, lacking_text, state_of
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.contracts.store import Store
    from manyfit.model.snapshot import Snapshot, WorkerView
    from manyfit.report.accuracy import PipelineAccuracy

MOST_DEAD = 3
"""Workers that ended are shown up to this many: a long sweep has seen hundreds."""
FRESH_SECONDS = 30.0
"""A heartbeat of another machine is remarkable from this age on."""


def status(sweep: options.SweepArgument, as_json: options.JsonOption = False) -> None:
    """
    Show how far a sweep is, and who works on it.

    Counts that add up, by pipeline too; workers with what they do; time left. Of a database, or a folder
    with several sweeps, each sweep in one line.
    """
    from manyfit import connect
    from manyfit.cli.audits import audit_facts, audit_lines
    from manyfit.cli.boards import show_accuracy
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    found = connect.sweeps_of(sweep)
    if len(found) > 1:
        from manyfit.cli.commands.overview import show_overview

        show_overview(out, found, str(connect.expected(sweep)))
        return
    store = connect.open_address(found[0])
    snapshot, accuracy = store.snapshot(), _accuracy(store)
    pace = _pace(snapshot, accuracy)
    n_lacking = _models_lacking(store, snapshot)
    out.json({**_facts(snapshot, pace, accuracy), **audit_facts(store), "models_lacking": n_lacking})
    out.wrapped(str(snapshot.counts))
    out.wrapped(_headline(snapshot, pace, sweep))
    for line in (*_conditions(snapshot, sweep), *audit_lines(store, sweep)):
        out.wrapped(line, indent="  ")
    if n_lacking:
        out.wrapped(lacking_text(n_lacking, sweep), indent="  ")
    _pipelines(out, snapshot)
    _workers(out, snapshot, time.time())
    show_accuracy(out, accuracy)


def _models_lacking(store: "Store", snapshot: "Snapshot") -> int | None:
    """Return how many models of a complete sweep are still to be kept, None of any other."""
    from manyfit.api.lacking import stored_lacking

    return len(stored_lacking(store)) if state_of(snapshot) == "complete" and snapshot.n_units else None


def _accuracy(store: "Store") -> "Sequence[PipelineAccuracy]":
    from manyfit import connect
    from manyfit.report.accuracy import predicted_against_real

    return predicted_against_real(store, connect.families())


def _conditions(snapshot: "Snapshot", sweep: str) -> Iterator[str]:
    """Yield what keeps tasks from being claimed, and what came too late."""
    from manyfit.report.texts import plural, terms_text

    for pipeline, reason in snapshot.held.items():
        yield f"pipeline {pipeline} is paused: {reason or 'by a person'}; next: manyfit resume {quoted(sweep)}"
    if text := terms_text(snapshot.terms):
        yield f"terms: {text}"
    if snapshot.n_dropped:
        yield f"{plural(snapshot.n_dropped, 'result')} came too late and were dropped: others had taken over"
    for note in snapshot.notes:
        yield f"note: {note}"


def _pace(snapshot: "Snapshot", accuracy: "Sequence[PipelineAccuracy]") -> tuple[float, float | None]:
    """
    Return tasks in a second of the workers alive, and the seconds left at their pace (None: unknown).

    The time is that of predicted work, corrected by how much of it these workers really did, and by how
    far the pipelines that are left took longer than predicted.
    """
    from manyfit.report.accuracy import drift

    counts = snapshot.counts
    settled = counts.done + counts.failed
    rate = sum(_rate(worker) for worker in snapshot.workers if worker.alive)
    if not rate or not settled or not snapshot.cost_done_seconds:
        return rate, None
    rest = snapshot.cost_seconds - snapshot.cost_done_seconds
    n_left = {name: some.pending + some.running for name, some in snapshot.per_pipeline.items()}
    seconds = rest * settled / (snapshot.cost_done_seconds * rate)
    return rate, max(0.0, seconds * drift(accuracy, n_left))


def _rate(worker: "WorkerView") -> float:
    if worker.beat is None:
        return 0.0
    elapsed = worker.beat.at - worker.info.started_at
    return worker.beat.n_total / elapsed if elapsed > 0 else 0.0


def _facts(
    snapshot: "Snapshot", pace: tuple[float, float | None], accuracy: "Sequence[PipelineAccuracy]"
) -> dict[str, Any]:
    from manyfit.cli.boards import accuracy_facts
    from manyfit.model.terms import terms_to_json

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
        "held": dict(snapshot.held),
        "terms": terms_to_json(snapshot.terms),
        "planning": snapshot.planning,
        "dropped": snapshot.n_dropped,
        "predicted": accuracy_facts(accuracy),
        "workers": [_worker_facts(worker) for worker in snapshot.workers],
        "notes": list(snapshot.notes),
    }


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
    from manyfit.report.texts import plural, show_duration

    n_alive = sum(worker.alive for worker in snapshot.workers)
    state, sweep = state_of(snapshot), quoted(sweep)
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
