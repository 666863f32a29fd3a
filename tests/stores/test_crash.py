"""Whatever dies or fails at whatever moment: nothing acknowledged is lost, nothing is accepted twice."""

import errno
import os
import random
import shutil
import signal
import time

import pytest
from tests.stores.crashes import A, B, finish, in_child, records
from tests.stores.stepped import SteppedDisk, dying_at, failing

from manyfit.model.control import Cancel
from manyfit.model.errors import ManyfitError, StoreCorrupt, StoreError, StoreFull
from manyfit.model.keys import WorkerId
from manyfit.model.lease import EndKind
from manyfit.model.snapshot import Counts
from manyfit.stores.directory import DirectoryStore, frames
from manyfit.stores.files.disk import Disk
from manyfit.testing.stores import accepted_lines, add, beat, claimed, counts, end, key_of, line, run, segment

PLAN = segment([1, 2, 3, 4], [5, 6])
N_ACKNOWLEDGED = 5
"""Results that the script acknowledges when nothing goes wrong: one task of its plan is cancelled."""


def open_store(path, disk=None):
    return DirectoryStore.create(path, sweep="tiny", refresh_seconds=0.0, disk=disk)


def script(path, disk, acknowledge=lambda unit, index: None):
    """Submit, run, yield, split and finish a small plan; acknowledge each result once it is durable."""
    store = open_store(path, disk)
    add(store, PLAN)
    store.append(Cancel(tasks=(key_of(2),)), position=2)
    lease = claimed(store)
    store.beat(A, beat(1, lease, index=0))
    for index in (0, 2):
        store.record(lease, line(index))
        store.sync()
        acknowledge(lease.unit, index)
    store.complete(lease, end(lease, "dd.", EndKind.SPLIT, parts=((3,),)))
    while (lease := store.claim(A)) is not None:
        for task in lease.tasks:
            store.record(lease, line(task.index, attempt=task.attempts + 1))
            store.sync()
            acknowledge(lease.unit, task.index)
        store.complete(lease, end(lease, "d" * len(lease.tasks)))
    store.close()


def check_after(path, said=()):
    """Finish what is left with another worker, and check the laws on the way."""
    store = open_store(path)
    finish(store, PLAN, said)
    store.close()


def n_steps(tmp_path):
    disk = SteppedDisk()
    script(tmp_path / "whole.sweep", disk)
    return disk.n_calls


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_death_at_every_step(tmp_path, after):
    """A process that dies before or after any system call leaves a store that can be finished exactly."""
    total = n_steps(tmp_path)
    assert total > 100
    for number in range(1 + after, total + 1, 2):
        path = tmp_path / f"{number}.sweep"
        code, said = in_child(
            lambda ack, path=path, number=number: script(path, SteppedDisk(dying_at(number, after=after)), ack)
        )
        assert code == 9
        check_after(path, said)
        shutil.rmtree(path)


@pytest.mark.slow
def test_sigkill_at_random_moments(tmp_path):
    """Hundreds of workers killed at moments of no one's choosing, one after another on one store, lose nothing."""
    path, seed = tmp_path / "killed.sweep", random.Random(7)
    store = open_store(path)
    add(store, segment(*[[10 * n + i for i in range(10)] for n in range(40)]))
    said = set()
    for number in range(300):
        worker = WorkerId(f"w{number}")
        said |= killed(path, worker, seed.randrange(4), seed.uniform(0, 0.004))
        store.expire([worker])
    while (lease := store.claim(B)) is not None:
        run(store, lease)

    assert said
    assert said <= {(unit, index) for unit, index, _ in records(store)}
    assert store.finished()
    assert Counts(planned=400, done=400) == counts(store)


def killed(path, worker, n_said, seconds):
    """Kill a worker some time after it acknowledged *n_said* results; return all that it acknowledged."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            drain(path, worker, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        first = [pipe.readline() for _ in range(n_said)]
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return {(text.split()[0], int(text.split()[1])) for text in [*first, *pipe] if text.endswith("\n")}


def drain(path, worker, writer):
    store = DirectoryStore(path, refresh_seconds=0.0)
    while (lease := store.claim(worker)) is not None:
        for task in lease.tasks:
            store.record(lease, line(task.index, attempt=task.attempts + 1))
            store.sync()
            os.write(writer, f"{lease.unit} {task.index}\n".encode())
        store.complete(lease, end(lease, "d" * len(lease.tasks)))


@pytest.mark.slow
@pytest.mark.parametrize("names", [("fsync",), ("fdatasync",), ("write",), ("link",), ("open",)])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_an_error_at_every_call(tmp_path, names, error):
    """An error is reported or survived; either way nothing acknowledged is lost, and the store goes on."""
    for number in range(1, 60):
        path = tmp_path / f"{number}.sweep"
        open_store(path).close()
        disk = SteppedDisk(failing(names, number, error))
        said = []
        try:
            script(path, disk, lambda unit, index, said=said: said.append((unit, index)))
        except StoreError as failure:
            assert isinstance(failure, StoreFull) == (error == errno.ENOSPC)  # noqa: PT017
        check_after(path, said)
        shutil.rmtree(path)


def test_a_lost_reply_of_link_is_not_believed(tmp_path):
    """A link that was made counts, also when the file server says that it failed."""
    for number in range(1, 8):
        path = tmp_path / f"{number}.sweep"
        open_store(path).close()
        said = []
        script(
            path,
            SteppedDisk(failing(("link",), number, errno.EEXIST, after=True)),
            lambda unit, index, said=said: said.append((unit, index)),
        )
        assert len(said) == N_ACKNOWLEDGED
        check_after(path, said)


def test_a_full_disk_is_survived(tmp_path):
    """While the disk is full records are refused; afterwards the same handle goes on, and nothing is doubled."""
    disk = SteppedDisk()
    store = open_store(tmp_path / "full.sweep", disk)
    add(store, PLAN)
    lease = claimed(store)
    store.record(lease, line(0))
    disk.step = failing(("write", "open"), 1, errno.ENOSPC, times=1000)
    with pytest.raises(StoreFull, match="space"):
        store.record(lease, line(1))
    with pytest.raises(StoreFull):
        store.sync()
    disk.step = lambda number, name, call: call()

    store.record(lease, line(1))
    store.complete(lease, end(lease, "dd.."))

    assert [(lease.unit, 1, line(0) + line(1))] == accepted_lines(store)


def test_a_doubtful_mark_is_not_believed_twice(tmp_path):
    """A mark that was written though its writing failed: its records are accepted once, from the next file."""
    disk = SteppedDisk()
    path = tmp_path / "mark.sweep"
    store = open_store(path, disk)
    add(store, PLAN)
    lease = claimed(store)
    store.record(lease, line(0))
    disk.step = failing(("write",), 1, errno.EIO, after=True)

    store.sync()
    other = open_store(path)
    other.expire([A])

    assert [(lease.unit, 1, line(0))] == accepted_lines(other)
    assert len(list((path / "log").iterdir())) == 2


def small_log(path):
    """Return a store with an open lease, three durable records and one that is not, and the log file."""
    store = open_store(path)
    add(store, PLAN)
    lease = claimed(store)
    for index in range(3):
        store.record(lease, line(index))
        store.sync()
    store.record(lease, line(3))
    store.close()
    return path / "log" / "a-1.log"


@pytest.mark.parametrize("zeros", [False, True])
def test_a_tail_torn_or_zeroed_at_every_byte(tmp_path, zeros):
    """Whatever of the end of a log is missing, a seal accepts just what marks that are left cover."""
    path = tmp_path / "torn.sweep"
    log = small_log(path)
    data = log.read_bytes()
    found = list(frames.frames(data, "a-1"))
    view = next((path / "units").iterdir())
    for cut in range(len(data)):
        log.write_bytes(data[:cut] + (b"\0" * (len(data) - cut) if zeros else b""))
        store = DirectoryStore(path, refresh_seconds=0.0)
        store.expire([A])
        covered = sum(frame.kind == frames.MARK and frame.end <= cut for frame in found)
        lines = b"".join(lines for _, _, lines in accepted_lines(store))
        assert b"".join(map(line, range(covered))) == lines
        store.close()
        for end_file in view.glob("*.e1"):
            end_file.unlink()


def test_a_flipped_bit_in_what_is_accepted_is_seen(tmp_path):
    """Any byte of an accepted span that changes is reported as damage, with the file and the place."""
    path = tmp_path / "flip.sweep"
    log = small_log(path)
    store = open_store(path)
    store.expire([A])
    store.close()
    data = log.read_bytes()
    state = next(state for state in open_store(path).units() if state.end)
    span = state.end.spans[0]
    for at in range(span.start, span.end):
        log.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(StoreCorrupt, match=r"a-1\.log"):
            list(open_reader(path).accepted())
    log.write_bytes(data[: span.end - 1])
    with pytest.raises(StoreCorrupt):
        list(open_reader(path).accepted())


def open_reader(path):
    return DirectoryStore(path, disk=Disk())


def test_a_changed_plan_is_seen(tmp_path):
    """A plan file that was edited after it was published is refused."""
    path = tmp_path / "plan.sweep"
    store = open_store(path)
    add(store, PLAN)
    file = path / "plan" / f"{PLAN.id}.jsonl"
    file.write_bytes(file.read_bytes().replace(b"tiny:Model", b"tiny:Modem"))

    with pytest.raises(StoreCorrupt, match=r"\.jsonl"):
        open_store(path).segment(PLAN.id)


def test_a_disk_without_links_is_refused(tmp_path):
    """Where neither kind of link works, creation says so and what to do."""

    class Linkless(Disk):
        def link(self, source, target):
            raise OSError(errno.EPERM, "no")

        def symlink(self, text, target):
            raise OSError(errno.EPERM, "no")

    with pytest.raises(ManyfitError, match="local disk"):
        open_store(tmp_path / "no.sweep", Linkless())


def test_a_disk_without_hard_links_works(tmp_path):
    """Symbolic links to files that are written once do as well."""

    class Symbolic(Disk):
        def link(self, source, target):
            raise OSError(errno.EPERM, "no")

    path = tmp_path / "symbolic.sweep"
    script(path, Symbolic())
    check_after(path)
    assert any(file.is_symlink() for file in path.glob("units/*/*"))
