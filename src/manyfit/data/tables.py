"""One data variant as one table: the source, with its metadata joined to it, in the declared shape."""

from dataclasses import dataclass

import polars as pl

from manyfit.data.findings import Findings, some
from manyfit.data.readers import read, read_file
from manyfit.data.shaping import carried, shaped
from manyfit.data.sources import Source
from manyfit.model.errors import UserError
from manyfit.model.mistake import did_you_mean

_KEY = "__manyfit_key__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A frame, and which of its columns are features only where they are named: the metadata."""

    frame: pl.DataFrame
    metadata_columns: tuple[str, ...] = ()


def read_table(source: Source, findings: Findings) -> Table | None:
    """Read *source*, join its metadata and shape it; None when *findings* got a mistake."""
    table = _joined(source, findings)
    if table is None or not source.shaping.any():
        return table
    frame = shaped(table.frame, source.shaping, findings)
    if frame is None:
        return None
    return Table(frame=frame, metadata_columns=carried(table.frame, frame, source.shaping, table.metadata_columns))


def _joined(source: Source, findings: Findings) -> Table | None:
    frame = _read(lambda: read(source), "data.source", findings)
    if source.metadata is None or source.index is None:
        return None if frame is None or not _usable(frame, findings) else Table(frame=frame)
    metadata_path, index = source.metadata, source.index
    metadata = _read(lambda: read_file(metadata_path, metadata_path.name), "data.metadata", findings)
    if frame is None or metadata is None or not _usable(frame, findings):
        return None
    if not _joinable(frame, metadata, index, metadata_path.name, findings):
        return None
    left, right = _alike(frame, metadata, index)
    joined = left.join(right.drop(index), on=_KEY, how="left", maintain_order="left").drop(_KEY)
    return Table(frame=joined, metadata_columns=tuple(name for name in metadata.columns if name != index))


def _read(reader: object, key: str, findings: Findings) -> pl.DataFrame | None:
    try:
        return reader()  # type: ignore[no-any-return,operator] # a thunk over one of the readers
    except UserError as error:
        findings.mistake(key, str(error))
        return None


def _usable(frame: pl.DataFrame, findings: Findings) -> bool:
    if len(frame) == 0:
        findings.mistake("data.source", "the table has no rows")
    return len(frame) > 0


def _joinable(frame: pl.DataFrame, metadata: pl.DataFrame, index: str, name: str, findings: Findings) -> bool:
    before = len(findings.mistakes)
    for table, shown, key in ((frame, "the data", "data.index"), (metadata, name, "data.metadata")):
        if index not in table.columns:
            near = did_you_mean(index, table.columns)
            findings.mistake(key, f'there is no column "{index}" in {shown}{near}')
    shared = [column for column in metadata.columns if column in frame.columns and column != index]
    if shared:
        findings.mistake(
            "data.metadata", f"{name} and the data both have {some(shared)}; rename or drop one of them"
        )
    if len(findings.mistakes) == before:
        _check_keys(frame, metadata, index, name, findings)
    return len(findings.mistakes) == before


def _check_keys(frame: pl.DataFrame, metadata: pl.DataFrame, index: str, name: str, findings: Findings) -> None:
    left, right = (table[_KEY] for table in _alike(frame, metadata, index))
    repeated = right.filter(right.is_duplicated()).unique(maintain_order=True)
    if len(repeated):
        message = f'{len(repeated)} values of "{index}" stand in {name} more than once: {some(repeated.to_list())}'
        findings.mistake("data.metadata", message)
    unmatched = left.filter(~left.is_in(right.implode()).fill_null(False))
    if len(unmatched):
        values = unmatched.unique(maintain_order=True).to_list()
        message = f'{len(unmatched)} of {len(left)} rows have no line in {name}: "{index}" {some(values)}'
        findings.mistake("data.metadata", message)


def _alike(frame: pl.DataFrame, metadata: pl.DataFrame, index: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both tables with a key column of one type, so that 1 finds 1 in whatever width or form."""
    dtypes = {frame.schema[index], metadata.schema[index]}
    if all(dtype.is_integer() for dtype in dtypes):
        common: pl.DataType = pl.Int64()
    elif all(dtype.is_numeric() for dtype in dtypes):
        common = pl.Float64()
    else:
        common = pl.String()
    key = pl.col(index).cast(common).alias(_KEY)
    return frame.with_columns(key), metadata.with_columns(key)
