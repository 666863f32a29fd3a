"""
A second reader of sweep folders, which shares no code with the directory store.

It was written from the description of the format alone and uses the standard library only, so that an
error in the store is not repeated by what checks it. `audit` returns the counts and the accepted
results, with a text for every law of the store that the files show to be broken (laws 1, 3, 5, 6, 7, 8,
9 and 10 by their numbers; "chain", "plan", "split" and "counts" for what else must be consistent).
``python -m manyfit.testing.independent FOLDER [--json]`` prints it.

Reading is meant for folders in which nobody writes; in a busy one, files that appear while it reads may
be reported as missing.
"""

import argparse
import functools
import hashlib
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Scores = Mapping[str, Mapping[str, float | None]]
Result = tuple[int, int, str, Scores]
"""Generation, attempt, outcome and scores of the result of a task."""

_FRAME = re.compile(rb"#(.) (\d{8}) ([0-9a-f]{8})\n")
_UNIT_FILE = re.compile(r"(?P<unit>.+)\.(?P<kind>[ce])(?P<epoch>[1-9]\d*)")
_ACTIONS = frozenset({"AddSegment", "Pause", "Resume", "Stop", "Cancel", "Compacted"})
_NEEDED = {
    "AddSegment": ("segment", "sha256", "n_units", "n_tasks", "n_new"),
    "Compacted": ("base", "sha256"),
}
_RESULT = ("index", "key", "attempt", "outcome", "final")
_ENDS = frozenset({"done", "yielded", "sealed", "split"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What a sweep folder says: counts, results and broken laws.

    `done` and `failed` count accepted results only, not what an open lease has recorded. `accepted`
    maps the keys of tasks that belong to the sweep to the final accepted result of the highest
    generation; while a retry has not run, a task is pending and still has its earlier result here.
    """

    planned: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    pending: int = 0
    cancelled: int = 0
    accepted: Mapping[str, Result] = field(default_factory=dict)
    violations: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    segment: str
    keys: tuple[str, ...]
    generation: int
    attempts: int


@dataclass(slots=True, kw_only=True)
class _Chain:
    """The control chain and the plan; positions count from 1."""

    entries: list[Json] = field(default_factory=list)
    added: dict[str, int] = field(default_factory=dict)
    units: dict[str, _Unit] = field(default_factory=dict)
    removed: dict[int, frozenset[str]] = field(default_factory=dict)
    planned: dict[int, frozenset[str]] = field(default_factory=dict)

    def cancelled(self, unit: _Unit, key: str, position: int) -> bool:
        """Whether an entry up to *position* withdraws the task *key* of *unit*: a cancel or a removal."""
        for number in range(self.added[unit.segment] + 1, min(position, len(self.entries)) + 1):
            action = self.entries[number - 1]["action"]
            if action["kind"] == "Cancel" and (not action.get("tasks") or key in action["tasks"]):
                return True
            if key in self.removed.get(number, ()):
                return True
        return False

    def superseded(self, unit: _Unit, key: str) -> bool:
        """Whether a later segment runs the task again."""
        return any(key in keys for n, keys in self.planned.items() if n > self.added[unit.segment])

    def paused(self, position: int) -> bool:
        kinds = [entry["action"]["kind"] for entry in self.entries[:position]]
        return "Pause" in kinds and "Resume" not in kinds[len(kinds) - kinds[::-1].index("Pause") :]


@dataclass(slots=True, kw_only=True)
class _Epoch:
    claim: Json | None = None
    end: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    unit: str
    epoch: int
    key: str
    line: Json

    @property
    def succeeded(self) -> bool:
        return bool(self.line["outcome"] == "succeeded")


Epochs = dict[str, dict[int, _Epoch]]


def audit(folder: Path) -> Report:
    """Read the sweep *folder* and check every law that its files can show."""
    return _Reading(folder).report()


def lost_results(earlier: Report, later: Report) -> list[str]:
    """Return a text for every accepted result of *earlier* that *later* lost or changed (law 2)."""
    texts = []
    for key, result in earlier.accepted.items():
        now = later.accepted.get(key)
        if now is None or now[0] < result[0] or (now[0] == result[0] and now != result):
            texts.append(f"law 2: the accepted result of task {key} was {result} and is {now}")
    return texts


# -- frames ---------------------------------------------------------------------------------------


def _frames(data: bytes, file_id: str, start: int) -> Iterator[tuple[str, int, int, bytes]]:
    """
    Yield kind, first byte, end and body of the frames from *start* up to the first bad one.

    The checksum does not cover the letter of the kind, so that a frame whose body is not of its kind is bad too.
    """
    while head := _FRAME.match(data, start):
        body = data[head.end() : head.end() + int(head[2])]
        crc = zlib.crc32(f"{file_id}:{start}:".encode() + body)
        if len(body) < int(head[2]) or not body.endswith(b"\n") or crc != int(head[3], 16):
            return
        kind = head[1].decode(errors="replace")
        if _misfit(kind, file_id, start, body):
            return
        end = head.end() + len(body)
        yield kind, start, end, body
        start = end


def _misfit(kind: str, file_id: str, start: int, body: bytes) -> str:
    """Return what is wrong with a frame of this kind that has this body; "" if nothing is."""
    if kind == "M":
        return "" if re.fullmatch(rb"\d+\n", body) else "its body is not a number"
    try:
        first = _parsed(body.partition(b"\n")[0])
    except ValueError:
        first = {}
    if kind == "R":
        whole = isinstance(first.get("unit"), str) and isinstance(first.get("epoch"), int)
        return "" if whole else "its body does not begin with a unit and an epoch"
    if kind == "H":
        if start:
            return "it is not the first"
        return "" if first.get("file") == file_id else "its body does not name the file"
    return "no frame has that letter"


def _bad_frame(data: bytes, file_id: str, at: int) -> str:
    """Return what is wrong with the frame at byte *at*, where `_frames` ended."""
    head = _FRAME.match(data, at)
    if head is None:
        return "no frame begins there"
    body = data[head.end() : head.end() + int(head[2])]
    if zlib.crc32(f"{file_id}:{at}:".encode() + body) != int(head[3], 16):
        return "its checksum differs"
    kind = head[1].decode(errors="replace")
    return f"{kind} frame: {_misfit(kind, file_id, at, body) or 'it is cut off'}"


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _parsed(text: bytes) -> Json:
    value = json.loads(text, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise ValueError(f"an object is expected, not {text[:40]!r}")
    return value


def _complete(value: Json, needed: Sequence[str]) -> Json:
    if missing := [name for name in needed if name not in value]:
        raise ValueError(f"without {', '.join(missing)}")
    return value


class _Reading:
    """One reading of one folder; the violations are collected on the way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._violations: list[str] = []
        self._chain = _Chain()
        self._epochs: Epochs = {}
        self._log = functools.cache(self._read_log)

    def report(self) -> Report:
        self._read_identity()
        self._read_chain()
        self._read_epochs()
        for unit in list(self._epochs):
            self._check_order(unit)
        records = self._accepted_records()
        self._check_once(records)
        self._check_cancelled()
        by_unit: dict[str, list[_Record]] = {}
        for record in records:
            by_unit.setdefault(record.unit, []).append(record)
        for unit in self._epochs:
            self._check_ends(unit, by_unit.get(unit, []))
        for record in records:
            self._check_artifacts(record)
        return self._count(records)

    def _broken(self, law: int | str, text: str) -> None:
        self._violations.append(f"law {law}: {text}" if isinstance(law, int) else f"{law}: {text}")

    def _json(self, path: Path, law: str, needed: Sequence[str] = ()) -> Json | None:
        try:
            return _complete(_parsed(path.read_bytes()), needed)
        except (OSError, ValueError) as error:
            self._broken(law, f"{path.relative_to(self._folder)} cannot be read ({error})")
            return None

    # -- identity, chain and plan -----------------------------------------------------------------

    def _read_identity(self) -> None:
        identity = self._json(self._folder / "manyfit.json", "format")
        if identity is not None and identity.get("format") != 1:
            self._broken("format", f"manyfit.json says format {identity.get('format')!r}, not 1")

    def _read_chain(self) -> None:
        names = _names(self._folder / "control")
        numbers = sorted(int(name[:-5]) for name in names if re.fullmatch(r"[1-9]\d*\.json", name))
        if numbers != list(range(1, len(numbers) + 1)):
            missing = min(set(range(1, len(numbers) + 2)) - set(numbers))
            self._broken("chain", f"entry {missing} is missing below entry {numbers[-1]}")
            numbers = [number for number in numbers if number < missing]
        for number in numbers:
            entry = self._json(self._folder / "control" / f"{number}.json", "chain")
            if entry is None or not self._is_entry(entry, number):
                return
            self._chain.entries.append(entry)
            if entry["action"]["kind"] == "AddSegment":
                self._read_segment(entry["action"], number)
            elif entry["action"]["kind"] == "Compacted":
                self._check_base(entry["action"], number)

    def _is_entry(self, entry: Json, number: int) -> bool:
        if entry.get("position") != number:
            self._broken("chain", f"entry {number} says position {entry.get('position')!r}")
            return False
        action = entry.get("action")
        if not isinstance(action, dict) or action.get("kind") not in _ACTIONS:
            self._broken("chain", f"entry {number} has the unknown action {action!r}")
            return False
        missing = [name for name in _NEEDED.get(action["kind"], ()) if name not in action]
        if missing:
            self._broken("chain", f"entry {number} is without {', '.join(missing)}")
        return not missing

    def _check_base(self, action: Json, number: int) -> None:
        name = action["base"].rpartition("/")[2].removesuffix(".parquet")
        path = self._folder / "base" / f"{name}.parquet"
        if not path.is_file():
            self._broken(10, f"base {name} of entry {number} does not exist")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != action["sha256"]:
            self._broken(10, f"base {name} of entry {number} does not match its sha256")

    def _read_segment(self, action: Json, position: int) -> None:
        segment = action["segment"]
        path = self._folder / "plan" / f"{segment}.jsonl"
        try:
            content = path.read_bytes()
            lines = [json.loads(line, parse_constant=_refuse) for line in content.splitlines()]
        except (OSError, ValueError) as error:
            self._broken("plan", f"segment {segment} of entry {position} cannot be read ({error})")
            return
        if hashlib.sha256(content).hexdigest() != action["sha256"]:
            self._broken("plan", f"segment {segment} does not match the sha256 of entry {position}")
            return
        if segment in self._chain.added:
            return  # submitting the same content again is harmless, and how a submission is ended
        self._chain.added[segment] = position
        self._add_units(segment, lines, action, position)

    def _add_units(self, segment: str, lines: list[Any], action: Json, position: int) -> None:
        header = lines[0]
        sizes = [header[name] for name in ("n_candidates", "n_cells", "n_units", "n_removed")]
        if header.get("id") != segment or len(lines) != 1 + sum(sizes):
            self._broken("plan", f"segment {segment} has {len(lines) - 1} lines, its header says {sizes}")
            return
        tables = _divided(lines[1:], sizes)
        attempts = header.get("limits", {}).get("attempts", 3)
        for line in tables[2]:
            keys = _task_keys(line, tables[0], tables[1])
            if line["id"] in self._chain.units:
                self._broken("plan", f"unit {line['id']} of segment {segment} was planned before")
            self._chain.units[line["id"]] = _Unit(
                segment=segment, keys=keys, generation=line.get("generation", 0), attempts=attempts
            )
        planned = [k for unit in self._chain.units.values() if unit.segment == segment for k in unit.keys]
        self._check_counts(segment, planned, action, len(tables[2]))
        removed = (line if isinstance(line, str) else line["key"] for line in tables[3])
        self._chain.removed[position] = frozenset(removed)
        self._chain.planned[position] = frozenset(planned)

    def _check_counts(self, segment: str, planned: list[str], action: Json, n_units: int) -> None:
        before = frozenset[str]().union(*self._chain.planned.values())
        said = (action["n_units"], action["n_tasks"], action["n_new"])
        found = (n_units, len(planned), len(set(planned) - before))
        if said != found:
            self._broken("plan", f"entry of segment {segment} counts (units, tasks, new) {said}, not {found}")
        if len(set(planned)) < len(planned):
            self._broken("plan", f"segment {segment} has a task twice")

    # -- claims and ends --------------------------------------------------------------------------

    def _read_epochs(self) -> None:
        for segment in sorted(_names(self._folder / "units")):
            if segment not in self._chain.added:
                self._broken("plan", f"units/{segment} belongs to no segment of the chain")
                continue
            for name in sorted(_names(self._folder / "units" / segment)):
                self._read_unit_file(segment, name)

    def _read_unit_file(self, segment: str, name: str) -> None:
        match = _UNIT_FILE.fullmatch(name)
        root = self._chain.units.get(match["unit"].partition(".")[0]) if match else None
        if match is None or root is None or root.segment != segment:
            self._broken("plan", f"units/{segment}/{name} belongs to no unit of the segment")
            return
        needed = ("worker", "position") if match["kind"] == "c" else ("kind", "indices", "marks", "spans")
        content = self._json(self._folder / "units" / segment / name, "law 6", needed)
        if content is None:
            return
        unit, number = match["unit"], int(match["epoch"])
        epoch = self._epochs.setdefault(unit, {}).setdefault(number, _Epoch())
        if match["kind"] == "c":
            epoch.claim = content
            if (content.get("unit"), content.get("epoch")) != (unit, number):
                self._broken(6, f"claim {name} is of epoch {content.get('epoch')} of unit {content.get('unit')}")
        else:
            epoch.end = content

    def _root(self, unit: str) -> _Unit:
        return self._chain.units[unit.partition(".")[0]]

    def _check_order(self, unit: str) -> None:
        """Check law 6, and what a claim says of the chain."""
        epochs = self._epochs[unit]
        for number, epoch in sorted(epochs.items()):
            earlier = epochs.get(number - 1)
            if number > 1 and (earlier is None or earlier.end is None):
                self._broken(6, f"epoch {number} of unit {unit} exists, epoch {number - 1} has not ended")
            elif earlier is not None and earlier.end is not None and earlier.end["kind"] in ("done", "split"):
                self._broken(6, f"epoch {number} of unit {unit} follows an end that is {earlier.end['kind']}")
            if epoch.claim is None:
                self._broken(6, f"epoch {number} of unit {unit} has an end and no claim")
            else:
                self._check_position(f"claim {number} of unit {unit}", unit, epoch.claim["position"])
        if "." in unit and self._own(unit) is None:
            self._broken("split", f"unit {unit} was claimed, and no split made it")

    def _check_position(self, name: str, unit: str, position: int) -> None:
        first = self._chain.added[self._root(unit).segment]
        if not first <= position <= len(self._chain.entries):
            self._broken(
                "chain", f"{name} states position {position}, not one of {first}..{len(self._chain.entries)}"
            )
        elif self._chain.paused(position):
            self._broken("chain", f"{name} states position {position}, where the sweep is paused")

    def _own(self, unit: str) -> list[int] | None:
        """Return the tasks of *unit* as indices of its root; None if no split made it."""
        parent, _, part = unit.rpartition(".")
        if not parent:
            return list(range(len(self._root(unit).keys)))
        for epoch in self._epochs.get(parent, {}).values():
            if epoch.end is not None and epoch.end["kind"] == "split" and int(part) < len(epoch.end["parts"]):
                return list(epoch.end["parts"][int(part)])
        return None

    def _ended(self) -> Iterator[tuple[str, int, Json, Json]]:
        for unit, epochs in self._epochs.items():
            for number, epoch in sorted(epochs.items()):
                if epoch.claim is not None and epoch.end is not None:
                    yield unit, number, epoch.claim, epoch.end

    # -- records ----------------------------------------------------------------------------------

    def _read_log(self, name: str) -> bytes | None:
        try:
            return (self._folder / "log" / f"{name}.log").read_bytes()
        except OSError:
            return None

    def _accepted_records(self) -> list[_Record]:
        records: list[_Record] = []
        for unit, number, claim, end in self._ended():
            for span in end["spans"]:
                records.extend(self._span_records(unit, number, claim, end, span))
        return records

    def _span_records(
        self, unit: str, number: int, claim: Json, end: Json, span: Sequence[Any]
    ) -> Iterator[_Record]:
        name, start, stop = span
        where = f"span {name}[{start}, {stop}) of epoch {number} of unit {unit}"
        data = self._log(name)
        if data is None or len(data) < stop:
            self._broken(3, f"{where} goes beyond the log, which has {len(data or b'')} bytes")
            return
        if name.rpartition("-")[0] != claim["worker"]:
            self._broken(3, f"{where} is not in a log of {claim['worker']}, who claimed")
        if end.get("by") != claim["worker"] and not any(mark >= stop for mark in self._marks(name)):
            self._broken(3, f"{where} was ended by {end.get('by')} and goes beyond the last mark")
        at = start
        for kind, _, end_of_frame, body in _frames(data[:stop], name, start):
            at = end_of_frame
            if kind == "R":
                yield from self._body_records(unit, number, body, where)
        if at != stop:
            self._broken(3, f"{where} has a bad frame at byte {at} ({_bad_frame(data[:stop], name, at)})")

    def _marks(self, name: str) -> list[int]:
        frames = _frames(self._log(name) or b"", name, 0)
        return [int(body) for kind, _, _, body in frames if kind == "M"]

    def _body_records(self, unit: str, number: int, body: bytes, where: str) -> Iterator[_Record]:
        keys = self._root(unit).keys
        try:
            head, *lines = [_parsed(line) for line in body.splitlines()]
            lines = [_complete(line, _RESULT) for line in lines]
        except ValueError as error:
            self._broken(3, f"{where} has a line that is not JSON ({error})")
            return
        if (head.get("unit"), head.get("epoch")) != (unit, number):
            return
        for line in lines:
            index = line["index"]
            if not 0 <= index < len(keys) or line["key"] != keys[index]:
                self._broken("plan", f"{where} has a result of task {index} with the key {line['key']}")
                continue
            yield _Record(unit=unit, epoch=number, key=line["key"], line=line)

    # -- laws -------------------------------------------------------------------------------------

    def _check_once(self, records: Sequence[_Record]) -> None:
        """Check laws 1 and 9."""
        tries, finals = Counter[tuple[str, int, int]](), Counter[tuple[str, int]]()
        for record in records:
            root, attempt = self._root(record.unit), record.line["attempt"]
            tries[record.key, root.generation, attempt] += 1
            finals[record.key, root.generation] += bool(record.line["final"])
            if record.line["index"] not in (self._own(record.unit) or ()):
                self._broken("split", f"unit {record.unit} has a result of task {record.line['index']} of another")
            if not 1 <= attempt <= root.attempts:
                self._broken(9, f"attempt {attempt} at task {record.key}: the limit is {root.attempts}")
        for (key, generation, attempt), n in tries.items():
            if n > 1:
                self._broken(1, f"{n} accepted records of task {key} generation {generation} attempt {attempt}")
        for (key, generation), n in finals.items():
            if n > 1:
                self._broken(1, f"{n} final results of task {key} generation {generation} are accepted")

    def _check_cancelled(self) -> None:
        """Check law 8 on everything that holders wrote, accepted or not."""
        for name in sorted(_names(self._folder / "log")):
            if not name.endswith(".log"):
                continue
            file_id = name.removesuffix(".log")
            for kind, _, _, body in _frames(self._log(file_id) or b"", file_id, 0):
                if kind == "R":
                    self._check_frame(file_id, body)

    def _check_frame(self, file_id: str, body: bytes) -> None:
        try:
            head, *lines = [_parsed(line) for line in body.splitlines()]
            lines = [_complete(line, _RESULT) for line in lines]
        except ValueError:
            return  # reported where it is accepted
        epoch = self._epochs.get(head.get("unit", ""), {}).get(head.get("epoch", 0))
        if epoch is None or epoch.claim is None or epoch.claim["worker"] != file_id.rpartition("-")[0]:
            self._broken(
                6,
                f"log {file_id} has results of epoch {head.get('epoch')} of unit {head.get('unit')}, "
                "which its worker has not claimed",
            )
            return
        root, position = self._root(head["unit"]), epoch.claim["position"]
        for line in lines:
            if self._chain.cancelled(root, line["key"], position):
                self._broken(
                    8,
                    f"task {line['key']} ran in epoch {head['epoch']} of unit {head['unit']}, whose "
                    f"claim states position {position}, where it was cancelled",
                )

    def _check_ends(self, unit: str, records: Sequence[_Record]) -> None:
        """Check law 5, and that every end follows from the one before it and from the records."""
        own, previous = self._own(unit), None
        if own is None:
            return
        for number, epoch in sorted(self._epochs[unit].items()):
            if epoch.end is None:
                continue
            name, end = f"end {number} of unit {unit}", epoch.end
            if end.get("kind") not in _ENDS or end["indices"] != own or len(end["marks"]) != len(own):
                self._broken(5, f"{name} ({end.get('kind')}) does not speak for the tasks {own} of the unit")
                return
            until = [record for record in records if record.epoch <= number]
            self._check_marks(name, unit, end, until)
            self._check_step(name, end, previous, until)
            self._check_parts(name, end)
            previous = end

    def _check_marks(self, name: str, unit: str, end: Json, records: Sequence[_Record]) -> None:
        root = self._root(unit)
        final = {r.line["index"]: "d" if r.succeeded else "f" for r in records if r.line["final"]}
        for index, mark in zip(end["indices"], end["marks"], strict=True):
            key = root.keys[index]
            if mark in "c." and index in final:
                self._broken(5, f"{name} marks task {index} {mark!r}, its accepted result says {final[index]!r}")
            elif mark == "c":
                if not self._withdrawn(root, key):
                    self._broken(5, f"{name} marks task {index} cancelled, and nobody cancelled it")
            elif mark != final.get(index, "."):
                self._broken(5, f"{name} marks task {index} {mark!r}, its accepted result is {final.get(index)!r}")
        if end["kind"] == "done" and "." in end["marks"]:
            self._broken(5, f"{name} is done, and marks are {end['marks']}")

    def _withdrawn(self, root: _Unit, key: str) -> bool:
        last = len(self._chain.entries)
        return self._chain.cancelled(root, key, last) or self._chain.superseded(root, key)

    def _check_step(self, name: str, end: Json, previous: Json | None, records: Sequence[_Record]) -> None:
        """Check that nothing settled came undone and that attempts and losses are counted on."""
        marks = zip(previous["marks"] if previous else (), end["marks"], strict=False)
        if any(before not in (".", after) for before, after in marks):
            self._broken(2, f"{name} changes settled marks {previous and previous['marks']} to {end['marks']}")
        tried = Counter[int]()
        for record in records:
            tried[record.line["index"]] = max(tried[record.line["index"]], record.line["attempt"])
        said, losses = dict(end.get("attempts", ())), dict(end.get("losses", ()))
        lost = dict(previous.get("losses", ())) if previous else {}
        for index, mark in zip(end["indices"], end["marks"], strict=True):
            if mark == "." and said.get(index, 0) < tried[index]:
                self._broken(9, f"{name} counts {said.get(index, 0)} attempts at task {index}, not {tried[index]}")
            if mark == "." and losses.get(index, 0) < lost.get(index, 0):
                self._broken(9, f"{name} counts {losses.get(index, 0)} losses of task {index}, fewer than before")

    def _check_parts(self, name: str, end: Json) -> None:
        parts = [index for part in end.get("parts", ()) for index in part]
        left = [index for index, mark in zip(end["indices"], end["marks"], strict=True) if mark == "."]
        if end["kind"] == "split" and sorted(parts) != sorted(left):
            self._broken("split", f"{name} divides {left} into {end['parts']}")
        elif end["kind"] != "split" and parts:
            self._broken("split", f"{name} is {end['kind']} and has parts")

    def _check_artifacts(self, record: _Record) -> None:
        """Check law 7."""
        for name, place in (record.line.get("artifacts") or {}).items():
            if not isinstance(place, dict) or "file" not in place:
                continue
            path, start = self._folder / place["file"], place.get("offset", 0)
            length = place.get("length")
            if not path.is_file() or not path.resolve().is_relative_to(self._folder.resolve()):
                self._broken(7, f"artifact {name} of task {record.key} is not in the folder: {place['file']}")
                continue
            with path.open("rb") as file:
                file.seek(start)
                content = file.read(-1 if length is None else length)
            if hashlib.sha256(content).hexdigest() != place["sha256"]:
                self._broken(7, f"artifact {name} of task {record.key} does not match its sha256: {place['file']}")

    # -- counts -----------------------------------------------------------------------------------

    def _count(self, records: Sequence[_Record]) -> Report:
        results = self._results(records)
        placed = self._placed()
        running = self._running(placed)
        states: Counter[str] = Counter()
        for key, unit in placed.items():
            states[self._state(key, unit, results, running)] += 1
        self._check_sum(states, placed, results)
        return Report(
            planned=len(placed),
            done=states["done"],
            failed=states["failed"],
            running=states["running"],
            pending=states["pending"],
            cancelled=states["cancelled"],
            accepted={key: result for key, result in sorted(results.items()) if key in placed},
            violations=tuple(self._violations),
        )

    def _placed(self) -> dict[str, _Unit]:
        """Return the unit that each task of the sweep belongs to: the last segment that mentions it decides."""
        by_segment: dict[str, list[_Unit]] = {}
        for unit in self._chain.units.values():
            by_segment.setdefault(unit.segment, []).append(unit)
        placed: dict[str, _Unit] = {}
        for segment, position in self._chain.added.items():
            for key in self._chain.removed.get(position, ()):
                placed.pop(key, None)
            for unit in by_segment.get(segment, ()):
                placed.update(dict.fromkeys(unit.keys, unit))
        return placed

    def _results(self, records: Sequence[_Record]) -> dict[str, Result]:
        results: dict[str, Result] = {}
        for record in records:
            generation = self._root(record.unit).generation
            if record.line["final"] and (record.key not in results or results[record.key][0] < generation):
                line = record.line
                results[record.key] = (generation, line["attempt"], line["outcome"], line.get("scores", {}))
        return results

    def _state(self, key: str, unit: _Unit, results: Mapping[str, Result], running: frozenset[str]) -> str:
        result = results.get(key)
        if result is not None and result[0] >= unit.generation:
            return "done" if result[2] == "succeeded" else "failed"
        if key in running:
            return "running"
        return "cancelled" if self._chain.cancelled(unit, key, len(self._chain.entries)) else "pending"

    def _running(self, placed: Mapping[str, _Unit]) -> frozenset[str]:
        holders = Counter[str]()
        running = set()
        for unit, epochs in self._epochs.items():
            last = epochs[max(epochs)]
            if last.end is not None or last.claim is None:
                continue
            holders[last.claim["worker"]] += 1
            index = self._index_in_progress(last.claim["worker"], unit, max(epochs))
            root = self._root(unit)
            if index is not None and 0 <= index < len(root.keys) and placed.get(root.keys[index]) is root:
                running.add(root.keys[index])
        for worker, n in holders.items():
            if n > 1:
                self._broken(6, f"worker {worker} holds {n} leases at once")
        return frozenset(running)

    def _index_in_progress(self, worker: str, unit: str, epoch: int) -> int | None:
        try:
            beat = _parsed((self._folder / "heartbeat" / f"{worker}.json").read_bytes())
        except (OSError, ValueError):
            return None  # a heartbeat is rewritten in place: none, or half of one, is no violation
        index = beat.get("index")
        return index if (beat.get("unit"), beat.get("epoch")) == (unit, epoch) and isinstance(index, int) else None

    def _check_sum(
        self, states: Mapping[str, int], placed: Mapping[str, _Unit], results: Mapping[str, Result]
    ) -> None:
        """Check law 4 as far as a standing folder shows it: pending work is in a unit that can be claimed."""
        if sum(states.values()) != len(placed):
            self._broken("counts", f"{dict(states)} do not add up to {len(placed)} planned tasks")
        left = {name for unit in self._chain.units for name in self._left_in(unit)}
        for key, unit in placed.items():
            state = self._state(key, unit, results, frozenset())
            if state == "pending" and (unit.segment, key) not in left:
                self._broken(4, f"task {key} has no final result, and no unit has it left")

    def _left_in(self, unit: str) -> Iterator[tuple[str, str]]:
        """Yield segment and key of the tasks that are left in *unit* or in what it was split into."""
        ends = [epoch.end for _, epoch in sorted(self._epochs.get(unit, {}).items()) if epoch.end]
        if ends and ends[-1]["kind"] == "split":
            for part in range(len(ends[-1]["parts"])):
                yield from self._left_in(f"{unit}.{part}")
            return
        root, own = self._root(unit), self._own(unit) or []
        marks = ends[-1]["marks"] if ends else "." * len(own)
        for index, mark in zip(own, marks, strict=False):
            if mark == ".":
                yield root.segment, root.keys[index]


def _names(folder: Path) -> list[str]:
    """Return the names in *folder* that are not temporary; none if it does not exist."""
    return [path.name for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []


def _divided(lines: list[Any], sizes: Sequence[int]) -> list[list[Any]]:
    parts, start = [], 0
    for size in sizes:
        parts.append(lines[start : start + size])
        start += size
    return parts


def _task_keys(unit: Json, candidates: Sequence[Json], cells: Sequence[Json]) -> tuple[str, ...]:
    places = unit["cells"]
    if isinstance(places, int):
        places = [places] * len(unit["candidates"])
    return tuple(
        hashlib.sha256(f"{candidates[i]['key']}/{cells[j]['key']}".encode()).hexdigest()[:32]
        for i, j in zip(unit["candidates"], places, strict=True)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report on a folder; return 1 if a law is broken."""
    parser = argparse.ArgumentParser(prog="manyfit.testing.independent", description="Check a sweep folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    chosen = parser.parse_args(arguments)
    report = audit(chosen.folder)
    sys.stdout.write(json.dumps(asdict(report)) + "\n" if chosen.json else _shown(report))
    return 1 if report.violations else 0


def _shown(report: Report) -> str:
    counts = (
        f"planned {report.planned:,} = done {report.done:,} + failed {report.failed:,} + running"
        f" {report.running:,} + pending {report.pending:,} + cancelled {report.cancelled:,}"
    )
    told = [f"  {text}" for text in report.violations] or ["  every law that the files can show holds"]
    return "\n".join([counts, f"{len(report.accepted):,} accepted results", *told, ""])


if __name__ == "__main__":
    raise SystemExit(main())
