"""Exporting a sweep: tables, a dictionary of them, and what they come from, in one folder."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.control import certificates
from manyfit.model.errors import UserError
from manyfit.model.segment import SegmentHeader
from manyfit.report.export.folders import FORMAT, METADATA, made_whole
from manyfit.report.export.frames import Runs, runs_of, write_series
from manyfit.report.export.writing import Written, dictionary, write_table, written
from manyfit.report.frames import ranking_of
from manyfit.report.planned import segments_of
from manyfit.run.control import last_header

VERSION = 1
"""Of the layout and the meaning of the files; a reader refuses what it does not know."""
DICTIONARY = "DICTIONARY.md"

Columns = Sequence[tuple[str, str]]
"""Names of columns with the type of each, "" for the type that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written into `folder`. `complete` says that no task is left."""

    folder: Path
    n_runs: int
    n_series: int
    columns: Sequence[str]
    files: Sequence[Written]
    complete: bool


def export_sweep(store: Store, folder: str | Path, *, columns: Columns = ()) -> Exported:
    """
    Write the results of *store* into *folder*, which is there whole or not at all.

    *columns* are those of the table of runs, with the type of each; else what `[export]` of the sweep file
    says, else the usual ones. The same store gives the same bytes. An earlier export in *folder* is
    replaced. Raises `UserError` for a column that is not there or of another type, `Refused` where *folder*
    holds anything else.
    """
    with made_whole(Path(folder)) as aside:
        made = write_export(store, aside, columns=columns)
    return Exported(
        folder=Path(folder),
        n_runs=made.n_runs,
        n_series=made.n_series,
        columns=made.columns,
        files=made.files,
        complete=made.complete,
    )


def write_export(store: Store, folder: Path, *, columns: Columns = ()) -> Exported:
    """Write the files of an export into *folder*, which exists, is empty and is nobody else's."""
    header = last_header(store)
    runs = runs_of(store, columns or declared_in(header))
    try:
        files, n_series = _tables(store, runs, folder, has_series=_keeps_series(store))
        counts = store.snapshot().counts
        metadata = _metadata(store, header, runs, [asdict(file) for file in files], n_series)
        (folder / METADATA).write_bytes(_json(metadata))
    except OSError as exc:
        raise UserError(f"the export cannot be written to {folder.parent}: {exc}") from exc
    return Exported(
        folder=folder,
        n_runs=runs.frame.height,
        n_series=n_series,
        columns=[column.name for column in runs.columns],
        files=[*files, written(folder / METADATA)],
        complete=not (counts.pending or counts.running),
    )


def declared_in(header: SegmentHeader) -> Columns:
    """Return the columns that `[export]` declares."""
    found: Any = (header.spec.get("export") or {}).get("columns") or ()
    return [(str(name), str(kind)) for name, kind in found]


def _keeps_series(store: Store) -> bool:
    headers = (store.segment(segment).header for segment in segments_of(store))
    return any((header.spec.get("keep") or {}).get("series") for header in headers)


def _tables(store: Store, runs: Runs, folder: Path, *, has_series: bool) -> tuple[list[Written], int]:
    files = write_table(runs.frame.lazy(), "runs", folder)
    with tempfile.TemporaryDirectory(prefix="manyfit-") as parts:
        series = write_series(store, _keys(store), Path(parts)) if has_series else None
        n_series = 0
        if series is not None:
            files += write_table(series, "series", folder)
            n_series = int(series.select(pl.struct("key", "series").n_unique()).collect(engine="streaming").item())
        lines = dictionary(store.sweep, runs, series)
        (folder / DICTIONARY).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [*files, written(folder / DICTIONARY)], n_series


def _keys(store: Store) -> list[str]:
    """Return the keys of all runs, in the order of the table."""
    keys: list[str] = runs_of(store, [("key", "")]).frame["key"].to_list()
    return keys


def _metadata(
    store: Store, header: SegmentHeader, runs: Runs, files: Sequence[Mapping[str, Any]], n_series: int
) -> dict[str, Any]:
    from manyfit.fit.environment import environment
    from manyfit.report.environments import environments

    counts = store.snapshot().counts
    audited = certificates(store.entries())
    ranking = ranking_of(store)
    return {
        "format": FORMAT,
        "version": VERSION,
        "sweep": store.sweep,
        "complete": not (counts.pending or counts.running),
        "counts": asdict(counts),
        "n_runs": runs.frame.height,
        "n_series": n_series,
        "rank_by": ranking.rank_by,
        "metrics": list(ranking.metrics),
        "data": header.spec.get("data") or {},
        "fingerprints": dict(header.fingerprints),
        "segments": [str(segment) for segment in segments_of(store)],
        "audit": {"passed": audited[-1].passed, "off": list(audited[-1].off)} if audited else None,
        "made_with": [asdict(one) for one in environments(store)],
        "exported_with": dict(environment(Path(header.folder) if header.folder else None)),
        "columns": [asdict(column) | {"kind": column.kind.value} for column in runs.columns],
        "files": list(files),
    }


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False) + "\n").encode()
