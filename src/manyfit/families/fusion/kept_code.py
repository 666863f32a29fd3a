"""
Where code that numba has compiled is kept on disk.

numba's own folders may hand out code of another release or another processor: its index is written before the
code that it names, under names that are used again. So each source text, release and processor has a folder of its
own here, which never holds two meanings. Code is loaded as pickles are: only from folders that belong to the user.
"""

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import platformdirs
from llvmlite import binding

config: Any = numba.config

OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH
"""Folders that others may write to are not trusted."""


def kept_root() -> Path:
    """Return where all folders are: below $MANYFIT_CACHE, or the user's cache folder, as converted data."""
    given = os.environ.get("MANYFIT_CACHE")
    return (Path(given) if given else Path(platformdirs.user_cache_dir("manyfit"))).absolute() / "compiled"


def made_folder(source: Path) -> Path | None:
    """Return the folder for what is compiled from *source* on this machine; None where it cannot be kept."""
    try:
        folder = kept_root() / _key(source)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = folder.stat()
        mine = os.name != "posix" or (known.st_uid == _user() and not known.st_mode & OF_OTHERS)
        return folder if mine and os.access(folder, os.W_OK | os.X_OK) else None
    except (OSError, RuntimeError):  # it cannot be made, or there is no home to make it in
        return None


def _key(source: Path) -> str:
    """
    Return what distinguishes code: the users of one folder do not trust each other, either.

    numba takes code only for the same file with the same time stamp: of a second installation it has none.
    """
    told = [
        *(str(source.resolve()), str(source.stat().st_mtime_ns)),
        *(numba.__version__, llvmlite.__version__, sys.version, str(_user())),
        *(config.CPU_NAME or binding.get_host_cpu_name(), _features(), str(config.DISABLE_JIT)),
    ]
    return hashlib.sha256(b"\0".join([source.read_bytes(), *(each.encode() for each in told)])).hexdigest()[:32]


def _features() -> str:
    given = config.CPU_FEATURES
    return str(given if given is not None else binding.get_host_cpu_features().flatten())


def _user() -> int:
    return os.getuid() if os.name == "posix" else 0


@contextlib.contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Have numba keep in *folder* what is decorated meanwhile."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def is_kept(folder: Path | None, name: str) -> bool:
    """Whether the code of the function *name* is in *folder*."""
    return folder is not None and any(folder.glob(f"*/*.{name}-*.nbc"))
