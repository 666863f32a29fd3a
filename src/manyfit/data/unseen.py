"""Tables that a sweep never saw, read like its own: the same readers, metadata and shape."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from manyfit.data.findings import Findings
from manyfit.data.readers import read, read_file
from manyfit.data.sources import Source, SourceKind, source_of
from manyfit.data.tables import read_table
from manyfit.model.errors import UserError
from manyfit.model.sweep import DataSpec


def read_table_like(
    data: DataSpec,
    source_text: str,
    folder: Path,
    *,
    params: Mapping[str, Any] | None = None,
    here: Path | None = None,
) -> pl.DataFrame:
    """
    Return the table *source_text* as a sweep with *data*, declared in *folder*, would have it.

    *source_text* is what a sweep file may have as a source; a file is looked for from *here* (the working folder
    when None), the metadata from *folder*. *params* are the arguments of the data variant. Metadata is joined
    unless the table has all of its columns already. Neither target nor features are looked at, and texts stay
    texts: which values are encoded is for a model to say (`manyfit.data.encoding.encoded_like`). Raises
    `UserError` with one line for each mistake.
    """
    source = _source(replace(data, encode=None), source_text, folder, params or {}, here or Path.cwd())
    findings = Findings(file=source_text)
    try:
        table = read_table(source, findings)
    except UserError as error:
        raise UserError(f'"{source_text}": {error}') from error
    if table is None or findings.mistakes:
        raise refused(findings)
    return table.frame


def refused(findings: Findings) -> UserError:
    """Return the error that tells all mistakes of a table."""
    named = [(mistake.key, mistake.message) for mistake in findings.mistakes]
    listed = [text if key == "data.source" else f"{key}: {text}" for key, text in named]
    if len(listed) == 1:
        return UserError(f"{findings.file}: {listed[0]}")
    lines = [f"{findings.file} has {len(listed)} mistakes:", *(f"  {line}" for line in listed)]
    return UserError("\n".join(lines))


def _source(data: DataSpec, text: str, folder: Path, params: Mapping[str, Any], here: Path) -> Source:
    declared = source_of(replace(data, source=text), params, folder)
    if declared.kind is SourceKind.FILE or (here / text).exists():
        path = Path(text).expanduser()
        declared = replace(declared, kind=SourceKind.FILE, path=path if path.is_absolute() else here / path)
    joined = declared.metadata is not None and _has_metadata(declared)
    return replace(declared, metadata=None) if joined else declared


def _has_metadata(source: Source) -> bool:
    """Whether the table has the columns of the metadata already: then they are not joined a second time."""
    try:
        own = set(read(source).columns)
        assert source.metadata is not None
        joined = set(read_file(source.metadata, source.metadata.name).columns) - {source.index}
    except UserError:
        return False  # reading it for good will tell
    return bool(joined) and joined <= own
