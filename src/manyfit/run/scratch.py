"""
Scratch folders: where the temporary files of tasks go, so that none of them stays.

A worker has one folder, "manyfit-<life>-<number>", with a folder for each of its runners in it. Whoever
is dead is told from the life in the name, so that the next worker on the host removes what is left.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manyfit.run.lives import is_dead

PLACE_VARIABLE = "MANYFIT_SCRATCH"
TASK_VARIABLE = "MANYFIT_SCRATCH_TASK"

_PREFIX = "manyfit-"
_KEPT = ("pymp-", "joblib_memmapping_folder_", "loky-")
"""What multiprocessing, joblib and loky make once and use until the process ends; it goes with the runner."""


def scratch_place() -> Path:
    """Return the folder that scratch folders are made in: $MANYFIT_SCRATCH, or the one for temporary files."""
    return Path(os.path.abspath(os.environ.get(PLACE_VARIABLE) or tempfile.gettempdir()))


def make_worker_folder(place: Path, mark: str) -> Path:
    """Make and return the scratch folder of the worker with *mark*, which begins with its life. Raises OSError."""
    folder = place / f"{_PREFIX}{mark}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def remove_left_folders(place: Path) -> int:
    """Remove the scratch folders in *place* of this user's workers that are dead; return how many."""
    try:
        entries = [entry for entry in os.scandir(place) if entry.name.startswith(_PREFIX)]
    except OSError:
        return 0
    left = [entry.path for entry in entries if _is_ours(entry) and is_dead(entry.name.removeprefix(_PREFIX))]
    for path in left:
        remove_tree(path)
    return len(left)


def _is_ours(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid()
    except OSError:
        return False


def remove_tree(path: str | Path) -> None:
    """Remove a folder with all that is in it, write-protected folders included; what cannot go, stays."""
    if os.path.lexists(path):
        shutil.rmtree(path, onerror=_make_writable_and_retry)


def _make_writable_and_retry(function: Callable[..., Any], path: str, _: object) -> None:
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        if not os.path.islink(path):
            os.chmod(path, 0o700)
        if function in (os.unlink, os.rmdir):
            function(path)
        else:
            shutil.rmtree(path, ignore_errors=True)


class TaskScratch:
    """
    The scratch folder of this runner process: temporary files go there, and after each task they go away.

    Whether a task left anything must cost next to nothing to see. An empty folder is given a time of
    change long ago; the kernel sets another one when an entry is made in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        os.environ["TMPDIR"] = os.environ[TASK_VARIABLE] = str(folder)
        tempfile.tempdir = str(folder)
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.utime(self._descriptor, ns=(0, 0))

    def clear(self) -> None:
        """Remove what a task has put into the folder; makes the folder again if the task removed it."""
        seen = os.fstat(self._descriptor)
        if seen.st_mtime_ns or not seen.st_nlink:
            self._empty()

    def _empty(self) -> None:
        # A task may have pointed temporary files elsewhere, or removed the folder itself.
        os.environ["TMPDIR"] = os.environ[TASK_VARIABLE] = tempfile.tempdir = str(self._folder)
        if not self._folder.is_dir():
            os.close(self._descriptor)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.chmod(self._descriptor, 0o700)
        for entry in os.scandir(self._folder):
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(_KEPT):
                    remove_tree(entry.path)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
        os.utime(self._descriptor, ns=(0, 0))
