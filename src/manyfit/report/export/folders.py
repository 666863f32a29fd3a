"""Folders that appear whole: written aside, then given their name."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from manyfit.model.errors import Refused, UserError

METADATA = "metadata.json"
FORMAT = "manyfit-export"


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """
    Yield a folder to write into; on success it takes the place of *folder*, which is there whole or not at all.

    An earlier export in *folder* is replaced. Raises `Refused` where *folder* holds anything that no export
    wrote, and `UserError` where it cannot be written; leaves all as it was on any error. What a killed call
    left aside is removed by the next.
    """
    folder = Path(os.path.abspath(folder))
    _make(folder.parent)
    with _only_here(folder.parent):
        try:
            _tidy(folder)
            _require_own(folder)
            aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
        except OSError as exc:
            said = exc.strerror or exc
            raise UserError(f"{folder} cannot be written: {said}; export to another folder") from exc
        try:
            aside.chmod(0o777 & ~_umask())
            yield aside
            _sync(aside)
            _publish(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def held_aside(path: Path) -> Iterator[Path]:
    """
    Yield a new folder beside *path* to make it in, which goes at the end.

    Those that killed calls left are removed first: the lock on a folder ends with the process that holds it.
    """
    with _only_here(path.parent):
        for left in path.parent.glob(f".{_escaped(path.name)}.new-*"):
            _remove_dead(left)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.new-", dir=path.parent))
        descriptor = os.open(aside, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(OSError):  # where there are no locks, nobody removes the folders of others
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        os.close(descriptor)


def _remove_dead(folder: Path) -> None:
    """Remove a folder that no living process holds."""
    with contextlib.suppress(OSError), _only_here(folder, wait=False):
        shutil.rmtree(folder, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UserError(f"{folder} cannot be made: {exc}") from exc


@contextlib.contextmanager
def _only_here(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """
    Keep others that write into *folder* out: what is aside belongs to nobody then.

    Without *wait*, raises `OSError` where somebody holds it, or nobody can.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if wait:
            with contextlib.suppress(OSError):  # some network disks have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _tidy(folder: Path) -> None:
    """Finish or undo what a killed call began."""
    before = _before(folder)
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(before, ignore_errors=True)
    for left in folder.parent.glob(f".{_escaped(folder.name)}.new-*"):
        shutil.rmtree(left, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _before(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.before")


def _publish(aside: Path, folder: Path) -> None:
    before = _before(folder)
    if folder.exists():
        folder.rename(before)
    try:
        aside.rename(folder)
    except OSError:
        if before.exists():
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)
    _sync_folder(folder.parent)


def _require_own(folder: Path) -> None:
    """Raise `Refused` where *folder* is no earlier export, and nothing else but that."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise Refused(f"{folder} is no folder; export to another name")
    there = {path.name for path in folder.iterdir()}
    foreign = sorted(there - _own_files(folder))
    if foreign:
        shown = ", ".join(foreign[:3]) + (" and more" if len(foreign) > 3 else "")
        raise Refused(f"{folder} holds what no export wrote ({shown}); export to another folder, or move it away")


def _own_files(folder: Path) -> set[str]:
    try:
        facts: Any = json.loads((folder / METADATA).read_bytes())
        if facts["format"] == FORMAT:
            return {METADATA, *(file["name"] for file in facts["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return set()


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before
