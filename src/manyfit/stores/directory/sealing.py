"""Ending the epochs of workers that are lost."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.lease import End
from manyfit.model.worker import WorkerInfo
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.log_reader import durable, read_beat
from manyfit.stores.files.disk import Disk
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import sealed
from manyfit.stores.ledger.liveness import Liveness
from manyfit.stores.ledger.view import SegmentView

PublishEnd = Callable[[SegmentView, UnitId, int, End, str], bool]


class Sealer:
    """Judges which workers are lost, by what this handle itself has seen, and seals what they held."""

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        monotonic: Callable[[], float],
        patience: float,
        publish_end: PublishEnd,
        by: WorkerId,
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._publish_end = publish_end
        self._by = by
        self._infos: dict[WorkerId, WorkerInfo | None] = {}
        self.liveness = Liveness(monotonic, patience, self.info)

    def seal_if_lost(self, view: SegmentView, unit: UnitId, workers: Sequence[WorkerId] | None) -> bool:
        """Seal the open epoch of *unit* if its holder is among *workers* or, for None, seems dead."""
        claim = view.claim(unit, view.last_claimed(unit))
        lost = claim.worker in workers if workers is not None else self._seems_dead(claim.worker)
        return lost and self._seal(view, claim)

    def _seems_dead(self, worker: WorkerId) -> bool:
        return self.liveness.seems_dead(worker, read_beat(self._disk, self._layout, worker))

    def info(self, worker: WorkerId) -> WorkerInfo | None:
        """Return what *worker* registered as."""
        if self._infos.get(worker) is None:
            data = self._disk.read(self._layout.worker(worker))
            self._infos[worker] = wire.worker_from(data) if data else None
        return self._infos[worker]

    def _seal(self, view: SegmentView, claim: wire.Claim) -> bool:
        if (found := view.read_end(claim.unit, claim.epoch)) is not None:
            view.saw_end(claim.unit, claim.epoch, found)
            return False
        beat = read_beat(self._disk, self._layout, claim.worker)
        on_it = beat is not None and beat.unit == claim.unit and beat.epoch == claim.epoch
        left = durable(self._disk, self._layout, claim.worker, claim.log, claim.unit, claim.epoch)
        end = sealed(
            view.own(claim.unit),
            view.before(claim.unit),
            left.attempts,
            beat.index if beat is not None and on_it else None,
            self._by,
        )
        nonce = secrets.token_hex(8)
        return self._publish_end(view, claim.unit, claim.epoch, replace(end, spans=left.spans), nonce)
