"""From a source to its converted table: by time stamps where nothing changed, else by reading it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manyfit.data.arrays import Arrays, open_arrays, store_arrays
from manyfit.data.findings import Findings
from manyfit.data.folders import read_note, write_note
from manyfit.data.sources import Signature, Source, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """
    A converted table, and which of its columns came with the metadata.

    `warnings` say what its shaping left out.
    """

    arrays: Arrays
    metadata_columns: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def open_source(source: Source, cache: Path, findings: Findings) -> Opened | None:
    """
    Return the converted content of *source* as it is now; None after a mistake.

    A source whose files have the sizes and time stamps of an earlier reading is not read again.
    """
    signature = signature_of(source)
    note = _note(source, cache)
    if signature is not None and note is not None and note["signature"] == signature:
        arrays = open_arrays(note["fingerprint"], cache)
        if arrays is not None:
            return _noted(arrays, note)
    return _read(source, signature, cache, findings)


def signature_of(source: Source) -> Signature | None:
    """Return the signature of *source*, or None when it has none or a file is missing."""
    try:
        return source.signature()
    except OSError:
        return None


def open_planned(source: Source, fingerprint: str, cache: Path) -> Opened | None:
    """
    Return the converted content *fingerprint* of *source* without reading it.

    None when this host has no copy of it, or when the files are there and not known to hold it still.
    """
    arrays = open_arrays(fingerprint, cache)
    note = _note(source, cache)
    known = note is not None and note["fingerprint"] == fingerprint
    signature = signature_of(source)
    if arrays is None or (signature is not None and not (known and note["signature"] == signature)):
        return None
    if (source.metadata is not None or source.shaping.any()) and not known:
        return None  # which columns are metadata stands in the note alone
    return _noted(arrays, note) if known else Opened(arrays=arrays, metadata_columns=())


def _read(source: Source, signature: Signature | None, cache: Path, findings: Findings) -> Opened | None:
    from manyfit.data.tables import read_table

    said = len(findings.warnings)
    table = read_table(source, findings)
    if table is None:
        return None
    warnings = findings.warnings[said:]
    arrays = store_arrays(table.frame, cache)
    trusted = signature is not None and settled(signature)
    note = {
        "signature": signature if trusted else None,
        "fingerprint": arrays.fingerprint,
        "metadata_columns": list(table.metadata_columns),
        "warnings": warnings,
    }
    write_note(_path(source, cache), note)
    return Opened(arrays=arrays, metadata_columns=table.metadata_columns, warnings=tuple(warnings))


def _noted(arrays: Arrays, note: Any) -> Opened:
    return Opened(
        arrays=arrays,
        metadata_columns=tuple(note["metadata_columns"]),
        warnings=tuple(note.get("warnings", ())),  # notes of earlier versions have none
    )


def _note(source: Source, cache: Path) -> Any:
    note = read_note(_path(source, cache))
    keys = {"signature", "fingerprint", "metadata_columns"}
    return note if isinstance(note, dict) and keys <= set(note) else None


def _path(source: Source, cache: Path) -> Path:
    return cache / "sources" / f"{source.key}.json"
