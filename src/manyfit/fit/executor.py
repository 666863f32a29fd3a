"""The executor that a runner builds for a segment: fits candidates and scores them, cell by cell."""

import itertools
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from manyfit.contracts.executor import Finished, Started, Work, WorkTask
from manyfit.contracts.fusion import Fuse, Rules
from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog, find_beside
from manyfit.families.fusion.catalog import FusionCatalog
from manyfit.families.telling import TellingAlone
from manyfit.fit import artifacts as files
from manyfit.fit.calibrating import calibrated
from manyfit.fit.estimators import estimator_catalog
from manyfit.fit.failures import failure_of
from manyfit.fit.fusing import Begun, Broken, Fit, Fitted, Fitter, Table, catching
from manyfit.fit.kept import Keeper, reference_to
from manyfit.fit.pipelines import Chain, build
from manyfit.fit.responses import KeptResponses, Responses
from manyfit.fit.rounds import scores_by_round
from manyfit.fit.rows import OpenRows, Rows, Selection
from manyfit.fit.scoring import Scoring, category_view
from manyfit.fit.series import details_of, merged
from manyfit.model.errors import DataChanged, MissingExtra, UserError, told
from manyfit.model.keys import canonical_json
from manyfit.model.result import FailureClass
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Problem, SweepSpec
from manyfit.model.unit import Mode

TRAIN = "train"
MAX_WARNINGS = 10
_MAX_WARNING_TEXT = 300


def fit_executor(header: SegmentHeader) -> "FitExecutor":
    """
    Return the executor of a segment; `SegmentHeader.executor` names this function.

    The folder of the sweep file joins the import path, so that estimators beside it are found.
    """
    return executor_with(header, files.artifacts_from_environment())


def executor_with(header: SegmentHeader, artifacts: files.Artifacts | None) -> "FitExecutor":
    """Return the executor of a segment that keeps its files in *artifacts*; see `fit_executor`."""
    from manyfit.data import open_rows
    from manyfit.declare import from_json

    spec = from_json(header.spec)
    folder = Path(header.folder)
    find_beside(header.folder)

    def opened(variant: str) -> Rows:
        rows: Rows = open_rows(spec, folder, variant, header.fingerprints.get(variant, ""))
        return rows

    return FitExecutor(
        spec=spec,
        metrics=header.metrics,
        open_rows=opened,
        artifacts=artifacts,
        keeper=Keeper(spec=spec, folder=folder, fingerprints=header.fingerprints),
    )


@dataclass(slots=True)
class _Task:
    """What one task gathers until it is finished."""

    task: WorkTask
    timings: dict[str, float] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    warnings: dict[tuple[str, str], int] = field(default_factory=dict)

    def warned(self, caught: Sequence[Any]) -> None:
        for message in caught:
            key = (message.category.__name__, str(message.message)[:_MAX_WARNING_TEXT])
            self.warnings[key] = self.warnings.get(key, 0) + 1

    def finished(self) -> Finished:
        self.body["timings"] = {name: round(seconds, 7) for name, seconds in self.timings.items()}
        if self.warnings:
            shown = list(self.warnings.items())[:MAX_WARNINGS]
            self.body["warnings"] = [[category, text, count] for (category, text), count in shown]
        return Finished(index=self.task.index, body=self.body)


class FitExecutor:
    """
    Fits and scores tasks; those that follow each other on one cell share its rows and what can be fused.

    Keeps the data variants that it opened, the rows of the last cell and the imported classes.
    `artifacts` is needed for kept models, kept predictions and scoring from them.
    """

    def __init__(
        self,
        *,
        spec: SweepSpec,
        metrics: Sequence[str],
        open_rows: OpenRows,
        artifacts: files.Artifacts | None = None,
        keeper: Keeper | None = None,
        catalog: SklearnCatalog | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._spec = spec
        self._metrics = tuple(metrics) or spec.metrics
        self._open_rows = open_rows
        self._artifacts = artifacts
        self._keeper = keeper or Keeper(spec=spec)
        self._catalog = catalog or estimator_catalog()
        self._rules = rules or FusionCatalog()
        if spec.keep.series:
            self._rules = TellingAlone(self._rules)
        self._families = FamilyCatalog()
        self._variants: dict[str, Rows] = {}
        self._scorings: dict[tuple[tuple[str, ...], tuple[str, ...]], Scoring] = {}

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        if self._artifacts is None and (work.mode is not Mode.FIT or self._spec.keep.predictions):
            raise UserError(f"{files.FOLDER_VARIABLE} is not set: there is no folder for models and predictions")
        if work.mode is Mode.SCORE:
            yield from self._rescore(work)
            return
        for _, tasks in itertools.groupby(work.tasks, key=_place):
            yield from self._run_place(list(tasks), work)

    # -- fitting -------------------------------------------------------------------------------------

    def _run_place(self, tasks: list[WorkTask], work: Work) -> Iterator[Started | Finished]:
        """Run the tasks that share a cell and a feature set. The first of them pays for loading the rows."""
        yield Started(indices=(tasks[0].index,))
        timings: dict[str, float] = {}
        rows = self._load(tasks[0], timings)
        if isinstance(rows, Exception):
            body = {"failure": failure_of(rows, FailureClass.DATA)}
            yield from self._all_fail(tasks, body)
            return
        gathered = {task.index: _Task(task=task) for task in tasks}
        gathered[tasks[0].index].timings |= timings
        fits = yield from self._buildable(gathered, rows)
        for event in self._fitter(work).fit(fits, _table(rows)):
            match event:
                case Begun():
                    yield Started(indices=event.indices)
                case Fitted():
                    one = gathered.pop(event.index)
                    self._take(event, one, rows, keep=work.mode is Mode.KEEP)
                    yield one.finished()
                case Broken():
                    one = gathered.pop(event.index)
                    one.warned(event.caught)
                    one.body = {"failure": failure_of(event.error)}
                    yield one.finished()
                case _:
                    assert_never(event)

    def _all_fail(self, tasks: Sequence[WorkTask], body: Mapping[str, Any]) -> Iterator[Started | Finished]:
        for task in tasks:
            yield Started(indices=(task.index,))
            yield Finished(index=task.index, body={**body, "timings": {}})

    def _load(self, task: WorkTask, timings: dict[str, float]) -> "Selection | Exception":
        """Return the rows of a cell, or what made them unreadable: then all tasks on the cell fail alike."""
        began = time.perf_counter()
        try:
            rows = self._select(task)
        except (DataChanged, MissingExtra):
            raise  # this place cannot run the unit: it goes back and no task is charged
        except Exception as exc:  # noqa: BLE001 readers and functions of the user raise anything
            return exc
        timings["load"] = time.perf_counter() - began
        return rows

    def _select(self, task: WorkTask) -> Selection:
        cell = task.cell
        if cell.variant not in self._variants:
            self._variants[cell.variant] = self._open_rows(cell.variant)
        data = self._variants[cell.variant]
        columns = data.columns(task.candidate.features)
        return data.select(cell.split, cell.fold, cell.seed, columns, self._spec.score_train)

    def _buildable(
        self, gathered: "dict[int, _Task]", rows: Selection
    ) -> Generator[Started | Finished, None, list[Fit]]:
        """Return the fits of all tasks whose estimators can be made; the others are finished as failures."""
        fits = []
        for one in list(gathered.values()):
            try:
                chain = build(self._catalog, one.task.candidate.steps, one.task.cell.seed, rows.classes)
            except MissingExtra:
                raise
            except Exception as exc:  # noqa: BLE001 constructors of the user raise anything
                del gathered[one.task.index]
                one.body = {"failure": failure_of(exc)}
                yield Started(indices=(one.task.index,))
                yield one.finished()
                continue
            fits.append(_fit(one.task, chain))
        return fits

    def _fitter(self, work: Work) -> Fitter:
        """Return what fits; kept models are fitted alone, since a rule has no fitted estimator to keep."""
        may_fuse = work.fuse and work.mode is Mode.FIT
        wish = self._spec.fuse
        fuse = Fuse(exact=wish.exact and may_fuse, also=wish.also if may_fuse else (), without=work.without)
        return Fitter(self._rules, self._families, fuse)

    def _take(self, fitted: Fitted, one: "_Task", rows: Selection, keep: bool) -> None:
        """Ask and score what was fitted, and note it in *one*."""
        one.timings["fit"] = fitted.seconds
        one.warned(fitted.caught)
        if fitted.fusion:
            one.body["fusion"] = dict(fitted.fusion)
        try:
            with catching() as caught:
                self._ask(fitted.answers, rows, one)
            one.warned(caught)
            self._score(fitted.answers, rows, one)
            self._tell(fitted, one, rows)
            self._keep(fitted, one, rows, keep)
        except MissingExtra:
            raise
        except Exception as exc:  # noqa: BLE001 whatever user code raises is the result of the task
            one.body = {"failure": failure_of(exc)}

    def _ask(self, answers: Mapping[str, Responses], rows: Selection, one: "_Task") -> None:
        began = time.perf_counter()
        scoring = self._scoring(rows)
        for responses in answers.values():
            scoring.ask(responses)
        one.timings["predict"] = time.perf_counter() - began

    def _score(self, answers: Mapping[str, Responses], rows: Selection, one: "_Task") -> None:
        began = time.perf_counter()
        scoring = self._scoring(rows)
        scores, details = {}, {}
        for name, responses in answers.items():
            scores[name], found = scoring.score(responses, rows.y[name])
            if found:
                details[name] = found
        one.body["scores"] = scores
        if details:
            one.body["details"] = details
        one.body["n_rows"] = {name: len(part) for name, part in rows.y.items()}
        one.timings["score"] = time.perf_counter() - began

    def _tell(self, fitted: Fitted, one: "_Task", rows: Selection) -> None:
        """Note what the estimator tells of its training, beside what was computed on the training rows."""
        if not self._spec.keep.series or fitted.final is None:
            return
        began = time.perf_counter()
        scoring = self._scoring(rows, (self._spec.rank_by or self._metrics[0],)) if self._metrics else None
        by_round = (
            {}
            if scoring is None
            else scores_by_round(fitted.final, fitted.answers, rows.y, scoring, len(rows.classes))
        )
        if told_of := merged(details_of(fitted.final), by_round):
            details = one.body.setdefault("details", {})
            details[TRAIN] = details.get(TRAIN, {}) | told_of
        one.timings["score"] = one.timings.get("score", 0.0) + time.perf_counter() - began

    def _scoring(self, rows: Selection, metrics: tuple[str, ...] | None = None) -> Scoring:
        """Return what computes the metrics of the sweep, or these alone."""
        classes, names = tuple(rows.classes), self._metrics if metrics is None else metrics
        if (classes, names) not in self._scorings:
            view = category_view(self._spec.data, classes)
            self._scorings[classes, names] = Scoring(names, rows.problem, len(classes), view)
        return self._scorings[classes, names]

    # -- keeping -------------------------------------------------------------------------------------

    def _keep(self, fitted: Fitted, one: "_Task", rows: Selection, keep: bool) -> None:
        kept: dict[str, Any] = {}
        if self._spec.keep.predictions and self._artifacts is not None:
            kept["predictions"] = _put_predictions(self._artifacts, fitted.answers, rows)
        if keep and self._artifacts is not None and fitted.chain is not None:
            kept |= self._put_model(self._artifacts, fitted.chain, rows, one)
        if kept:
            one.body["artifacts"] = kept

    def _put_model(self, folder: files.Artifacts, chain: Chain, rows: Selection, one: "_Task") -> dict[str, Any]:
        task = one.task
        try:
            packed = self._keeper.bundle(
                self._with_probabilities(chain.estimator(), rows, one),
                data=self._variants[task.cell.variant],
                rows=rows,
                candidate=task.candidate,
                cell=task.cell,
                scores=one.body["scores"],
            )
        except Exception as exc:  # noqa: BLE001 a model that cannot be written must not cost its scores
            text = f"the model is not kept: it cannot be written ({told(type(exc).__name__, exc)})"
            one.warnings[("ModelNotKept", text[:_MAX_WARNING_TEXT])] = 1
            return {}
        return {"model": folder.put(packed.content) | reference_to(packed)}

    def _with_probabilities(self, estimator: Any, rows: Selection, one: "_Task") -> Any:
        """Return the estimator as it is kept; one that cannot be calibrated is kept as it is, with a warning."""
        try:
            return calibrated(estimator, rows, self._spec.keep.calibrate)
        except Exception as exc:  # noqa: BLE001 the model itself is fitted, and worth keeping
            text = f"the model is kept without probabilities ({told(type(exc).__name__, exc)})"
            one.warnings[("NotCalibrated", text[:_MAX_WARNING_TEXT])] = 1
            return estimator

    # -- scoring again -------------------------------------------------------------------------------

    def _rescore(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=(task.index,))
            one = _Task(task=task)
            try:
                self._rescore_one(work.inputs.get(task.index, {}), one)
            except Exception as exc:  # noqa: BLE001 one unreadable file must not take the others along
                one.body = {"failure": failure_of(exc)}
            yield one.finished()

    def _rescore_one(self, inputs: Mapping[str, Any], one: "_Task") -> None:
        reference = inputs.get("predictions")
        if reference is None or self._artifacts is None:
            raise UserError("no predictions of this task were kept; run it again to compute new metrics")
        began = time.perf_counter()
        rows = _KeptRows(files.unpack_arrays(self._artifacts.read(reference)), reference["classes"])
        answers = {name: KeptResponses(rows.answers(name), len(rows.classes)) for name in rows.scored}
        one.timings["load"] = time.perf_counter() - began
        self._score(answers, rows, one)
        one.body["n_rows"] = dict(reference["n_rows"])
        one.body["artifacts"] = dict(inputs)


class _KeptRows:
    """The sets of one result, read back from its kept predictions."""

    def __init__(self, arrays: Mapping[str, Any], classes: Sequence[str]) -> None:
        self._arrays = arrays
        self.classes = tuple(classes)
        self.X: dict[str, Any] = {}
        self.y = {name.partition("/")[0]: values for name, values in arrays.items() if name.endswith("/y")}
        self.scored = tuple(self.y)
        self.problem = Problem.CLASSIFICATION if self.classes else Problem.REGRESSION
        self.groups = None

    def answers(self, name: str) -> dict[str, Any]:
        prefix = f"{name}/"
        return {key.removeprefix(prefix): part for key, part in self._arrays.items() if key.startswith(prefix)}


def _put_predictions(folder: files.Artifacts, answers: Mapping[str, Responses], rows: Selection) -> dict[str, Any]:
    """Append the answers for every set, with the target, so that metrics need no data afterwards."""
    arrays = {}
    for name, responses in answers.items():
        arrays[f"{name}/y"] = np.asarray(rows.y[name])
        arrays |= {f"{name}/{method}": values for method, values in responses.arrays().items()}
    reference = folder.append(files.pack_arrays(arrays))
    counts = {name: len(part) for name, part in rows.y.items()}
    return reference | {"format": "npz", "classes": list(rows.classes), "n_rows": counts}


def _table(rows: Selection) -> Table:
    sets = {name: rows.X[name] for name in rows.scored}
    return Table(X=rows.X[TRAIN], y=rows.y[TRAIN], sets=sets, n_classes=len(rows.classes))


def _fit(task: WorkTask, chain: Chain) -> Fit:
    """Return the fit of a task; seeds are those of the cell, so that equal parameters mean equal steps."""
    steps = task.candidate.steps
    return Fit(
        index=task.index,
        steps=chain.steps,
        paths=[step.use for step in steps],
        tokens=[(step.use, canonical_json(step.params)) for step in steps],
    )


def _place(task: WorkTask) -> tuple[str, str]:
    """Return what decides the rows and columns of a task: consecutive tasks that agree share them."""
    return task.cell.key, task.candidate.features
