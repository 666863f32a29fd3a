"""Tasks that a worker leaves to others for a while, after they ended badly with it."""

import random

from manyfit.contracts.store import Wanted
from manyfit.model.keys import UnitId
from manyfit.model.unit import Unit

LONGEST_SECONDS = 30.0
_JITTER = 0.2


def backoff_seconds(n_charged: int, base: float, source: random.Random) -> float:
    """Return how long to wait after so many attempts: *base*, doubling, give or take a fifth by chance."""
    wait = min(LONGEST_SECONDS, base * 2.0 ** (max(1, n_charged) - 1))
    return wait * source.uniform(1 - _JITTER, 1 + _JITTER)


class Backoff:
    """
    Which tasks are left to others, and until when; tasks are named by planned unit and index.

    Instants are those of the clock that the caller reads, in seconds.
    """

    def __init__(self, base_seconds: float, source: random.Random) -> None:
        self._base = base_seconds
        self._source = source
        self._until: dict[tuple[UnitId, int], float] = {}

    def put_off(self, unit: UnitId, index: int, n_charged: int, now: float) -> None:
        """Leave a task to others for a while, the longer the more attempts it had."""
        self._until[unit, index] = now + backoff_seconds(n_charged, self._base, self._source)

    def due_in(self, now: float) -> float | None:
        """Return the seconds until the next task may be claimed again; None when none is put off."""
        self._until = {task: until for task, until in self._until.items() if until > now}
        return min(self._until.values()) - now if self._until else None

    def __len__(self) -> int:
        """Return how many tasks were put off at the last look."""
        return len(self._until)

    def filtered(self, wanted: Wanted | None, now: float) -> Wanted | None:
        """Return a filter that wants what *wanted* wants (None: everything) and is not put off at *now*."""
        if self.due_in(now) is None:
            return wanted
        put_off = frozenset(self._until)

        def wanted_now(unit: Unit, index: int) -> bool:
            return (unit.id, index) not in put_off and (wanted is None or wanted(unit, index))

        return wanted_now
