"""Rebuilding a fitted model from its task alone, and proving that it is the same one."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manyfit.contracts.store import Store
from manyfit.model.errors import Refused, UserError
from manyfit.model.keys import TaskKey

if TYPE_CHECKING:
    from manyfit.model.segment import SegmentHeader
    from manyfit.report.tasks import TaskView

Scores = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One score: what the store has, and what the fit made again gives (None: not defined)."""

    set: str
    metric: str
    stored: float | None
    rebuilt: float | None

    @property
    def equal(self) -> bool:
        """Whether both are the same number, bit by bit."""
        return self.stored == self.rebuilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """
    A task that was fitted again.

    `versions` are lines on what is of another version than when the kept model, or else the result, was made,
    empty where that is not known; `rule` computed the stored result together with others ("" alone). `kept` is
    the SHA-256 of the kept bundle, "" where there is none; `content` and `sha256` are the new bundle.
    """

    key: TaskKey
    label: str
    scores: tuple[Compared, ...]
    versions: tuple[str, ...]
    rule: str
    seconds: float
    content: bytes
    sha256: str
    kept: str

    @property
    def equal(self) -> bool:
        """Whether every stored score is the same number, bit by bit."""
        return all(score.equal for score in self.scores)


def rebuild(store: Store, key: str) -> Rebuilt:
    """
    Fit the task whose key starts with *key* again from what the store says of it, score it, and compare.

    Runs in this process what a runner would, with as many threads. Raises `UserError` for a task without
    scores, `DataChanged` when the data is not what was planned, and `Refused` when the fit fails, or when
    its model cannot be written.
    """
    from manyfit.report.tasks import describe

    task = describe(store, key)
    if task.result is None or not task.result.scores:
        raise UserError(f"task {task.key[:8]} has no scores to compare with: it is {task.state.value}")
    header = store.segment(task.segment).header
    began = time.perf_counter()
    body, content = _fitted_again(header, task)
    kept = _kept(store, task)
    return Rebuilt(
        key=task.key,
        label=task.label(),
        scores=_compared(task.result.scores, body["scores"]),
        versions=_versions(store, task, kept, content),
        rule=str(task.result.fusion.get("rule", "")),
        seconds=time.perf_counter() - began,
        content=content,
        sha256=str(body["artifacts"]["model"]["sha256"]),
        kept="" if kept is None else kept.sha256,
    )


def write_bundle(rebuilt: Rebuilt, path: Path) -> Path:
    """Write the bundle to *path*, complete or not at all. Raises `UserError` where it cannot be written."""
    from manyfit.report.whole import write_whole

    write_whole(path, rebuilt.content)
    return path


def _fitted_again(header: "SegmentHeader", task: "TaskView") -> tuple[Mapping[str, Any], bytes]:
    from manyfit.fit.again import artifacts_for_now, bodies_again
    from manyfit.model.unit import Mode

    with artifacts_for_now() as artifacts:
        [body] = bodies_again(header, artifacts, task.candidate, [task.cell], Mode.KEEP)
        if failure := body.get("failure"):
            raise Refused(f"task {task.key[:8]} failed when it was fitted again: {failure['message']}")
        model = body.get("artifacts", {}).get("model")
        if model is None:
            raise Refused(f"the model of task {task.key[:8]} cannot be written: {_why(body)}")
        return body, artifacts.read(model)


def _why(body: Mapping[str, Any]) -> str:
    return "; ".join(text for category, text, _ in body.get("warnings", ()) if category == "ModelNotKept")


def _compared(stored: Scores, rebuilt: Scores) -> tuple[Compared, ...]:
    return tuple(
        Compared(set=name, metric=metric, stored=value, rebuilt=rebuilt.get(name, {}).get(metric))
        for name, metrics in stored.items()
        for metric, value in metrics.items()
    )


def _kept(store: Store, task: "TaskView") -> Any:
    """Return the bundle that the sweep kept of *task*, opened; None where there is none that can be read."""
    from manyfit.api.trained import model_in
    from manyfit.fit.bundles import open_bundle
    from manyfit.fit.kept import BUNDLE
    from manyfit.model.errors import ManyfitError

    reference = model_in(task)
    if reference is None or reference.get("format") != BUNDLE:
        return None
    try:
        return open_bundle(store.artifacts.read(reference["file"]), str(reference["file"]))
    except ManyfitError:
        return None  # it was removed or damaged, and making it again is what this is for


def _versions(store: Store, task: "TaskView", kept: Any, content: bytes) -> tuple[str, ...]:
    """Return what is of another version now than when the kept model was made, or else the result."""
    from manyfit.fit.bundles import open_bundle
    from manyfit.fit.environment import version_differences

    now = open_bundle(content, "the bundle").manifest["environment"]
    then = kept.manifest["environment"] if kept is not None else _made_with(store, task.key)
    return tuple(version_differences(then, now)) if then else ()


def _made_with(store: Store, key: TaskKey) -> Mapping[str, Any]:
    """Return what the worker of the result told of its versions, as an environment; nothing where it told none."""
    import polars as pl

    from manyfit.report.environments import libraries_of
    from manyfit.report.frames import load_results
    from manyfit.report.lines import COLUMNS

    read = {"key", "generation", "final", "worker"}
    frame = load_results(store, leave_out=frozenset(COLUMNS) - read).frame
    workers = frame.filter(pl.col("key") == key).select("worker").collect()["worker"]
    told = dict(libraries_of(store, workers[0])) if len(workers) else {}
    made: dict[str, Any] = {name: told.pop(name) for name in ("python", "manyfit") if name in told}
    return made | {"libraries": told} if made else {}
