"""Where a table comes from, and how to see without reading it that it is still the same."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from manyfit.data.shaping import DEFAULT_TARGET, Shaping, for_source, shaping_of
from manyfit.model.keys import content_key
from manyfit.model.sweep import DataSpec

SKLEARN = "sklearn:"

TARGET = DEFAULT_TARGET
"""Name of the target column where the sweep names none."""

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_SETTLED_NS = 50_000_000
"""A file that changed less than this ago may change again without a new time stamp."""

Signature = Mapping[str, Any]


class SourceKind(Enum):
    """What a source text means."""

    FILE = "file"
    SKLEARN = "sklearn"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    The table of one data variant: the source with its arguments, the metadata joined to it, its shaping.
    """

    text: str
    kind: SourceKind
    path: Path
    params: Mapping[str, Any]
    metadata: Path | None
    index: str | None
    folder: Path
    shaping: Shaping = field(default_factory=Shaping)

    @property
    def key(self) -> str:
        """The key of the source itself, whatever it contains now."""
        place = str(self.path) if self.kind is SourceKind.FILE else self.text
        folder = str(self.folder) if self.kind is SourceKind.FUNCTION else ""
        shape = [self.shaping.key] if self.shaping.any() else []
        return content_key([place, folder, dict(self.params), str(self.metadata), self.index, *shape])

    def files(self) -> list[Path]:
        """Return the files that are read."""
        own = [self.path] if self.kind is SourceKind.FILE else []
        return own + ([self.metadata] if self.metadata else [])

    def signature(self) -> Signature | None:
        """
        Return what changes when the content does: sizes and time stamps of the files, or a version.

        None for a function, which only tells by being called. Raises FileNotFoundError.
        """
        if self.kind is SourceKind.FUNCTION:
            return None
        bundled = version("scikit-learn") if self.kind is SourceKind.SKLEARN else ""
        return {"files": [_stamp(path) for path in self.files()], "version": bundled}

    def present(self) -> bool:
        """Whether the files can be read on this host."""
        return all(path.exists() for path in self.files())


def source_of(data: DataSpec, params: Mapping[str, Any], folder: Path) -> Source:
    """Return the source that *data* declares for a variant with *params*, with paths starting from *folder*."""
    return Source(
        text=data.source,
        kind=_kind(data.source, folder),
        path=_absolute(folder, data.source),
        params=for_source(params),
        metadata=_absolute(folder, data.metadata) if data.metadata else None,
        index=data.index,
        folder=_absolute(folder, "."),
        shaping=shaping_of(data, params),
    )


def _kind(text: str, folder: Path) -> SourceKind:
    if text.startswith(SKLEARN):
        return SourceKind.SKLEARN
    if _FUNCTION.fullmatch(text) and not (folder / text).exists():
        return SourceKind.FUNCTION
    return SourceKind.FILE


def _absolute(folder: Path, path: str) -> Path:
    return Path(os.path.abspath(folder / Path(path).expanduser()))


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def settled(signature: Signature, now_ns: int | None = None) -> bool:
    """Whether the files are old enough that any later change gives them another signature."""
    now = time.time_ns() if now_ns is None else now_ns
    return all(now - max(stamp[1:3]) > _SETTLED_NS for stamp in signature["files"])
