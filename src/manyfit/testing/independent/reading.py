"""One reading of one folder: the chain, the plan, claims, ends and records, and the laws over them."""

import functools
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from manyfit.testing.independent.frames import bad_frame, complete, frames, parsed, refuse
from manyfit.testing.independent.needs import unmet
from manyfit.testing.independent.shapes import Chain, Epoch, Epochs, Json, Record, Unit

_UNIT_FILE = re.compile(r"(?P<unit>.+)\.(?P<kind>[ce])(?P<epoch>[1-9]\d*)")
_ACTIONS = frozenset({"AddSegment", "Pause", "Resume", "SetTerms", "Stop", "Cancel", "Compacted", "Audit"})
_NEEDED = {
    "AddSegment": ("segment", "sha256", "n_units", "n_tasks", "n_new"),
    "Compacted": ("base", "sha256"),
    "SetTerms": ("terms",),
    "Audit": ("certificate",),
}
_RESULT = ("index", "key", "attempt", "outcome", "final")
_ENDS = frozenset({"done", "yielded", "sealed", "split"})
_CHARGED = frozenset({"succeeded", "failed"})


class Reading:
    """One reading of one folder; the violations are collected on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.violations: list[str] = []
        self.chain = Chain()
        self.epochs: Epochs = {}
        self._log = functools.cache(self._read_log)

    def records(self) -> Sequence[Record]:
        """Read everything, check the laws, and return what is accepted."""
        self._read_identity()
        self._read_chain()
        self._read_epochs()
        for unit in list(self.epochs):
            self._check_order(unit)
        records = self._accepted_records()
        self._check_once(records)
        self._check_cancelled()
        by_unit: dict[str, list[Record]] = {}
        for record in records:
            by_unit.setdefault(record.unit, []).append(record)
        for unit in self.epochs:
            self._check_ends(unit, by_unit.get(unit, []))
        for record in records:
            self._check_artifacts(record)
        return records

    def broken(self, law: int | str, text: str) -> None:
        self.violations.append(f"law {law}: {text}" if isinstance(law, int) else f"{law}: {text}")

    def _json(self, path: Path, law: str, needed: Sequence[str] = ()) -> Json | None:
        try:
            return complete(parsed(path.read_bytes()), needed)
        except (OSError, ValueError) as error:
            self.broken(law, f"{path.relative_to(self.folder)} cannot be read ({error})")
            return None

    # -- identity, chain and plan -----------------------------------------------------------------

    def _read_identity(self) -> None:
        identity = self._json(self.folder / "manyfit.json", "format")
        if identity is not None and identity.get("format") != 1:
            self.broken("format", f"manyfit.json says format {identity.get('format')!r}, not 1")

    def _read_chain(self) -> None:
        found = names(self.folder / "control")
        numbers = sorted(int(name[:-5]) for name in found if re.fullmatch(r"[1-9]\d*\.json", name))
        if numbers != list(range(1, len(numbers) + 1)):
            missing = min(set(range(1, len(numbers) + 2)) - set(numbers))
            self.broken("chain", f"entry {missing} is missing below entry {numbers[-1]}")
            numbers = [number for number in numbers if number < missing]
        for number in numbers:
            entry = self._json(self.folder / "control" / f"{number}.json", "chain")
            if entry is None or not self._is_entry(entry, number):
                return
            self.chain.entries.append(entry)
            if entry["action"]["kind"] == "AddSegment":
                self._read_segment(entry["action"], number)
            elif entry["action"]["kind"] == "Compacted":
                self._check_base(entry["action"], number)

    def _is_entry(self, entry: Json, number: int) -> bool:
        if entry.get("position") != number:
            self.broken("chain", f"entry {number} says position {entry.get('position')!r}")
            return False
        action = entry.get("action")
        if not isinstance(action, dict) or action.get("kind") not in _ACTIONS:
            self.broken("chain", f"entry {number} has the unknown action {action!r}")
            return False
        missing = [name for name in _NEEDED.get(action["kind"], ()) if name not in action]
        if missing:
            self.broken("chain", f"entry {number} is without {', '.join(missing)}")
        return not missing

    def _check_base(self, action: Json, number: int) -> None:
        name = action["base"].rpartition("/")[2].removesuffix(".parquet")
        path = self.folder / "base" / f"{name}.parquet"
        if not path.is_file():
            self.broken(10, f"base {name} of entry {number} does not exist")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != action["sha256"]:
            self.broken(10, f"base {name} of entry {number} does not match its sha256")

    def _read_segment(self, action: Json, position: int) -> None:
        segment = action["segment"]
        path = self.folder / "plan" / f"{segment}.jsonl"
        try:
            content = path.read_bytes()
            lines = [json.loads(line, parse_constant=refuse) for line in content.splitlines()]
        except (OSError, ValueError) as error:
            self.broken("plan", f"segment {segment} of entry {position} cannot be read ({error})")
            return
        if hashlib.sha256(content).hexdigest() != action["sha256"]:
            self.broken("plan", f"segment {segment} does not match the sha256 of entry {position}")
            return
        if segment in self.chain.added:
            return  # submitting the same content again is harmless, and how a submission is ended
        self.chain.added[segment] = position
        self._add_units(segment, lines, action, position)

    def _add_units(self, segment: str, lines: list[Any], action: Json, position: int) -> None:
        header = lines[0]
        sizes = [header[name] for name in ("n_candidates", "n_cells", "n_units", "n_removed")]
        if header.get("id") != segment or len(lines) != 1 + sum(sizes):
            self.broken("plan", f"segment {segment} has {len(lines) - 1} lines, its header says {sizes}")
            return
        tables = divided(lines[1:], sizes)
        attempts = header.get("limits", {}).get("attempts", 3)
        for line in tables[2]:
            keys = task_keys(line, tables[0], tables[1])
            if line["id"] in self.chain.units:
                self.broken("plan", f"unit {line['id']} of segment {segment} was planned before")
            self.chain.units[line["id"]] = Unit(
                segment=segment,
                keys=keys,
                generation=line.get("generation", 0),
                attempts=attempts,
                pipeline=line.get("pipeline", ""),
            )
        planned = [k for unit in self.chain.units.values() if unit.segment == segment for k in unit.keys]
        self._check_counts(segment, planned, action, len(tables[2]))
        removed = (line if isinstance(line, str) else line["key"] for line in tables[3])
        self.chain.removed[position] = frozenset(removed)
        self.chain.planned[position] = frozenset(planned)

    def _check_counts(self, segment: str, planned: list[str], action: Json, n_units: int) -> None:
        before = frozenset[str]().union(*self.chain.planned.values())
        said = (action["n_units"], action["n_tasks"], action["n_new"])
        found = (n_units, len(planned), len(set(planned) - before))
        if said != found:
            self.broken("plan", f"entry of segment {segment} counts (units, tasks, new) {said}, not {found}")
        if len(set(planned)) < len(planned):
            self.broken("plan", f"segment {segment} has a task twice")

    # -- claims and ends --------------------------------------------------------------------------

    def _read_epochs(self) -> None:
        for segment in sorted(names(self.folder / "units")):
            if segment not in self.chain.added:
                self.broken("plan", f"units/{segment} belongs to no segment of the chain")
                continue
            for name in sorted(names(self.folder / "units" / segment)):
                self._read_unit_file(segment, name)

    def _read_unit_file(self, segment: str, name: str) -> None:
        match = _UNIT_FILE.fullmatch(name)
        root = self.chain.units.get(match["unit"].partition(".")[0]) if match else None
        if match is None or root is None or root.segment != segment:
            self.broken("plan", f"units/{segment}/{name} belongs to no unit of the segment")
            return
        needed = ("worker", "position") if match["kind"] == "c" else ("kind", "indices", "marks", "spans")
        content = self._json(self.folder / "units" / segment / name, "law 6", needed)
        if content is None:
            return
        unit, number = match["unit"], int(match["epoch"])
        epoch = self.epochs.setdefault(unit, {}).setdefault(number, Epoch())
        if match["kind"] == "c":
            epoch.claim = content
            if (content.get("unit"), content.get("epoch")) != (unit, number):
                self.broken(6, f"claim {name} is of epoch {content.get('epoch')} of unit {content.get('unit')}")
        else:
            epoch.end = content

    def root(self, unit: str) -> Unit:
        return self.chain.units[unit.partition(".")[0]]

    def _check_order(self, unit: str) -> None:
        """Check law 6, and what a claim says of the chain."""
        epochs = self.epochs[unit]
        for number, epoch in sorted(epochs.items()):
            earlier = epochs.get(number - 1)
            if number > 1 and (earlier is None or earlier.end is None):
                self.broken(6, f"epoch {number} of unit {unit} exists, epoch {number - 1} has not ended")
            elif earlier is not None and earlier.end is not None and earlier.end["kind"] in ("done", "split"):
                self.broken(6, f"epoch {number} of unit {unit} follows an end that is {earlier.end['kind']}")
            if epoch.claim is None:
                self.broken(6, f"epoch {number} of unit {unit} has an end and no claim")
            else:
                self._check_claim(f"claim {number} of unit {unit}", unit, epoch.claim)
        if "." in unit and self.own(unit) is None:
            self.broken("split", f"unit {unit} was claimed, and no split made it")

    def _check_claim(self, name: str, unit: str, claim: Json) -> None:
        """Check what a claim says of the chain, and law 12; an adopted one was made under another chain."""
        position, pipeline = claim["position"], self.root(unit).pipeline
        first = self.chain.added[self.root(unit).segment]
        if not first <= position <= len(self.chain.entries):
            self.broken(
                "chain", f"{name} states position {position}, not one of {first}..{len(self.chain.entries)}"
            )
        elif not claim.get("adopted"):
            held = self.chain.paused(position)
            if "" in held:
                self.broken("chain", f"{name} states position {position}, where the sweep is paused")
            if pipeline in held and pipeline:
                self.broken(12, f"{name} states position {position}, where pipeline {pipeline} is held")
            if missing := unmet(self.chain.needs(pipeline, position), self._registered(claim["worker"])):
                self.broken(12, f"{name} is of {claim['worker']}, which lacks {', '.join(missing)}")

    def _registered(self, worker: str) -> Json | None:
        try:
            return parsed((self.folder / "workers" / f"{worker}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def own(self, unit: str) -> list[int] | None:
        """Return the tasks of *unit* as indices of its root; None if no split made it."""
        parent, _, part = unit.rpartition(".")
        if not parent:
            return list(range(len(self.root(unit).keys)))
        for epoch in self.epochs.get(parent, {}).values():
            if epoch.end is not None and epoch.end["kind"] == "split" and int(part) < len(epoch.end["parts"]):
                return list(epoch.end["parts"][int(part)])
        return None

    def _ended(self) -> Iterator[tuple[str, int, Json, Json]]:
        for unit, epochs in self.epochs.items():
            for number, epoch in sorted(epochs.items()):
                if epoch.claim is not None and epoch.end is not None:
                    yield unit, number, epoch.claim, epoch.end

    # -- records ----------------------------------------------------------------------------------

    def _read_log(self, name: str) -> bytes | None:
        try:
            return (self.folder / "log" / f"{name}.log").read_bytes()
        except OSError:
            return None

    def _accepted_records(self) -> list[Record]:
        records: list[Record] = []
        for unit, number, claim, end in self._ended():
            for span in end["spans"]:
                records.extend(self._span_records(unit, number, claim, end, span))
        return records

    def _span_records(
        self, unit: str, number: int, claim: Json, end: Json, span: Sequence[Any]
    ) -> Iterator[Record]:
        name, start, stop = span
        where = f"span {name}[{start}, {stop}) of epoch {number} of unit {unit}"
        data = self._log(name)
        if data is None or len(data) < stop:
            self.broken(3, f"{where} goes beyond the log, which has {len(data or b'')} bytes")
            return
        if name.rpartition("-")[0] != claim["worker"]:
            self.broken(3, f"{where} is not in a log of {claim['worker']}, who claimed")
        if end.get("by") != claim["worker"] and not any(mark >= stop for mark in self._marks(name)):
            self.broken(3, f"{where} was ended by {end.get('by')} and goes beyond the last mark")
        at = start
        for kind, _, end_of_frame, body in frames(data[:stop], name, start):
            at = end_of_frame
            if kind == "R":
                yield from self._body_records(unit, number, body, where)
        if at != stop:
            self.broken(3, f"{where} has a bad frame at byte {at} ({bad_frame(data[:stop], name, at)})")

    def _marks(self, name: str) -> list[int]:
        found = frames(self._log(name) or b"", name, 0)
        return [int(body) for kind, _, _, body in found if kind == "M"]

    def _body_records(self, unit: str, number: int, body: bytes, where: str) -> Iterator[Record]:
        keys = self.root(unit).keys
        try:
            head, *lines = [parsed(line) for line in body.splitlines()]
            lines = [complete(line, _RESULT) for line in lines]
        except ValueError as error:
            self.broken(3, f"{where} has a line that is not JSON ({error})")
            return
        if (head.get("unit"), head.get("epoch")) != (unit, number):
            return
        for line in lines:
            index = line["index"]
            if not 0 <= index < len(keys) or line["key"] != keys[index]:
                self.broken("plan", f"{where} has a result of task {index} with the key {line['key']}")
                continue
            yield Record(unit=unit, epoch=number, key=line["key"], line=line)

    # -- laws -------------------------------------------------------------------------------------

    def _check_once(self, records: Sequence[Record]) -> None:
        """Check laws 1 and 9."""
        tries, finals = Counter[tuple[str, int, int]](), Counter[tuple[str, int]]()
        charged = Counter[tuple[str, int]]()
        limits: dict[tuple[str, int], int] = {}
        for record in records:
            root = self.root(record.unit)
            task = (record.key, root.generation)
            tries[*task, record.line["attempt"]] += 1
            finals[task] += bool(record.line["final"])
            charged[task] += record.line["outcome"] in _CHARGED
            limits[task] = root.attempts
            if record.line["index"] not in (self.own(record.unit) or ()):
                self.broken("split", f"unit {record.unit} has a result of task {record.line['index']} of another")
        for (key, generation, attempt), n in tries.items():
            if n > 1:
                self.broken(1, f"{n} accepted records of task {key} generation {generation} attempt {attempt}")
        for (key, generation), n in finals.items():
            if n > 1:
                self.broken(1, f"{n} final results of task {key} generation {generation} are accepted")
        self._check_charged(records, charged, limits)

    def _check_charged(
        self,
        records: Sequence[Record],
        charged: Mapping[tuple[str, int], int],
        limits: Mapping[tuple[str, int], int],
    ) -> None:
        """Check law 9 on what is accepted: what is forgiven does not count."""
        for task, n in charged.items():
            if n > limits[task]:
                self.broken(9, f"{n} attempts at task {task[0]} are charged: the limit is {limits[task]}")
        for record in records:
            task = (record.key, self.root(record.unit).generation)
            attempt = record.line["attempt"]
            if not 1 <= attempt <= limits[task] + self._forgiven(record):
                self.broken(9, f"attempt {attempt} at task {record.key}: the limit is {limits[task]}")

    def _forgiven(self, record: Record) -> int:
        """Return how many attempts at the task of *record* were forgiven at most, by what ends and records say."""
        index, most = record.line["index"], int(record.line["outcome"] not in _CHARGED)
        root = record.unit.partition(".")[0]
        for unit, epochs in self.epochs.items():
            if unit.partition(".")[0] == root:
                for epoch in epochs.values():
                    said = dict(epoch.end.get("forgiven", ())) if epoch.end else {}
                    most = max(most, said.get(index, 0) + int(record.line["outcome"] not in _CHARGED))
        return most

    def _check_cancelled(self) -> None:
        """Check law 8 on everything that holders wrote, accepted or not."""
        for name in sorted(names(self.folder / "log")):
            if not name.endswith(".log"):
                continue
            file_id = name.removesuffix(".log")
            for kind, _, _, body in frames(self._log(file_id) or b"", file_id, 0):
                if kind == "R":
                    self._check_frame(file_id, body)

    def _check_frame(self, file_id: str, body: bytes) -> None:
        try:
            head, *lines = [parsed(line) for line in body.splitlines()]
            lines = [complete(line, _RESULT) for line in lines]
        except ValueError:
            return  # reported where it is accepted
        epoch = self.epochs.get(head.get("unit", ""), {}).get(head.get("epoch", 0))
        if epoch is None or epoch.claim is None or epoch.claim["worker"] != file_id.rpartition("-")[0]:
            self.broken(
                6,
                f"log {file_id} has results of epoch {head.get('epoch')} of unit {head.get('unit')}, "
                "which its worker has not claimed",
            )
            return
        if epoch.claim.get("adopted"):
            return
        root, position = self.root(head["unit"]), epoch.claim["position"]
        for line in lines:
            if self.chain.cancelled(root, line["key"], position):
                self.broken(
                    8,
                    f"task {line['key']} ran in epoch {head['epoch']} of unit {head['unit']}, whose "
                    f"claim states position {position}, where it was cancelled",
                )

    def _check_ends(self, unit: str, records: Sequence[Record]) -> None:
        """Check law 5, and that every end follows from the one before it and from the records."""
        own, previous = self.own(unit), None
        if own is None:
            return
        for number, epoch in sorted(self.epochs[unit].items()):
            if epoch.end is None:
                continue
            name, end = f"end {number} of unit {unit}", epoch.end
            if end.get("kind") not in _ENDS or end["indices"] != own or len(end["marks"]) != len(own):
                self.broken(5, f"{name} ({end.get('kind')}) does not speak for the tasks {own} of the unit")
                return
            until = [record for record in records if record.epoch <= number]
            self._check_marks(name, unit, end, until)
            self._check_step(name, end, previous, until)
            self._check_parts(name, end)
            previous = end

    def _check_marks(self, name: str, unit: str, end: Json, records: Sequence[Record]) -> None:
        root = self.root(unit)
        final = {r.line["index"]: "d" if r.succeeded else "f" for r in records if r.line["final"]}
        for index, mark in zip(end["indices"], end["marks"], strict=True):
            key = root.keys[index]
            if mark in "c." and index in final:
                self.broken(5, f"{name} marks task {index} {mark!r}, its accepted result says {final[index]!r}")
            elif mark == "c":
                if not self._withdrawn(root, key):
                    self.broken(5, f"{name} marks task {index} cancelled, and nobody cancelled it")
            elif mark != final.get(index, "."):
                self.broken(5, f"{name} marks task {index} {mark!r}, its accepted result is {final.get(index)!r}")
        if end["kind"] == "done" and "." in end["marks"]:
            self.broken(5, f"{name} is done, and marks are {end['marks']}")

    def _withdrawn(self, root: Unit, key: str) -> bool:
        last = len(self.chain.entries)
        return self.chain.cancelled(root, key, last) or self.chain.superseded(root, key)

    def _check_step(self, name: str, end: Json, previous: Json | None, records: Sequence[Record]) -> None:
        """Check that nothing settled came undone and that attempts and losses are counted on."""
        marks = zip(previous["marks"] if previous else (), end["marks"], strict=False)
        if any(before not in (".", after) for before, after in marks):
            self.broken(2, f"{name} changes settled marks {previous and previous['marks']} to {end['marks']}")
        tried = Counter[int]()
        for record in records:
            tried[record.line["index"]] = max(tried[record.line["index"]], record.line["attempt"])
        said, losses = dict(end.get("attempts", ())), dict(end.get("losses", ()))
        lost = dict(previous.get("losses", ())) if previous else {}
        for index, mark in zip(end["indices"], end["marks"], strict=True):
            if mark == "." and said.get(index, 0) < tried[index]:
                self.broken(9, f"{name} counts {said.get(index, 0)} attempts at task {index}, not {tried[index]}")
            if mark == "." and losses.get(index, 0) < lost.get(index, 0):
                self.broken(9, f"{name} counts {losses.get(index, 0)} losses of task {index}, fewer than before")
        self._check_forgiven(name, end, previous, records)
        self._check_deaths(name, end, previous)

    def _check_forgiven(self, name: str, end: Json, previous: Json | None, records: Sequence[Record]) -> None:
        """Check that what was forgiven stays so, and that it is never more than was tried."""
        said, tried = dict(end.get("forgiven", ())), dict(end.get("attempts", ()))
        before = dict(previous.get("forgiven", ())) if previous else {}
        spared = Counter(r.line["index"] for r in records if r.line["outcome"] not in _CHARGED)
        for index, mark in zip(end["indices"], end["marks"], strict=True):
            n, least = said.get(index, 0), max(before.get(index, 0), spared[index])
            if mark == "." and not least <= n <= tried.get(index, 0):
                self.broken(
                    9,
                    f"{name} forgives {n} of {tried.get(index, 0)} attempts at task {index}, "
                    f"where {least} were forgiven before or by the records",
                )

    def _check_deaths(self, name: str, end: Json, previous: Json | None) -> None:
        """Check that a death is counted once: for the unit, or for the task that alone was left."""
        before = previous or {}
        sealed, deaths = end["kind"] == "sealed", end.get("deaths", 0)
        if not 0 <= deaths <= before.get("deaths", 0) + sealed:
            self.broken(9, f"{name} counts {deaths} deaths, after {before.get('deaths', 0)}")
        left = [index for index, mark in zip(end["indices"], end["marks"], strict=True) if mark == "."]
        if sealed and len(left) == 1:
            losses, lost = dict(end.get("losses", ())), dict(before.get("losses", ()))
            if losses.get(left[0], 0) <= lost.get(left[0], 0):
                self.broken(9, f"{name} charges nobody: task {left[0]} alone was left when its worker was lost")

    def _check_parts(self, name: str, end: Json) -> None:
        parts = [index for part in end.get("parts", ()) for index in part]
        left = [index for index, mark in zip(end["indices"], end["marks"], strict=True) if mark == "."]
        if end["kind"] == "split" and sorted(parts) != sorted(left):
            self.broken("split", f"{name} divides {left} into {end['parts']}")
        elif end["kind"] != "split" and parts:
            self.broken("split", f"{name} is {end['kind']} and has parts")

    def _check_artifacts(self, record: Record) -> None:
        """Check law 7."""
        for name, place in (record.line.get("artifacts") or {}).items():
            if not isinstance(place, dict) or "file" not in place:
                continue
            path, start = self.folder / place["file"], place.get("offset", 0)
            length = place.get("length")
            if not path.is_file() or not path.resolve().is_relative_to(self.folder.resolve()):
                self.broken(7, f"artifact {name} of task {record.key} is not in the folder: {place['file']}")
                continue
            with path.open("rb") as file:
                file.seek(start)
                content = file.read(-1 if length is None else length)
            if hashlib.sha256(content).hexdigest() != place["sha256"]:
                self.broken(7, f"artifact {name} of task {record.key} does not match its sha256: {place['file']}")


def names(folder: Path) -> list[str]:
    """Return the names in *folder* that are not temporary; none if it does not exist."""
    return [path.name for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []


def divided(lines: list[Any], sizes: Sequence[int]) -> list[list[Any]]:
    """Return *lines* in parts of these *sizes*."""
    parts, start = [], 0
    for size in sizes:
        parts.append(lines[start : start + size])
        start += size
    return parts


def task_keys(unit: Json, candidates: Sequence[Json], cells: Sequence[Json]) -> tuple[str, ...]:
    """Return the keys of the tasks of a planned unit, by index."""
    places = unit["cells"]
    if isinstance(places, int):
        places = [places] * len(unit["candidates"])
    return tuple(
        hashlib.sha256(f"{candidates[i]['key']}/{cells[j]['key']}".encode()).hexdigest()[:32]
        for i, j in zip(unit["candidates"], places, strict=True)
    )
