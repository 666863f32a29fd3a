"""The state of a sweep in one word, and its counts by their names."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
