"""What a folder lies on is read from the kernel's list of mounts."""

import pytest

from manyfit.health import filesystem
from manyfit.health.finding import Status
from manyfit.health.mounts import Kind, Mount, delay_elsewhere, holding, parse, remarks

MOUNTS = r"""
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
31 22 0:27 / /home rw,relatime shared:16 - nfs4 filer:/export/home rw,vers=4.2,hard,local_lock=none,actimeo=30
32 22 0:28 / /old rw,relatime shared:17 - nfs filer:/old rw,vers=3,soft,nolock,local_lock=all
33 22 0:99 / /scratch rw - lustre 10.0.0.1@tcp:/fs rw,localflock,lazystatfs
34 22 0:41 / /win rw,relatime shared:18 - cifs //srv/share rw,vers=3.1.1,cache=strict
35 22 0:45 / /run/box/merged rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,workdir=/d,volatile
36 22 0:50 / /mnt/two\040words rw - fuse.sshfs me@host:/x rw,user_id=0
37 22 0:51 / /dev/shm rw,nosuid - tmpfs tmpfs rw,size=64k
38 31 0:52 / /home/me/cache rw - ext4 /dev/nvme0n1 rw,nobarrier
39 22 0:53 / /over rw - ext4 /dev/first rw
40 39 0:54 / /over rw - xfs /dev/second rw
41 22 0:55 / /mnt/c rw - 9p drvfs rw,aname=drvfs
42 22 0:56 / /mnt/other rw - fuse.bindfs x rw
"""


def at(path: str) -> Mount:
    found = holding(parse(MOUNTS), path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "type_", "kind"),
    [
        ("/", "ext4", Kind.LOCAL),
        ("/homework", "ext4", Kind.LOCAL),
        ("/home/me/sweeps", "nfs4", Kind.NETWORK),
        ("/home", "nfs4", Kind.NETWORK),
        ("/home/me/cache/x", "ext4", Kind.LOCAL),
        ("/old/x", "nfs", Kind.NETWORK),
        ("/scratch/me", "lustre", Kind.NETWORK),
        ("/win", "cifs", Kind.NETWORK),
        ("/run/box/merged/work", "overlay", Kind.LAYERED),
        ("/mnt/two words/x", "fuse.sshfs", Kind.NETWORK),
        ("/dev/shm", "tmpfs", Kind.MEMORY),
        ("/over/x", "xfs", Kind.LOCAL),
        ("/mnt/c/Users", "9p", Kind.FOREIGN),
        ("/mnt/other", "fuse.bindfs", Kind.FOREIGN),
    ],
)
def test_the_mount_of_a_folder_is_the_deepest_and_the_last(path: str, type_: str, kind: Kind) -> None:
    """A folder belongs to the mount with the longest path above it; of two in one place the later one counts."""
    assert (at(path).type, at(path).kind) == (type_, kind)


def test_lines_that_are_no_mounts_are_passed_over() -> None:
    """A list in a form that is not known is no error."""
    assert parse("nothing\n1 2 3\na b c d e f g h\n") == []
    assert holding([], "/x") is None


def test_options_have_values() -> None:
    """Options of the mount and of its file system are found, absent ones are told from empty ones."""
    mount = at("/old")
    assert (mount.option("vers"), mount.option("soft"), mount.option("noac")) == ("3", "", None)
    assert mount.source == "filer:/old"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/home", []),
        ("/old", ["soft", "locks hold on one host"]),
        ("/scratch", ["locks hold on one host"]),
        ("/run/box/merged", ["go with the container", "volatile"]),
        ("/home/me/cache", ["write barriers"]),
        ("/dev/shm", ["after a reboot"]),
        ("/", []),
    ],
)
def test_options_that_put_work_at_risk_are_named(path: str, said: list[str]) -> None:
    """Each risky type or option has a remark with what to do."""
    found = list(remarks(at(path)))
    assert len(found) == len(said)
    assert all(part in remark and do for part, (remark, do) in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("path", "delay"), [("/home", "up to 30 s late"), ("/old", "up to 60 s late"), ("/scratch", ""), ("/", "")]
)
def test_the_cache_of_other_hosts_has_a_time(path: str, delay: str) -> None:
    """How late other hosts see new files on NFS comes from the options, else from its default."""
    assert delay_elsewhere(at(path)).endswith(delay)
    assert bool(delay_elsewhere(at(path))) is bool(delay)


def test_a_network_file_system_is_no_place_for_sqlite() -> None:
    """Not even where every test passes."""
    for path, directory, sqlite in (
        ("/home", "yes", "no: nfs4 is a network"),
        ("/mnt/c", "yes", "no"),
        ("/", "yes", "yes"),
    ):
        seen = {name: filesystem.fine("works") for name in filesystem._TESTS}
        seen |= {"mount": filesystem.mount(at(path)), "writing": filesystem.fine("works")}
        found = filesystem.verdicts([_finding(name, value) for name, value in seen.items()])
        assert [
            finding.seen.text.startswith(said) for finding, said in zip(found, (directory, sqlite), strict=True)
        ] == [
            True,
            True,
        ], found


def _finding(name: str, seen: filesystem.Seen) -> filesystem.Finding:
    return filesystem.Finding(area=filesystem.Area.FILES, name=name, seen=seen)


def test_what_was_not_tested_does_not_suit() -> None:
    """Without tests nothing is promised, and without any finding nothing is said."""
    found = filesystem.verdicts([_finding("mount", filesystem.mount(at("/")))])
    assert [finding.seen.facts["suits"] for finding in found] == [False, False]
    assert filesystem.verdicts([]) == []


def test_an_unknown_mount_is_no_warning() -> None:
    """Where the system does not tell what a folder lies on, the tests still say what it does."""
    assert filesystem.mount(None).status is Status.OK


@pytest.mark.parametrize(
    ("free", "files", "status"),
    [
        (1 << 40, None, "ok"),
        (1 << 40, 50_000, "ok"),
        (1 << 29, None, "warning"),
        (1 << 40, 500, "warning"),
        (1 << 20, None, "problem"),
        (1 << 40, 0, "problem"),
    ],
)
def test_room_is_bytes_and_files(free: int, files: int | None, status: str) -> None:
    """Too few bytes or too few files left is a warning, almost none a problem; some systems do not count files."""
    assert filesystem.space(free, 1 << 41, files).status.value == status
