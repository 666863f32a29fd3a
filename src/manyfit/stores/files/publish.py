"""Publishing a file under a name: completely or not at all, by exactly one of many."""

import os
import secrets
from pathlib import Path

from manyfit.model.errors import StoreError, StoreUnsuitable
from manyfit.stores.files.disk import Disk, is_full, store_error

TEMPORARY = ".new-"


def publish(disk: Disk, path: Path, payload: bytes, *, symbolic: bool = False) -> bool:
    """
    Give *path* the content *payload* unless it has one already; return whether it has this one now.

    *payload* holds a nonce or is its own identity. What `link` says is not trusted: a file server that
    restarted may report a failure of what it did, so that the name itself is read. When this returns True,
    name and content are durable.
    """
    folder = path.parent
    aside = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        _write_aside(disk, aside, payload)
        refusal = _link(disk, aside, path, symbolic)
        found = disk.read(path)
        if found is None:
            raise refusal or StoreError(f"{path} vanished after it was published; is the file system healthy?")
        if found == payload:
            disk.sync_folder(folder)
    except OSError as error:
        raise store_error(error, f"cannot publish {path}") from error
    finally:
        if not (symbolic and _points_to(path, aside)):
            _forget(disk, aside)
    return found == payload


def choose_links(disk: Disk, folder: Path) -> bool:
    """
    Return whether names in *folder* must be published by symbolic links, since it has no hard links.

    Raises `StoreUnsuitable` when it has neither.
    """
    for symbolic in (False, True):
        name = folder / f"{TEMPORARY}probe-{secrets.token_hex(8)}"
        try:
            if _works(disk, name, symbolic):
                return symbolic
        except StoreError as error:
            if isinstance(error.__cause__, OSError) and is_full(error.__cause__):
                raise
    raise StoreUnsuitable(
        f"{folder} has neither hard links nor symbolic links, so that workers could not claim work without "
        "doing it twice. Keep the sweep on a local disk or on NFS, Lustre or GPFS."
    )


def _works(disk: Disk, name: Path, symbolic: bool) -> bool:
    first = publish(disk, name, b"first", symbolic=symbolic)
    second = publish(disk, name, b"second", symbolic=symbolic)
    aside = name.parent / os.readlink(name) if symbolic else None
    _forget(disk, name)
    if aside is not None:
        _forget(disk, aside)
    return first and not second


def _write_aside(disk: Disk, aside: Path, payload: bytes) -> None:
    fd = disk.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        disk.write_all(fd, payload)
        disk.fsync(fd)
    finally:
        disk.close(fd)


def _link(disk: Disk, aside: Path, path: Path, symbolic: bool) -> OSError | None:
    try:
        if symbolic:
            disk.symlink(aside.name, path)
        else:
            disk.link(aside, path)
    except OSError as error:
        return error
    return None


def _points_to(path: Path, aside: Path) -> bool:
    try:
        return os.readlink(path) == aside.name
    except OSError:
        return False


def _forget(disk: Disk, path: Path) -> None:
    try:
        disk.unlink(path)
    except OSError:
        return  # a temporary file that stays is ignored by every reader
