"""A table as memory-mapped arrays: converted once for each host and content, shared by all its processes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from manyfit.data.folders import make_folder, open_folder

if TYPE_CHECKING:
    import polars as pl

NUMBERS = "numbers.npy"
TABLE = "table.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """
    One column of a table.

    `kind` is int, float, bool, text, date or other. `spread` is the standard deviation of the values
    that are there (0 for what is no number), `n_missing` counts nulls and NaN, `n_infinite` infinities.
    `empty` holds where no row has a value.
    """

    name: str
    kind: str
    fingerprint: str
    spread: float = 0.0
    n_missing: int = 0
    n_infinite: int = 0
    empty: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind in {"int", "float", "bool"}

    @property
    def shown_kind(self) -> str:
        """What to call the column: a column without any value has no kind that a person would know."""
        return "empty" if self.empty else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """The converted table in `folder`; columns in table order."""

    folder: Path
    fingerprint: str
    n_rows: int
    n_bytes: int
    columns: Mapping[str, Column]

    def numbers(self) -> npt.NDArray[np.float64]:
        """Map the matrix of all numeric columns, in table order: rows x columns, C order, missing values NaN."""
        mapped: npt.NDArray[np.float64] = np.load(self.folder / NUMBERS, mmap_mode="r", allow_pickle=False)
        return mapped

    def positions(self, names: Sequence[str]) -> list[int]:
        """Return the positions of columns in `numbers`. Raises KeyError for a column that is no number."""
        numeric = {column.name: i for i, column in enumerate(_numeric(self.columns.values()))}
        return [numeric[name] for name in names]

    def frame(self, names: Sequence[str] | None = None) -> "pl.DataFrame":
        """Read columns as a Polars frame with their original types."""
        import polars as pl

        return pl.read_parquet(self.folder / TABLE, columns=list(names) if names is not None else None)


def _numeric(columns: Iterable[Column]) -> list[Column]:
    return [column for column in columns if column.numeric]


def open_arrays(fingerprint: str, cache: Path) -> Arrays | None:
    """Return the converted table with this content, or None when this host has no whole one."""
    folder = _folder(fingerprint, cache)
    manifest = open_folder(folder)
    if manifest is None or manifest.get("fingerprint") != fingerprint:
        return None
    return _from_manifest(folder, manifest)


def _folder(fingerprint: str, cache: Path) -> Path:
    return cache / "tables" / fingerprint


def _from_manifest(folder: Path, manifest: Mapping[str, Any]) -> Arrays:
    n_rows = manifest["n_rows"]
    columns = [Column(**column, empty=column["n_missing"] == n_rows) for column in manifest["columns"]]
    return Arrays(
        folder=folder,
        fingerprint=manifest["fingerprint"],
        n_rows=n_rows,
        n_bytes=manifest["files"][NUMBERS],
        columns={column.name: column for column in columns},
    )


def store_arrays(frame: "pl.DataFrame", cache: Path) -> Arrays:
    """Convert *frame*, or find that its content was converted before."""
    from manyfit.data.fingerprint import column_fingerprint, table_fingerprint

    keys = {column.name: column_fingerprint(column) for column in frame.iter_columns()}
    fingerprint = table_fingerprint(keys)
    known = open_arrays(fingerprint, cache)
    if known is not None:
        return known
    folder = _folder(fingerprint, cache)
    manifest = make_folder(folder, lambda draft: _write(draft, frame, keys, fingerprint))
    return _from_manifest(folder, manifest)


def _write(draft: Path, frame: "pl.DataFrame", keys: Mapping[str, str], fingerprint: str) -> dict[str, Any]:
    from manyfit.data.fingerprint import NUMERIC, kind_of

    kinds = {column.name: kind_of(column.dtype) for column in frame.iter_columns()}
    names = [name for name, kind in kinds.items() if kind in NUMERIC]
    shape = (len(frame), len(names))
    matrix = np.lib.format.open_memmap(draft / NUMBERS, mode="w+", dtype=np.float64, shape=shape)
    measures: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(names):
        values = _as_floats(frame[name])
        matrix[:, i] = values
        measures[name] = _measures(values)
    matrix.flush()
    frame.write_parquet(draft / TABLE)
    columns = [
        {
            "name": name,
            "kind": kind,
            "fingerprint": keys[name],
            **measures.get(name, {"n_missing": frame[name].null_count()}),
        }
        for name, kind in kinds.items()
    ]
    return {"fingerprint": fingerprint, "n_rows": len(frame), "columns": columns}


def _as_floats(column: "pl.Series") -> npt.NDArray[np.float64]:
    import polars as pl

    numbers = column.cast(pl.Int8) if isinstance(column.dtype, pl.Boolean) else column
    floats: npt.NDArray[np.float64] = numbers.cast(pl.Float64).to_numpy()
    return floats


def _measures(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    there = values[np.isfinite(values)]
    spread = float(there.std()) if len(there) else 0.0
    return {
        "spread": spread if math.isfinite(spread) else 0.0,
        "n_missing": int(np.isnan(values).sum()),
        "n_infinite": int(np.isinf(values).sum()),
    }
