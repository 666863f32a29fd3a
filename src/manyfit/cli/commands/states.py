"""The state of a sweep in one word, its counts by their names, and what it lacks."""

from typing import TYPE_CHECKING

from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.contracts.store import Store
    from manyfit.model.snapshot import Counts, Snapshot


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


def counts_facts(counts: "Counts") -> dict[str, int]:
    """Return counts by their names."""
    names = ("planned", "done", "failed", "running", "pending", "cancelled")
    return {name: getattr(counts, name) for name in names}


def lacking_text(n: int, sweep: str) -> str:
    """Return what to do about *n* models that [keep] asks for and that are not kept."""
    from manyfit.report.texts import plural

    return (
        f"{plural(n, 'model')} that [keep] asks for {'is' if n == 1 else 'are'} not kept: workers do not choose"
        f" what to keep; next: manyfit run {quoted(sweep)}"
    )


def without_scores(store: "Store", sweep: str) -> str:
    """Return why there is nothing to show of a sweep without scores, and what to do about it."""
    from manyfit.report.texts import plural

    counts = store.snapshot().counts
    if counts.failed and not counts.done:
        so_far = " so far" if counts.running or counts.pending else ""
        failed = f"all {plural(counts.failed, 'fit')} failed{so_far}"
        return f"{failed}, so that there are no scores; next: manyfit failures {quoted(sweep)}"
    return f"no results yet; next: manyfit status {quoted(sweep)}"
