"""The tables of a sweep file about what comes out: [checks] and [export]."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator

from manyfit.declare import quantities
from manyfit.declare.complaints import Complaints, received, shown, unknown, wrong
from manyfit.declare.table import Table
from manyfit.model.sweep import ChecksSpec, ExportSpec

COLUMN_TYPES = ("text", "integer", "float", "boolean", "time")
"""What a column of an export may be declared to be."""


def _columns(value: Any) -> tuple[tuple[str, str], ...]:
    """Read a list of names, each maybe with ":type" behind it, or a table of names with their types."""
    pairs = value.items() if isinstance(value, Mapping) else [_pair(part) for part in _listed(value)]
    complaints = Complaints()
    found: list[tuple[str, str]] = []
    for name, kind in pairs:
        if kind not in ("", *COLUMN_TYPES):
            complaints.add(unknown(str(kind), COLUMN_TYPES, "type of a column"), str(name))
        if any(name == known for known, _ in found):
            complaints.add(f"{shown(name)} is in the list more than once", str(name))
        found.append((str(name), str(kind)))
    complaints.raise_any()
    return tuple(found)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        wrong(f"{received(value)}; a list of columns, or a table of columns with their types, is wanted")
    return list(value)


def _pair(part: Any) -> tuple[str, str]:
    text = quantities.text(part)
    name, colon, kind = text.rpartition(":")
    return (name.strip(), kind.strip()) if colon and kind.strip() in COLUMN_TYPES else (text.strip(), "")


class ChecksTable(Table):
    """The table [checks]."""

    hold: Annotated[bool, PlainValidator(quantities.flag)] = False

    def spec(self) -> ChecksSpec:
        return ChecksSpec(hold=self.hold)


class ExportTable(Table):
    """The table [export]."""

    columns: Annotated[tuple[tuple[str, str], ...], PlainValidator(_columns)] = ()

    def spec(self) -> ExportSpec:
        return ExportSpec(columns=self.columns)
