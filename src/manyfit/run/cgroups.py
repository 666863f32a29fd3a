"""
Leaf cgroups (version 2) for runners, where a part of the tree is delegated to this user.

A leaf holds a runner and whatever it starts, double-forked daemons included: the kernel ends all of it at
one word, limits its memory together, and says that it did. All paths are parameters: the tree is hardware.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manyfit.run.lives import is_dead

FOLDER_VARIABLE = "MANYFIT_CGROUP"
"""Names a cgroup that manyfit may use as its own, where that cannot be seen; "none" means use none."""

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_PREFIX = "manyfit-"
_WORKERS = "manyfit-workers"
"""The leaf that processes move to: a cgroup whose children have controllers may have none of its own."""
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtree:
    """A cgroup in which this process may make leaves; `limits_memory` where they have the memory controller."""

    folder: Path
    limits_memory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSubtree:
    """There is none, and why, in words for a person."""

    why: str


def find_subtree(
    root: Path = _ROOT, own: Path = _OWN, *, environ: Callable[[str], str | None] = os.environ.get
) -> Subtree | NoSubtree:
    """
    Return the cgroup whose leaves runners can have, made ready for that.

    Delegated is what $MANYFIT_CGROUP names, what systemd has marked as delegated (`Delegate=yes`), what
    root has given to this user, and all that a container sees. Nothing else is touched: systemd takes
    back, without a word, what was written into cgroups of its own. Looks at our cgroup, then its parent;
    when the cgroup has to be emptied first, its processes move to its leaf "manyfit-workers".
    """
    told = environ(FOLDER_VARIABLE)
    if told == "none":
        return NoSubtree(why=f"{FOLDER_VARIABLE}=none")
    if told:
        return _prepared(Path(told)) or NoSubtree(why=f"{FOLDER_VARIABLE}={told} is no cgroup that can be written")
    top = next((top for top in (root, root / "unified") if (top / "cgroup.controllers").exists()), None)
    if top is None:
        return NoSubtree(why="there is no cgroup of version 2")
    path = _own_path(own)
    if path is None or path.startswith("/.."):
        return NoSubtree(why="the cgroup of this process cannot be seen")
    mine = top / path.lstrip("/")
    if mine.name.startswith(_PREFIX) and mine.name != _WORKERS:
        return NoSubtree(why="this worker runs inside of a runner")
    nearby = [mine, mine.parent] if mine != top else [mine]
    if mine.name == _WORKERS:
        nearby = [mine.parent]
    found = [_prepared(folder) for folder in nearby if _is_delegated(folder, top)]
    best = sorted((subtree for subtree in found if subtree), key=lambda subtree: not subtree.limits_memory)
    return best[0] if best else NoSubtree(why=f"the cgroup {path} is not delegated to this user")


def _own_path(own: Path) -> str | None:
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            if line.startswith("0::"):
                return line[3:]
    return None


def _is_delegated(folder: Path, top: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError, AttributeError):
            if os.getxattr(folder, name) == b"1":
                return True
    if folder == top:
        # The root of a container's view has a type, the root of the whole machine has none.
        return (folder / "cgroup.type").exists()
    try:
        owner = folder.stat().st_uid
    except OSError:
        return False
    # Below user@UID.service everything is the user's, but systemd's to manage unless it is marked.
    return owner == os.geteuid() != 0 and "user@" not in str(folder)


def _prepared(folder: Path) -> Subtree | None:
    """Return *folder* as a subtree if leaves can be made in it and processes moved there."""
    procs = folder / "cgroup.procs"
    if not (procs.exists() and os.access(folder, os.W_OK) and os.access(procs, os.W_OK)):
        return None
    return Subtree(folder=folder, limits_memory=_give_memory(folder))


def _give_memory(folder: Path) -> bool:
    """Have the memory controller in the children of *folder*; False when that cannot be."""
    if "memory" in _words(folder / "cgroup.subtree_control"):
        return True
    if "memory" not in _words(folder / "cgroup.controllers"):
        return False
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text("+memory")
            return True
        # Processes that are in it are in the way; others may be started while these move.
        if not _move_all(folder, folder / _WORKERS):
            return False
    return False


def _move_all(folder: Path, leaf: Path) -> bool:
    try:
        leaf.mkdir(exist_ok=True)
        for pid in _words(folder / "cgroup.procs"):
            with contextlib.suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)
    except OSError:
        return False
    return True


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


class Leaf:
    """One cgroup of one runner. Every method may be called when it is gone already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def enter(self) -> None:
        """Move this process into the leaf; what it starts from now on is born there. Raises OSError."""
        (self.folder / "cgroup.procs").write_text("0")

    def pids(self) -> list[int]:
        """Return the processes in it."""
        return [int(pid) for pid in _words(self.folder / "cgroup.procs")]

    def killed_above_limit(self) -> bool:
        """
        Whether the kernel has killed processes of it because it was above its own limit.

        When a cgroup above it, or the machine, had no memory left, only `oom_kill` counts.
        """
        words = iter(_words(self.folder / "memory.events"))
        counts = dict(zip(words, words, strict=False))
        return "0" not in (counts.get("oom", "0"), counts.get("oom_kill", "0"))

    def end(self, patience_seconds: float = 5.0) -> None:
        """Kill everything in it, and remove it once it is empty."""
        until = time.monotonic() + patience_seconds
        while self.folder.exists():
            self._kill()
            with contextlib.suppress(OSError):
                _remove_below(self.folder)
                return
            if time.monotonic() > until:
                return
            time.sleep(0.001)

    def _kill(self) -> None:
        with contextlib.suppress(OSError), open(self.folder / "cgroup.kill", "r+") as file:
            file.write("1")
            return
        # Before Linux 5.14 there is no such file.
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _remove_below(folder: Path) -> None:
    """Remove a cgroup and those that user code made in it; its files go by themselves. Raises OSError."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _remove_below(Path(entry.path))
    folder.rmdir()


def make_leaf(subtree: Subtree, mark: str, number: int) -> Leaf | None:
    """Make the leaf of runner *number* of the worker with *mark*; None when the kernel refuses."""
    leaf = Leaf(subtree.folder / f"{_PREFIX}{mark}-{number}")
    try:
        leaf.folder.mkdir(exist_ok=True)
    except OSError:
        return None
    if subtree.limits_memory:
        # All or nothing: a runner whose child was killed would go on with half of itself.
        _write(leaf.folder / "memory.oom.group", "1")
        _write(leaf.folder / "memory.swap.max", "0")
    return leaf


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError), open(path, "r+") as file:
        file.write(text)


def end_left_leaves(subtree: Subtree) -> int:
    """End the leaves of workers that are dead, and what runs in them; return how many."""
    names = [entry.name for entry in os.scandir(subtree.folder) if entry.name.startswith(_PREFIX)]
    left = [name for name in names if is_dead(name.removeprefix(_PREFIX))]
    for name in left:
        Leaf(subtree.folder / name).end()
    return len(left)


class LeafMemory:
    """
    The memory files of the leaf that this process is in: its limit, and its peak.

    Raises OSError when the leaf has no memory controller.
    """

    def __init__(self, leaf: Leaf) -> None:
        self._max = os.open(leaf.folder / "memory.max", os.O_WRONLY | os.O_CLOEXEC)
        self._current = os.open(leaf.folder / "memory.current", os.O_RDONLY | os.O_CLOEXEC)
        self._stat = os.open(leaf.folder / "memory.stat", os.O_RDONLY | os.O_CLOEXEC)
        self._peak = _open_peak(leaf.folder / "memory.peak")

    def limit(self, n_bytes: int) -> None:
        """
        Allow *n_bytes* above what is used now, page cache aside. Raises OSError.

        `memory.max`, not `memory.high`: above `high` a task is slowed down until its wall time is over,
        and then fails for a wrong reason. Page cache cannot break `max`: it is dropped first.
        """
        os.pwrite(self._max, b"%d" % (self._used() + n_bytes), 0)

    def lift(self) -> None:
        """Allow everything again."""
        with contextlib.suppress(OSError):
            os.pwrite(self._max, b"max", 0)

    def begin_peak(self) -> None:
        """Measure the peak from now on."""
        if self._peak is not None:
            os.pwrite(self._peak, b"0", 0)

    def peak_bytes(self) -> int:
        """Return the largest use since `begin_peak` less the page cache of now; 0 where the kernel cannot say."""
        if self._peak is None:
            return 0
        return max(0, int(os.pread(self._peak, 64, 0)) - self._cache())

    def _used(self) -> int:
        return max(0, int(os.pread(self._current, 64, 0)) - self._cache())

    def _cache(self) -> int:
        """Return what the kernel can drop: pages of files, those aside that are mapped or held in memory only."""
        words = os.pread(self._stat, 1 << 16, 0).split()
        stat = dict(zip(words[::2], words[1::2], strict=False))
        files = int(stat.get(b"active_file", 0)) + int(stat.get(b"inactive_file", 0))
        return max(0, files - int(stat.get(b"file_mapped", 0)))


def _open_peak(path: Path) -> int | None:
    """Return memory.peak if it can begin anew with each task: since Linux 6.12."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        os.pwrite(descriptor, b"0", 0)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
