"""Tasks as columns of numbers."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class TaskTable:
    """
    Tasks as columns, in the order in which they were planned.

    Row t fits `candidates[t]` on `cells[t]` (positions in the plan's tables) in `seconds[t]` predicted
    seconds. Candidates never decrease: all tasks of one stand together. Arrays of numbers, so that a
    million tasks need 12 MB.
    """

    candidates: "array[int]" = field(default_factory=lambda: array("I"))
    cells: "array[int]" = field(default_factory=lambda: array("I"))
    seconds: "array[float]" = field(default_factory=lambda: array("f"))

    def __len__(self) -> int:
        return len(self.candidates)

    def add(self, candidate: int, cell: int, seconds: float) -> None:
        self.candidates.append(candidate)
        self.cells.append(cell)
        self.seconds.append(seconds)

    def rows(self, start: int, end: int) -> "TaskTable":
        """Return the rows from *start* up to *end*."""
        return TaskTable(self.candidates[start:end], self.cells[start:end], self.seconds[start:end])

    def only(self, rows: Sequence[int]) -> "TaskTable":
        """Return the given rows."""
        return TaskTable(
            candidates=array("I", (self.candidates[t] for t in rows)),
            cells=array("I", (self.cells[t] for t in rows)),
            seconds=array("f", (self.seconds[t] for t in rows)),
        )
