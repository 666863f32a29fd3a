"""The control chain, and what it withdraws from being run."""

from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field
from typing import assert_never

from manyfit.model.control import AddSegment, Audit, Cancel, Compacted, Entry, Pause, Resume, SetTerms, Stop
from manyfit.model.keys import SegmentId, TaskKey
from manyfit.model.terms import Terms
from manyfit.stores.ledger.plan_files import PlanFile

NOTHING: frozenset[int] = frozenset()

ReadEntries = Callable[[int], Iterable[Entry]]
"""Returns the entries after a position, in order and without gaps."""


class Chain:
    """The entries read so far, and what they say together. `held` are paused pipelines with the reason."""

    def __init__(self, read: ReadEntries) -> None:
        self._read = read
        self.entries: list[Entry] = []
        self.segments: dict[SegmentId, AddSegment] = {}
        self.paused = False
        self.held: dict[str, str] = {}
        self.planning = True
        self.terms = Terms()

    @property
    def position(self) -> int:
        return len(self.entries)

    def refresh(self) -> None:
        """Read the entries that were added since."""
        for entry in self._read(self.position):
            self.entries.append(entry)
            self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        match entry.action:
            case AddSegment() as added:
                self.segments.setdefault(added.segment, added)
                self.planning = added.more
            case Pause(pipeline=pipeline, reason=reason):
                self._pause(pipeline, reason)
            case Resume(pipeline=pipeline):
                self._resume(pipeline)
            case SetTerms(terms=terms):
                self.terms = terms
            case Stop() | Cancel() | Compacted() | Audit():
                pass
            case _:
                assert_never(entry.action)

    def _pause(self, pipeline: str, reason: str) -> None:
        if pipeline:
            self.held[pipeline] = reason
        else:
            self.paused = True

    def _resume(self, pipeline: str) -> None:
        if pipeline:
            self.held.pop(pipeline, None)
        else:
            self.paused, self.held = False, {}


@dataclass(slots=True)
class _Withdrawn:
    """What later entries took from a segment: keys that are cancelled, keys that count elsewhere or not at all."""

    everything: bool = False
    cancelled: list[Set[TaskKey]] = field(default_factory=list)
    gone: list[Set[TaskKey]] = field(default_factory=list)
    found: dict[int, tuple[Collection[int], Collection[int]]] = field(default_factory=dict)


class Withdrawals:
    """
    Which tasks of which unit are not to be run any more.

    A task of a segment is *gone* when a later segment removes it or has it again (it counts there),
    *cancelled* when a later entry cancels it. Both last for ever.
    """

    def __init__(self, chain: Chain, plan_of: Callable[[SegmentId], PlanFile]) -> None:
        self._chain = chain
        self._plan_of = plan_of
        self._n_read = 0
        self._segments: dict[SegmentId, _Withdrawn] = {}

    def refresh(self) -> None:
        """Take in the entries that the chain has read since."""
        for entry in self._chain.entries[self._n_read :]:
            match entry.action:
                case Cancel(tasks=tasks):
                    self._cancel(frozenset(tasks))
                case AddSegment() as added if added.segment not in self._segments:
                    self._add(added)
                case _:
                    pass
        self._n_read = len(self._chain.entries)

    def touches(self, segment: SegmentId) -> bool:
        """Whether anything of *segment* may be withdrawn."""
        state = self._segments[segment]
        return state.everything or bool(state.cancelled) or bool(state.gone)

    def of(self, segment: SegmentId, number: int) -> tuple[Collection[int], Collection[int]]:
        """Return the indices that are cancelled and those that are gone, of a planned unit."""
        state = self._segments[segment]
        if not self.touches(segment):
            return NOTHING, NOTHING
        if number not in state.found:
            state.found[number] = self._find(state, self._plan_of(segment), number)
        return state.found[number]

    def _find(self, state: _Withdrawn, plan: PlanFile, number: int) -> tuple[Collection[int], Collection[int]]:
        if state.everything and not state.gone:
            return range(plan.n_tasks[number]), NOTHING
        keys = plan.keys(number)
        gone = frozenset(n for n, key in enumerate(keys) if any(key in some for some in state.gone))
        cancelled = frozenset(
            n for n, key in enumerate(keys) if state.everything or any(key in some for some in state.cancelled)
        )
        return cancelled - gone or NOTHING, gone or NOTHING

    def _cancel(self, tasks: frozenset[TaskKey]) -> None:
        for state in self._segments.values():
            if tasks:
                state.cancelled.append(tasks)
            else:
                state.everything = True
            state.found.clear()

    def _add(self, added: AddSegment) -> None:
        plan = self._plan_of(added.segment)
        mentioned = frozenset(plan.removed)
        if added.n_new < added.n_tasks and self._segments:
            mentioned |= {key for n in range(len(plan.unit_ids)) for key in plan.keys(n)}
        if mentioned:
            for state in self._segments.values():
                state.gone.append(mentioned)
                state.found.clear()
        self._segments[added.segment] = _Withdrawn()
