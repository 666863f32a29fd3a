"""The snapshot of a store."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.snapshot import Snapshot, WorkerView
from manyfit.model.worker import Beat, WorkerInfo
from manyfit.stores.ledger.counting import BeatOf, Tally, UnitCounter
from manyfit.stores.ledger.ledger import Ledger
from manyfit.stores.ledger.view import SegmentView

SeemsDead = Callable[[WorkerId, Beat | None], bool]


class EachOnce:
    """Heartbeats, each read once by *read*, so that one snapshot says one thing."""

    def __init__(self, read: BeatOf) -> None:
        self._read = read
        self._found: dict[WorkerId, Beat | None] = {}

    def __call__(self, worker: WorkerId) -> Beat | None:
        if worker not in self._found:
            self._found[worker] = self._read(worker)
        return self._found[worker]


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


def summary(
    sweep: str, ledger: Ledger, workers: Iterable[WorkerInfo], read_beat: BeatOf, seems_dead: SeemsDead
) -> Snapshot:
    """Return the snapshot of what is known; *workers* are all that registered."""
    beats, sums = EachOnce(read_beat), _Sums()
    n_units = n_closed = 0
    open_units: dict[UnitId, WorkerId] = {}
    for view in ledger.views():
        _count(view, ledger, UnitCounter(view, beats), sums)
        for unit in view.walk():
            n_units += 1
            n_closed += view.closed(unit) or (not view.is_open(unit) and ledger.is_dead(view, unit))
        for unit in sorted(view.open_units()):
            open_units[unit] = view.claim(unit, view.last_claimed(unit)).worker
    held = {worker: unit for unit, worker in open_units.items()}
    chain = ledger.chain
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
        workers=tuple(_seen(info, beats(info.id), seems_dead, held.get(info.id)) for info in workers),
        open_units=open_units,
        held=dict(chain.held),
        terms=chain.terms,
    )


def _seen(info: WorkerInfo, beat: Beat | None, seems_dead: SeemsDead, unit: UnitId | None) -> WorkerView:
    return WorkerView(info=info, beat=beat, alive=not seems_dead(info.id, beat), unit=unit)


def _count(view: SegmentView, ledger: Ledger, counter: UnitCounter, sums: _Sums) -> None:
    plan = view.plan
    rows = zip(plan.unit_ids, plan.n_tasks, plan.pipelines, plan.costs, strict=True)
    for number, (unit, n_tasks, pipeline, cost) in enumerate(rows):
        tally = counter.count(unit, *ledger.withdrawals.of(plan.id, number))
        sums.add(pipeline, tally, cost / n_tasks)
