"""What one handle has read of a store: the chain, the plan files, the claims and ends."""

from collections.abc import Callable, Collection, Iterator

from manyfit.model.errors import NotFound
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import Assigned
from manyfit.model.unit import root_of
from manyfit.stores.directory.chain import Chain, Withdrawals
from manyfit.stores.directory.disk import Disk
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.plan_files import PlanFile
from manyfit.stores.directory.view import SegmentView
from manyfit.stores.ends import left_of

_LISTING_SHARE = 50.0
"""A listing is repeated after this many times its own duration at the earliest: 2 % of the time."""
_LONGEST_WAIT = 5.0
_WAIT_PER_OPEN_UNIT = 0.02


class Known:
    """
    Everything read so far, brought up to date on request.

    The control chain is cheap to follow: one failing look-up. Folders of claims are listed seldom:
    the more they hold and the more workers there are, the more seldom.
    """

    def __init__(self, disk: Disk, layout: Layout, monotonic: Callable[[], float], refresh_seconds: float) -> None:
        self._disk = disk
        self._layout = layout
        self._monotonic = monotonic
        self._refresh_seconds = refresh_seconds
        self._plans: dict[SegmentId, PlanFile] = {}
        self._views: dict[SegmentId, SegmentView] = {}
        self._next_listing = float("-inf")
        self.chain = Chain(disk, layout)
        self.withdrawals = Withdrawals(self.chain, self.plan_of)

    def refresh_chain(self) -> None:
        """Read new control entries."""
        self.chain.refresh()
        self.withdrawals.refresh()
        for segment in self.chain.segments:
            if segment not in self._views:
                self._views[segment] = SegmentView(self._disk, self._layout, self.plan_of(segment))
                self._next_listing = float("-inf")

    def refresh(self, *, now: bool = False) -> bool:
        """List claims and ends, unless that was done a moment ago; *now*: in any case. Tell whether it did."""
        self.refresh_chain()
        began = self._monotonic()
        if not now and began < self._next_listing:
            return False
        for view in self._views.values():
            view.refresh()
        ended = self._monotonic()
        n_open = sum(1 for view in self._views.values() for _ in view.open_units())
        wait = max(self._refresh_seconds, n_open * _WAIT_PER_OPEN_UNIT, _LISTING_SHARE * (ended - began))
        self._next_listing = ended + (min(_LONGEST_WAIT, wait) if self._refresh_seconds else 0.0)
        return True

    def plan_of(self, segment: SegmentId) -> PlanFile:
        """Return the opened plan file of *segment*."""
        if segment not in self._plans:
            self._plans[segment] = PlanFile(self._layout.segment(segment), segment)
        return self._plans[segment]

    def views(self) -> Iterator[SegmentView]:
        """Yield the segments in plan order."""
        yield from self._views.values()

    def views_by_priority(self) -> list[SegmentView]:
        """Return the segments in the order in which their units are to start."""
        return sorted(self._views.values(), key=lambda view: -view.plan.header.priority)

    def view_with(self, unit: UnitId) -> SegmentView:
        """Return the segment of *unit*. Raises `NotFound`."""
        root = root_of(unit)
        for view in self._views.values():
            if root in view.plan:
                return view
        raise NotFound(f"no unit {unit} in {self._layout.root}")

    def withdrawn(self, view: SegmentView, unit: UnitId) -> tuple[Collection[int], Collection[int]]:
        """Return which tasks of the root of *unit* are cancelled, and which are gone."""
        return self.withdrawals.of(view.plan.id, view.plan.number(root_of(unit)))

    def runnable(self, view: SegmentView, unit: UnitId) -> tuple[Assigned, ...]:
        """Return the tasks that are left of *unit* and not withdrawn."""
        left = left_of(view.own(unit), view.before(unit))
        if not self.withdrawals.touches(view.plan.id):
            return left
        cancelled, gone = self.withdrawn(view, unit)
        return tuple(task for task in left if task.index not in cancelled and task.index not in gone)

    def finished(self) -> bool:
        """Whether nothing is left as far as is known."""
        if self.chain.planning or any(True for view in self._views.values() for _ in view.open_units()):
            return False
        return all(self.is_dead(view, unit) for view in self._views.values() for unit in tuple(view.free))

    def is_dead(self, view: SegmentView, unit: UnitId) -> bool:
        """Whether everything that is left of *unit*, which is not open, was withdrawn."""
        if unit in view.dead:
            return True
        if not self.withdrawals.touches(view.plan.id) or self.runnable(view, unit):
            return False
        view.dead.add(unit)
        return True

    def close(self) -> None:
        for plan in self._plans.values():
            plan.close()
        self._plans.clear()
