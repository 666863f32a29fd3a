"""Files that are complete or not there: written aside, then given their name."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manyfit.model.errors import UserError


@contextmanager
def whole_file(path: Path, *, parents: bool = False) -> Iterator[Path]:
    """
    Yield a path to write to, which becomes *path* at the end, and goes away on any error.

    With *parents* the folders above are made. Raises `UserError` for whatever the file system refuses.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(path)
    except OSError as exc:
        raise UserError(f"{path} cannot be written: {exc.strerror or exc}") from exc
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def write_whole(path: Path, content: bytes, *, parents: bool = False) -> None:
    """Write *content* to *path*; see `whole_file`."""
    with whole_file(path, parents=parents) as aside:
        aside.write_bytes(content)
