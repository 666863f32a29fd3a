"""How a worker gets its leases, and gives them up."""

import itertools
from collections.abc import Callable

from manyfit.contracts.store import Store, Wanted
from manyfit.model.errors import ManyfitError
from manyfit.model.keys import WorkerId
from manyfit.model.lease import End, Lease, TaskMark
from manyfit.run.backoff import Backoff
from manyfit.run.holding import Holding


class Claims:
    """
    The claims of one worker, each with a request key of its own; tasks in *backoff* are left to others.

    What the methods return is called with the store's trouble in mind: twice is as good as once.
    """

    def __init__(
        self,
        store: Store,
        worker: WorkerId,
        *,
        wanted: Wanted | None,
        backoff: Backoff,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._worker = worker
        self._wanted = wanted
        self._backoff = backoff
        self._monotonic = monotonic
        self._number = itertools.count(1).__next__

    def claim(self) -> Callable[[], Lease | None]:
        """Return how to claim the next lease."""
        wanted, request = self._asked()
        return lambda: self._store.claim(self._worker, wanted=wanted, request=request)

    def cycle(self, lease: Lease, end: End) -> Callable[[], Lease | None]:
        """Return how to end *lease* and claim the next in one step."""
        wanted, request = self._asked()
        return lambda: self._store.cycle(lease, end, wanted=wanted, request=request)

    def _asked(self) -> tuple[Wanted | None, str]:
        return self._backoff.filtered(self._wanted, self._monotonic()), f"{self._worker}-{self._number()}"


def n_dropped(store: Store, holding: Holding) -> int:
    """
    Return how many results of a lost lease were recorded in vain.

    At least as many: those of another holder since then count as accepted. All, if nobody can say.
    """
    try:
        states = {state.unit: state for state in store.units()}
    except ManyfitError:
        return holding.n_settled
    state = states.get(holding.lease.unit)
    if state is None or state.end is None:
        return holding.n_settled
    ended = {i for i, mark in zip(state.end.indices, state.end.marks, strict=True) if mark != TaskMark.LEFT.value}
    return len(holding.settled() - ended)
