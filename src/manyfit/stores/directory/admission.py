"""Which pipelines a worker may claim from now: holds, needs and limits of concurrency."""

import secrets
from collections.abc import Callable

from manyfit.model.keys import WorkerId
from manyfit.model.lease import Lease
from manyfit.model.worker import WorkerInfo
from manyfit.stores.directory.known import Known
from manyfit.stores.ledger.view import SegmentView

Bars = Callable[[str], bool]
"""Whether nothing of this pipeline is to be claimed."""

_FIRST_WAIT = 0.05
_LONGEST_WAIT = 2.0


class Admission:
    """
    Keeps claims within the terms, without any lock.

    Under a limit, a claim is judged after it was published, by a listing that begins after that: of all
    who race for a place, the last to publish sees the claims of all others. Whoever sees more open leases
    than may be gives up at once, so that at no moment more than that are kept. All may give up; they try
    again after a random time. Where nothing is held, needed or limited, none of this costs anything.
    """

    def __init__(
        self,
        known: Known,
        info_of: Callable[[WorkerId], WorkerInfo | None],
        monotonic: Callable[[], float],
    ) -> None:
        self._known = known
        self._info_of = info_of
        self._monotonic = monotonic
        self._wait = _FIRST_WAIT
        self._not_before = float("-inf")

    @property
    def waits(self) -> bool:
        """Whether a race for a place was lost a moment ago."""
        return self._monotonic() < self._not_before

    def bars(self, worker: WorkerId) -> Bars | None:
        """Return what keeps *worker* from claiming, by what is known now; None when nothing can."""
        chain = self._known.ledger.chain
        limited = chain.terms.concurrency.limited
        if not (limited or chain.held or chain.terms.needs):
            return None
        if limited and (self.waits or self._is_full()):
            return lambda pipeline: True
        if limited:
            self._known.refresh(now=True)
        return self._judge(worker)

    def admits(self, view: SegmentView, lease: Lease) -> bool:
        """Whether *lease*, whose claim was just published, may be kept."""
        ledger, pipeline = self._known.ledger, view.pipeline(lease.unit)
        if ledger.barred(pipeline, self._needed_info(lease.worker)):
            return False
        if not ledger.chain.terms.concurrency.limited:
            return True
        self._known.refresh(now=True)
        others = ledger.open_leases()
        others[pipeline] -= 1
        if ledger.crowded(pipeline, others, others.total()):
            self._wait = min(_LONGEST_WAIT, 2 * self._wait)
            self._not_before = self._monotonic() + self._wait * (1 + secrets.randbelow(1000)) / 1000
            return False
        self._wait = _FIRST_WAIT
        return True

    def _judge(self, worker: WorkerId) -> Bars:
        ledger = self._known.ledger
        info, open_leases = self._needed_info(worker), ledger.open_leases()
        n_open = open_leases.total()
        found: dict[str, bool] = {}

        def bars(pipeline: str) -> bool:
            if pipeline not in found:
                why = ledger.barred(pipeline, info) or ledger.crowded(pipeline, open_leases, n_open)
                found[pipeline] = bool(why)
            return found[pipeline]

        return bars

    def _is_full(self) -> bool:
        """Whether the limits of all pipelines together are known to be reached."""
        limits = self._known.ledger.chain.terms.concurrency
        most = [limit for limit in (limits.sweep, limits.tenant) if limit is not None]
        return bool(most) and self._known.ledger.open_leases().total() >= min(most)

    def _needed_info(self, worker: WorkerId) -> WorkerInfo | None:
        return self._info_of(worker) if self._known.ledger.chain.terms.needs else None
