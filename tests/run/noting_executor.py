"""An executor for tests whose scores tell how the work was asked for; a task can have a rule switched off."""

import time
from collections.abc import Iterator
from pathlib import Path

from manyfit.contracts.executor import Finished, Started, Work
from manyfit.model.audit import Audited, Certificate
from manyfit.model.control import Audit
from manyfit.model.segment import SegmentHeader
from manyfit.run.control import publish
from manyfit.stores.directory.store import DirectoryStore

OFF = Certificate(
    rules=(Audited(rule="lying", guarantee="exact", n_fused=1, n_tasks=1, n_cells=1, n_wrong=1),),
    seed=0,
    drawn_from="d",
    off=("lying",),
    versions={},
)


def noting(header: SegmentHeader) -> "Noting":
    """Return the executor; the folder of its header has the store."""
    return Noting(Path(header.folder) / "t.sweep")


class Noting:
    """Scores: `fuse`, and how many rules are `off`. A task with `audit` writes the entry that switches one off."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        tasks = list(work.tasks)
        yield Started(indices=[task.index for task in tasks])
        for place, task in enumerate(tasks):
            if place % 5 == 0:
                yield Started(indices=[other.index for other in tasks[place:]])
            if task.candidate.shown.get("audit"):
                publish(DirectoryStore(self._store), Audit(certificate=OFF))
            time.sleep(task.candidate.shown.get("seconds", 0))
            scores = {"fuse": float(work.fuse), "off": float(len(work.without))}
            yield Finished(index=task.index, body={"scores": {"cv": scores}})
