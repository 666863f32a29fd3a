"""Tasks that are fitted once more in this process, alone, as a runner would: for models, predictions or scores."""

import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from manyfit.contracts.executor import Finished, Work, WorkTask
from manyfit.families.estimators import find_beside
from manyfit.fit.artifacts import NAME, Artifacts, unpack_arrays
from manyfit.fit.calibrating import calibrated
from manyfit.fit.estimators import estimator_catalog
from manyfit.fit.executor import executor_with
from manyfit.fit.kept import Keeper
from manyfit.fit.manifests import trained_from
from manyfit.fit.pipelines import build
from manyfit.fit.trained import Trained
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


def trained_again(header: SegmentHeader, candidate: Candidate, cell: Cell) -> Trained:
    """
    Return *candidate* fitted on the training rows of *cell*, which need not be a task; no file is written.

    Its manifest has no scores. Raises `DataChanged` when the data is not what the sweep was planned from, and
    whatever the fit raises.
    """
    from manyfit.data import open_rows
    from manyfit.declare import from_json

    spec, folder = from_json(header.spec), Path(header.folder)
    find_beside(header.folder)
    data = open_rows(spec, folder, cell.variant, header.fingerprints.get(cell.variant, ""))
    rows = data.select(cell.split, cell.fold, cell.seed, data.columns(candidate.features), score_train=False)
    chain = build(estimator_catalog(), candidate.steps, cell.seed, rows.classes)
    with _as_runners_do(spec.workers.threads):
        chain.fit(rows.X["train"], rows.y["train"])
        estimator = calibrated(chain.estimator(), rows, spec.keep.calibrate)
    keeper = Keeper(spec=spec, folder=folder, fingerprints=header.fingerprints)
    return trained_from(
        keeper.manifest(data=data, rows=rows, candidate=candidate, cell=cell, scores={}), estimator
    )


def bodies_again(
    header: SegmentHeader, artifacts: Artifacts, candidate: Candidate, cells: Sequence[Cell], mode: Mode
) -> list[Mapping[str, Any]]:
    """
    Return what each task of *candidate* on *cells* says when it is finished; its files are in *artifacts*.

    Raises `DataChanged` when the data is not what the sweep was planned from, and `MissingExtra`.
    """
    tasks = [
        WorkTask(index=index, key=task_key(candidate.key, cell.key), candidate=candidate, cell=cell)
        for index, cell in enumerate(cells)
    ]
    work = Work(header=header, mode=mode, tasks=tasks, inputs={}, fuse=False)
    executor = executor_with(header, artifacts)
    with _as_runners_do(int(header.spec.get("workers", {}).get("threads", 1))):
        done = [event for event in executor.execute(work) if isinstance(event, Finished)]
    return [event.body for event in sorted(done, key=lambda event: event.index)]


def run_again(header: SegmentHeader, candidate: Candidate, cells: Sequence[Cell]) -> list[RunAgain]:
    """Run *candidate* on each of *cells* for scores and predictions; raises as `bodies_again` does."""
    keep = {**header.spec.get("keep", {}), "predictions": True}
    header = replace(header, spec={**header.spec, "keep": keep})
    with artifacts_for_now() as artifacts:
        bodies = bodies_again(header, artifacts, candidate, cells, Mode.FIT)
        return [_taken(body, artifacts) for body in bodies]


@contextmanager
def artifacts_for_now() -> Iterator[Artifacts]:
    """Yield artifacts in a folder that goes away at the end."""
    with TemporaryDirectory(prefix="manyfit-") as folder:
        yield Artifacts(Path(folder) / NAME, "again", whole=True)


@contextmanager
def _as_runners_do(n_threads: int) -> Iterator[None]:
    """
    Fit inside with so many threads; what estimators print must not stand in the output of a command.

    Their warnings are left out: the result of the task has those of this fit.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(n_threads), contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _taken(body: Mapping[str, Any], artifacts: Artifacts) -> RunAgain:
    failure = body.get("failure")
    if failure:
        return RunAgain(scores={}, arrays={}, failure=str(failure.get("message") or failure.get("error")))
    pairs = {(name, metric): value for name, inner in body["scores"].items() for metric, value in inner.items()}
    return RunAgain(scores=pairs, arrays=unpack_arrays(artifacts.read(body["artifacts"]["predictions"])))
