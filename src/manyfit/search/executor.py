"""What runners do for a search: load its payload once, and carry out tasks of it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from manyfit.contracts.executor import Finished, Started, Work, WorkTask
from manyfit.model.result import FailureClass
from manyfit.model.segment import SegmentHeader
from manyfit.run.failures import failure_of, failure_to_json
from manyfit.search import payload
from manyfit.search.bodies import body_of
from manyfit.search.evaluation import Evaluation
from manyfit.search.fitting import Began, Fitting, Ready, ReadyTogether
from manyfit.search.places import candidate_key

EXECUTOR = "manyfit.search.executor:search_executor"


def search_executor(header: SegmentHeader) -> "SearchExecutor":
    """Return the executor of a search; `SegmentHeader.executor` names this function."""
    sys.path += [entry for entry in header.spec.get("path", ()) if entry not in sys.path]
    source = header.spec.get("payload") or header.spec["data"]["source"]
    return SearchExecutor(payload.load(Path(header.folder) / source), search=Path(source).stem)


class SearchExecutor:
    """
    Runs tasks of the evaluation in the payload.

    In a pool the index of a task says which candidate and fold it is; in the sweep of the search with the key
    *search* its keys do. A fit that fails under a numeric `error_score` has a result like any other, as in
    scikit-learn.
    """

    def __init__(self, evaluation: Evaluation, search: str) -> None:
        self._evaluation = evaluation
        self._search = search
        self._fitting = Fitting(evaluation, separate=True)
        self._numbers: dict[str, int] = {}

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        known = {self._index(task): task.index for task in work.tasks}
        for event in self._fitting.run(list(known), fuse=work.fuse):
            if isinstance(event, Began):
                yield Started(indices=tuple(known[index] for index in event.indices))
            elif isinstance(event, ReadyTogether):
                yield from (self._finished(ready, known[ready.index]) for ready in event.each())
            else:
                yield self._finished(event, known[event.index])

    def _index(self, task: WorkTask) -> int:
        """Return which task of the evaluation is meant."""
        if not task.candidate.key:
            return task.index
        if not self._numbers:
            n_candidates = len(self._evaluation.candidates)
            self._numbers = {candidate_key(self._search, number): number for number in range(n_candidates)}
        return self._numbers[task.candidate.key] * self._evaluation.n_folds + (task.cell.fold or 0)

    def _finished(self, ready: Ready, index: int) -> Finished:
        if ready.scored is None:
            cls = FailureClass.OOM if isinstance(ready.error, MemoryError) else FailureClass.USER
            failure = failure_to_json(failure_of(ready.error or RuntimeError("no scores"), cls))
            return Finished(index=index, body={"failure": failure})
        train, test = self._evaluation.splits[self._evaluation.place(ready.index)[1]]
        return Finished(index=index, body=body_of(ready.scored, {"train": len(train), "cv": len(test)}))
