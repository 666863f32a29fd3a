"""Searches in a store: a sweep of their own, run by workers, that goes on where it was killed."""

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from manyfit import connect
from manyfit.contracts.store import Store
from manyfit.declare import to_json
from manyfit.launchers.local import LocalLauncher, ProcessState
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.errors import NotFound, Refused, UserError
from manyfit.model.keys import CandidateKey, CellKey, TaskKey, UnitId, content_key, task_key
from manyfit.model.result import Outcome
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import (
    DataSpec,
    FoldKind,
    Folds,
    Limits,
    PipelineSpec,
    Split,
    SplitKind,
    StepSpec,
    SweepSpec,
)
from manyfit.plan.table import TaskTable
from manyfit.plan.tasks import Plan
from manyfit.run.control import last_header
from manyfit.run.submit import Submission, submit
from manyfit.search import payload
from manyfit.search.contents import search_key
from manyfit.search.evaluation import Evaluation, Row
from manyfit.search.executor import EXECUTOR
from manyfit.search.places import candidate_key
from manyfit.search.running import Note, Running

_WORKER = "manyfit.cli.worker"
_LOOK_SECONDS = 0.2
_SPLIT = "cv"


def run_durable(evaluation: Evaluation, store: Any, *, n_runners: int, note: Note | None) -> list[Row]:
    """
    Return what became of each task of *evaluation*, from the store or from workers that run it now.

    What is finished is durable: killed and called again with the same evaluation it goes on. Raises
    `UserError` when *store* is the store of another sweep, and what scikit-learn's search raises.
    """
    durable = _Durable(evaluation, n_runners, note)
    return durable.run(_address(store, durable.name))


def _address(store: Any, name: str) -> connect.Address:
    """Return where the sweep *name* is in *store*: a path or a URL of one sweep, or of a store of many."""
    return connect.within(connect.parse(os.fspath(store), Path.cwd()), name)


class _Durable:
    """One evaluation as a sweep of a store."""

    def __init__(self, evaluation: Evaluation, n_runners: int, note: Note | None) -> None:
        self._key = search_key(evaluation)
        self._evaluation = evaluation
        self._n_runners = n_runners
        self._pipeline = type(_final(evaluation.estimator)).__name__.lower()
        self.name = f"{self._pipeline}-{self._key[:8]}"
        self._running = Running(evaluation, n_runners=n_runners, note=note)
        self._read: set[tuple[UnitId, int]] = set()
        self._candidates = [self._candidate(number) for number in range(len(evaluation.candidates))]
        self._cells = [self._cell(fold) for fold in range(evaluation.n_folds)]
        self._index_of: dict[TaskKey, int] = {
            task_key(candidate.key, cell.key): number * evaluation.n_folds + fold
            for number, candidate in enumerate(self._candidates)
            for fold, cell in enumerate(self._cells)
        }

    def run(self, address: connect.Address) -> list[Row]:
        store = connect.create(address)
        try:
            self._refuse_others(store)
            submit(store, Submission(plan=self._plan(), header=self._header(store), n_workers=self._n_runners))
            self._take_results(store)
            if self._n_left:
                self._work(store, address)
        finally:
            store.close()
        return self._running.results()

    @property
    def _n_left(self) -> int:
        return self._evaluation.n_tasks - len(self._running.found)

    def _refuse_others(self, store: Store) -> None:
        """Leave a store alone that holds anything but this very search."""
        if not store.entries():
            return
        source = str(last_header(store).spec.get("data", {}).get("source", ""))
        if source != self._source:
            raise UserError(
                f"{store.url} holds another sweep: the data, the grid or the scoring differ; "
                f"give a folder for many sweeps, such as {Path(store.url).parent}, or another name"
            )

    # -- what is submitted -------------------------------------------------------------------------

    @property
    def _source(self) -> str:
        return f"artifacts/search/{self._key}.pickle"

    def _header(self, store: Store) -> SegmentHeader:
        folder = connect.local_files(store).folder
        self._put_payload(store, folder)
        return SegmentHeader(
            sweep=store.sweep,
            executor=EXECUTOR,
            spec=to_json(self._spec(store.sweep)),
            folder=str(folder.resolve()),
            metrics=tuple(self._metrics()),
            limits=Limits(time_seconds=30 * 86400.0),
        )

    def _put_payload(self, store: Store, folder: Path) -> None:
        """Keep what runners need, once: under the key of the search nothing else can stand."""
        try:
            store.artifacts.read(self._source, 0, 1)
        except NotFound:
            file = io.BytesIO()
            seed = int(self._key[:7], 16) if self._running.draws else None
            payload.write(payload.dumps(replace(self._evaluation, seed=seed)), file)
            with contextlib.suppress(Refused):  # another process was first: its pickle means the same
                store.artifacts.put(self._source, file.getvalue())
        path = folder / self._source
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.{os.getpid()}")
            aside.write_bytes(store.artifacts.read(self._source))
            aside.replace(path)

    def _spec(self, name: str) -> SweepSpec:
        """Return the search as a sweep is declared, for everything that shows sweeps."""
        cls = type(self._evaluation.estimator)
        step = StepSpec(use=f"{cls.__module__}:{cls.__qualname__}", name=self._pipeline)
        folds = Folds(n=max(2, self._evaluation.n_folds), kind=FoldKind.PLAIN, shuffle=False)
        return SweepSpec(
            name=name,
            data=DataSpec(source=self._source),
            pipelines=(PipelineSpec(name=self._pipeline, steps=(step,)),),
            splits=(Split(name=_SPLIT, kind=SplitKind.ALL, folds=folds, validation=False),),
            metrics=tuple(self._metrics()),
            rank_by=self._metrics()[0],
            score_train=self._evaluation.return_train_score,
        )

    def _metrics(self) -> list[str]:
        return list(getattr(self._evaluation.scorer, "_scorers", None) or ["score"])

    def _plan(self) -> Plan:
        evaluation = self._evaluation
        dividing = self._running.dividing()
        portions = dividing.portions(self._n_runners)
        seconds = dict[int, float]()
        for portion in portions:
            for index in portion.indices:
                seconds[index] = portion.seconds / len(portion.indices)
        table = TaskTable()
        for index in range(evaluation.n_tasks):
            candidate, fold = evaluation.place(index)
            table.add(candidate, fold, seconds[index])
        return Plan(
            candidates=self._candidates,
            cells=self._cells,
            tasks={self._pipeline: table},
            n_merged=0,
            portions={self._pipeline: [portion.indices for portion in portions]},
        )

    def _candidate(self, number: int) -> Candidate:
        cls = type(self._evaluation.estimator)
        shown = {name: _shown(value) for name, value in self._evaluation.candidates[number].items()}
        step = Step(name=self._pipeline, use=f"{cls.__module__}:{cls.__qualname__}", params=shown)
        key = candidate_key(self._key, number)
        return Candidate(key=CandidateKey(key), pipeline=self._pipeline, steps=(step,), shown=shown)

    def _cell(self, fold: int) -> Cell:
        key = CellKey(content_key(["search-fold", self._key, fold]))
        n_train = len(self._evaluation.splits[fold][0])
        return Cell(key=key, split=_SPLIT, fold=fold, seed=0, n_train=n_train)

    # -- while it runs -----------------------------------------------------------------------------

    def _work(self, store: Store, address: connect.Address) -> None:
        """Have workers run what is left; none of them is left behind, whatever happens."""
        launcher = LocalLauncher(
            [sys.executable, "-m", _WORKER, address.url, "--lifeline", "{lifeline}"],
            log_folder=connect.local_files(store).logs,
            environment={**os.environ, **address.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with launcher.start(self._n_runners) as pool:
            while self._n_left and pool.poll():
                time.sleep(_LOOK_SECONDS)
                self._take_results(store)
            ended = pool.processes
        self._take_results(store)
        if self._n_left:
            why = [f"{one.log}" for one in ended if one.state is ProcessState.DIED or one.exit_code]
            raise UserError(
                f"{self._n_left} of {self._evaluation.n_tasks} fits have no result: workers ended early; "
                f"see {', '.join(why) or connect.local_files(store).logs}; fit again to go on"
            )

    def _take_results(self, store: Store) -> None:
        """Read what was accepted since the last look."""
        for body in self._new_results(store):
            index = self._index_of.get(TaskKey(body["key"]))
            final = body.get("final", True) or body["outcome"] == Outcome.SUCCEEDED.value
            if index is not None and final and index not in self._running.found:
                self._running.take_body(index, body)

    def _new_results(self, store: Store) -> Iterator[Mapping[str, Any]]:
        for block in store.accepted(frozenset(self._read)):
            self._read.add((block.unit, block.epoch))
            for line in block.lines.splitlines():
                yield json.loads(line)


def _final(estimator: Any) -> Any:
    """Return the step that predicts, which gives the sweep its name."""
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else estimator


def _shown(value: Any) -> Any:
    """Return a parameter as it is shown: plain values as they are, others by their text."""
    if isinstance(value, (bool, int, str, type(None))) or (isinstance(value, float) and value - value == 0):
        return value
    return repr(value)[:200]
