"""The independent reader counts sweep folders, and objects to every way in which one can be broken."""

import ast
import hashlib
import json
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from manyfit.model.control import Pause
from manyfit.stores.directory import DirectoryStore
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing import independent
from manyfit.testing.independent import audit, lost_results, main
from manyfit.testing.store_machine import key_at
from manyfit.testing.stores import act, copy
from manyfit.testing.stores.adopting import live


def key_of(index):
    return hashlib.sha256(f"cand{index}/cell0".encode()).hexdigest()[:32]


class Writer:
    """Writes sweep folders by the format alone; every method is one file or one frame."""

    def __init__(self, folder):
        self.folder = folder
        self.position = 0
        self.sizes = {}
        self.put("manyfit.json", {"format": 1, "id": "ab", "sweep": "s"})

    def put(self, name, value):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value) + "\n")

    def entry(self, kind, **fields):
        self.position += 1
        action = {"kind": kind, **fields}
        value = {"position": self.position, "action": action, "by": "me", "at": 1.0, "nonce": "n"}
        self.put(f"control/{self.position}.json", value)

    def segment(self, name, tasks, generation=0, removed=(), n_new=None, attempts=3):
        unit = {"id": f"{name}-0", "candidates": list(range(len(tasks))), "cells": 0, "cost_seconds": 1.0}
        unit |= {"mode": "fit", "generation": generation, "pipeline": "p"}
        counts = {"n_candidates": len(tasks), "n_cells": 1, "n_units": 1, "n_removed": len(removed)}
        header = {"kind": "header", "id": name, "limits": {"attempts": attempts}, **counts}
        lines = [header, *({"key": f"cand{i}"} for i in tasks), {"key": "cell0"}, unit, *map(key_of, removed)]
        content = "".join(json.dumps(line) + "\n" for line in lines)
        path = self.folder / "plan" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        n_new = len(tasks) if n_new is None else n_new
        self.entry(
            "AddSegment", segment=name, sha256=sha256, n_units=1, n_tasks=len(tasks), n_new=n_new, more=False
        )

    def claim(self, unit, epoch, worker, position=None):
        value = {"unit": unit, "epoch": epoch, "worker": worker, "position": position or self.position}
        self.put(f"units/{unit.partition('-')[0]}/{unit}.c{epoch}", value)

    def end(self, unit, epoch, kind, marks, spans, by, **fields):
        value = {"kind": kind, "indices": list(range(len(marks))), "marks": marks, "spans": spans, "by": by}
        value |= {"attempts": [], "losses": [], "parts": [], **fields}
        self.put(f"units/{unit.partition('-')[0]}/{unit}.e{epoch}", value)

    def frame(self, log, kind, body):
        path = self.folder / "log" / f"{log}.log"
        path.parent.mkdir(exist_ok=True)
        start = path.stat().st_size if path.exists() else 0
        crc = zlib.crc32(f"{log}:{start}:".encode() + body)
        with path.open("ab") as file:
            file.write(f"#{kind} {len(body):08d} {crc:08x}\n".encode() + body)
        return start, path.stat().st_size

    def results(self, log, unit, epoch, *lines):
        """Write one R frame and a MARK that covers it; return its span."""
        body = [{"unit": unit, "epoch": epoch}, *lines]
        start, end = self.frame(log, "R", "".join(json.dumps(line) + "\n" for line in body).encode())
        self.frame(log, "M", f"{end}\n".encode())
        return [log, start, end]


def line(index, *, task=None, attempt=1, outcome="succeeded", final=True, score=0.5, **fields):
    key = key_of(index if task is None else task)
    value = {"index": index, "key": key, "attempt": attempt, "outcome": outcome, "final": final}
    return {**value, "finished_at": 1.0, "scores": {"cv": {"accuracy": score}}, **fields}


@pytest.fixture
def writer(tmp_path):
    """A folder with one segment `s` with one unit of three tasks."""
    made = Writer(tmp_path / "w.sweep")
    made.segment("s", [0, 1, 2])
    return made


@pytest.fixture
def sealed(writer):
    """Worker a did task 0, failed once at task 1, was sealed by b, who did the rest."""
    writer.claim("s-0", 1, "a")
    span = writer.results("a-1", "s-0", 1, line(0), line(1, outcome="failed", final=False))
    writer.end("s-0", 1, "sealed", "d..", [span], "b", attempts=[[1, 1]])
    writer.claim("s-0", 2, "b")
    span = writer.results("b-1", "s-0", 2, line(1, attempt=2), line(2, outcome="failed"))
    writer.end("s-0", 2, "done", "ddf", [span], "b")
    return writer


def problems(writer):
    return list(audit(writer.folder).violations)


def test_a_sound_folder_is_counted_without_complaint(sealed):
    """Two epochs of one unit: counts, generation, attempt, outcome and scores are read."""
    report = audit(sealed.folder)
    assert report.violations == ()
    assert (report.planned, report.done, report.failed, report.pending) == (3, 2, 1, 0)
    assert report.accepted[key_of(1)] == (0, 2, "succeeded", {"cv": {"accuracy": 0.5}})


def test_what_no_end_covers_is_running_or_pending(writer):
    """A record without an end is no result; the task in the heartbeat of the holder runs."""
    writer.claim("s-0", 1, "a")
    writer.results("a-1", "s-0", 1, line(0))
    writer.put("heartbeat/a.json", {"counter": 1, "unit": "s-0", "epoch": 1, "index": 1})
    report = audit(writer.folder)
    assert report.violations == ()
    assert (report.done, report.running, report.pending, dict(report.accepted)) == (0, 1, 2, {})


def test_the_highest_generation_counts_and_a_waiting_retry_is_pending(sealed):
    """A retry moves a failed task to pending, and its new result counts once it is accepted."""
    sealed.segment("r", [2], generation=1, n_new=0)
    waiting = audit(sealed.folder)
    assert (waiting.violations, waiting.planned, waiting.failed, waiting.pending) == ((), 3, 0, 1)
    sealed.claim("r-0", 1, "b")
    span = sealed.results("b-1", "r-0", 1, line(0, task=2, score=0.9))
    sealed.end("r-0", 1, "done", "d", [span], "b")
    report = audit(sealed.folder)
    assert (report.violations, report.done, report.pending) == ((), 3, 0)
    assert report.accepted[key_of(2)] == (1, 1, "succeeded", {"cv": {"accuracy": 0.9}})
    assert lost_results(waiting, report) == []


def test_cancelled_and_removed_tasks_are_counted_apart(writer):
    """A cancelled task counts as cancelled, a removed one not at all."""
    writer.entry("Cancel", tasks=[key_of(0)])
    writer.segment("t", [3], removed=[1])
    report = audit(writer.folder)
    assert report.violations == ()
    assert (report.planned, report.cancelled, report.pending) == (3, 1, 2)


def test_a_split_is_followed_into_its_children(writer):
    """Children run their parts of the index space of the root."""
    writer.claim("s-0", 1, "a")
    span = writer.results("a-1", "s-0", 1, line(0))
    writer.end("s-0", 1, "split", "d..", [span], "a", parts=[[1], [2]])
    writer.claim("s-0.1", 1, "b")
    span = writer.results("b-1", "s-0.1", 1, line(2))
    writer.end("s-0.1", 1, "done", "d", [span], "b", indices=[2])
    report = audit(writer.folder)
    assert report.violations == ()
    assert (report.done, report.pending) == (2, 1)


def test_an_accepted_result_that_vanishes_is_law_2(sealed, tmp_path):
    """Two reports of one folder are compared by result."""
    earlier = audit(sealed.folder)
    (sealed.folder / "units/s/s-0.e2").unlink()
    assert len(lost_results(earlier, audit(sealed.folder))) == 2


def _edit(name, **fields):
    def change(writer):
        path = writer.folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


def _flip(name, at):
    def change(writer):
        path = writer.folder / name
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return change


def _remove(name):
    return lambda writer: (writer.folder / name).unlink()


def _accept_twice(writer):
    span = writer.results("b-1", "s-0", 2, line(0))
    spans = json.loads((writer.folder / "units/s/s-0.e2").read_text())["spans"]
    _edit("units/s/s-0.e2", spans=[*spans, span])(writer)


def _cancel_before_claim(writer):
    writer.entry("Cancel", tasks=[])
    _edit("units/s/s-0.c2", position=2)(writer)


def _pause_before_claim(writer):
    writer.entry("Pause")
    _edit("units/s/s-0.c2", position=2)(writer)


def _seal_beyond_mark(writer):
    body = json.dumps({"unit": "s-0", "epoch": 1}).encode() + b"\n"
    _, end = writer.frame("a-1", "R", body)
    spans = json.loads((writer.folder / "units/s/s-0.e1").read_text())["spans"]
    _edit("units/s/s-0.e1", spans=[[spans[0][0], spans[0][1], end]])(writer)


def _artifact(writer, sha256, file="artifacts/m"):
    (writer.folder / "artifacts").mkdir()
    (writer.folder / "artifacts/m").write_bytes(b"..model..")
    writer.segment("k", [3])
    writer.claim("k-0", 1, "b")
    place = {"model": {"file": file, "sha256": sha256, "offset": 2, "length": 5}}
    span = writer.results("b-1", "k-0", 1, line(0, task=3, artifacts=place))
    writer.end("k-0", 1, "done", "d", [span], "b")


def _many_attempts(writer):
    writer.segment("k", [3], attempts=1)
    writer.claim("k-0", 1, "b")
    span = writer.results("b-1", "k-0", 1, line(0, task=3, attempt=2))
    writer.end("k-0", 1, "done", "d", [span], "b")


def _two_leases(writer):
    for name, task in (("k", 3), ("l", 4)):
        writer.segment(name, [task])
        writer.claim(f"{name}-0", 1, "c")


def _unclaimed_records(writer):
    writer.results("c-1", "s-0", 2, line(0))


def _wrong_key(writer):
    writer.segment("k", [3])
    writer.claim("k-0", 1, "b")
    span = writer.results("b-1", "k-0", 1, line(0, task=4))
    writer.end("k-0", 1, "yielded", ".", [span], "b")


def _nan(writer):
    span = writer.results("b-1", "s-0", 2, line(2, score=float("nan")))
    _edit("units/s/s-0.e2", spans=[span])(writer)


def _bad_split(writer, parts):
    writer.segment("k", [3, 4, 5])
    writer.claim("k-0", 1, "b")
    writer.end("k-0", 1, "split", "...", [], "b", parts=parts)


def _child_of_nobody(writer):
    writer.segment("k", [3])
    writer.claim("k-0.0", 1, "b")


def _base(writer, content):
    writer.entry("Compacted", base="abc", sha256=hashlib.sha256(b"parquet").hexdigest())
    if content is not None:
        (writer.folder / "base").mkdir()
        (writer.folder / "base/abc.parquet").write_bytes(content)


def _cancelled_by_nobody(writer):
    writer.segment("k", [3])
    writer.claim("k-0", 1, "b")
    writer.end("k-0", 1, "done", "c", [], "b")


def _losses_forgotten(writer):
    writer.segment("k", [3])
    writer.claim("k-0", 1, "a")
    writer.end("k-0", 1, "sealed", ".", [], "b", losses=[[0, 2]])
    writer.claim("k-0", 2, "a")
    writer.end("k-0", 2, "yielded", ".", [], "a", losses=[[0, 1]])


def _terms(needs):
    concurrency = {"sweep": None, "tenant": None, "pipelines": {}}
    return {"priority": None, "tenant": "", "concurrency": concurrency, "needs": needs}


def _claim_of_a_held_pipeline(writer):
    writer.entry("Pause", pipeline="p", reason="")
    _edit("units/s/s-0.c2", position=2)(writer)


def _claim_beyond_what_is_offered(writer, **offers):
    needs = {"cores": 2, "memory_bytes": 0, "gpus": 0, "gpu_memory_bytes": 0, "hosts": ["n*"], "labels": ["x"]}
    writer.entry("SetTerms", terms=_terms({"": needs}))
    if offers:
        writer.put("workers/b.json", {"threads": 2, "memory_bytes": 1, "host": "n1", "labels": ["x"], **offers})
    _edit("units/s/s-0.c2", position=2)(writer)


def _too_many_charged(writer):
    writer.segment("k", [3], attempts=1)
    writer.claim("k-0", 1, "b")
    failed = line(0, task=3, outcome="failed", final=False)
    span = writer.results("b-1", "k-0", 1, failed, line(0, task=3, attempt=2))
    writer.end("k-0", 1, "done", "d", [span], "b")


def _preempted(writer, attempts=1, forgiven=1, later=1):
    """One attempt was preempted; the next one is charged, and is the last that the task has."""
    writer.segment("k", [3], attempts=1)
    writer.claim("k-0", 1, "b")
    span = writer.results("b-1", "k-0", 1, line(0, task=3, outcome="preempted", final=False))
    writer.end("k-0", 1, "yielded", ".", [span], "b", attempts=[[0, attempts]], forgiven=[[0, forgiven]])
    writer.claim("k-0", 2, "a")
    writer.end("k-0", 2, "yielded", ".", [], "a", attempts=[[0, 1]], forgiven=[[0, later]])
    writer.claim("k-0", 3, "a")
    span = writer.results("a-1", "k-0", 3, line(0, task=3, attempt=2, outcome="failed"))
    writer.end("k-0", 3, "done", "f", [span], "a")


def _deaths(writer, tasks, *said):
    """Seal a unit of these tasks as often as something is said about it."""
    writer.segment("k", tasks)
    for number, fields in enumerate(said, start=1):
        writer.claim("k-0", number, "a")
        writer.end("k-0", number, "sealed", "." * len(tasks), [], "b", **fields)


def _letter(name, at, letter):
    """Write another letter into the frame that begins at byte *at*."""

    def change(writer):
        path = writer.folder / name
        data = bytearray(path.read_bytes())
        data[at + 1] = ord(letter)
        path.write_bytes(data)

    return change


def _two_frames(letter, of):
    """One span with a header, results, a mark and results; frame number *of* gets another letter."""

    def change(writer):
        writer.segment("k", [3, 4])
        writer.claim("k-0", 1, "e")
        starts = [writer.frame("e-1", "H", b'{"file": "e-1", "format": 1, "after": []}\n')[0]]
        starts.append(writer.results("e-1", "k-0", 1, line(0, task=3))[1])
        starts.append(writer.results("e-1", "k-0", 1, line(1, task=4))[1])
        end = (writer.folder / "log/e-1.log").stat().st_size
        writer.end("k-0", 1, "done", "dd", [["e-1", 0, end]], "e")
        assert problems(writer) == []
        mark = (writer.folder / "log/e-1.log").read_bytes().index(b"#M")
        _letter("log/e-1.log", {"H": starts[0], "R": starts[1], "M": mark}[of], letter)(writer)

    return change


BROKEN = {
    "results as a mark": (_two_frames("M", of="R"), "(M frame: its body is not a number)"),
    "results as a header": (_two_frames("H", of="R"), "(H frame: it is not the first)"),
    "first results as a header": (_letter("log/a-1.log", 0, "H"), "(H frame: its body does not name the file)"),
    "results of no kind": (_two_frames("S", of="R"), "(S frame: no frame has that letter)"),
    "mark as results": (_two_frames("R", of="M"), "(R frame: its body does not begin with a unit and an epoch)"),
    "mark as a header": (_two_frames("H", of="M"), "(H frame: it is not the first)"),
    "header as results": (_two_frames("R", of="H"), "(R frame: its body does not begin with a unit and an epoch)"),
    "header as a mark": (_two_frames("M", of="H"), "(M frame: its body is not a number)"),
    "two accepted records of one attempt": (_accept_twice, "law 1: 2 accepted records"),
    "two final results": (_accept_twice, "law 1: 2 final results"),
    "settled mark undone": (_edit("units/s/s-0.e2", marks=".df"), "law 2: end 2 of unit s-0 changes settled"),
    "log cut inside a span": (lambda w: (w.folder / "log/a-1.log").write_bytes(b"#R"), "law 3: span a-1[0, "),
    "damaged frame": (_flip("log/a-1.log", 60), "bad frame at byte 0"),
    "seal beyond the last mark": (_seal_beyond_mark, "goes beyond the last mark"),
    "span in the log of another": (_edit("units/s/s-0.c1", worker="z"), "is not in a log of z"),
    "log is missing": (_remove("log/b-1.log"), "which has 0 bytes"),
    "not a number": (_nan, "a line that is not JSON (NaN"),
    "done with work left": (_edit("units/s/s-0.e2", marks="dd."), "law 5: end 2 of unit s-0 is done, and"),
    "mark without result": (_edit("units/s/s-0.e1", marks="dd."), "law 5: end 1 of unit s-0 marks task 1 'd'"),
    "mark of another outcome": (_edit("units/s/s-0.e2", marks="ddd"), "law 5: end 2 of unit s-0 marks task 2 'd'"),
    "result without mark": (_edit("units/s/s-0.e1", marks="..."), "law 5: end 1 of unit s-0 marks task 0 '.'"),
    "end of other tasks": (
        _edit("units/s/s-0.e1", indices=[0, 1, 5]),
        "law 5: end 1 of unit s-0 (sealed) does not",
    ),
    "cancelled by nobody": (_cancelled_by_nobody, "law 5: end 1 of unit k-0 marks task 0 cancelled, and nobody"),
    "nobody has the task left": (_cancelled_by_nobody, f"law 4: task {key_of(3)} has no final result"),
    "claim before the end": (_remove("units/s/s-0.e1"), "law 6: epoch 2 of unit s-0 exists, epoch 1 has not"),
    "end without claim": (_remove("units/s/s-0.c1"), "law 6: epoch 1 of unit s-0 has an end and no claim"),
    "claim after done": (_edit("units/s/s-0.e1", kind="done"), "law 6: epoch 2 of unit s-0 follows an end that"),
    "claim of another unit": (_edit("units/s/s-0.c1", epoch=7), "law 6: claim s-0.c1 is of epoch 7"),
    "two leases at once": (_two_leases, "law 6: worker c holds 2 leases"),
    "records without claim": (_unclaimed_records, "law 6: log c-1 has results of epoch 2"),
    "unreadable claim": (lambda w: (w.folder / "units/s/s-0.c1").write_text("{"), "s-0.c1 cannot be read"),
    "end without spans": (lambda w: w.put("units/s/s-0.e1", {"kind": "done"}), "without indices, marks, spans"),
    "artifact is missing": (lambda w: _artifact(w, "00", "artifacts/x"), "law 7: artifact model of task"),
    "artifact outside": (lambda w: _artifact(w, "00", "../w.sweep.x"), "is not in the folder: ../"),
    "artifact differs": (lambda w: _artifact(w, "00"), "does not match its sha256: artifacts/m"),
    "cancelled before the claim": (_cancel_before_claim, "law 8: task"),
    "too many attempts": (_many_attempts, "law 9: attempt 2 at task"),
    "attempts forgotten": (_edit("units/s/s-0.e1", attempts=[]), "law 9: end 1 of unit s-0 counts 0 attempts"),
    "losses forgotten": (_losses_forgotten, "law 9: end 2 of unit k-0 counts 1 losses"),
    "attempts charged": (_too_many_charged, "law 9: 2 attempts at task"),
    "forgiven forgotten": (lambda w: _preempted(w, later=0), "law 9: end 2 of unit k-0 forgives 0 of 1"),
    "not forgiven": (lambda w: _preempted(w, forgiven=0), "law 9: end 1 of unit k-0 forgives 0 of 1"),
    "forgiven and never tried": (lambda w: _preempted(w, forgiven=2), "law 9: end 1 of unit k-0 forgives 2 of 1"),
    "a death too many": (lambda w: _deaths(w, [3, 4], {"deaths": 2}), "law 9: end 1 of unit k-0 counts 2 deaths"),
    "nobody is charged": (lambda w: _deaths(w, [3], {"deaths": 1}), "law 9: end 1 of unit k-0 charges nobody"),
    "charged once only": (
        lambda w: _deaths(w, [3], {"losses": [[0, 1]]}, {"losses": [[0, 1]]}),
        "law 9: end 2 of unit k-0 charges nobody",
    ),
    "held pipeline": (
        _claim_of_a_held_pipeline,
        "law 12: claim 2 of unit s-0 states position 2, where p",
    ),
    "needs of nobody": (_claim_beyond_what_is_offered, "law 12: claim 2 of unit s-0 is of b, which lacks a reg"),
    "needs more cores": (lambda w: _claim_beyond_what_is_offered(w, threads=1), "which lacks cores"),
    "needs another host": (lambda w: _claim_beyond_what_is_offered(w, host="m1"), "which lacks another host"),
    "needs a label": (lambda w: _claim_beyond_what_is_offered(w, labels=[]), "which lacks labels"),
    "audit without certificate": (lambda w: w.entry("Audit"), "chain: entry 2 is without certificate"),
    "base is missing": (lambda w: _base(w, None), "law 10: base abc of entry 2 does not exist"),
    "base differs": (lambda w: _base(w, b"other"), "law 10: base abc of entry 2 does not match"),
    "gap in the chain": (lambda w: w.put("control/3.json", {}), "chain: entry 2 is missing below entry 3"),
    "wrong position": (_edit("control/1.json", position=2), "chain: entry 1 says position 2"),
    "unknown action": (lambda w: w.entry("Dance"), "chain: entry 2 has the unknown action"),
    "incomplete action": (lambda w: w.entry("AddSegment"), "chain: entry 2 is without segment, sha256"),
    "claim in a pause": (_pause_before_claim, "chain: claim 2 of unit s-0 states position 2, where the sweep is"),
    "claim from the future": (_edit("units/s/s-0.c1", position=9), "chain: claim 1 of unit s-0 states position 9"),
    "segment changed": (_flip("plan/s.jsonl", 10), "plan: segment s"),
    "segment is missing": (_remove("plan/s.jsonl"), "plan: segment s of entry 1 cannot be read"),
    "wrong counts": (lambda w: w.segment("k", [3], n_new=0), "plan: entry of segment k counts"),
    "result of another task": (_wrong_key, "plan: span b-1"),
    "claims of no unit": (lambda w: w.put("units/s/x-9.c1", {}), "plan: units/s/x-9.c1 belongs to no unit"),
    "claims of no segment": (lambda w: w.put("units/z/z-0.c1", {}), "plan: units/z belongs to no segment"),
    "parts overlap": (lambda w: _bad_split(w, [[0, 1], [1, 2]]), "split: end 1 of unit k-0 divides"),
    "parts do not cover": (lambda w: _bad_split(w, [[0], [1]]), "split: end 1 of unit k-0 divides"),
    "child of nobody": (_child_of_nobody, "split: unit k-0.0 was claimed, and no split made it"),
    "parts without split": (_edit("units/s/s-0.e1", parts=[[1], [2]]), "split: end 1 of unit s-0 is sealed and"),
    "another format": (_edit("manyfit.json", format=2), "format: manyfit.json says format 2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_objected_to(sealed, name):
    """Each way to break the sound folder is reported, with the law and the thing."""
    assert problems(sealed) == []
    damage, expected = BROKEN[name]
    damage(sealed)
    found = problems(sealed)
    assert any(expected in text for text in found), found


def test_terms_that_are_kept_are_no_violation(sealed):
    """A worker that offers enough may claim; a pipeline that was resumed too; and deaths add up by one."""
    _claim_beyond_what_is_offered(sealed, threads=3)
    sealed.put("workers/a.json", {"threads": 2, "memory_bytes": 1, "host": "n2", "labels": ["x", "y"]})
    sealed.entry("Pause", pipeline="p", reason="why")
    sealed.entry("Pause", pipeline="q", reason="why")
    sealed.entry("Resume", pipeline="p")
    _edit("units/s/s-0.c2", position=5)(sealed)
    _deaths(sealed, [3, 4], {"deaths": 1}, {"deaths": 2}, {"losses": [[1, 1]], "deaths": 2})

    assert problems(sealed) == []


def test_forgiven_attempts_are_no_violation(sealed):
    """An attempt beyond the limit is fine when one before was preempted."""
    _preempted(sealed)

    assert problems(sealed) == []


def test_a_copied_folder_is_sound(tmp_path):
    """What the store adopts from another one is a folder like any other, also with claims in a pause."""
    source = MemoryStore(MemoryState(sweep="tiny"))
    live(source)
    target = DirectoryStore.create(tmp_path / "copy.sweep", sweep="tiny")
    act(source, Pause())
    copy(Keyed(source), target)

    report = audit(tmp_path / "copy.sweep")

    assert list(report.violations) == []
    found = target.snapshot().counts
    assert (found.planned, found.done, found.failed) == (report.planned, report.done, report.failed)
    target.close()


class Keyed:
    """A store whose result lines have the keys of their tasks."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def epochs(self):
        for ended in self.store.epochs():
            values = [json.loads(text) for text in ended.lines.splitlines()]
            for value in values:
                value["key"] = key_at(self.store, self.store.unit(ended.unit), value["index"])
            yield replace(ended, lines="".join(json.dumps(value) + "\n" for value in values).encode())


def test_a_segment_may_be_submitted_again(sealed):
    """The same content again changes nothing; it may be how a submission is ended."""
    before = audit(sealed.folder)
    action = json.loads((sealed.folder / "control/1.json").read_text())["action"]
    sealed.entry(action.pop("kind"), **action)
    assert audit(sealed.folder) == before


def test_a_matching_artifact_and_base_are_accepted(sealed):
    """The checks of laws 7 and 10 pass where bytes match."""
    _artifact(sealed, hashlib.sha256(b"model").hexdigest())
    _base(sealed, b"parquet")
    assert problems(sealed) == []


def test_a_torn_tail_and_half_a_heartbeat_are_no_violation(sealed):
    """Crashes leave both behind."""
    with (sealed.folder / "log/a-1.log").open("ab") as file:
        file.write(b"#R 00000100 0000")
    (sealed.folder / "heartbeat").mkdir()
    (sealed.folder / "heartbeat/a.json").write_text('{"counter": 1')
    (sealed.folder / "units/s/.new-12ab").write_text("{")
    assert problems(sealed) == []


def test_the_command_prints_counts_and_says_by_its_status_whether_all_is_well(sealed, capsys):
    """Status 0 for a sound folder, 1 for a broken one; --json prints the whole report."""
    assert main([str(sealed.folder)]) == 0
    assert "planned 3 = done 2 + failed 1" in capsys.readouterr().out
    _remove("units/s/s-0.e1")(sealed)
    assert main([str(sealed.folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["violations"]


def test_the_reader_shares_no_code_with_what_it_checks():
    """It imports the standard library only, and nothing of manyfit."""
    allowed = {*sys.stdlib_module_names, independent.__name__}
    files = sorted(Path(independent.__file__).parent.glob("*.py"))
    assert len(files) > 4
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
            if isinstance(node, ast.ImportFrom):
                assert not node.level
                module = node.module or ""
                assert module.startswith(f"{independent.__name__}.") or module.partition(".")[0] in allowed
