"""Copies, limited claims and kept files under death and errors at every system call."""

import errno
import shutil
from contextlib import suppress

import pytest
from tests.stores.crashes import A, B, in_child
from tests.stores.stepped import SteppedDisk, dying_at, failing
from tests.stores.test_crash import open_store

from manyfit.model.errors import NotFound, Refused, StoreError, StoreFull
from manyfit.stores.artifact_files import FolderArtifacts
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores import add, claimed, copy, counts, end, limit, line, run, segment, state_of
from manyfit.testing.stores.adopting import live

CALLS = [("fsync",), ("fdatasync",), ("write",), ("link",), ("open",)]
MODEL = "artifacts/ab/abcdef"
CONTENT = b"weights" * 1000

STRIDES = [7, pytest.param(1, marks=pytest.mark.long)]
"""Every how many calls something happens; the long run leaves none out."""


@pytest.fixture
def source():
    """A store in which everything happened once."""
    store = MemoryStore(MemoryState(sweep="tiny"), by="model")
    live(store)
    return store


def n_calls(work):
    """Return how many system calls *work* makes on the disk it is given."""
    disk = SteppedDisk()
    work(disk)
    return disk.n_calls


def copied(source, path, disk):
    store = open_store(path, disk)
    copy(source, store)
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("after", [False, True])
def test_a_copy_that_dies_at_any_step_is_resumed(source, tmp_path, after, stride):
    """Whatever is there by then, copying again makes both alike, and each epoch is there once."""
    total = n_calls(lambda disk: copied(source, tmp_path / "whole.sweep", disk))
    assert total > 150
    for number in range(1 + after, total + 1, stride):
        path = tmp_path / f"{number}.sweep"
        code, _ = in_child(
            lambda ack, path=path, n=number: copied(source, path, SteppedDisk(dying_at(n, after=after)))
        )
        assert code == 9
        store = open_store(path)
        copy(source, store)
        assert state_of(source) == state_of(store)
        store.close()
        shutil.rmtree(path)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("names", CALLS)
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_copy_survives_an_error_at_every_call(source, tmp_path, names, error, stride):
    """An error is reported or survived; the same handle, or another, goes on and nothing is doubled."""
    for number in range(1, 40, stride):
        path = tmp_path / f"{number}.sweep"
        open_store(path).close()
        disk = SteppedDisk(failing(names, number, error))
        store = open_store(path, disk)
        try:
            copy(source, store)
        except StoreError as failure:
            assert isinstance(failure, StoreFull) == (error == errno.ENOSPC)  # noqa: PT017
        again = store if number % 2 else open_store(path)
        copy(source, again)
        assert state_of(source) == state_of(again)
        for handle in {store, again}:
            handle.close()
        shutil.rmtree(path)


@pytest.mark.parametrize("stride", STRIDES)
def test_another_handle_finishes_what_broke_off(source, tmp_path, stride):
    """A claim of an adoption that broke off is known again; only the lines of who ended it are accepted."""
    for number in range(10, 40, stride):
        path = tmp_path / f"{number}.sweep"
        open_store(path).close()
        broken = open_store(path, SteppedDisk(failing(("open",), number, errno.EIO)))
        with suppress(StoreError):
            copy(source, broken)
        other = open_store(path)
        copy(source, other)
        assert copy(source, broken) == 0
        assert state_of(source) == state_of(other)
        for store in (broken, other):
            store.close()
        shutil.rmtree(path)


def limited(path, disk):
    """Run a plan under a limit of one lease, with two workers on two handles that take turns."""
    store, other = open_store(path, disk), open_store(path, disk)
    add(store, segment([1, 2], [3], [4]))
    limit(store, 1, even=1)
    lease = store.claim(A, request="1")
    while lease is not None:
        assert other.claim(B) is None
        lease = store.cycle(lease, done(store, lease))
    store.close()
    other.close()


def done(store, lease):

    for task in lease.tasks:
        store.record(lease, line(task.index, attempt=task.attempts + 1))
    return end(lease, "d" * len(lease.tasks))


@pytest.mark.slow
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("after", [False, True])
def test_a_limited_claim_that_dies_at_any_step_frees_its_place(tmp_path, after, stride):
    """Once the dead are sealed, whoever comes next gets the place, and the work is finished exactly."""
    total = n_calls(lambda disk: limited(tmp_path / "whole.sweep", disk))
    assert total > 150
    for number in range(1 + after, total + 1, stride):
        path = tmp_path / f"{number}.sweep"
        code, _ = in_child(lambda ack, path=path, n=number: limited(path, SteppedDisk(dying_at(n, after=after))))
        assert code == 9
        store = open_store(path)
        if not store.entries():
            add(store, segment([1, 2], [3], [4]))
        store.expire([A, B])
        assert dict(store.snapshot().open_units) == {}
        while not store.finished():
            run(store, claimed(store, B))
        assert (counts(store).planned, counts(store).done) == (4, 4)
        store.close()
        shutil.rmtree(path)


def put(folder, disk):
    FolderArtifacts(folder, disk=disk).put(MODEL, CONTENT)


@pytest.mark.parametrize("after", [False, True])
def test_a_kept_file_is_whole_or_absent(tmp_path, after):
    """A death at any step leaves nothing that could be taken for the file; putting it again works."""
    total = n_calls(lambda disk: put(tmp_path / "whole", disk))
    assert total >= 10
    for number in range(1, total + 1):
        folder = tmp_path / f"{number}"
        code, _ = in_child(lambda ack, f=folder, n=number: put(f, SteppedDisk(dying_at(n, after=after))))
        assert code == 9
        kept = FolderArtifacts(folder)
        assert [file.n_bytes for file in kept.files()] in ([], [len(CONTENT)])
        try:
            assert kept.read(MODEL) == CONTENT
        except NotFound:
            assert list(kept.files()) == []
        kept.put(MODEL, CONTENT)
        assert kept.read(MODEL) == CONTENT


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_an_error_while_a_file_is_kept_is_told(tmp_path, error):
    """Whatever call fails, either the file is kept or the error says so, and putting it again works."""
    for names in CALLS:
        for number in range(1, 12):
            folder = tmp_path / f"{names[0]}-{number}"
            disk = SteppedDisk(failing(names, number, error))
            kept = FolderArtifacts(folder, disk=disk)
            try:
                kept.put(MODEL, CONTENT)
            except StoreError as failure:
                assert isinstance(failure, StoreFull) == (error == errno.ENOSPC)  # noqa: PT017
            else:
                assert kept.read(MODEL) == CONTENT
            disk.step = lambda number, name, call: call()
            kept.put(MODEL, CONTENT)
            assert kept.read(MODEL) == CONTENT


def test_a_repeated_put_makes_durable_what_it_found(tmp_path):
    """Who put the file first may have died before it was synced: the second one syncs name and content."""
    names = []

    def step(number, name, call):
        names.append(name)
        return call()

    put(tmp_path, SteppedDisk())
    put(tmp_path, SteppedDisk(step))

    assert names.count("fsync") == 2


@pytest.mark.parametrize(
    "name", ["model", "artifacts", "artifacts/", "artifacts/../x", "artifacts/.x", "/artifacts/x"]
)
def test_names_stay_inside_of_the_folder(tmp_path, name):
    """A name that leads elsewhere, or to an unfinished file, is refused."""

    kept = FolderArtifacts(tmp_path / "kept")
    for call in (lambda: kept.put(name, b"x"), lambda: kept.read(name), lambda: kept.remove([name])):
        with pytest.raises(Refused, match="artifacts/ab"):
            call()


def test_files_are_kept_without_hard_links(tmp_path):
    """On a disk that has only symbolic links, files are whole, listed once, and removed whole."""
    kept = FolderArtifacts(tmp_path / "kept", symbolic=True)
    kept.put(MODEL, CONTENT)
    kept.put(MODEL, CONTENT)

    assert kept.read(MODEL) == CONTENT
    assert [(file.name, file.n_bytes) for file in kept.files()] == [(MODEL, len(CONTENT))]
    kept.remove([MODEL])
    assert [path for path in (tmp_path / "kept").rglob("*") if not path.is_dir()] == []
