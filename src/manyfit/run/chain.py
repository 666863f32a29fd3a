"""A worker's view of the control chain: paused or not, told to stop or not, what was cancelled."""

from dataclasses import dataclass, field
from typing import assert_never

from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment, Cancel, Compacted, Entry, Pause, Resume, Stop
from manyfit.model.keys import SegmentId, TaskKey


@dataclass(slots=True)
class ChainView:
    """
    What the chain says so far. A `Stop` counts only after `begun`: it meant workers that ran then.

    `cancelled` are the keys of cancellations since the last `take_cancelled`; None stands for all tasks.
    """

    paused: bool = False
    stopped: bool = False
    position: int = 0
    segments: list[SegmentId] = field(default_factory=list)
    begun: bool = False
    _cancelled: list[frozenset[TaskKey] | None] = field(default_factory=list)

    def read(self, store: Store) -> bool:
        """Read the new entries of *store*; True when there were any."""
        entries = store.entries(self.position)
        for entry in entries:
            self._apply(entry)
        return bool(entries)

    def begin(self, store: Store) -> None:
        """Read what was before this worker, and forget what was meant for others."""
        self.read(store)
        self._cancelled.clear()
        self.begun = True

    def take_cancelled(self) -> list[frozenset[TaskKey] | None]:
        """Return the cancellations since the last call."""
        taken, self._cancelled = self._cancelled, []
        return taken

    def _apply(self, entry: Entry) -> None:
        self.position = entry.position
        match entry.action:
            case Pause():
                self.paused = True
            case Resume():
                self.paused = False
            case Stop():
                self.stopped = self.stopped or self.begun
            case Cancel(tasks=tasks):
                self._cancelled.append(frozenset(tasks) or None)
            case AddSegment(segment=segment):
                self.segments.append(segment)
            case Compacted():
                pass
            case _:
                assert_never(entry.action)
