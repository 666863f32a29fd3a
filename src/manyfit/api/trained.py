"""Fitted models of a sweep: those that it kept, and the others fitted again from their tasks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from manyfit.contracts.store import Store
from manyfit.fit.trained import Trained
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import NotFound
from manyfit.model.keys import task_key
from manyfit.model.segment import SegmentHeader
from manyfit.run.control import last_header

if TYPE_CHECKING:
    from manyfit.report.tasks import TaskView


def trained_of(store: Store, key: str, *, trust: bool | None = None) -> Trained:
    """
    Return the fitted model of the task whose key is *key* or starts with it.

    The kept one where the sweep kept it, else the same fit made again in this process. A kept model that
    needs trust is fitted again as well, unless *trust* says whether to load it: False raises `Refused`
    then. Raises `NotFound` and `UserError` when *key* is of no task or of several, and what fitting again raises.
    """
    from manyfit.families.estimators import find_beside
    from manyfit.fit.kept import is_trusted, read_kept
    from manyfit.report.tasks import describe

    task = describe(store, key)
    header = store.segment(task.segment).header
    kept = model_in(task)
    if kept is None or (trust is None and not is_trusted(kept)):
        return _again(header, task.candidate, task.cell)
    content = store.artifacts.read(kept["file"])
    if trust:
        # the types of a trusted model may lie beside the sweep file, where its runners found them
        find_beside(header.folder)
    return read_kept(content, kept, header, task.candidate, task.cell, trust=bool(trust))


def trained_for(store: Store, candidate: Candidate, cell: Cell, *, trust: bool | None = None) -> Trained:
    """Return the fitted model of *candidate* on *cell*, which need not be a task; see `trained_of`."""
    try:
        return trained_of(store, task_key(candidate.key, cell.key), trust=trust)
    except NotFound:
        return _again(last_header(store), candidate, cell)


def model_in(task: "TaskView") -> Mapping[str, Any] | None:
    """Return the reference to the model that the sweep kept of *task*, the newest; None where it kept none."""
    results = [task.result] if task.result is not None else []
    for result in (*results, *reversed(task.attempts)):
        model = result.artifacts.get("model")
        if isinstance(model, dict):
            return model
    return None


def _again(header: SegmentHeader, candidate: Candidate, cell: Cell) -> Trained:
    from manyfit.fit.again import trained_again

    return trained_again(header, candidate, cell)
