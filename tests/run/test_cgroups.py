"""
Cgroups for runners: what is found and written, against folders that look like a tree; and the real thing.

Tests that need a kernel are skipped, with a reason, where this process may not make cgroups.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.run.killed_workers import HARD, killed_worker
from tests.run.plans import by_number, make_store, plan, submit, work
from tests.run.processes_seen import wait_until

from manyfit.model.sweep import Limits
from manyfit.run.cgroups import (
    Leaf,
    LeafMemory,
    NoSubtree,
    Subtree,
    end_left_leaves,
    find_subtree,
    make_leaf,
)
from manyfit.run.forked import ForkedRunner
from manyfit.run.guard import MemoryBound, ProcessGuard
from manyfit.run.lives import own_life

MEGABYTE = 1 << 20


# -- finding a delegated part of the tree ----------------------------------------------------------


def make_cgroup(folder, *, controllers="cpu memory pids", given="", procs="", **files):
    """Make a folder with the files of a cgroup."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"cgroup.controllers": controllers, "cgroup.subtree_control": given, "cgroup.procs": procs}
    for name, text in {**texts, **files}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return a function that finds the subtree of a process in the cgroup it is given, as an ordinary user."""
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid or 4711)
    owner = os.stat(tmp_path).st_uid or 4711
    real = Path.stat

    def stat(path, **how):
        found = real(path, **how)
        return os.stat_result((*found[:4], owner, *found[5:])) if str(path).startswith(str(tmp_path)) else found

    monkeypatch.setattr(Path, "stat", stat)
    make_cgroup(tmp_path / "top")

    def find(path, **environ):
        own = tmp_path / "own"
        own.write_text(f"3:cpuset:/x\n0::{path}\n")
        return find_subtree(tmp_path / "top", own, environ=environ.get)

    return find


def test_a_cgroup_of_the_user_whose_children_have_memory_is_used(tree, tmp_path):
    """What root gave to this user, with the controller in it, is used as it is."""
    folder = make_cgroup(tmp_path / "top/slurm/step", given="cpu memory")
    assert tree("/slurm/step") == Subtree(folder=folder, limits_memory=True)
    assert (folder / "cgroup.subtree_control").read_text() == "cpu memory"


def test_the_controller_is_asked_for_where_it_is_not_given_yet(tree, tmp_path):
    """A cgroup that has the controller gives it to its children."""
    folder = make_cgroup(tmp_path / "top/slurm/step")
    assert tree("/slurm/step") == Subtree(folder=folder, limits_memory=True)
    assert (folder / "cgroup.subtree_control").read_text() == "+memory"


def test_processes_in_the_way_move_to_a_leaf(tree, tmp_path, monkeypatch):
    """The kernel refuses controllers to the children of a cgroup that has processes: these move first."""
    folder = make_cgroup(tmp_path / "top/slurm/step", procs="17\n18\n")
    real = Path.write_text
    moved = []

    def write_text(path, text, **how):
        if path.name == "cgroup.procs":
            moved.append((path.parent.name, text))
        if path.name == "cgroup.subtree_control" and len(moved) < 2:
            raise OSError(16, "Device or resource busy")
        return real(path, text, **how)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert tree("/slurm/step") == Subtree(folder=folder, limits_memory=True)
    assert moved == [("manyfit-workers", "17"), ("manyfit-workers", "18")]


def test_a_worker_that_was_moved_uses_the_cgroup_above(tree, tmp_path):
    """The second worker finds itself in the leaf that the first one made."""
    folder = make_cgroup(tmp_path / "top/slurm/step", given="memory")
    make_cgroup(folder / "manyfit-workers", given="")
    assert tree("/slurm/step/manyfit-workers") == Subtree(folder=folder, limits_memory=True)


def test_without_the_memory_controller_a_cgroup_still_ends_runners(tree, tmp_path):
    """It is used, and does not claim to limit memory."""
    folder = make_cgroup(tmp_path / "top/slurm/step", controllers="cpu")
    assert tree("/slurm/step") == Subtree(folder=folder, limits_memory=False)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope", "is not delegated"),
        ("/step/manyfit-1-2-3-1", "inside of a runner"),
        ("/../other", "cannot be seen"),
        ("/", "is not delegated"),
    ],
)
def test_what_is_not_delegated_is_left_alone(tree, tmp_path, path, why):
    """Units that systemd manages, the root of the machine and cgroups out of sight are not written to."""
    if ".." not in path:
        make_cgroup(tmp_path / f"top{path}")
    found = tree(path)
    assert isinstance(found, NoSubtree)
    assert why in found.why
    assert not list(tmp_path.rglob("manyfit-workers"))


def test_a_unit_that_systemd_has_marked_is_used(tree, tmp_path, monkeypatch):
    """`Delegate=yes` shows in an extended attribute of the folder."""
    folder = make_cgroup(tmp_path / "top/user@1/app.slice/x.scope", given="memory")
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"1" if Path(path) == folder else b"0")
    assert tree("/user@1/app.slice/x.scope") == Subtree(folder=folder, limits_memory=True)


def test_the_root_of_a_container_is_used(tree, tmp_path):
    """A container's view of the tree is its own; only there has the root a type."""
    make_cgroup(tmp_path / "top", given="memory", **{"cgroup.type": "domain"})
    assert tree("/") == Subtree(folder=tmp_path / "top", limits_memory=True)


def test_the_user_can_name_a_cgroup_or_none(tree, tmp_path):
    """MANYFIT_CGROUP wins over what is found; a name that is no cgroup is told."""
    make_cgroup(tmp_path / "top/slurm/step", given="memory")
    named = make_cgroup(tmp_path / "named", given="memory")
    assert tree("/slurm/step", MANYFIT_CGROUP=str(named)) == Subtree(folder=named, limits_memory=True)
    assert tree("/slurm/step", MANYFIT_CGROUP="none") == NoSubtree(why="MANYFIT_CGROUP=none")
    wrong = tree("/slurm/step", MANYFIT_CGROUP=str(tmp_path / "wrong"))
    assert isinstance(wrong, NoSubtree)
    assert "wrong" in wrong.why


def test_a_machine_without_version_2_has_none(tmp_path):
    """No file says so: there is no error."""
    assert isinstance(find_subtree(tmp_path, tmp_path / "own", environ={}.get), NoSubtree)


# -- files of a leaf -------------------------------------------------------------------------------


@pytest.fixture
def leaf(tmp_path):
    """Return a leaf with the memory files of a kernel that can begin a peak anew."""
    stat = "anon 5\nfile 70000000\nfile_mapped 10000000\nactive_file 20000000\ninactive_file 40000000\n"
    folder = make_cgroup(tmp_path / "leaf", **{"memory.max": "max", "memory.peak": "", "memory.stat": stat})
    (folder / "memory.current").write_text("100000000\n")
    return Leaf(folder)


def test_the_limit_is_above_what_is_used_without_page_cache(leaf):
    """Pages of files that can be dropped are not in the way of the task, and not in its favour."""
    LeafMemory(leaf).limit(7)
    assert (leaf.folder / "memory.max").read_text() == str(100_000_000 - 50_000_000 + 7)


def test_the_peak_is_without_page_cache(leaf):
    """What the kernel could drop is not what the task needs."""
    memory = LeafMemory(leaf)
    memory.begin_peak()
    (leaf.folder / "memory.peak").write_text("250000000\n")
    assert memory.peak_bytes() == 200_000_000


def test_the_guard_prefers_the_cgroup(leaf):
    """With a leaf the address space stays free, and results say what held the limit."""
    import resource

    guard = ProcessGuard(memory=LeafMemory(leaf))
    before = resource.getrlimit(resource.RLIMIT_AS)
    guard.enter(1, Limits(memory_bytes=7))
    assert guard.memory_by() is MemoryBound.CGROUP
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    guard.leave()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert (leaf.folder / "memory.max").read_text().startswith("max")


def test_the_guard_does_without_a_cgroup_that_fails(leaf, monkeypatch):
    """A kernel that refuses the limit gets the address space limited instead, and the result says so."""

    def refuse(descriptor, data, offset):
        raise OSError(16, "Device or resource busy")

    guard = ProcessGuard(memory=LeafMemory(leaf))
    monkeypatch.setattr(os, "pwrite", refuse)
    guard.enter(1, Limits(memory_bytes=1 << 33))
    assert guard.memory_by() is MemoryBound.ADDRESS_SPACE
    guard.leave()
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_a_leaf_without_the_controller_is_told(tmp_path):
    """There is no memory to limit by: the caller hears of it."""
    with pytest.raises(OSError, match=r"memory\.max"):
        LeafMemory(Leaf(make_cgroup(tmp_path / "leaf")))


@pytest.mark.parametrize(
    ("events", "above"),
    [
        ("low 0\noom 3\noom_kill 2\noom_group_kill 1\n", True),
        ("low 0\noom 0\noom_kill 2\noom_group_kill 1\n", False),
        ("low 0\noom 0\noom_kill 0\n", False),
        ("", False),
    ],
)
def test_a_kill_above_the_limit_is_told_from_a_machine_without_memory(leaf, events, above):
    """The kernel counts every kill, but says `oom` only where the limit was."""
    (leaf.folder / "memory.events").write_text(events)
    assert leaf.killed_above_limit() is above
    assert not Leaf(leaf.folder / "gone").killed_above_limit()


def test_only_leaves_of_the_dead_are_ended(tmp_path):
    """Leaves of this life and folders of others stay."""
    boot, pid, started = own_life().split("-")
    dead = tmp_path / f"manyfit-{boot}-{pid}-{int(started) - 1}-ab12-1"
    kept = [tmp_path / f"manyfit-{own_life()}-ab12-1", tmp_path / "manyfit-workers", tmp_path / "session.scope"]
    for folder in (dead, *kept):
        folder.mkdir()
    assert end_left_leaves(Subtree(folder=tmp_path, limits_memory=True)) == 1
    assert not dead.exists()
    assert all(folder.exists() for folder in kept)


# -- the real thing --------------------------------------------------------------------------------


@pytest.fixture
def subtree():
    """Return a real cgroup below which leaves can be made; removed at the end, which fails if it is not empty."""
    found = find_subtree()
    if isinstance(found, Subtree):
        yield found
        return
    folder = _made_as_root()
    if folder is None:
        pytest.skip(f"no cgroups of version 2 can be made here: {found.why}")
    yield Subtree(folder=folder, limits_memory=False)
    left = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    Leaf(folder).end()
    assert not left


def _made_as_root():
    for top in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if os.geteuid() == 0 and (top / "cgroup.procs").exists() and (top / "cgroup.controllers").exists():
            with contextlib.suppress(OSError):
                folder = top / f"tests-of-manyfit-{os.getpid()}"
                folder.mkdir()
                return folder
    return None


@pytest.fixture
def memory_subtree(subtree):
    """Return a real cgroup whose leaves limit memory."""
    if not subtree.limits_memory:
        pytest.skip(f"the cgroups that can be made here, in {subtree.folder}, have no memory controller")
    return subtree


def leaves(subtree):
    return [entry.name for entry in os.scandir(subtree.folder) if entry.name.startswith(f"manyfit-{own_life()}")]


def run(tmp_path, tasks, subtree, **more):
    """Run *tasks* with one worker whose runners have leaves in *subtree*; return the final results."""
    store = make_store(tmp_path)
    segment = plan(tasks, folder=tmp_path, executor=HARD, **more)
    submit(store, segment)
    work(store, runner=ForkedRunner(subtree=subtree))
    found = by_number(store, segment)
    store.close()
    return found


def test_a_leaf_ends_all_that_is_in_it(subtree):
    """Processes of any session, and cgroups below it that they made, are gone when the leaf is."""
    leaf = make_leaf(subtree, f"{own_life()}-ab12", 1)
    code = f"open({str(leaf.folder / 'cgroup.procs')!r}, 'w').write('0'); import time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    wait_until(lambda: process.pid in leaf.pids())
    (leaf.folder / "inner").mkdir()
    leaf.end()
    assert process.wait(timeout=5) == -signal.SIGKILL
    assert not leaf.folder.exists()
    leaf.end()


def test_runners_live_in_leaves_that_go_with_them(tmp_path, subtree):
    """A runner and its daemon are in a leaf; an interrupted task ends with it, and nothing stays."""
    tasks = [{"do": "own_cgroup"}, {"do": "orphan"}, {"do": "own_cgroup"}]
    found = run(tmp_path, tasks, subtree, limits=Limits(time_seconds=0.4, attempts=1))
    numbers = [found[n]["scores"]["cv"]["number"] for n in (0, 2)]
    assert numbers == [1, 2]
    assert found[1]["failure"]["cls"] == "timeout"
    assert not Path(f"/proc/{(tmp_path / 'daemon').read_text()}").exists()
    assert not leaves(subtree)


def test_without_the_controller_the_address_space_is_limited(tmp_path, subtree):
    """Runners with a leaf that cannot limit memory say what does."""
    if subtree.limits_memory:
        pytest.skip("the cgroups that can be made here limit memory")
    found = run(tmp_path, [{}], subtree, limits=Limits(memory_bytes=1 << 30))
    assert found[0]["details"]["limits"] == {"memory_by": "address space"}


def test_a_daemon_without_any_mark_is_ended_by_the_next_worker(tmp_path, subtree, monkeypatch):
    """Worker and template killed in one instant, a daemon that nothing tells of: its leaf does."""
    monkeypatch.setenv("MANYFIT_TEST", tmp_path.name)
    monkeypatch.setenv("MANYFIT_CGROUP", str(subtree.folder))
    trace = tmp_path / "daemon"
    store, segment = killed_worker(
        tmp_path, {"do": "bare_daemon_and_wait"}, lambda: trace.exists() and trace.read_text()
    )
    daemon = int(trace.read_text())
    assert Path(f"/proc/{daemon}").exists(), "the hole that this test is about is not there"
    work(store)
    assert not _runs(daemon)
    assert by_number(store, segment)[0]["outcome"] == "succeeded"
    store.close()


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_memory_above_the_limit_is_ended_by_the_cgroup(tmp_path, memory_subtree):
    """The kernel ends the runner, the evidence says by which count, and the next task succeeds."""
    limits = Limits(memory_bytes=64 * MEGABYTE, attempts=1)
    found = run(tmp_path, [{"do": "take_too_much"}, {}], memory_subtree, limits=limits)
    failure = found[0]["failure"]
    assert (failure["cls"], failure["evidence"]["memory_by"]) == ("oom", "cgroup")
    assert found[1]["details"]["limits"] == {"memory_by": "cgroup"}


def test_memory_of_a_daemon_is_ended_by_the_cgroup(tmp_path, memory_subtree):
    """All that the task started counts together, and ends together."""
    limits = Limits(memory_bytes=100 * MEGABYTE, attempts=1, time_seconds=60)
    began = time.monotonic()
    found = run(tmp_path, [{"do": "take_too_much_in_daemon"}, {}], memory_subtree, limits=limits)
    assert found[0]["failure"]["cls"] == "oom"
    assert time.monotonic() - began < 30
    assert found[1]["outcome"] == "succeeded"
