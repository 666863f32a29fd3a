"""Failures as they stand in result lines: from an exception, or from how a runner died."""

import hashlib
import os
import traceback
from collections.abc import Mapping
from typing import Any

from manyfit.model.result import Failure, FailureClass

_LONGEST_MESSAGE = 2_000
_LONGEST_TRACEBACK = 8_000


def failure_of(error: BaseException, cls: FailureClass, evidence: Mapping[str, Any] | None = None) -> Failure:
    """Return *error* as a failure with its traceback and a fingerprint of its cause."""
    return Failure(
        cls=cls,
        error=type(error).__name__,
        message=str(error)[:_LONGEST_MESSAGE],
        traceback="".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:],
        fingerprint=fingerprint(error),
        evidence=dict(evidence or {}),
    )


def fingerprint(error: BaseException) -> str:
    """
    Return 8 hexadecimal digits that are equal for errors of the same cause.

    They cover the type and the lines of code that the error came through, by file name and text: not
    the message, whose numbers differ from task to task, and not line numbers, which any edit moves.
    """
    frames = traceback.extract_tb(error.__traceback__)
    parts = [type(error).__name__]
    parts += [f"{os.path.basename(frame.filename)}:{frame.name}:{frame.line}" for frame in frames]
    return _digits("\n".join(parts))


def death(cls: FailureClass, error: str, message: str, evidence: Mapping[str, Any]) -> Failure:
    """Return the failure of a task whose runner had to be killed or died; *error* names how."""
    return Failure(
        cls=cls, error=error, message=message, fingerprint=_digits(f"{cls.value}:{error}"), evidence=dict(evidence)
    )


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """Return a failure as it stands in a result line."""
    return {
        "cls": failure.cls.value,
        "error": failure.error,
        "message": failure.message,
        "traceback": failure.traceback,
        "fingerprint": failure.fingerprint,
        "evidence": dict(failure.evidence),
    }


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
