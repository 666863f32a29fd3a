"""Quality while a sweep runs: counts what goes wrong from the results that a display reads anyway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.report.quality import shapes

FEWEST = 10
"""Fits of a pipeline that have to be seen before it is judged."""
MOSTLY = 0.5
SUCCEEDED = "succeeded"


@dataclass(slots=True)
class _Seen:
    n: int = 0
    diverged: int = 0
    without_score: int = 0
    not_converged: int = 0


@dataclass(slots=True)
class Vigil:
    """What was seen of each pipeline so far. `metric` is the one that the sweep ranks by."""

    metric: str
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def see(self, pipeline: str, result: Mapping[str, Any]) -> None:
        """Count one final result, as it stands in a log."""
        if result["outcome"] != SUCCEEDED:
            return
        seen = self._seen.setdefault(pipeline, _Seen())
        seen.n += 1
        seen.diverged += shapes.ran_away(result)
        seen.without_score += _without_score(result.get("scores") or {}, self.metric)
        warned = result.get("warnings") or ()
        seen.not_converged += any(kind == shapes.NOT_CONVERGED for kind, *_ in warned)

    def lines(self) -> list[str]:
        """Return what is worth a word, the worst first, one line for each pipeline and kind."""
        said: list[tuple[str, str]] = []
        for name, seen in sorted(self._seen.items()):
            many = seen.not_converged if seen.n >= FEWEST else 0
            said += [
                (rank, f"{n:,} of {seen.n:,} fits of pipeline {name} {what}")
                for rank, n, least, what in (
                    ("0", seen.diverged, 0.0, "diverged"),
                    ("1", seen.without_score, 0.0, f"have no {self.metric}"),
                    ("2", many, shapes.SHARE_NOT_CONVERGED, "did not converge"),
                )
                if n > least * seen.n
            ]
        return [text for _, text in sorted(said)]

    def mostly_diverging(self) -> Mapping[str, str]:
        """Return the pipelines most of whose fits diverged, with the reason in words."""
        return {
            name: f"{seen.diverged:,} of its first {seen.n:,} fits diverged"
            for name, seen in self._seen.items()
            if seen.n >= FEWEST and seen.diverged > MOSTLY * seen.n
        }


def _without_score(scores: Mapping[str, Mapping[str, float | None]], metric: str) -> bool:
    """Whether a set was scored, and has no number where the ranking needs one."""
    held_out: Sequence[Mapping[str, float | None]] = [part for name, part in scores.items() if name != "train"]
    return any(metric in part and part[metric] is None for part in held_out)
