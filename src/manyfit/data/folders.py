"""Folders of the host cache: complete or absent, checked when opened, made by any number of processes at once."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

FORMAT = 2
"""Grows with every change of what reading, shaping or converting computes: older folders are made again."""

MANIFEST = "manifest.json"


def cache_root() -> Path:
    """Return the folder of converted data on this host: $MANYFIT_CACHE, or the user's cache folder."""
    given = os.environ.get("MANYFIT_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("manyfit"))


def open_folder(folder: Path) -> Mapping[str, Any] | None:
    """Return the manifest of a cache folder, or None when it is not there, damaged or of another format."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        sizes = {name: (folder / name).stat().st_size for name in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = manifest.get("format") == FORMAT and sizes == manifest["files"]
    return manifest if whole else None


def make_folder(folder: Path, fill: Callable[[Path], Mapping[str, Any]]) -> Mapping[str, Any]:
    """
    Publish *folder* with the files that *fill* writes and the manifest that it returns.

    The files are durable before the folder has its name. When another process was first, its folder
    stays and what was made here goes; a damaged folder is replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}"
    draft.mkdir()
    try:
        made = fill(draft)
        sizes = {path.name: path.stat().st_size for path in sorted(draft.iterdir())}
        manifest = {**made, "format": FORMAT, "files": sizes}
        (draft / MANIFEST).write_text(json.dumps(manifest, allow_nan=False))
        for path in draft.iterdir():
            _sync(path)
        return _publish(draft, folder) or manifest
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, folder: Path) -> Mapping[str, Any] | None:
    """Give *draft* its name. Returns the manifest of the folder that was there before, if it is whole."""
    while True:
        try:
            os.rename(draft, folder)
        except OSError:
            if (there := open_folder(folder)) is not None:
                return there
            _set_aside(folder)
        else:
            return None


def _set_aside(folder: Path) -> None:
    """Remove a damaged folder: under another name first, so that nobody sees it half gone."""
    grave = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.damaged"
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, grave)
        shutil.rmtree(grave, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_note(path: Path) -> Any:
    """Return the JSON value in *path*, or None when there is no whole one."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def write_note(path: Path, value: Any) -> None:
    """Write a small JSON value so that readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.write_text(json.dumps(value))
    os.replace(draft, path)
