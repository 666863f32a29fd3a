"""Predicted against real: what the plans of a sweep said of its finished tasks, on the standard library alone."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.accepted import AcceptedBlock
from manyfit.contracts.estimators import Families
from manyfit.contracts.store import Store
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.segment import Segment
from manyfit.model.unit import Mode, Unit, root_of
from manyfit.plan.costs import Accuracy, CostModel, stored_costs
from manyfit.report.alone import is_as_alone

MOST_TASKS = 5_000
"""Tasks that are compared: enough to judge by, few enough to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineAccuracy:
    """
    Predicted against real for the finished tasks of a pipeline, of plans with experience or of those without.

    `predicted_seconds` and `real_seconds` are sums over the `n_tasks` that were compared. `seconds` tells how far
    the prediction of one task was off. `predicted_bytes` and `real_bytes` are the largest peaks of a runner on
    these tasks, `memory` how far one was off; 0 and None where the plan did not predict memory. `n_learned` is
    the number of finished tasks that the latest of these plans had learned from (0: formulas alone).
    """

    pipeline: str
    n_tasks: int
    n_learned: int
    predicted_seconds: float
    real_seconds: float
    seconds: Accuracy | None
    predicted_bytes: int
    real_bytes: int
    memory: Accuracy | None

    @property
    def ratio(self) -> float | None:
        """Real over predicted seconds; None when nothing was predicted."""
        return self.real_seconds / self.predicted_seconds if self.predicted_seconds > 0 else None


_Key = tuple[str, bool]
"""A pipeline, and whether its plan had experience."""


@dataclass(slots=True)
class _Sums:
    n_learned: int = 0
    predicted_seconds: float = 0.0
    real_seconds: float = 0.0
    off_seconds: list[float] = field(default_factory=list)
    n_tasks: int = 0
    predicted_bytes: int = 0
    real_bytes: int = 0
    off_bytes: list[float] = field(default_factory=list)


def predicted_against_real(
    store: Store, families: Families, *, most_tasks: int = MOST_TASKS
) -> list[PipelineAccuracy]:
    """
    Compare what was predicted of finished tasks with what they took, by pipeline.

    Tasks that were computed together with others are left out: what they took is a part of the whole.

    A pipeline that was planned before and after there was experience has two rows, the one from formulas first.

    At most *most_tasks* are compared, the first that the store gives. Predictions are those of the plan that each
    task was submitted with. For tasks of plans that kept only the seconds of whole units, these are divided
    evenly and no error of one task is given.
    """
    sums: dict[_Key, _Sums] = {}
    plans: dict[SegmentId, _Plan] = {}
    n_tasks = 0
    for block in store.accepted(frozenset()):
        if block.segment not in plans:
            plans[block.segment] = _Plan.of(store.segment(block.segment), families)
        n_tasks += plans[block.segment].compare(block, sums)
        if n_tasks >= most_tasks:
            break
    order = {name: at for at, (name, _) in enumerate(sums)}
    keys = sorted(sums, key=lambda key: (order[key[0]], key[1]))
    return [_told(key[0], sums[key]) for key in keys]


def drift(rows: Sequence[PipelineAccuracy], n_left: Mapping[str, int]) -> float:
    """
    Return by what to multiply a time left that takes predictions at the pace of what is done.

    More than 1 when the pipelines of the *n_left* tasks took longer, against what was predicted, than all did.
    """
    done = _ratio_of([(row, 1.0) for row in rows])
    left = _ratio_of([(row, n_left.get(row.pipeline, 0) / row.n_tasks) for row in rows])
    return left / done if left and done else 1.0


def _ratio_of(parts: Sequence[tuple[PipelineAccuracy, float]]) -> float:
    """Return real over predicted seconds of these rows, each weighed."""
    predicted = sum(row.predicted_seconds * weight for row, weight in parts)
    return sum(row.real_seconds * weight for row, weight in parts) / predicted if predicted > 0 else 0.0


@dataclass(slots=True)
class _Plan:
    """A segment with its predictions, remembered by candidate and rows."""

    segment: Segment
    units: Mapping[UnitId, Unit]
    costs: CostModel
    known: dict[tuple[int, int], tuple[float, int] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, segment: Segment, families: Families) -> "_Plan":
        return cls(
            segment, {unit.id: unit for unit in segment.units}, stored_costs(segment.header.costs, families)
        )

    def compare(self, block: AcceptedBlock, sums: dict[_Key, _Sums]) -> int:
        """Add the tasks of *block* to *sums* and return how many."""
        unit = self.units[root_of(block.unit)]
        if unit.mode is Mode.SCORE:
            return 0
        n_tasks = 0
        for result in _succeeded(block.lines):
            if not self._was_alone(unit, result):
                continue
            one = sums.setdefault((unit.pipeline, self.costs.experience.n_tasks > 0), _Sums())
            one.n_learned = max(one.n_learned, self.costs.experience.n_tasks)
            self._add(one, unit, result)
            n_tasks += 1
        return n_tasks

    def _was_alone(self, unit: Unit, result: Mapping[str, Any]) -> bool:
        """Whether the result tells how long the task takes alone: predictions of single tasks say only that."""
        rule = (result.get("fusion") or {}).get("rule", "")
        of = self.segment.candidates[unit.candidates[result["index"]]]
        if not rule or not self.costs.covers(of):
            return not rule
        return is_as_alone(self.costs, of, self.segment.cells[unit.cells[result["index"]]].n_train, rule)

    def _add(self, sums: _Sums, unit: Unit, result: Mapping[str, Any]) -> None:
        real, peak = sum(result["timings"].values()), result.get("peak_bytes") or 0
        predicted = self._predicted(unit.candidates[result["index"]], unit.cells[result["index"]])
        sums.n_tasks += 1
        sums.real_seconds += real
        sums.real_bytes = max(sums.real_bytes, peak)
        if predicted is None:
            sums.predicted_seconds += unit.cost_seconds / len(unit)
            return
        seconds, n_bytes = predicted
        sums.predicted_seconds += seconds
        sums.predicted_bytes = max(sums.predicted_bytes, n_bytes)
        if real > 0 and seconds > 0:
            sums.off_seconds.append(abs(math.log(real / seconds)))
        if peak and n_bytes:
            sums.off_bytes.append(abs(math.log(peak / n_bytes)))

    def _predicted(self, candidate: int, cell: int) -> tuple[float, int] | None:
        on = self.segment.cells[cell]
        key = (candidate, on.n_train)
        if key not in self.known:
            of = self.segment.candidates[candidate]
            covered = self.costs.covers(of)
            self.known[key] = (
                (self.costs.seconds(of, on), self.costs.memory_bytes(of, on.n_train)) if covered else None
            )
        return self.known[key]


def _succeeded(lines: bytes) -> Iterator[Mapping[str, Any]]:
    for line in lines.splitlines():
        result = json.loads(line)
        if result["outcome"] == "succeeded" and result.get("timings"):
            yield result


def _told(pipeline: str, sums: _Sums) -> PipelineAccuracy:
    return PipelineAccuracy(
        pipeline=pipeline,
        n_tasks=sums.n_tasks,
        n_learned=sums.n_learned,
        predicted_seconds=sums.predicted_seconds,
        real_seconds=sums.real_seconds,
        seconds=_accuracy(sums.off_seconds),
        predicted_bytes=sums.predicted_bytes,
        real_bytes=sums.real_bytes,
        memory=_accuracy(sums.off_bytes),
    )


def _accuracy(off: Sequence[float]) -> Accuracy | None:
    if not off:
        return None
    ordered = sorted(off)
    median, p90 = (math.exp(ordered[min(len(ordered) - 1, int(part * len(ordered)))]) for part in (0.5, 0.9))
    return Accuracy(n_tasks=len(ordered), median=median, p90=p90)
