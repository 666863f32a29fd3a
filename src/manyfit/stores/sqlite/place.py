"""Whether a folder is on a file system on which SQLite can be trusted."""

import os
import re
from pathlib import Path

from manyfit.model.errors import StoreUnsuitable

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "mmfs", "beegfs", "ceph", "glusterfs", "afs"),
        *("panfs", "wekafs", "pvfs2", "orangefs", "ocfs2", "gfs2", "9p", "virtiofs", "ncpfs", "davfs", "daos"),
    )
)
_LOCAL_FUSE = frozenset(("fuseblk", "fuse.fuse-overlayfs"))
_ESCAPE = re.compile(r"\\([0-7]{3})")


def check_place(folder: Path, mountinfo: str | None = None) -> None:
    """
    Raise `StoreUnsuitable` when *folder* is on a file system of another host.

    SQLite needs locks that hold and memory that all processes share. *mountinfo* is the text of
    /proc/self/mountinfo (None: that of this process; where there is none, nothing is refused).
    """
    if mountinfo is None:
        try:
            mountinfo = MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
    kind = _type_at(os.path.realpath(folder), mountinfo)
    if kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE):
        raise StoreUnsuitable(
            f"{folder} is on a network file system ({kind}), where SQLite loses data: its locks and its shared "
            "memory work on one host only. Put the database on a local disk, or use a store that can be shared: "
            "a folder (no URL at all) or PostgreSQL"
        )


def _type_at(path: str, mountinfo: str) -> str:
    """Return the type of the file system that holds *path*: that of the deepest mount, of several the last."""
    found, deepest = "", -1
    for line in mountinfo.splitlines():
        head, separator, tail = line.partition(" - ")
        fields = head.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]).rstrip("/")
        if (path == point or path.startswith(point + "/")) and len(point) >= deepest:
            found, deepest = tail.split(" ")[0], len(point)
    return found
