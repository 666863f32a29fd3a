"""A store is read as a whole, nothing in it is changed, and whatever is wrong in it is named."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.health.examinations import examined
from tests.run.plans import TRIVIAL, inline, make_store, plan, submit, work

from manyfit.contracts.accepted import AcceptedBlock
from manyfit.health import store as health
from manyfit.health.finding import Seen, Status
from manyfit.health.inquiry import Inquiry, Subject
from manyfit.model.control import AddSegment, Compacted, Entry, Pause
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.snapshot import Counts, Snapshot, WorkerView
from manyfit.model.worker import Beat, WorkerInfo, WorkerState
from manyfit.run.identity import worker_info
from manyfit.stores.directory.store import DirectoryStore

NOW = 1e9
N_TASKS = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a store with a sweep that ran to its end."""
    store = make_store(tmp_path)
    submit(store, plan([{}] * N_TASKS, folder=tmp_path, per_unit=2, executor=TRIVIAL))
    work(store, runner=inline())
    store.close()
    return tmp_path / "t.sweep"


def looked_at(folder: Path) -> dict[str, Seen]:
    """Return what each check sees of the store in *folder*, in this process."""
    patient = health.Patient(open=lambda: DirectoryStore(folder), tell=lambda n, of: None)
    found = {check.name: check.look() for check in health.checks(patient)}
    patient.store.close()
    return found


def content(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


def test_a_sound_store_passes_and_is_not_touched(folder: Path) -> None:
    """Everything is fine, every result was read, and no byte is another one afterwards."""
    before = content(folder)
    found = examined(Inquiry(subject=Subject.STORE, store=str(folder), opener="manyfit.connect:open_store"))
    assert {finding.status for finding in found.values()} == {Status.OK}, found
    assert found["results"].seen.facts["results"] == N_TASKS
    assert found["counts"].seen.text.startswith(f"planned {N_TASKS} = done {N_TASKS} ")
    assert content(folder) == before


def test_progress_is_told_while_results_are_read(folder: Path) -> None:
    """Whoever waits sees how far it is."""
    told: list[tuple[int, int]] = []
    patient = health.Patient(open=lambda: DirectoryStore(folder), tell=lambda n, of: told.append((n, of)))
    next(check for check in health.checks(patient) if check.name == "results").look()
    patient.store.close()
    assert told == [(2, N_TASKS), (4, N_TASKS), (6, N_TASKS)]


def test_a_damaged_log_is_found(folder: Path) -> None:
    """One bit in an accepted result fails its checksum; the plan is not concerned."""
    (log,) = (folder / "log").glob("*.log")
    data = bytearray(log.read_bytes())
    data[data.index(b'"outcome"') + 3] ^= 1
    log.write_bytes(data)
    found = looked_at(folder)
    assert found["results"].status is Status.PROBLEM
    assert log.name in found["results"].text
    assert found["plan"].status is Status.OK


def test_a_changed_plan_is_found(folder: Path) -> None:
    """A segment is compared with its checksum."""
    (segment,) = (folder / "plan").glob("*.jsonl")
    data = bytearray(segment.read_bytes())
    data[-3] ^= 1
    segment.write_bytes(data)
    seen = looked_at(folder)["plan"]
    assert (seen.status, segment.name in seen.text) == (Status.PROBLEM, True), seen


def test_a_store_that_cannot_be_opened_is_one_problem(folder: Path) -> None:
    """What needs the store is left out then."""
    (folder / "manyfit.json").write_text("{")
    found = examined(Inquiry(subject=Subject.STORE, store=str(folder), opener="manyfit.connect:open_store"))
    assert {name: finding.status for name, finding in found.items()} == {"opening": Status.PROBLEM}


@pytest.mark.parametrize(
    ("opener", "name", "said"),
    [("broken", "opening", "RuntimeError: no idea"), ("confused", "control chain", "KeyError: 'position'")],
)
def test_errors_that_nobody_thought_of_are_problems(opener: str, name: str, said: str) -> None:
    """What cannot be read is not fine, whatever the error."""
    asked = Inquiry(subject=Subject.STORE, store="x", opener=f"tests.health.opened:{opener}")
    seen = examined(asked)[name].seen
    assert (seen.status, seen.text) == (Status.PROBLEM, said)


def test_a_lease_of_a_dead_worker_is_found(tmp_path: Path) -> None:
    """A worker whose process ended while it held a unit is named, and what happens to its work."""
    store = make_store(tmp_path)
    submit(store, plan([{}] * 2, folder=tmp_path, per_unit=2, executor=TRIVIAL))
    info = replace(worker_info(1, time.time), pid=2**22 + 1, pid_started="gone")
    store.register(info)
    store.beat(info.id, Beat(counter=1, at=time.time(), state=WorkerState.RUNNING))
    assert store.claim(info.id) is not None
    seen = looked_at(tmp_path / "t.sweep")["leases"]
    assert (seen.status, seen.facts["dead"]) == (Status.WARNING, [str(info.id)]), seen
    assert "takes them over" in seen.do
    store.close()


def test_a_new_store_has_nothing_in_it(tmp_path: Path) -> None:
    """That is worth a warning: nobody has submitted."""
    make_store(tmp_path).close()
    found = looked_at(tmp_path / "t.sweep")
    assert found["control chain"].status is Status.WARNING
    assert {seen.status for name, seen in found.items() if name != "control chain"} == {Status.OK}


# -- what no sound store says ---------------------------------------------------------------------------


def entry(position: int, action: Any = None) -> Entry:
    return Entry(position=position, action=action or Pause(), by="me", at=0.0)


def test_a_gap_in_the_chain() -> None:
    """The first position that is missing is named."""
    assert health.chain([entry(1), entry(2)]).status is Status.OK
    seen = health.chain([entry(1), entry(3)])
    assert (seen.status, seen.text) == (Status.PROBLEM, "entry 2 is missing: 3 stands in its place")


def snapshot(**changed: Any) -> Snapshot:
    counts = Counts(planned=3, done=1, pending=2)
    values: dict[str, Any] = {
        "sweep": "t",
        "position": 1,
        "counts": counts,
        "per_pipeline": {"p": counts},
        "paused": False,
        "planning": False,
        "n_units": 2,
        "n_units_closed": 1,
        "cost_seconds": 1.0,
        "cost_done_seconds": 0.5,
    }
    return Snapshot(**{**values, **changed})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"counts": Counts(planned=3, done=1)}, "all: planned 3 = done 1"),
        ({"per_pipeline": {"p": Counts(planned=3, done=4)}}, "p: planned 3 = done 4"),
        ({"per_pipeline": {}}, "pipelines have 0 tasks together, not 3"),
        ({"n_units_closed": 5}, "5 of 2 units are closed"),
    ],
)
def test_counts_that_do_not_add_up(changed: dict[str, Any], said: str) -> None:
    """In all, for each pipeline, between both, and for units."""
    seen = health.counts(snapshot(**changed))
    assert seen.status is (Status.PROBLEM if said else Status.OK)
    assert said in seen.text


def worker(name: str, *, age: float = 1.0, alive: bool = True) -> WorkerView:
    info = WorkerInfo(
        id=WorkerId(name),
        host="far",
        boot="other",
        pid=1,
        pid_started="",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
    )
    return WorkerView(info=info, beat=Beat(counter=1, at=NOW - age, state=WorkerState.RUNNING), alive=alive)


@pytest.mark.parametrize(
    ("workers", "status", "said"),
    [
        ([worker("a")], "ok", "1 open lease"),
        ([worker("a", alive=False)], "warning", "1 of 1 open lease held by workers that seem dead: a"),
        ([worker("a", age=500)], "warning", "seem dead: a"),
        ([], "warning", "seem dead: a"),
    ],
    ids=["works", "known to be dead", "silent", "never registered"],
)
def test_leases_are_judged_by_their_holders(workers: list[WorkerView], status: str, said: str) -> None:
    """Dead, silent for longer than leases hold, or unknown: all the same to the work that waits."""
    seen = health.leases(snapshot(workers=workers, open_units={UnitId("u"): WorkerId("a")}), NOW)
    assert (seen.status.value, said in seen.text) == (status, True), seen


@pytest.mark.parametrize(
    ("workers", "status", "said"),
    [
        ([], "ok", "no worker is at work"),
        ([worker("a", age=3), worker("b", age=7)], "ok", "oldest of 2 workers: 7.0 s ago (b on far)"),
        ([worker("a", age=300)], "warning", "5 min ago"),
        ([worker("a", age=-60)], "warning", "far by 60.0 s"),
        ([worker("a", age=300, alive=False)], "ok", "no worker is at work"),
    ],
)
def test_heartbeats(workers: list[WorkerView], status: str, said: str) -> None:
    """The oldest is named; too old is a warning, and so is one from the future."""
    seen = health.heartbeats(workers, NOW)
    assert (seen.status.value, said in seen.text) == (status, True), seen


def test_notes_of_the_store_are_passed_on() -> None:
    """What it noticed itself is a warning."""
    assert health.notes([]).status is Status.OK
    assert health.notes(["log x ends torn"]).text == "log x ends torn"
    assert health.notes(["log x ends torn"]).status is Status.WARNING


def test_room(tmp_path: Path) -> None:
    """A store on a disk that is nearly full stops soon; the disk is found by the URL of the store."""
    (tmp_path / "a b.db").touch()
    for url in (str(tmp_path), f"sqlite:///{tmp_path}/a%20b.db#t"):
        assert health._room(url).facts["free_bytes"] > 0
    assert "not a file" in health._room("postgresql://me@host/db#t").text
    assert health.room(1 << 34).status is Status.OK
    assert health.room(1 << 29).status is Status.WARNING


@dataclass(frozen=True, kw_only=True)
class Broken:
    """The reading half of a store that says whatever it is told to."""

    chain: Sequence[Entry] = ()
    blocks: Sequence[AcceptedBlock] = ()
    files: Sequence[Path] = ()
    segments: Mapping[str, Any] = field(default_factory=dict)

    def entries(self, since: int = 0) -> Sequence[Entry]:
        return self.chain[since:]

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        yield from self.blocks

    def bases(self) -> Sequence[Path]:
        return self.files

    def segment(self, segment: SegmentId) -> Any:
        return self.segments[segment]


def block(unit: str, epoch: int, *attempts: tuple[int, int]) -> AcceptedBlock:
    lines = b"".join(b'{"index": %d, "attempt": %d}\n' % attempt for attempt in attempts)
    return AcceptedBlock(segment=SegmentId("s"), unit=UnitId(unit), epoch=epoch, worker=WorkerId("w"), lines=lines)


@pytest.mark.parametrize(
    ("blocks", "n_twice"),
    [
        ([block("u", 1, (0, 1), (1, 1)), block("u", 2, (1, 2)), block("v", 1, (0, 1))], 0),
        ([block("u", 1, (0, 1), (0, 1))], 1),
        ([block("u", 1, (0, 1)), block("u", 2, (0, 1))], 1),
        ([block("u", 1, (0, 1)), block("u.0", 1, (0, 1), (1, 1))], 1),
    ],
    ids=["sound", "in one epoch", "in two epochs", "in a child"],
)
def test_an_attempt_is_accepted_once(blocks: list[AcceptedBlock], n_twice: int) -> None:
    """The first law: the same attempt in one epoch, in two, or in a part of a unit that was split."""
    seen = health.results(Broken(blocks=blocks), Counts(), lambda n, of: None)  # type: ignore[arg-type]
    assert (seen.facts["accepted_twice"], seen.status is Status.PROBLEM) == (n_twice, bool(n_twice))


def test_a_result_that_is_none_is_named() -> None:
    """Its beginning is shown."""
    broken = replace(block("u", 1), lines=b"[1, 2\n")
    with pytest.raises(health.UnreadableLine, match=r'"\[1, 2"'):
        health.results(Broken(blocks=[broken]), Counts(), lambda n, of: None)  # type: ignore[arg-type]


def test_a_segment_that_is_not_what_its_entry_says(tmp_path: Path) -> None:
    """Units and tasks are counted."""
    segment = plan([{}] * 3, folder=tmp_path, per_unit=2)
    said = AddSegment(segment=segment.id, sha256="", n_units=2, n_tasks=4, n_new=4)
    seen = health.plan(Broken(chain=[entry(1, said)], segments={segment.id: segment}))  # type: ignore[arg-type]
    assert seen.status is Status.PROBLEM
    assert "has 2 units and 3 tasks, not 2 and 4" in seen.text


def test_compactions_are_compared_with_their_checksums(tmp_path: Path) -> None:
    """Whole, changed, missing, unlisted."""
    file = tmp_path / "a.parquet"
    file.write_bytes(b"columns")
    whole = entry(1, Compacted(base=file.name, sha256=hashlib.sha256(b"columns").hexdigest()))

    def status(chain: Sequence[Entry], files: Sequence[Path]) -> Status:
        return health.compactions(Broken(chain=chain, files=files)).status  # type: ignore[arg-type]

    assert status([whole], [file]) is Status.OK
    assert status([whole], []) is Status.PROBLEM
    assert status([whole], [tmp_path / "missing"]) is Status.PROBLEM
    file.write_bytes(b"Columns")
    assert status([whole], [file]) is Status.PROBLEM
