"""Copies of sweeps between stores: whole, equal, and finished after any kill."""

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cells, run, scored, segment, submit
from tests.run.copies import SVC, append, facts, rich, tree

from manyfit import connect
from manyfit.api.stores import copy_sweep
from manyfit.contracts.store import Store
from manyfit.model.control import Pause
from manyfit.model.errors import NotFound, Refused, StoreCorrupt
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.worker import Beat, WorkerState
from manyfit.run.copying import CopyProgress
from manyfit.run.identity import worker_info

KINDS = ("folder", "sqlite", "postgresql")
PAIRS = list(itertools.product(KINDS, KINDS))
Place = Callable[[str, str], str]


class KilledHere(BaseException):
    """Stands for the death of the process: nothing catches it."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """Return a place for sweeps of a kind: a name, or the URL of a database that is not there or empty."""

    def found(kind: str, name: str) -> str:
        if kind == "postgresql":
            return str(request.getfixturevalue("postgres").new_database())
        return name if kind == "folder" else f"sqlite:///{name}.db"

    return found


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Open the sweep in a place; the test closes nothing by itself."""
    stores = []

    def open_one(text: str) -> Store:
        stores.append(
            connect.open_address(connect.within(connect.parse(text.partition("#")[0], Path.cwd()), "vowels"))
        )
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture(params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def pair(request: pytest.FixtureRequest, tmp_path: Path, place: Place) -> tuple[str, str]:
    """A rich sweep in one kind of store, and another place."""
    source, target = request.param
    store = rich(place(source, "src"), tmp_path / "tmp")
    store.close()
    return store.url, place(target, "dst")


def test_a_copy_has_everything(pair: tuple[str, str], opened: Any) -> None:
    """Chain, segments, ended epochs with their results, kept files and compactions are those of the source."""
    source, target = pair
    done = copy_sweep(source, target)
    ours, theirs = opened(source), opened(target)
    assert facts(theirs) == facts(ours)
    assert (done.n_artifacts, done.n_new_epochs, done.n_left_out) == (2, done.n_epochs, 1)
    assert theirs.snapshot().counts.planned == ours.snapshot().counts.planned
    assert theirs.snapshot().open_units == {}


def test_what_a_dead_worker_held_runs_in_the_copy(pair: tuple[str, str], opened: Any) -> None:
    """Its tasks are pending, and the sweep can be finished there."""
    source, target = pair
    copy_sweep(source, target)
    store = opened(target)
    run(store, lambda *_: scored(), worker="w-9")
    assert store.finished()
    assert store.snapshot().counts.pending == 0


def test_a_copy_again_changes_nothing(pair: tuple[str, str]) -> None:
    """The second call finds everything there, and compares it."""
    source, target = pair
    first = copy_sweep(source, target)
    again = copy_sweep(source, target)
    assert (again.n_new_entries, again.n_new_epochs, again.n_new_artifacts) == (0, 0, 0)
    assert again.n_results == first.n_results > 0


def test_nothing_in_the_source_changes(tmp_path: Path) -> None:
    """Not one byte of a folder is another one afterwards."""
    rich("src", tmp_path / "tmp").close()
    before = tree(Path("src/vowels.sweep"))
    copy_sweep("src/vowels.sweep", "dst")
    assert tree(Path("src/vowels.sweep")) == before


def test_a_copy_that_dies_at_any_step_is_finished_by_the_next(pair: tuple[str, str], opened: Any) -> None:
    """Each call dies one step further than the one before; the last ends like an uninterrupted one."""
    source, target = pair
    n_died = 0
    for left in itertools.count(1):
        countdown = itertools.count(left, -1).__next__

        def die(progress: CopyProgress, countdown=countdown) -> None:
            if progress.stage != "comparing" and countdown() == 1:
                raise KilledHere

        try:
            copy_sweep(source, target, on_progress=die)
        except KilledHere:
            n_died += 1
            continue
        break
    assert n_died > 3
    assert facts(opened(target)) == facts(opened(source))


@pytest.mark.slow
def test_a_copy_that_is_killed_is_finished_by_the_next(
    pair: tuple[str, str], opened: Any, python_path: str
) -> None:
    """SIGKILL at random moments, then once to the end: the copy is equal."""
    source, target = pair
    code = f"from manyfit.api.stores import copy_sweep; copy_sweep({source!r}, {target!r}); print('done')"
    environment = {"PYTHONPATH": python_path, "PATH": "/usr/bin:/bin"}
    source_of_delays = random.Random(f"{source.partition(':')[0]} {target.partition(':')[0]}")
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL)
        try:
            process.wait(source_of_delays.uniform(0.2, 1.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    copy_sweep(source, target)
    assert facts(opened(target)) == facts(opened(source))


def test_leases_of_living_workers_are_refused(tmp_path: Path) -> None:
    """The message says to pause first; after that the copy is made."""
    store = connect.create(connect.within(connect.parse("src", tmp_path), "vowels"))
    submit(store, segment([SVC], cells(2)))
    info = worker_info(1, lambda: 1e9)
    store.register(info)
    lease = store.claim(info.id)
    store.beat(info.id, Beat(counter=1, at=1e9, state=WorkerState.RUNNING))
    with pytest.raises(Refused, match=r"pause the sweep first.*manyfit pause"):
        copy_sweep("src/vowels.sweep", "dst")
    assert not Path("dst").exists()
    append(store, Pause())
    store.complete(lease, End(kind=EndKind.YIELDED, indices=lease_indices(lease), marks=".."))
    assert copy_sweep("src/vowels.sweep", "dst").n_left_out == 0


def lease_indices(lease: Lease | None) -> tuple[int, ...]:
    assert lease is not None
    return tuple(task.index for task in lease.tasks)


def test_a_target_with_a_history_of_its_own_is_refused(tmp_path: Path) -> None:
    """Nothing is mixed: the entry that differs is named."""
    rich("src", tmp_path / "tmp").close()
    other = connect.create(connect.within(connect.parse("dst", tmp_path), "vowels"))
    append(other, Pause())
    with pytest.raises(Refused, match=r"entry 1 of the target.*history of its own"):
        copy_sweep("src/vowels.sweep", "dst")


def test_a_copy_that_differs_is_told(tmp_path: Path) -> None:
    """A kept file that was changed in the target is found by its SHA-256."""
    rich("src", tmp_path / "tmp").close()
    copy_sweep("src/vowels.sweep", "dst")
    kept = Path("dst/vowels.sweep/artifacts/ab/abcd")
    kept.write_bytes(b"X" * kept.stat().st_size)
    with pytest.raises(StoreCorrupt, match="the kept file artifacts/ab/abcd"):
        copy_sweep("src/vowels.sweep", "dst")


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    """No target is made for it."""
    with pytest.raises(NotFound):
        copy_sweep("nothing", "dst")
    assert not Path("dst").exists()


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_sweep(
    tmp_path: Path,
    python_path: str,
    place: Place,
    kind: str,
    figure: Callable[[str, object, str], None],
) -> None:
    """Ten times as many tasks (10^5) take hardly more memory to copy."""
    peaks = []
    for n_folds in (100, 1000):
        many = [candidate("svc", n=n) for n in range(100)]
        name = f"src{n_folds}"
        store = connect.create(connect.within(connect.parse(name, tmp_path), "vowels"))
        submit(store, segment(many, cells(n_folds), unit_size=1000))
        run(store, lambda *_: scored(cv={"accuracy": 0.5}))
        store.close()
        code = (
            "import resource; from manyfit.api.stores import copy_sweep;"
            f" copy_sweep('{name}/vowels.sweep', {place(kind, f'dst{n_folds}')!r});"
            " print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": python_path, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 60_000, peaks
    figure(f"tasks copied from a folder to {kind}", 100_000, f"peak memory {peaks[1] // 1024} MiB")
