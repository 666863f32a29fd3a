"""A worker's view of the control chain: what is paused, whether to stop, what was cancelled."""

from dataclasses import dataclass, field
from typing import assert_never

from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment, Audit, Cancel, Compacted, Entry, Pause, Resume, SetTerms, Stop
from manyfit.model.errors import PositionTaken
from manyfit.model.keys import SegmentId, TaskKey


@dataclass(slots=True)
class ChainView:
    """
    What the chain says so far. A `Stop` counts only after `begun`: it meant workers that ran then.

    `cancelled` are the keys of cancellations since the last `take_cancelled`; None stands for all
    tasks. `held` are paused pipelines with the reason. `decided` are pipelines that were paused since
    the last change of the plan: people have looked at them, or are about to. `off` are fusion rules that
    audits switched off.
    """

    paused: bool = False
    stopped: bool = False
    position: int = 0
    segments: list[SegmentId] = field(default_factory=list)
    begun: bool = False
    held: dict[str, str] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)
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

    def hold(self, store: Store, pipeline: str, reason: str) -> bool:
        """Pause *pipeline*, unless somebody paused it since the plan changed; whether this call did it."""
        while True:
            self.read(store)
            if pipeline in self.decided:
                return False
            try:
                store.append(Pause(pipeline=pipeline, reason=reason), position=self.position + 1)
            except PositionTaken:
                continue
            self.read(store)
            return True

    def take_cancelled(self) -> list[frozenset[TaskKey] | None]:
        """Return the cancellations since the last call."""
        taken, self._cancelled = self._cancelled, []
        return taken

    def _apply(self, entry: Entry) -> None:
        self.position = entry.position
        match entry.action:
            case Pause(pipeline=pipeline, reason=reason):
                self._pause(pipeline, reason)
            case Resume(pipeline=pipeline):
                self._resume(pipeline)
            case Stop():
                self.stopped = self.stopped or self.begun
            case Cancel(tasks=tasks):
                self._cancelled.append(frozenset(tasks) or None)
            case AddSegment(segment=segment):
                self.segments.append(segment)
                self.decided.clear()
            case Audit(certificate=certificate):
                self.off.update(certificate.off)
            case Compacted() | SetTerms():
                pass
            case _:
                assert_never(entry.action)

    def _pause(self, pipeline: str, reason: str) -> None:
        if pipeline:
            self.held[pipeline] = reason
            self.decided.add(pipeline)
        else:
            self.paused = True

    def _resume(self, pipeline: str) -> None:
        if pipeline:
            self.held.pop(pipeline, None)
        else:
            self.paused = False
            self.held.clear()
