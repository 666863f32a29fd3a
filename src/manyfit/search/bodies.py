"""What became of a task, as JSON values for a result body and back; nothing is unpickled on the way back."""

import math
import sys
from collections.abc import Mapping
from typing import Any

from manyfit.search.evaluation import Scored, Scores, Warned

_MOST_WARNINGS = 100
_ODD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def body_of(scored: Scored, n_rows: Mapping[str, int]) -> dict[str, Any]:
    """Return the result body of a task that ran; whatever JSON numbers cannot say stands in the details."""
    sets = {"cv": scored.test, **({} if scored.train is None else {"train": scored.train})}
    said = {
        "sets": {name: _said(scores) for name, scores in sets.items()},
        "fit_error": scored.fit_error,
        "warned": [
            [f"{one.category.__module__}:{one.category.__qualname__}", one.text, one.filename, one.lineno]
            for one in scored.warned[:_MOST_WARNINGS]
        ],
    }
    return {
        "scores": {name: _finite(scores) for name, scores in sets.items()},
        "timings": {"fit": scored.fit_seconds, "score": scored.score_seconds},
        "n_rows": dict(n_rows),
        "details": {"search": said},
        "fusion": dict(scored.fusion),
    }


def scored_of(body: Mapping[str, Any]) -> Scored:
    """Return what `body_of` was given."""
    said = body["details"]["search"]
    sets = {name: _heard(scores) for name, scores in said["sets"].items()}
    return Scored(
        test=sets["cv"],
        train=sets.get("train"),
        fit_seconds=body["timings"]["fit"],
        score_seconds=body["timings"]["score"],
        fit_error=said["fit_error"],
        warned=tuple(
            Warned(category=_category(name), text=text, filename=filename, lineno=lineno)
            for name, text, filename, lineno in said["warned"]
        ),
        fusion=body.get("fusion") or {},
    )


def _finite(scores: Scores | None) -> dict[str, float | None]:
    named = scores if isinstance(scores, dict) else {"score": scores}
    return {name: value if _is_finite(value) else None for name, value in named.items()}


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _said(scores: Scores | None) -> Any:
    if isinstance(scores, dict):
        return {name: _said(value) for name, value in scores.items()}
    value = scores.real if isinstance(scores, complex) else scores
    return value if value is None or _is_finite(value) else str(float(value))


def _heard(said: Any) -> Any:
    if isinstance(said, dict):
        return {name: _heard(value) for name, value in said.items()}
    return _ODD[said] if isinstance(said, str) else said


def _category(name: str) -> type[Warning]:
    """Return the class of a warning if this process knows it: nothing is imported for a warning."""
    module, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(module), attribute, UserWarning)
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning
