"""What a file system does is found out by doing it; each way to break a promise is noticed and said."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.health.examinations import areas, examined, files

from manyfit.health import guarantees
from manyfit.health.finding import Area, Status
from manyfit.health.racing import broken_names

SHM = Path("/dev/shm")


@pytest.fixture
def in_memory() -> Iterator[Path | None]:
    """A folder in memory, None where there is no place for one."""
    if not SHM.is_dir() or not os.access(SHM, os.W_OK):
        yield None
        return
    folder = SHM / f"manyfit-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder(in_memory: Path | None, tmp_path: Path) -> Path:
    """A folder that is quick, where it does not matter on what."""
    return in_memory or tmp_path


def test_a_good_disk_passes_and_is_left_as_it_was(tmp_path: Path) -> None:
    """Nothing is a problem on the disk of the tests, everything was looked at, and no file is left."""
    found = examined(files(tmp_path))
    assert [finding for finding in found.values() if finding.status is Status.PROBLEM] == []
    assert len(found) == 18
    assert areas(found) == {Area.FILES, Area.CLOCK}
    assert found["hard links"].seen.facts == {
        "processes": 4,
        "names": 200,
        "won_by_several": 0,
        "content_differs": 0,
    }
    assert found["fsync"].seen.facts["p95_seconds"] >= found["fsync"].seen.facts["median_seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_memory_is_told_from_a_disk(in_memory: Path | None) -> None:
    """On tmpfs everything works; that it is gone after a reboot is a warning, that fsync is quick is not."""
    if in_memory is None:
        pytest.skip("no /dev/shm here")
    found = examined(files(in_memory))
    if found["mount"].seen.facts["type"] != "tmpfs":
        pytest.skip("/dev/shm is not tmpfs here")
    assert found["mount"].status is Status.WARNING
    assert "reboot" in found["mount"].seen.text
    assert {name for name, finding in found.items() if finding.status is Status.PROBLEM} == set()
    assert found["fsync"].status is Status.OK


LIES = [
    ("SharedLinks", "hard links", "problem", "won by more than one process"),
    ("StaleNames", "hard links", "problem", "did not show their winner's content"),
    ("NoLinks", "hard links", "warning", "there are none (EPERM)"),
    ("NoLinksOfAnyKind", "symbolic links", "warning", "there are none"),
    ("OpenToAll", "exclusive files", "problem", "won by more than one process"),
    ("CopyingRename", "renames", "warning", "missing or torn"),
    ("FailingSync", "writing", "problem", "(EIO)"),
    ("FailingSyncOfAppends", "fsync", "problem", "(EIO)"),
    ("NoFolderSync", "folder fsync", "problem", "cannot be synced (EINVAL)"),
    ("Buffered", "appends", "problem", "are lost"),
    ("LateFiles", "visibility", "problem", "not seen by another process"),
    ("NoLocks", "flock", "warning", "there are none (ENOLCK)"),
    ("PrivateLocks", "record locks", "warning", "two processes hold the same fcntl lock"),
    ("StickyLocks", "flock", "warning", "stays taken"),
    ("ShortNames", "names", "problem", "do not fit"),
    ("NoCase", "names", "warning", "case does not count"),
    ("ReadOnly", "writing", "problem", "(EROFS)"),
    ("Full", "writing", "problem", "(ENOSPC)"),
    ("QuotaUsed", "writing", "problem", "(EDQUOT)"),
    ("Garbled", "writing", "problem", "reads differently"),
    ("WrongClock", "file server", "warning", "dated 60 min ahead of"),
]
NOTHING = "no: nothing can be written there"
UNSUITABLE = {
    "SharedLinks": ("no: see hard links", "yes"),
    "NoLinks": ("yes", "yes"),
    "NoLinksOfAnyKind": ("no: see hard links, symbolic links", "yes"),
    "NoFolderSync": ("no: see folder fsync", "no: see folder fsync"),
    "Buffered": ("no: see appends", "no: see appends"),
    "NoLocks": ("yes", "no: see flock"),
    "PrivateLocks": ("yes", "no: see record locks"),
    "NoCase": ("yes", "yes"),
    "ReadOnly": (NOTHING, NOTHING),
    "Full": (NOTHING, NOTHING),
}


@pytest.mark.parametrize(("disk", "name", "status", "text"), LIES)
def test_a_lie_is_found_out(folder: Path, disk: str, name: str, status: str, text: str) -> None:
    """
    The check of the promise that is broken says so, with what to do, and which stores do without it.

    Nothing is left in the folder.
    """
    found = examined(files(folder, disk=disk))
    assert (found[name].status.value, text in found[name].seen.text) == (status, True), found[name]
    assert found[name].seen.do
    if disk in UNSUITABLE:
        for store, said in zip(("directory store", "sqlite store"), UNSUITABLE[disk], strict=True):
            assert found[store].seen.text.startswith(said), found[store]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_slow_server_is_slow_and_nothing_worse(folder: Path) -> None:
    """Tests make do with less instead of taking longer than their limit; only the pace of fsync is a warning."""
    found = examined(files(folder, disk="Slow"))
    wrong = {name: finding.status for name, finding in found.items() if finding.status is not Status.OK}
    assert wrong.pop("mount", Status.WARNING) is Status.WARNING
    assert wrong == {"fsync": Status.WARNING}
    assert 3 <= found["fsync"].seen.facts["syncs"] < 50
    assert 1 <= found["hard links"].seen.facts["names"] < 200


def test_tests_that_need_a_file_are_left_out_where_none_can_be_written(tmp_path: Path) -> None:
    """One reason is said once, not fourteen times."""
    found = examined(files(tmp_path, disk="ReadOnly"))
    assert set(found) == {"mount", "space", "writing", "directory store", "sqlite store"}
    assert "remount it" in found["writing"].seen.do


@pytest.mark.parametrize(
    ("sights", "broken"),
    [
        ([[(True, "0")], [(False, "0")]], (0, 0)),
        ([[(False, "1")], [(False, "1")]], (0, 0)),
        ([[(True, "0")], [(True, "1")]], (1, 1)),
        ([[(True, "0")], [(True, "0")]], (1, 0)),
        ([[(True, "1")], [(False, "1")]], (0, 1)),
        ([[(True, "0")], [(False, "missing")]], (0, 1)),
    ],
    ids=["won", "reply lost", "both", "both, one content", "winner overwritten", "not seen"],
)
def test_names_are_judged_by_what_everybody_saw(sights: list[list[tuple[bool, str]]], broken: object) -> None:
    """A name is in order when at most one was told to have won it, and all see that one's content."""
    assert broken_names(sights) == broken


@pytest.mark.parametrize(
    ("seconds", "in_memory", "status"),
    [(0.002, False, "ok"), (0.2, False, "warning"), (1e-7, False, "warning"), (1e-7, True, "ok")],
)
def test_the_pace_of_fsync_is_judged(seconds: float, in_memory: bool, status: str) -> None:
    """Slow is a warning, and so is too fast for a disk, unless there is none."""
    assert guarantees.sync_times([seconds] * 10, in_memory=in_memory).status.value == status


def test_percentiles_of_fsync() -> None:
    """The median and the 95th of a hundred are what they say."""
    facts = guarantees.sync_times([n / 1000 for n in range(100)]).facts
    assert facts["median_seconds"] == pytest.approx(0.0495)
    assert facts["p95_seconds"] == pytest.approx(0.095)


def test_lines_of_a_killed_writer_are_counted_to_the_first_wrong_one() -> None:
    """A torn tail beyond what was written is no loss; a hole is."""
    whole = b"".join(b"%08d\n" % n for n in range(5))
    assert guarantees.survival(whole + b"0000", 5).status is Status.OK
    assert "2 are lost" in guarantees.survival(whole.replace(b"00000003", b"\0" * 8), 5).text
    assert guarantees.survival(b"", 0).status is Status.PROBLEM


@pytest.mark.parametrize(
    ("data", "said"), [(b"mw", ""), (b"\0w", "mapped is not seen"), (b"m\0", "written to is not seen")]
)
def test_mappings_are_judged(data: bytes, said: str) -> None:
    """Which way of changing a file is not seen in a mapping is said."""
    seen = guarantees.coherence(data)
    assert seen.status is (Status.WARNING if said else Status.OK)
    assert said in seen.text
