"""The parts of the plan that a worker needs for its leases, read once."""

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import Lease
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit, root_of
from manyfit.run.chain import ChainView
from manyfit.run.holding import Holding, segment_of

_KEPT_SEGMENTS = 4

Units = dict[UnitId, Unit]


class Plans:
    """The segments that were used last, with their units by id."""

    def __init__(self, store: Store, chain: ChainView) -> None:
        self._store = store
        self._chain = chain
        self._known: dict[SegmentId, tuple[Segment, Units]] = {}

    def holding(self, lease: Lease) -> Holding:
        """Return *lease* with its unit and segment. Raises `NotFound` and what the store raises."""
        root = root_of(lease.unit)
        if self._chain.position < lease.position or not any(root in units for _, units in self._known.values()):
            self._chain.read(self._store)
        for segment_id in segment_of(root, self._chain.segments):
            segment, units = self._segment(segment_id)
            if root in units:
                return Holding(lease, units[root], segment)
        raise NotFound(f"unit {root} was leased, but no segment of the plan in {self._store.url} has it")

    def _segment(self, segment_id: SegmentId) -> tuple[Segment, Units]:
        known = self._known.pop(segment_id, None)
        if known is None:
            segment = self._store.segment(segment_id)
            known = segment, {unit.id: unit for unit in segment.units}
        self._known[segment_id] = known
        if len(self._known) > _KEPT_SEGMENTS:
            del self._known[next(iter(self._known))]
        return known
