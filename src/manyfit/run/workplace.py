"""Where a worker works, and what it has seen there from lease to lease."""

import random
from dataclasses import dataclass, field

from manyfit.model.worker import WorkerInfo
from manyfit.run.alike import Alike
from manyfit.run.backoff import Backoff
from manyfit.run.crowd import Crowd
from manyfit.run.holding import Holding
from manyfit.run.soundness import Soundness


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """The host of a worker: who else runs tasks on it, and whether it or a pipeline is to blame for failures."""

    host: str
    crowd: Crowd
    backoff: Backoff
    soundness: Soundness = field(default_factory=Soundness)
    alike: Alike = field(default_factory=Alike)

    def remember(self, holding: Holding) -> None:
        """Keep what a lease taught, now that it is over."""
        self.soundness.tried(holding.n_tried)
        self.alike.tried((holding.segment.id, holding.unit.pipeline), holding.n_settled)


def workplace(info: WorkerInfo, backoff_seconds: float, crowd: Crowd | None = None) -> Workplace:
    """Return the place of a worker that begins; *backoff_seconds* is its first wait after a crash."""
    source = random.Random(info.id)  # noqa: S311 - no secret: workers must differ
    return Workplace(host=info.host, crowd=crowd or Crowd(), backoff=Backoff(backoff_seconds, source))
