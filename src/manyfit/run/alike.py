"""Seeing that most tasks of a pipeline fail with the same cause."""

from collections import Counter

from manyfit.model.keys import SegmentId
from manyfit.model.result import FailureClass

FEWEST_TRIED = 20
SHARE = 0.9
_LONGEST_TOLD = 200
_CAUSES = frozenset({FailureClass.USER, FailureClass.DATA, FailureClass.ENVIRONMENT})

Cause = tuple[FailureClass, str]
"""Class and fingerprint."""

Part = tuple[SegmentId, str]
"""A pipeline of one segment: after a change of the plan everything begins anew."""


class Alike:
    """What one worker saw of each pipeline: how many of its tasks it settled, and how they failed."""

    def __init__(self) -> None:
        self._n_tried: Counter[Part] = Counter()
        self._failures: dict[Part, Counter[Cause]] = {}

    def tried(self, part: Part, n_tasks: int) -> None:
        """Note that the lease under which this many tasks were settled is over."""
        self._n_tried[part] += n_tasks

    def failed(self, part: Part, cause: Cause, told: str, n_tried: int) -> str | None:
        """
        Note a failure for good and return why the pipeline should be held; None while it should not.

        *n_tried* counts the tasks settled under the present lease, this one included; *told* is the error.
        """
        if cause[0] not in _CAUSES:
            return None
        failures = self._failures.setdefault(part, Counter())
        failures[cause] += 1
        n_tried += self._n_tried[part]
        if n_tried < FEWEST_TRIED or failures[cause] < SHARE * n_tried:
            return None
        first = " ".join(told.split())[:_LONGEST_TOLD]
        return (
            f"{failures[cause]} of the {n_tried} tasks tried failed alike ({cause[0].value} {cause[1]}: {first}); "
            "see `manyfit failures`, correct the pipeline or the data, then `manyfit resume`"
        )
