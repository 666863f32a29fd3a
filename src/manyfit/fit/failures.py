"""Turning an exception of user code into the failure of a task."""

import hashlib
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from manyfit.model.errors import told
from manyfit.model.result import FailureClass

_OWN_FOLDER = str(Path(__file__).parents[1])
_MAX_MESSAGE = 2000
_MAX_FRAMES = 30


def failure_of(exc: BaseException, cls: FailureClass | None = None) -> dict[str, Any]:
    """
    Return the failure as JSON values; its class is *cls*, or what the exception tells.

    The traceback holds only frames outside manyfit. The fingerprint hashes the type of the exception and
    those frames (file name without folders, function, text of the line): neither values nor line numbers
    change it, so failures with one cause share it.
    """
    frames = foreign_frames(exc.__traceback__)
    error = type(exc).__name__
    return {
        "cls": (cls or failure_class(exc)).value,
        "error": error,
        "message": str(exc)[:_MAX_MESSAGE],
        "traceback": "".join(traceback.format_list(frames[-_MAX_FRAMES:])) + told(error, exc)[:_MAX_MESSAGE],
        "fingerprint": fingerprint(error, frames),
    }


def failure_class(exc: BaseException) -> FailureClass:
    """Return why a task failed that raised *exc*."""
    if isinstance(exc, MemoryError):
        return FailureClass.OOM
    return FailureClass.USER


def foreign_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """Return the frames outside manyfit, outermost first; all of them when there are no others."""
    frames = list(traceback.extract_tb(trace))
    foreign = [frame for frame in frames if not frame.filename.startswith(_OWN_FOLDER)]
    return foreign or frames


def fingerprint(error: str, frames: list[traceback.FrameSummary]) -> str:
    """Return eight hexadecimal digits that name the cause."""
    parts = [error, *(f"{Path(frame.filename).name}:{frame.name}:{frame.line}" for frame in frames)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
