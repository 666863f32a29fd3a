"""What a folder lies on: its mount, and what the options of the mount mean."""

import enum
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class Kind(enum.Enum):
    """Where the bytes of a file system are."""

    LOCAL = "local"
    NETWORK = "network"
    MEMORY = "in memory"
    LAYERED = "layers of a container"
    FOREIGN = "handed in by another program"


_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "mmfs", "beegfs", "ceph", "glusterfs", "afs")
) | frozenset(("panfs", "wekafs", "pvfs2", "orangefs", "ocfs2", "gfs2", "davfs", "acfs", "daos"))
_NETWORK_PROGRAMS = frozenset(
    ("sshfs", "glusterfs", "s3fs", "juicefs", "gcsfuse", "rclone", "goofys", "ceph-fuse", "cephfs", "moosefs")
) | frozenset(("mfs", "lizardfs", "seaweedfs", "blobfuse", "blobfuse2", "davfs2", "hdfs", "dfuse", "mount-s3"))
_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs"))
_LAYERED = frozenset(("overlay", "overlayfs", "aufs", "fuse.fuse-overlayfs", "unionfs"))
_FOREIGN = frozenset(
    ("9p", "virtiofs", "drvfs", "vboxsf", "prl_fs", "vmhgfs", "fuse.vmhgfs-fuse", "fuse", "fuseblk")
)
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mounted file system: where, of which type, from what, with which options ("rw", "vers=4.1")."""

    point: str
    type: str
    source: str
    options: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        if self.type in _NETWORK or self.type.removeprefix("fuse.") in _NETWORK_PROGRAMS:
            return Kind.NETWORK
        if self.type in _MEMORY:
            return Kind.MEMORY
        if self.type in _LAYERED:
            return Kind.LAYERED
        return Kind.FOREIGN if self.type in _FOREIGN or self.type.startswith("fuse.") else Kind.LOCAL

    def option(self, name: str) -> str | None:
        """Return the value of an option, "" for one without a value, None where it is not set."""
        for option in reversed(self.options):
            key, _, value = option.partition("=")
            if key == name:
                return value
        return None


def parse(text: str) -> list[Mount]:
    """Return the mounts of a text like /proc/self/mountinfo, in its order; other lines are passed over."""
    return [mount for mount in map(_mount, text.splitlines()) if mount is not None]


def _mount(line: str) -> Mount | None:
    head, separator, tail = line.partition(" - ")
    fields, rest = head.split(" "), tail.split(" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    return Mount(
        point=_plain(fields[4]),
        type=rest[0],
        source=_plain(rest[1]),
        options=tuple(dict.fromkeys([*fields[5].split(","), *rest[2].split(",")])),
    )


def _plain(text: str) -> str:
    """Return a name without the octal escapes for blanks and backslashes."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def holding(mounts: list[Mount], path: str) -> Mount | None:
    """Return the mount that holds the real path *path*: the deepest, of several on one folder the last."""
    found = None
    for mount in mounts:
        prefix = mount.point.rstrip("/")
        if (path == prefix or path.startswith(prefix + "/")) and (
            found is None or len(prefix) >= len(found.point.rstrip("/"))
        ):
            found = mount
    return found


def mount_of(folder: Path) -> Mount | None:
    """Return the mount that *folder* is on, None where the system does not tell. May hang on a dead server."""
    path = os.path.realpath(folder)
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return holding(_elsewhere(), path)
    return holding(parse(text), path)


def _elsewhere() -> list[Mount]:
    """Ask psutil, where there is no /proc."""
    import psutil

    return [
        Mount(point=part.mountpoint, type=part.fstype, source=part.device, options=tuple(part.opts.split(",")))
        for part in psutil.disk_partitions(all=True)
    ]


def remarks(mount: Mount) -> Iterator[tuple[str, str]]:
    """Yield what the type and the options of a mount put at risk, each with what to do."""
    if mount.kind is Kind.MEMORY:
        yield "its files are gone after a reboot", "keep sweeps that matter on a disk"
    if mount.kind is Kind.LAYERED:
        yield "its files go with the container", "mount a folder of the host and keep sweeps there"
    if mount.option("volatile") is not None:
        yield "volatile: fsync does nothing", "mount it without volatile"
    if mount.option("nobarrier") is not None or mount.option("barrier") == "0":
        yield "no write barriers: a power failure loses synced files", "mount it without nobarrier"
    if mount.kind is Kind.NETWORK:
        yield from _of_network(mount)


def _of_network(mount: Mount) -> Iterator[tuple[str, str]]:
    if mount.option("soft") is not None:
        yield "soft: a slow server looks like a failing disk", "mount it hard"
    local = mount.option("local_lock")
    if mount.option("nolock") is not None or mount.option("localflock") is not None or local not in (None, "none"):
        yield "its locks hold on one host only", "no SQLite there; manyfit's directory store uses no locks"


def delay_elsewhere(mount: Mount) -> str:
    """Return how late other hosts see new files, as far as the options tell."""
    if mount.kind is not Kind.NETWORK or not mount.type.startswith("nfs"):
        return ""
    if mount.option("noac") is not None:
        return "other hosts see new files at once (noac)"
    seconds = mount.option("actimeo") or mount.option("acdirmax") or "60"
    return f"other hosts may see new files up to {seconds} s late"
