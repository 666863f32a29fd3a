"""Plan segments as files: one line of JSON each for the header, candidates, cells, units and removed keys."""

import hashlib
import json
import os
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from manyfit.model.errors import NotFound, Refused, StoreCorrupt
from manyfit.model.keys import SegmentId, TaskKey, UnitId, task_key
from manyfit.model.segment import Segment
from manyfit.model.unit import Unit
from manyfit.model.wire import header_from_json, header_to_json
from manyfit.stores.ledger import wire

T = TypeVar("T")

_CHUNK = 1 << 20
_RECENT = 2048
_NEWLINE = re.compile(b"\n")
_UNIT_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def plan_bytes(segment: Segment) -> bytes:
    """
    Return the content of the plan file of *segment*.

    Beside the fields of the segment the header holds, per unit, what counting needs (id, number of
    tasks, pipeline, cost), and the length of each part in bytes, so that nobody has to read a million
    tasks to count them.
    """
    _check_ids(segment)
    parts = (
        b"".join(map(wire.candidate_bytes, segment.candidates)),
        b"".join(map(wire.cell_bytes, segment.cells)),
        b"".join(map(wire.unit_bytes, segment.units)),
        b"".join(map(wire.removed_bytes, segment.removed)),
    )
    header = {
        "kind": "header",
        **header_to_json(segment.header),
        "id": segment.id,
        "n_candidates": len(segment.candidates),
        "n_cells": len(segment.cells),
        "n_units": len(segment.units),
        "n_removed": len(segment.removed),
        "n_bytes": [len(part) for part in parts],
        "units": {
            "id": [unit.id for unit in segment.units],
            "n_tasks": [len(unit) for unit in segment.units],
            **_pipelines(segment.units),
            "cost_seconds": [unit.cost_seconds for unit in segment.units],
        },
    }
    return wire.to_bytes(header) + b"".join(parts)


def _pipelines(units: Sequence[Unit]) -> dict[str, list[Any]]:
    names = {name: n for n, name in enumerate(dict.fromkeys(unit.pipeline for unit in units))}
    return {"pipelines": list(names), "pipeline": [names[unit.pipeline] for unit in units]}


def _check_ids(segment: Segment) -> None:
    """Unit ids become file names, and a dot in them marks a child."""
    seen = set()
    for unit in segment.units:
        if not _UNIT_ID.fullmatch(unit.id) or unit.id in seen or len(unit) == 0:
            raise Refused(
                f"unit {unit.id!r} of segment {segment.id} has an id that is not unique or not made of letters, "
                "digits, - and _, or it has no tasks; plan the sweep again"
            )
        seen.add(unit.id)


class Lines(Sequence[T]):
    """The lines of one part of a plan file, each read and parsed when it is asked for."""

    def __init__(self, fd: int, start: int, end: int, n: int, parse: Callable[[bytes], T]) -> None:
        self._fd = fd
        self._start = start
        self._end = end
        self._n = n
        self._parse = parse
        self._ends: array[int] = array("Q")
        self._recent: dict[int, T] = {}

    def __len__(self) -> int:
        return self._n

    def raw(self, n: int) -> bytes:
        """Return line *n* as it stands in the file."""
        ends = self._index()
        start = ends[n - 1] if n else self._start
        return os.pread(self._fd, ends[n] - start, start)

    @overload
    def __getitem__(self, n: int) -> T: ...
    @overload
    def __getitem__(self, n: slice) -> tuple[T, ...]: ...
    def __getitem__(self, n: int | slice) -> T | tuple[T, ...]:
        if isinstance(n, slice):
            return tuple(self[i] for i in range(*n.indices(self._n)))
        if not -self._n <= n < self._n:
            raise IndexError(n)
        n %= self._n
        if n not in self._recent:
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            self._recent[n] = self._parse(self.raw(n))
        return self._recent[n]

    def __iter__(self) -> Iterator[T]:
        return map(self._parse, self.raw_lines())

    def raw_lines(self) -> Iterator[bytes]:
        """Yield every line in one pass over the file."""
        at, rest = self._start, b""
        while at < self._end:
            chunk = os.pread(self._fd, min(_CHUNK, self._end - at), at)
            if not chunk:
                raise StoreCorrupt("a plan file is shorter than its header says; restore it from a backup")
            at += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines

    def _index(self) -> "array[int]":
        if self._n and not self._ends:
            ends: array[int] = array("Q")
            for at in range(self._start, self._end, _CHUNK):
                chunk = os.pread(self._fd, min(_CHUNK, self._end - at), at)
                ends.extend(at + found.end() for found in _NEWLINE.finditer(chunk))
            if len(ends) != self._n:
                raise StoreCorrupt(f"a plan file has {len(ends)} lines where its header says {self._n}")
            self._ends = ends
        return self._ends


class PlanFile:
    """
    One plan segment, opened for reading.

    Opening reads the header line only. `unit_ids`, `n_tasks`, `pipelines` and `costs` are parallel, in
    plan order.
    """

    def __init__(self, path: Path, segment: SegmentId) -> None:
        self.id = segment
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"no segment {segment} in {path.parent}") from None
        value, start = self._header()
        self.header = header_from_json(value)
        per_unit = value["units"]
        self.unit_ids: list[UnitId] = per_unit["id"]
        self.n_tasks: list[int] = per_unit["n_tasks"]
        self.pipelines: list[str] = [per_unit["pipelines"][n] for n in per_unit["pipeline"]]
        self.costs: list[float] = per_unit["cost_seconds"]
        ends = [start := start + n for n in value["n_bytes"]]
        starts = [ends[0] - value["n_bytes"][0], *ends[:-1]]
        places = list(zip(starts, ends, strict=True))
        self.candidates = Lines(self._fd, *places[0], value["n_candidates"], wire.candidate_from)
        self.cells = Lines(self._fd, *places[1], value["n_cells"], wire.cell_from)
        self.units = Lines(self._fd, *places[2], value["n_units"], lambda line: wire.unit_from(line, segment))
        self.removed = Lines(self._fd, *places[3], value["n_removed"], wire.removed_from)
        self._numbers = {unit: n for n, unit in enumerate(self.unit_ids)}
        self._cell_keys: list[str] = []

    def __contains__(self, unit: UnitId) -> bool:
        return unit in self._numbers

    def number(self, unit: UnitId) -> int:
        """Return the place of a planned unit in plan order."""
        return self._numbers[unit]

    def unit(self, unit: UnitId) -> Unit:
        """Return a planned unit."""
        return self.units[self._numbers[unit]]

    def keys(self, number: int) -> list[TaskKey]:
        """Return the keys of the tasks of a unit, by index."""
        unit = self.units[number]
        cells = self._keys_of_cells()
        return [
            task_key(wire.candidate_key_from(self.candidates.raw(candidate)), cells[cell])  # type: ignore[arg-type]
            for candidate, cell in zip(unit.candidates, unit.cells, strict=True)
        ]

    def segment(self, sha256: str) -> Segment:
        """Return the segment, after the whole file was compared with its checksum."""
        if digest_of(self._fd) != sha256:
            raise StoreCorrupt(f"{self._path} was changed after it was published; restore it from a backup")
        return Segment(
            id=self.id,
            header=self.header,
            candidates=self.candidates,
            cells=self.cells,
            units=self.units,
            removed=tuple(self.removed),
        )

    def close(self) -> None:
        os.close(self._fd)

    def _keys_of_cells(self) -> list[str]:
        if not self._cell_keys:
            self._cell_keys = [wire.cell_key_from(line) for line in self.cells.raw_lines()]
        return self._cell_keys

    def _header(self) -> tuple[dict[str, Any], int]:
        data = b""
        while b"\n" not in data:
            chunk = os.pread(self._fd, _CHUNK, len(data))
            if not chunk:
                raise StoreCorrupt(f"{self._path} has no header line; restore it from a backup")
            data += chunk
        line = data[: data.index(b"\n") + 1]
        try:
            value: dict[str, Any] = json.loads(line)
        except ValueError as exc:
            raise StoreCorrupt(f"{self._path} has an unreadable header; restore it from a backup") from exc
        return value, len(line)


def digest_of(fd: int) -> str:
    """Return the SHA-256 of an open file."""
    digest, at = hashlib.sha256(), 0
    while chunk := os.pread(fd, _CHUNK, at):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()
