"""The artifacts folder of a store as a runner writes it: models by content, predictions in pack files."""

import hashlib
import io
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyfit.model.errors import StoreCorrupt, StoreError

FOLDER_VARIABLE = "MANYFIT_ARTIFACTS"
"""Environment variable in which a worker tells its runner the absolute path of the artifacts folder."""

WHOLE_VARIABLE = "MANYFIT_ARTIFACTS_WHOLE"
"""Environment variable that is set where the folder is emptied while a runner writes: only whole files then."""

NAME = "artifacts"


class Artifacts:
    """
    The artifacts folder of one store; `writer` names the pack file of this process and is never used twice.

    With `whole` there are no pack files: everything is a file of its own that is renamed when it is
    complete, so that somebody else may take it away.

    Whatever a method returns is durable. File names in results start with "artifacts/", so that they
    are relative to the folder of the store.
    """

    def __init__(self, folder: Path, writer: str, *, whole: bool = False) -> None:
        self._folder = folder
        self._writer = writer
        self._whole = whole
        self._pack: Path | None = None

    def put(self, content: bytes) -> dict[str, Any]:
        """Store *content* under its SHA-256; storing the same content again is harmless."""
        sha256 = hashlib.sha256(content).hexdigest()
        folder = self._folder / sha256[:2]
        target = folder / sha256
        if not target.exists():
            _make_folder(folder)
            aside = folder / f".{sha256}.{self._writer}"
            _write_durably(aside, content)
            aside.rename(target)
            _sync_folder(folder)
        return {"file": f"{NAME}/{sha256[:2]}/{sha256}", "sha256": sha256, "length": len(content)}

    def append(self, content: bytes) -> dict[str, Any]:
        """Append *content* to the pack file of this process, where it may have one."""
        if self._whole:
            return self.put(content)
        if self._pack is None:
            _make_folder(self._folder / "predictions")
            self._pack = self._folder / "predictions" / f"{self._writer}.pack"
        new = not self._pack.exists()
        with self._pack.open("ab") as file:
            offset = file.tell()
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _sync_folder(self._pack.parent)
        return {
            "file": f"{NAME}/predictions/{self._pack.name}",
            "offset": offset,
            "length": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    def read(self, reference: Mapping[str, Any]) -> bytes:
        """Return what `append` or `put` stored. Raises `StoreCorrupt` when it is not what it was."""
        path = self._folder.parent / str(reference["file"])
        try:
            with path.open("rb") as file:
                file.seek(int(reference.get("offset", 0)))
                content = file.read(int(reference["length"]))
        except OSError as exc:
            raise StoreError(f"the kept predictions {path} cannot be read: {exc}") from exc
        if hashlib.sha256(content).hexdigest() != reference["sha256"]:
            raise StoreCorrupt(f"{path} no longer matches the checksum of its result; run the task again")
        return content


def artifacts_from_environment() -> Artifacts | None:
    """Return the folder that the worker named, or None when it named none."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return Artifacts(Path(folder), writer, whole=bool(os.environ.get(WHOLE_VARIABLE)))


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of an .npz file."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **dict(arrays))
    return out.getvalue()


def unpack_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file; nothing in it is unpickled."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
