"""Everything one handle has read of a sweep, and what follows from it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from manyfit.model.errors import NotFound
from manyfit.model.keys import SegmentId, UnitId
from manyfit.model.lease import Assigned
from manyfit.model.unit import root_of
from manyfit.model.worker import WorkerInfo
from manyfit.stores.ledger.chain import Chain, ReadEntries, Withdrawals
from manyfit.stores.ledger.ends import left_of
from manyfit.stores.ledger.plan_files import PlanFile
from manyfit.stores.ledger.view import EpochReader, SegmentView

OpenPlan = Callable[[SegmentId], PlanFile]


class Ledger:
    """
    The chain, the plans, the claims and ends of one sweep, as far as they were read.

    A store brings it up to date: `refresh_chain` here, `SegmentView.take` with what it sees of claims
    and ends. Nothing here writes.
    """

    def __init__(self, read_entries: ReadEntries, open_plan: OpenPlan, reader: EpochReader) -> None:
        self._open_plan = open_plan
        self._reader = reader
        self._plans: dict[SegmentId, PlanFile] = {}
        self._views: dict[SegmentId, SegmentView] = {}
        self.chain = Chain(read_entries)
        self.withdrawals = Withdrawals(self.chain, self.plan_of)

    def refresh_chain(self) -> bool:
        """Read new control entries; True when there are segments whose claims nobody has looked at."""
        self.chain.refresh()
        self.withdrawals.refresh()
        new = [segment for segment in self.chain.segments if segment not in self._views]
        for segment in new:
            self._views[segment] = SegmentView(self.plan_of(segment), self._reader)
        return bool(new)

    def plan_of(self, segment: SegmentId) -> PlanFile:
        """Return the opened plan file of *segment*."""
        if segment not in self._plans:
            self._plans[segment] = self._open_plan(segment)
        return self._plans[segment]

    def views(self) -> Iterator[SegmentView]:
        """Yield the segments in plan order."""
        yield from self._views.values()

    def view(self, segment: SegmentId) -> SegmentView:
        """Return the view of one segment."""
        return self._views[segment]

    def priority(self, view: SegmentView) -> int:
        """Return the priority of a segment: that of the terms in force, else its own."""
        in_force = self.chain.terms.priority
        return view.plan.header.priority if in_force is None else in_force

    def views_by_priority(self) -> list[SegmentView]:
        """Return the segments in the order in which their units are to start."""
        return sorted(self._views.values(), key=lambda view: -self.priority(view))

    def view_with(self, unit: UnitId) -> SegmentView:
        """Return the segment of *unit*. Raises `NotFound`."""
        root = root_of(unit)
        for view in self._views.values():
            if root in view.plan:
                return view
        raise NotFound(f"the plan has no unit {unit}")

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

    def barred(self, pipeline: str, worker: WorkerInfo | None) -> str:
        """Say in words why *worker* may not be given a task of *pipeline* now; "" when it may."""
        if pipeline in self.chain.held:
            return f"pipeline {pipeline} is paused: {self.chain.held[pipeline] or 'by a person'}"
        return "; ".join(self.chain.terms.needs_of(pipeline).unmet(worker))

    def open_leases(self) -> Counter[str]:
        """Return how many leases are open by pipeline, as far as is known."""
        return Counter(view.pipeline(unit) for view in self._views.values() for unit in view.open_units())

    def crowded(self, pipeline: str, open_leases: Counter[str], n_tenant: int) -> str:
        """
        Say in words which limit of concurrency one more lease of *pipeline* would exceed; "" for none.

        *n_tenant* are the open leases of the tenant in the whole store.
        """
        limits = self.chain.terms.concurrency
        of_pipeline = limits.pipelines.get(pipeline)
        if limits.sweep is not None and open_leases.total() >= limits.sweep:
            return f"the sweep may have {limits.sweep} running at once, and {open_leases.total()} are"
        if of_pipeline is not None and open_leases[pipeline] >= of_pipeline:
            return f"pipeline {pipeline} may have {of_pipeline} running at once, and {open_leases[pipeline]} are"
        if limits.tenant is not None and n_tenant >= limits.tenant:
            return f"tenant {self.chain.terms.tenant} may have {limits.tenant} running at once, and {n_tenant} are"
        return ""

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
        """Close the plan files."""
        for plan in self._plans.values():
            plan.close()
        self._plans.clear()
