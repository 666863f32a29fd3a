"""Predictions of the best candidates for a report: those that were kept, else those of fits made again."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import ManyfitError, StoreCorrupt
from manyfit.model.keys import TaskKey
from manyfit.report.insights.contents import Predictions
from manyfit.run.control import last_header
from manyfit.run.known import find_tasks

if TYPE_CHECKING:
    from manyfit.fit.again import Arrays, RunAgain
    from manyfit.report.insights.curves import Answers
    from manyfit.report.insights.details import Result

MOST_SECONDS = 60.0
"""Fits that took longer than this, all folds and seeds of one candidate, are not made again for a report."""
EQUAL = 1e-9
"""Scores of two fits that differ by no more than this, in parts of them, count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one candidate answered, fold by fold; `note` says where that comes from, or why there is nothing."""

    source: Predictions
    note: str
    answers: "tuple[Answers, ...]" = ()


def answers_for(store: Store, found: "Sequence[Result]", name: str, *, refit: bool) -> Answered:
    """Return what a candidate answered for the set *name* in the results *found*; *refit* allows to fit again."""
    if not found:
        return _nothing("it has no results on this set.")
    references = [result.artifacts["predictions"] for result in found if "predictions" in result.artifacts]
    if len(references) == len(found):
        return _kept(store, references, name)
    if not refit:
        return _nothing("the sweep kept none (keep.predictions), and the report was asked not to fit again.")
    seconds = sum(result.seconds for result in found)
    if seconds > MOST_SECONDS:
        return _nothing(
            f"the sweep kept none (keep.predictions), and its fits took {seconds:.0f} s: too long for a report."
        )
    return _again(store, found, name)


def _nothing(why: str) -> Answered:
    return Answered(source=Predictions.MISSING, note=f"No predictions: {why}")


def _kept(store: Store, references: Sequence[Mapping[str, Any]], name: str) -> Answered:
    from manyfit.fit.artifacts import unpack_arrays

    try:
        parts = [_answers(unpack_arrays(_content(store, reference)), name) for reference in references]
    except ManyfitError as exc:
        return _nothing(f"those that were kept cannot be read ({exc}).")
    return Answered(
        source=Predictions.KEPT, note="From the predictions that the sweep kept.", answers=tuple(parts)
    )


def _content(store: Store, reference: Mapping[str, Any]) -> bytes:
    content = store.artifacts.read(reference["file"], int(reference.get("offset", 0)), int(reference["length"]))
    if hashlib.sha256(content).hexdigest() != reference["sha256"]:
        raise StoreCorrupt(f"{reference['file']} no longer matches its checksum")
    return content


def _again(store: Store, found: "Sequence[Result]", name: str) -> Answered:
    from manyfit.fit.again import run_again

    tasks = find_tasks(store, frozenset(TaskKey(result.key) for result in found))
    pairs = [tasks[TaskKey(result.key)] for result in found]
    candidate: Candidate = pairs[0][0]
    cells: list[Cell] = [cell for _, cell in pairs]
    try:
        again = run_again(last_header(store), candidate, cells)
    except ManyfitError as exc:
        return _nothing(f"the candidate could not be fitted again ({exc}).")
    failed = [one.failure for one in again if one.failure]
    if failed:
        return _nothing(f"the candidate could not be fitted again ({failed[0]}).")
    parts = tuple(_answers(one.arrays, name) for one in again)
    return Answered(source=Predictions.FITTED, note=_compared(found, again), answers=parts)


def _compared(found: "Sequence[Result]", again: "Sequence[RunAgain]") -> str:
    """Return in a sentence whether fits that were made again have the scores that are stored."""
    worst, n = 0.0, 0
    for then, now in zip(found, again, strict=True):
        for place, value in then.scores.items():
            # what is absent was a metric of another submission, or is not defined
            if value is not None and place in now.scores:
                n += 1
                worst = max(worst, difference(value, now.scores[place]))
    fits = f"{len(again)} fits" if len(again) > 1 else "1 fit"
    if worst <= EQUAL:
        return f"From {fits} made again for this report; their {n} scores are those that are stored."
    shown = f"by up to {worst:.1e}" if math.isfinite(worst) else "and some are not defined any more"
    return (
        f"From {fits} made again for this report; their scores differ from those that are stored, {shown}: the"
        " curves are not exactly those of the leaderboard."
    )


def difference(one: float | None, other: float | None) -> float:
    """Return the difference of two scores, relative where they are larger than 1; infinite if one is missing."""
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(one - other) / max(1.0, abs(one))


def _answers(arrays: "Arrays", name: str) -> "Answers":
    import numpy as np

    from manyfit.report.insights.curves import Answers

    proba, decision = arrays.get(f"{name}/predict_proba"), arrays.get(f"{name}/decision_function")
    if decision is not None and decision.ndim == 1:
        decision = np.column_stack([-decision, decision])
    # which of the two a metric prefers: see `Scoring` of the executor
    binary = next((one.shape[1] == 2 for one in (proba, decision) if one is not None), False)
    first, second = (decision, proba) if binary else (proba, decision)
    return Answers(
        true=arrays[f"{name}/y"],
        predicted=arrays[f"{name}/predict"],
        scores=_floats(first if first is not None else second),
        precision=_floats(decision if decision is not None else proba),
    )


def _floats(values: Any) -> Any:
    import numpy as np

    return None if values is None else np.asarray(values, dtype=np.float64)
