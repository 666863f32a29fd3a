"""When a sweep was last worked on, and how urgent it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment, Compacted, Entry
from manyfit.model.snapshot import WorkerView


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """
    The last sign of life in seconds, by the clocks of those who gave it (None: none yet).

    `n_alive` are the workers that live, `priority` the one in force, else the highest of what was
    submitted.
    """

    last_at: float | None
    n_alive: int
    priority: int


def activity(store: Store) -> Activity:
    """Return when the sweep in *store* was last worked on, by its control chain and the heartbeats of workers."""
    snapshot = store.snapshot()
    entries = store.entries()
    in_force = snapshot.terms.priority
    return Activity(
        last_at=last_at(entries, snapshot.workers),
        n_alive=sum(view.alive for view in snapshot.workers),
        priority=_submitted(store, entries) if in_force is None else in_force,
    )


def last_at(entries: Iterable[Entry], workers: Iterable[WorkerView]) -> float | None:
    """Return the last sign of life; compactions are none, since reading makes them too."""
    acts = [entry.at for entry in entries if not isinstance(entry.action, Compacted)]
    starts = [view.info.started_at for view in workers]
    beats = [view.beat.at for view in workers if view.beat is not None]
    return max([*acts, *starts, *beats], default=None)


def _submitted(store: Store, entries: Sequence[Entry]) -> int:
    added = [entry.action.segment for entry in entries if isinstance(entry.action, AddSegment)]
    return max((store.segment(segment).header.priority for segment in added), default=0)
