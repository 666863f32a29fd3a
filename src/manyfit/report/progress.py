"""Who leads while a sweep runs: follows results as they are accepted, on the standard library alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.accepted import AcceptedBlock
from manyfit.contracts.store import Store
from manyfit.model.candidate import Cell
from manyfit.model.control import AddSegment
from manyfit.model.keys import CandidateKey, SegmentId, UnitId
from manyfit.model.segment import Segment
from manyfit.model.unit import Mode, Unit, root_of
from manyfit.report.pace import Pace, learned_from
from manyfit.report.quality.vigil import Vigil

POLL_BYTES = 4 << 20
"""Result lines read by one poll: some 10,000 lines, so that a display stays alive when it joins late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The best candidate of a pipeline on a split so far; `complete` when all its cells there are scored."""

    split: str
    pipeline: str
    label: str
    score: float
    complete: bool


@dataclass(slots=True, kw_only=True)
class _Mean:
    """Scores of one candidate on one split of one variant."""

    candidate: CandidateKey
    segment: SegmentId
    position: int
    place: tuple[str, str]
    n_planned: int
    total: float = 0.0
    n: int = 0

    @property
    def complete(self) -> bool:
        return self.n >= self.n_planned

    def order(self, sign: int) -> tuple[bool, float, str]:
        """Return what the leader has least of; the smaller key wins a tie, as in the leaderboard."""
        return (not self.complete, -sign * self.total / self.n, self.candidate)


@dataclass(slots=True, kw_only=True)
class _Planned:
    """What is needed of a segment: its units by id, and how many cells rank a candidate on each split."""

    segment: Segment
    units: Mapping[UnitId, Unit]
    cells: Sequence[Cell]
    folded: frozenset[str]
    n_cells: Mapping[tuple[str, str], int]
    n_learned: int
    keys: dict[int, CandidateKey] = field(default_factory=dict)

    def candidate_key(self, position: int) -> CandidateKey:
        # A store may parse a candidate each time that it is asked for: once is enough.
        if position not in self.keys:
            self.keys[position] = self.segment.candidates[position].key
        return self.keys[position]


@dataclass(slots=True, kw_only=True)
class Progress:
    """
    The best candidate of each pipeline so far, kept up to date by `poll`.

    Reads each accepted line once. Candidates whose cells are all scored come before those that were lucky with the
    first fold. `n_failures` counts final failures seen. `pace` compares what tasks took with what was predicted,
    `vigil` counts fits that cannot be believed.
    """

    store: Store
    metric: str
    greater_is_better: bool = True
    n_results: int = 0
    n_failures: int = 0
    pace: Pace = field(default_factory=Pace)
    vigil: Vigil = field(init=False)
    _seen: set[tuple[UnitId, int]] = field(default_factory=set)
    _segments: dict[SegmentId, _Planned] = field(default_factory=dict)
    _means: dict[tuple[str, str], dict[tuple[str, str], _Mean]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vigil = Vigil(self.metric)

    def poll(self, limit_bytes: int = POLL_BYTES) -> bool:
        """Read what was accepted since the last poll, about *limit_bytes* at most; True when something was."""
        n_bytes = 0
        for block in self.store.accepted(frozenset(self._seen)):
            self._seen.add((block.unit, block.epoch))
            self._read(block)
            n_bytes += len(block.lines)
            if n_bytes >= limit_bytes:
                break
        self._plan_one()
        return n_bytes > 0

    def _plan_one(self) -> None:
        """Tell `pace` of the next segment; one at a time, because each may be large."""
        for entry in self.store.entries():
            if isinstance(entry.action, AddSegment) and not self.pace.knows(entry.action.segment):
                self._planned(entry.action.segment)
                return

    def leaders(self) -> list[Leader]:
        """Return the leader of each pipeline on each split, by split, best first."""
        sign = 1 if self.greater_is_better else -1
        best = [min(means.values(), key=lambda mean: mean.order(sign)) for means in self._means.values() if means]
        best.sort(key=lambda mean: (mean.place[0], -sign * mean.total / mean.n, mean.place[1]))
        return [
            Leader(
                split=mean.place[0],
                pipeline=mean.place[1],
                label=self._planned(mean.segment).segment.candidates[mean.position].label(),
                score=mean.total / mean.n,
                complete=mean.complete,
            )
            for mean in best
        ]

    def _read(self, block: AcceptedBlock) -> None:
        planned = self._planned(block.segment)
        unit = planned.units[root_of(block.unit)]
        for line in block.lines.splitlines():
            result = json.loads(line)
            if not result.get("final"):
                continue
            self.n_results += 1
            self.n_failures += result["outcome"] == "failed"
            took = sum(result["timings"].values()) if result.get("timings") else None
            self.pace.ended(planned.n_learned, unit, took if result["outcome"] == "succeeded" else None)
            # A kept model is a fit that was scored before.
            if unit.mode is not Mode.KEEP:
                self.vigil.see(unit.pipeline, result)
                self._add(planned, unit, result)

    def _add(self, planned: _Planned, unit: Unit, result: Mapping[str, Any]) -> None:
        cell = planned.cells[unit.cells[result["index"]]]
        score = self._score(planned, cell, result.get("scores") or {})
        if score is None:
            return
        position = unit.candidates[result["index"]]
        means = self._means.setdefault((cell.split, unit.pipeline), {})
        key = planned.candidate_key(position)
        mean = means.get((key, cell.variant))
        if mean is None:
            mean = means[key, cell.variant] = _Mean(
                candidate=key,
                segment=planned.segment.id,
                position=position,
                place=(cell.split, unit.pipeline),
                n_planned=planned.n_cells.get((cell.split, cell.variant), 1),
            )
        mean.total += score
        mean.n += 1

    def _score(self, planned: _Planned, cell: Cell, scores: Mapping[str, Mapping[str, float]]) -> float | None:
        if cell.split in planned.folded:
            return scores.get("cv", {}).get(self.metric)
        others = ("validate", *sorted(name for name in scores if name not in ("train", "cv")))
        found = (scores.get(name, {}).get(self.metric) for name in others)
        return next((score for score in found if score is not None), None)

    def _planned(self, segment: SegmentId) -> _Planned:
        if segment not in self._segments:
            self._segments[segment] = _plan_of(self.store.segment(segment))
            self.pace.plan(self._segments[segment].segment)
        return self._segments[segment]


def _plan_of(segment: Segment) -> _Planned:
    cells = tuple(segment.cells)
    folded = frozenset(cell.split for cell in cells if cell.fold is not None)
    n_cells: dict[tuple[str, str], int] = {}
    for cell in cells:
        if (cell.fold is not None) == (cell.split in folded):
            place = (cell.split, cell.variant)
            n_cells[place] = n_cells.get(place, 0) + 1
    units = {unit.id: unit for unit in segment.units}
    n_learned = learned_from(segment)
    return _Planned(segment=segment, units=units, cells=cells, folded=folded, n_cells=n_cells, n_learned=n_learned)
