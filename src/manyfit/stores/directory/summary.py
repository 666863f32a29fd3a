"""The snapshot of a store."""

from collections import defaultdict

from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.snapshot import Snapshot, WorkerView
from manyfit.model.worker import Beat
from manyfit.stores.directory.counting import Tally, UnitCounter
from manyfit.stores.directory.disk import Disk
from manyfit.stores.directory.known import Known
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.log_reader import read_beat
from manyfit.stores.directory.sealing import Sealer
from manyfit.stores.directory.view import SegmentView


class _Beats:
    """Heartbeats, each read once, so that one snapshot says one thing."""

    def __init__(self, disk: Disk, layout: Layout) -> None:
        self._disk = disk
        self._layout = layout
        self._read: dict[WorkerId, Beat | None] = {}

    def __call__(self, worker: WorkerId) -> Beat | None:
        if worker not in self._read:
            self._read[worker] = read_beat(self._disk, self._layout, worker)
        return self._read[worker]


class _Sums:
    """What is added up over all units."""

    def __init__(self) -> None:
        self.total = Tally()
        self.per_pipeline: defaultdict[str, Tally] = defaultdict(Tally)
        self.cost = 0.0
        self.cost_done = 0.0

    def add(self, pipeline: str, tally: Tally, cost_per_task: float) -> None:
        self.total.add(tally)
        self.per_pipeline[pipeline].add(tally)
        self.cost += cost_per_task * tally.planned
        self.cost_done += cost_per_task * tally.settled


def summary(sweep: str, known: Known, disk: Disk, layout: Layout, sealer: Sealer) -> Snapshot:
    """Return the snapshot of what is known."""
    beats, sums = _Beats(disk, layout), _Sums()
    n_units = n_closed = 0
    open_units: dict[UnitId, WorkerId] = {}
    for view in known.views():
        _count(view, known, UnitCounter(view, beats), sums)
        for unit in view.walk():
            n_units += 1
            n_closed += view.closed(unit) or (not view.is_open(unit) and known.is_dead(view, unit))
        for unit in sorted(view.open_units()):
            open_units[unit] = view.claim(unit, view.last_claimed(unit)).worker
    chain = known.chain
    return Snapshot(
        sweep=sweep,
        position=chain.position,
        counts=sums.total.counts(),
        per_pipeline={name: tally.counts() for name, tally in sums.per_pipeline.items() if tally.planned},
        paused=chain.paused,
        planning=chain.planning,
        n_units=n_units,
        n_units_closed=n_closed,
        cost_seconds=sums.cost,
        cost_done_seconds=sums.cost_done,
        workers=_workers(disk, layout, sealer, beats, open_units),
        open_units=open_units,
    )


def _count(view: SegmentView, known: Known, counter: UnitCounter, sums: _Sums) -> None:
    plan = view.plan
    withdrawals = known.withdrawals
    rows = zip(plan.unit_ids, plan.n_tasks, plan.pipelines, plan.costs, strict=True)
    for number, (unit, n_tasks, pipeline, cost) in enumerate(rows):
        tally = counter.count(unit, *withdrawals.of(plan.id, number))
        sums.add(pipeline, tally, cost / n_tasks)


def _workers(
    disk: Disk, layout: Layout, sealer: Sealer, beats: _Beats, open_units: dict[UnitId, WorkerId]
) -> tuple[WorkerView, ...]:
    held = {worker: unit for unit, worker in open_units.items()}
    views = []
    for name in sorted(disk.names(layout.workers)):
        worker, dot, kind = name.rpartition(".")
        if not dot or kind != "json" or name.startswith("."):
            continue
        info = sealer.info(WorkerId(worker))
        if info is not None:
            beat = beats(info.id)
            alive = not sealer.seems_dead(info.id, beat)
            views.append(WorkerView(info=info, beat=beat, alive=alive, unit=held.get(info.id)))
    return tuple(views)
