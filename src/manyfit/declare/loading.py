"""From a sweep file or a mapping to a sweep, with every mistake at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from manyfit.declare.complaints import mistakes_of
from manyfit.declare.conditions import disagreements
from manyfit.declare.files import read_mapping
from manyfit.declare.schema import SweepFile
from manyfit.model.mistake import Mistake
from manyfit.model.sweep import SweepSpec


def load(path: Path) -> tuple[SweepSpec | None, list[Mistake]]:
    """
    Read the sweep file *path*: TOML, or the same schema as YAML.

    Returns the sweep and no mistakes, or None and everything that is wrong with the file, in file
    order. What only the data or the estimators can tell is checked later. A sweep without a name is
    called like its file.
    """
    content = content_of(path)
    if isinstance(content, Mistake):
        return None, [content]
    return from_mapping(content, file=str(path))


def content_of(path: Path) -> Mapping[str, Any] | Mistake:
    """Return what stands in the sweep file *path*, with a name; or what makes it unreadable."""
    content = read_mapping(path)
    if isinstance(content, Mistake) or "name" in content:
        return content
    return {"name": path.stem, **content}


def from_mapping(mapping: Mapping[str, Any], file: str = "") -> tuple[SweepSpec | None, list[Mistake]]:
    """Read a sweep from a mapping with the schema of a sweep file; *file* is named in the mistakes."""
    between = list(disagreements(mapping, file))
    try:
        spec = SweepFile.model_validate(mapping).spec()
    except ValidationError as error:
        return None, [*mistakes_of(error, SweepFile, file), *between]
    return (None, between) if between else (spec, [])
