"""What the reader keeps of a folder while it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Scores = Mapping[str, Mapping[str, float | None]]
Result = tuple[int, int, str, Scores]
"""Generation, attempt, outcome and scores of the result of a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What a sweep folder says: counts, results and broken laws.

    `done` and `failed` count accepted results only, not what an open lease has recorded. `accepted`
    maps the keys of tasks that belong to the sweep to the final accepted result of the highest
    generation; while a retry has not run, a task is pending and still has its earlier result here.
    """

    planned: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    pending: int = 0
    cancelled: int = 0
    accepted: Mapping[str, Result] = field(default_factory=dict)
    violations: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A planned unit: the keys of its tasks by index, and how often each may be tried."""

    segment: str
    keys: tuple[str, ...]
    generation: int
    attempts: int
    pipeline: str


@dataclass(slots=True, kw_only=True)
class Chain:
    """The control chain and the plan; positions count from 1."""

    entries: list[Json] = field(default_factory=list)
    added: dict[str, int] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    removed: dict[int, frozenset[str]] = field(default_factory=dict)
    planned: dict[int, frozenset[str]] = field(default_factory=dict)

    def cancelled(self, unit: Unit, key: str, position: int) -> bool:
        """Whether an entry up to *position* withdraws the task *key* of *unit*: a cancel or a removal."""
        for number in range(self.added[unit.segment] + 1, min(position, len(self.entries)) + 1):
            action = self.entries[number - 1]["action"]
            if action["kind"] == "Cancel" and (not action.get("tasks") or key in action["tasks"]):
                return True
            if key in self.removed.get(number, ()):
                return True
        return False

    def superseded(self, unit: Unit, key: str) -> bool:
        """Whether a later segment runs the task again."""
        return any(key in keys for n, keys in self.planned.items() if n > self.added[unit.segment])

    def paused(self, position: int) -> dict[str, str]:
        """Return what is paused after entry *position*, with the reasons; the whole sweep is ""."""
        held: dict[str, str] = {}
        for entry in self.entries[:position]:
            action = entry["action"]
            pipeline = action.get("pipeline", "")
            if action["kind"] == "Pause":
                held[pipeline] = action.get("reason", "")
            elif action["kind"] == "Resume":
                held = {name: why for name, why in held.items() if pipeline not in ("", name)}
        return held

    def needs(self, pipeline: str, position: int) -> Json:
        """Return what a worker needs for *pipeline* after entry *position*."""
        needs: Json = {}
        for entry in self.entries[:position]:
            if entry["action"]["kind"] == "SetTerms":
                needs = entry["action"]["terms"].get("needs", {})
        found: Json = needs[pipeline] if pipeline in needs else needs.get("", {})
        return found


@dataclass(slots=True, kw_only=True)
class Epoch:
    """The claim and the end of one epoch, as far as they are there."""

    claim: Json | None = None
    end: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One accepted result line."""

    unit: str
    epoch: int
    key: str
    line: Json

    @property
    def succeeded(self) -> bool:
        return bool(self.line["outcome"] == "succeeded")


Epochs = dict[str, dict[int, Epoch]]
