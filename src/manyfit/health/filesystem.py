"""The examination of a file system, and which stores it suits."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from manyfit.health import guarantees
from manyfit.health.disk import Disk
from manyfit.health.finding import Area, Check, Finding, Seen, Status, bad, doubtful, fine
from manyfit.health.guarantees import Ground
from manyfit.health.mounts import Kind, Mount, delay_elsewhere, mount_of, remarks
from manyfit.health.texts import GIBI, MEBI, size_text

MOUNT, SPACE, WRITING = "mount", "space", "writing"
HARD_LINKS, SYMBOLIC_LINKS = "hard links", "symbolic links"
ALLOCATED = MEBI
FEW_FILES = 10_000

_TESTS: Mapping[str, Callable[[Ground], Seen]] = {
    HARD_LINKS: guarantees.hard_links,
    SYMBOLIC_LINKS: guarantees.symbolic_links,
    "exclusive files": guarantees.exclusive_create,
    "renames": guarantees.renaming,
    "fsync": guarantees.syncing,
    "folder fsync": guarantees.folder_syncing,
    "appends": guarantees.appending,
    "visibility": guarantees.visibility,
    "flock": guarantees.whole_file_locks,
    "record locks": guarantees.record_locks,
    "mapped files": guarantees.mapping,
    "names": guarantees.names,
}
_BOTH = frozenset(("fsync", "folder fsync", "appends", "visibility"))
_DIRECTORY = frozenset(("exclusive files", "names")) | _BOTH
_SQLITE = frozenset(("flock", "record locks", "mapped files")) | _BOTH


def checks(disk: Disk, folder: Path, ground: Ground) -> Sequence[Check]:
    """Return the checks of the file system of *folder*; *ground* is a folder in it that they make and fill."""
    looks = {
        MOUNT: lambda: mount(mount_of(folder)),
        SPACE: lambda: _space(disk, folder),
        WRITING: lambda: _writing(ground),
    }
    first = [Check(area=Area.FILES, name=name, look=look) for name, look in looks.items()]
    tests = [_test(Area.FILES, name, ground, test) for name, test in _TESTS.items()]
    return [*first, *tests, _test(Area.CLOCK, "file server", ground, guarantees.clock_offset)]


def _test(area: Area, name: str, ground: Ground, test: Callable[[Ground], Seen]) -> Check:
    return Check(area=area, name=name, look=lambda: test(ground), limit_seconds=8, after=WRITING)


def mount(found: Mount | None) -> Seen:
    """Return what the folder lies on."""
    if found is None:
        return fine("the system does not tell", network=False)
    facts: dict[str, Any] = {"type": found.type, "point": found.point, "source": found.source}
    facts |= {"options": found.options, "network": found.kind is Kind.NETWORK, "kind": found.kind.value}
    text = f"{found.type} at {found.point}, {found.kind.value}"
    if delay := delay_elsewhere(found):
        text += f"; {delay}"
    known = list(remarks(found))
    if known:
        told = "; ".join(remark for remark, _ in known)
        return doubtful(f"{text}; {told}", "; ".join(do for _, do in known), **facts)
    return fine(text, **facts)


def _space(disk: Disk, folder: Path) -> Seen:
    found = disk.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    return space(free, found.f_blocks * found.f_frsize, found.f_favail if found.f_files else None)


def space(free: int, total: int, free_files: int | None) -> Seen:
    """Return whether there is room for a store; *free_files* is None where their number has no limit."""
    files = "" if free_files is None else f", for {free_files:,} files"
    text = f"{size_text(free)} free of {size_text(total)}{files}"
    facts = {"free_bytes": free, "total_bytes": total, "free_files": free_files}
    if free < 16 * MEBI or (free_files is not None and free_files < 100):
        return bad(text, "free some space there: a full disk stops every worker", **facts)
    if free < GIBI or (free_files is not None and free_files < FEW_FILES):
        return doubtful(text, "free some space there; manyfit plan says how much a sweep needs", **facts)
    return fine(text, **facts)


def _writing(ground: Ground) -> Seen:
    ground.disk.mkdir(ground.folder)
    path = ground.name("written")
    ground.disk.create(path, b"manyfit", sync=True)
    if ground.disk.read(path) != b"manyfit":
        return bad("a file that was just written reads differently", "keep nothing there; look at the disk")
    fd = ground.disk.open(path, os.O_RDWR)
    try:
        ground.disk.allocate(fd, ALLOCATED)
    finally:
        ground.disk.close(fd)
    return fine("files can be made, read and extended (no quota in the way)")


def clear(folder: Path) -> None:
    """Remove the folder of an examination with everything in it."""
    shutil.rmtree(folder, ignore_errors=True)


def verdicts(findings: Sequence[Finding]) -> list[Finding]:
    """Return which stores suit a file system, from what was found out about it; nothing without findings."""
    seen = {finding.name: finding.seen for finding in findings if finding.area is Area.FILES}
    if MOUNT not in seen and WRITING not in seen:
        return []
    return [
        Finding(area=Area.FILES, name="directory store", seen=_for_directory(seen)),
        Finding(area=Area.FILES, name="sqlite store", seen=_for_sqlite(seen)),
    ]


def _for_directory(seen: Mapping[str, Seen]) -> Seen:
    reasons = _failing(seen, _DIRECTORY, {Status.PROBLEM})
    hard = _status(seen, HARD_LINKS)
    if hard is Status.PROBLEM:
        reasons.append(HARD_LINKS)
    elif hard is Status.WARNING and _status(seen, SYMBOLIC_LINKS) is not Status.OK:
        reasons += [HARD_LINKS, SYMBOLIC_LINKS]
    if reasons:
        return bad(
            f"no: {_because(reasons, seen)}",
            "keep the sweep on a local disk or on NFS, Lustre or GPFS, or use a PostgreSQL store",
            suits=False,
        )
    return fine("yes: workers on every host that sees the folder can share it", suits=True)


def _for_sqlite(seen: Mapping[str, Seen]) -> Seen:
    facts = seen[MOUNT].facts if MOUNT in seen else {}
    if facts.get("network"):
        text = f"no: {facts.get('type')} is a network file system, where its locks and its shared memory fail"
        return doubtful(text, "use the directory store or PostgreSQL there", suits=False)
    if facts.get("kind") == Kind.FOREIGN.value:
        text = f"no: whether locks and shared memory work on {facts.get('type')} for all cannot be told"
        return doubtful(text, "keep the database on a disk of this machine", suits=False)
    reasons = _failing(seen, _SQLITE, {Status.PROBLEM}) + _failing(seen, _SQLITE - _BOTH, {Status.WARNING})
    if reasons:
        text = f"no: {_because(reasons, seen)}"
        return doubtful(text, "keep the database on a local disk", suits=False)
    return fine("yes, for the processes of this machine", suits=True)


def _status(seen: Mapping[str, Seen], name: str) -> Status:
    return seen[name].status if name in seen else Status.PROBLEM


def _failing(seen: Mapping[str, Seen], names: frozenset[str], statuses: set[Status]) -> list[str]:
    """Return which of *names*, in the order of the tests, have one of *statuses*; not tested is a problem."""
    return [name for name in _TESTS if name in names and _status(seen, name) in statuses]


def _because(reasons: Sequence[str], seen: Mapping[str, Seen]) -> str:
    """Return the reasons as one text; where nothing can be written, that is the only one."""
    if _status(seen, WRITING) is Status.PROBLEM:
        return "nothing can be written there"
    return f"see {', '.join(dict.fromkeys(reasons))}"
