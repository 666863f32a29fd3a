"""Kept files on their way between a runner and a store that has no folder for them."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound
from manyfit.model.segment import Segment
from manyfit.model.unit import Mode, Unit


class Spool:
    """
    A *folder* of one worker into which its runner writes `artifacts/...` as into a store; None: it needs none.

    Runners write aside and rename, with a name that begins with a dot: whatever has another name is
    whole, and its name tells its content. Nothing is looked for while a unit neither keeps nor reads files.
    """

    def __init__(self, folder: Path | None, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._in_use: Path | None = None
        self._keeps = False

    def take_up(self, unit: Unit, segment: Segment, inputs: Mapping[int, Mapping[str, Any]]) -> None:
        """Get ready for a lease: fetch the files of earlier results that its tasks read."""
        self._keeps = keeps(unit, segment)
        self._in_use = self._folder if self._keeps or unit.mode is Mode.SCORE else None
        if self._in_use is None or unit.mode is not Mode.SCORE:
            return
        for name in {str(kept["file"]) for artifacts in inputs.values() for kept in artifacts.values()}:
            with contextlib.suppress(NotFound):  # the task that needs it fails, and says so
                self._fetch(self._in_use / name, name)

    def _fetch(self, target: Path, name: str) -> None:
        if not target.exists():
            content = self._store.artifacts.read(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def empty(self) -> None:
        """Put every file into the store, durably, and remove it here. Raises what the store raises."""
        if self._in_use is not None and self._keeps:
            for file in _files(self._in_use):
                self._store.artifacts.put(file.relative_to(self._in_use).as_posix(), file.read_bytes())
                file.unlink()

    def lay_down(self) -> None:
        """Remove what is left of the lease: no result names it, or the store has it."""
        if self._in_use is not None:
            for file in _files(self._in_use):
                file.unlink()
            self._in_use = None


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if not file.name.startswith(".") and file.is_file())


def keeps(unit: Unit, segment: Segment) -> bool:
    """Whether the tasks of *unit* leave files behind."""
    kept = segment.header.spec.get("keep") or {}
    return unit.mode is Mode.KEEP or (unit.mode is Mode.FIT and bool(kept.get("predictions")))
