"""Tasks that ran are run once more in this process, for their predictions."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyfit.contracts.executor import Finished, Work, WorkTask
from manyfit.fit.artifacts import Artifacts
from manyfit.fit.executor import FitExecutor
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import task_key
from manyfit.model.segment import SegmentHeader
from manyfit.model.unit import Mode

Arrays = Mapping[str, NDArray[Any]]
Scores = Mapping[tuple[str, str], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAgain:
    """
    One task that was run again: its scores by set and metric, and what it answered.

    `arrays` are those of kept predictions: ``<set>/y``, ``<set>/predict``, ``<set>/predict_proba`` and
    ``<set>/decision_function``. `failure` says what went wrong; then there are no arrays.
    """

    scores: Scores
    arrays: Arrays
    failure: str = ""


def run_again(header: SegmentHeader, candidate: Candidate, cells: Sequence[Cell]) -> list[RunAgain]:
    """
    Run *candidate* on each of *cells* in this process, each fit alone, as a worker would.

    Raises `DataChanged` when the data is not what the sweep was planned from, and `MissingExtra`.
    """
    from threadpoolctl import threadpool_limits

    from manyfit.data import open_rows
    from manyfit.declare import from_json
    from manyfit.families.estimators import find_beside

    spec = from_json(header.spec)
    spec = replace(spec, keep=replace(spec.keep, predictions=True))
    find_beside(header.folder)
    with TemporaryDirectory(prefix="manyfit-") as folder, threadpool_limits(spec.workers.threads):
        kept = Artifacts(Path(folder) / "artifacts", "again", whole=True)
        executor = FitExecutor(
            spec=spec,
            metrics=header.metrics,
            open_rows=lambda variant: open_rows(
                spec, Path(header.folder), variant, header.fingerprints.get(variant, "")
            ),
            artifacts=kept,
        )
        tasks = [
            WorkTask(index=index, key=task_key(candidate.key, cell.key), candidate=candidate, cell=cell)
            for index, cell in enumerate(cells)
        ]
        work = Work(header=header, mode=Mode.FIT, tasks=tasks, inputs={}, fuse=False)
        done = [event for event in executor.execute(work) if isinstance(event, Finished)]
        return [_taken(event.body, kept) for event in sorted(done, key=lambda event: event.index)]


def _taken(body: Mapping[str, Any], kept: Artifacts) -> RunAgain:
    failure = body.get("failure")
    if failure:
        return RunAgain(scores={}, arrays={}, failure=str(failure.get("message") or failure.get("error")))
    pairs = {(name, metric): value for name, inner in body["scores"].items() for metric, value in inner.items()}
    return RunAgain(scores=pairs, arrays=arrays_of(kept.read(body["artifacts"]["predictions"])))


def arrays_of(content: bytes) -> Arrays:
    """Return the arrays of kept predictions; nothing in them is unpickled."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
