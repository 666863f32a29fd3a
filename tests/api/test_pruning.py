"""What may go goes, and nothing else ever does."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cells, failed, register, run, scored, segment, submit
from tests.run.copies import append, tree

from manyfit import connect
from manyfit.api.pruning import Pruned, prune
from manyfit.contracts.store import Store
from manyfit.model.control import Pause
from manyfit.model.errors import NotFound
from manyfit.model.keys import WorkerId
from manyfit.model.worker import Beat, WorkerState
from manyfit.run.identity import worker_info
from manyfit.run.retention import Kind

DAY = 86400.0
START = 2e9
"""Long after any real file was made: ages come from the store, and the tests choose the clock."""

OPENED: list[Store] = []
"""What `made` opened in the test that runs."""

PLACES = ("many", "sqlite:///lab.db", "postgresql")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MANYFIT_STORE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture(params=PLACES, ids=["folder", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> str:
    """A place for many sweeps, without any."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres").new_database())
    return str(request.param)


def made(place: str, name: str = "vowels", **retention: Any) -> Store:
    """Make a sweep of four tasks at START, with a policy."""
    address = connect.within(connect.parse(place, Path.cwd()), name)
    store = connect.create(address, clock=lambda: START)
    OPENED.append(store)
    part = segment([candidate("svc", C=1)], cells(4), unit_size=2)
    spec = {**part.header.spec, "retention": retention}
    submit(store, replace(part, header=replace(part.header, spec=spec)))  # type: ignore[arg-type]
    return store


def finish(store: Store, outcome: Any = lambda *_: scored(cv={"accuracy": 0.5}), *, worker: str = "w-1") -> None:
    """Run everything by a worker that ended at START."""
    run(store, outcome, worker=worker)  # type: ignore[arg-type]
    store.beat(WorkerId(worker), Beat(counter=1, at=START, state=WorkerState.STOPPED))


def pruned(*targets: str, after: float, yes: bool = False, **overrides: float | None) -> Pruned:
    return prune(targets, overrides=overrides, yes=yes, clock=lambda: START + after)


def kinds(found: Pruned) -> list[Kind]:
    return [one.kind for one in found.due]


def exists(place: str, name: str = "vowels") -> bool:
    return name in {found.sweep for found in connect.found_in(connect.expected(place))}


def test_a_completed_sweep_goes_after_its_time(place: str) -> None:
    """At the instant, not before; said first, removed when asked."""
    finish(made(place))
    assert kinds(pruned(place, after=90 * DAY - 1, logs_seconds=None)) == []
    found = pruned(place, after=90 * DAY)
    assert [(one.kind, one.name, one.age_seconds) for one in found.due] == [(Kind.SWEEP, "vowels", 90 * DAY)]
    assert found.removed == []
    assert exists(place)
    assert [one.kind for one in pruned(place, after=90 * DAY, yes=True).removed] == [Kind.SWEEP]
    assert not exists(place)
    assert pruned(place, after=90 * DAY).due == []


def test_a_failed_sweep_goes_earlier(place: str) -> None:
    """Without any success, thirty days are enough."""
    finish(made(place), lambda *_: failed())
    assert kinds(pruned(place, after=30 * DAY - 1, logs_seconds=None)) == []
    assert kinds(pruned(place, after=30 * DAY)) == [Kind.SWEEP]


def test_the_policy_is_the_sweeps_unless_it_is_given(place: str) -> None:
    """What the declaration says counts more than the standard, and an option more than both."""
    finish(made(place, completed_seconds=10.0, logs_seconds=None))
    assert kinds(pruned(place, after=9)) == []
    assert kinds(pruned(place, after=10)) == [Kind.SWEEP]
    assert kinds(pruned(place, after=1000 * DAY, completed_seconds=None)) == []
    assert kinds(pruned(place, after=5, completed_seconds=5.0)) == [Kind.SWEEP]


def test_never_is_for_ever(place: str) -> None:
    """A policy of null keeps it."""
    finish(made(place, completed_seconds=None, logs_seconds=None))
    assert kinds(pruned(place, after=1e9)) == []


def test_any_sign_of_life_counts(place: str) -> None:
    """A control entry or a heartbeat begins the time anew."""
    store = made(place, logs_seconds=None)
    finish(store)
    append(store, Pause(), at=START + 50 * DAY)
    assert kinds(pruned(place, after=90 * DAY)) == []
    store.beat(WorkerId("w-1"), Beat(counter=2, at=START + 60 * DAY, state=WorkerState.STOPPED))
    assert kinds(pruned(place, after=149 * DAY)) == []
    assert kinds(pruned(place, after=150 * DAY)) == [Kind.SWEEP]


def test_unsettled_sweeps_are_left_alone(place: str) -> None:
    """However old: pending work is never thrown away."""
    store = made(place)
    run(store, lambda *_: scored(), units=1)  # type: ignore[arg-type]
    store.beat(WorkerId("w-1"), Beat(counter=1, at=START, state=WorkerState.STOPPED))
    found = pruned(place, after=1e9, yes=True)
    assert (found.due, exists(place)) == ([], True)
    assert found.spared[0].why.startswith("not settled: planned 4 = done 2")


def test_sweeps_that_somebody_is_at_are_left_alone(place: str) -> None:
    """A living worker, or a lease of a dead one, protects everything, also when all tasks ended."""
    store = made(place)
    finish(store)
    store.register(worker_info(1, lambda: START + 1e9 - 1.0))
    found = pruned(place, after=1e9, yes=True)
    assert (found.due, [one.why for one in found.spared]) == ([], ["1 worker is alive"])
    other = made(place, "other")
    gone = replace(worker_info(1, lambda: START), id=WorkerId("w-dead"), pid_started="another life")
    other.register(gone)
    assert other.claim(gone.id) is not None
    found = pruned(place, after=1e9, yes=True)
    assert "1 leases are open" in {one.why for one in found.spared}
    assert exists(place)
    assert exists(place, "other")


def test_somebody_who_comes_between_looking_and_removing(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at once more before anything goes."""
    finish(made(place))
    target = connect.within(connect.parse(place, Path.cwd()), "vowels")
    look = connect.made_at

    def worker_comes(address: Any) -> float:
        store = connect.open_address(target)
        store.register(worker_info(1, lambda: START + 1e9))
        store.close()
        return look(address)

    monkeypatch.setattr(connect, "made_at", worker_comes)
    found = pruned(place, after=1e9, yes=True)
    assert (kinds(found), found.removed, exists(place)) == ([Kind.SWEEP], [], True)


def test_logs_of_workers_that_ended(place: str) -> None:
    """They go after seven days by the worker's last heartbeat; results stay."""
    store = made(place)
    finish(store)
    logs = connect.local_files(store).logs
    logs.mkdir(exist_ok=True, parents=True)
    (logs / "w-1.log").write_text("text")
    (logs / "local-1.log").write_text("text")
    assert kinds(pruned(place, after=7 * DAY - 1)) == []
    found = pruned(place, after=7 * DAY, yes=True)
    assert sorted(one.name for one in found.removed) == ["local-1.log", "w-1.log"]
    assert list(logs.glob("*.log")) == []
    assert store.snapshot().counts.done == 4


def test_kept_files_that_no_result_refers_to(place: str) -> None:
    """Those that a result names stay, also where it belongs to an earlier attempt."""
    store = made(place, completed_seconds=None, logs_seconds=None)
    store.artifacts.put("artifacts/ab/wanted", b"w")
    store.artifacts.put("artifacts/ab/unwanted", b"un")
    finish(store, lambda *_: scored() | {"artifacts": {"model": {"file": "artifacts/ab/wanted"}}})
    stored_at = max(file.stored_at for file in store.artifacts.files())
    assert kinds(prune([place], clock=lambda: stored_at + DAY - 100)) == []
    found = prune([place], yes=True, clock=lambda: stored_at + DAY + 100)
    assert [(one.kind, one.name, one.n_bytes) for one in found.removed] == [
        (Kind.ARTIFACT, "artifacts/ab/unwanted", 2)
    ]
    assert [file.name for file in store.artifacts.files()] == ["artifacts/ab/wanted"]


def test_unfinished_files_of_dead_writers(place: str) -> None:
    """Drafts go when they are old; what was published through a link stays."""
    store = made(place, completed_seconds=None, logs_seconds=None)
    finish(store)
    folder = connect.local_files(store).folder
    folder.mkdir(exist_ok=True, parents=True)
    sha256 = "0" * 64
    for name in (".new-1", f".{sha256}.host-1-ab", ".new-linked", ".hidden", ".new-young"):
        (folder / name).write_text("draft")
        os.utime(folder / name, (START, START))
    os.utime(folder / ".new-young", (START + DAY, START + DAY))
    (folder / "published").symlink_to(".new-linked")
    before = tree(folder)
    found = pruned(place, after=DAY, yes=True)
    assert sorted(one.name for one in found.removed) == [f".{sha256}.host-1-ab", ".new-1"]
    assert before.keys() - tree(folder).keys() == {".new-1", f".{sha256}.host-1-ab"}


def test_a_removal_that_was_killed_ends_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it left aside is found without its sweep."""
    finish(made("many"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path, **options: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pruned("many", after=90 * DAY, yes=True)
    assert not exists("many")
    assert [one.kind for one in pruned("many", after=90 * DAY, yes=True).removed] == [Kind.LEFTOVER]
    assert list(Path("many").iterdir()) == []


def test_one_sweep_of_many_is_meant(place: str) -> None:
    """The others of its store are not even looked at."""
    for name in ("one", "two"):
        finish(made(place, name))
    one = connect.within(connect.parse(place, Path.cwd()), "one").url
    assert [due.name for due in pruned(one, after=90 * DAY, yes=True).removed] == ["one"]
    assert exists(place, "two")


def test_a_target_that_is_not_there() -> None:
    """It is an error; a folder without sweeps is none."""
    Path("empty").mkdir()
    assert pruned("empty", after=0.0).due == []
    with pytest.raises(NotFound):
        pruned("typo", after=0.0)


def test_a_worker_of_another_host_that_was_killed_protects_nothing_for_ever() -> None:
    """Who has just begun to look cannot know that it is dead; after a day without a heartbeat it is."""
    store = made("many", completed_seconds=0.0)
    finish(store)
    register(store, "w-other")  # type: ignore[arg-type]
    store.beat(WorkerId("w-other"), Beat(counter=1, at=START, state=WorkerState.RUNNING))
    assert [one.why for one in pruned("many", after=DAY - 1).spared] == ["1 worker is alive"]
    assert kinds(pruned("many", after=DAY)) == [Kind.SWEEP]


def test_a_database_file_that_is_not_there(tmp_path: Path) -> None:
    """A name that is mistyped is not answered with "nothing is to go", and no file is made."""
    with pytest.raises(NotFound, match=r"no database .*lba\.db"):
        prune(["sqlite:///lba.db"])
    assert list(tmp_path.iterdir()) == []
