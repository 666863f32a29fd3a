"""The files of an export: CSV as RFC 4180 wants it, Parquet, the dictionary of the columns."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from manyfit.report.export.columns import DTYPES, Column, Kind
from manyfit.report.export.frames import SERIES, Runs

INSTANTS = "%Y-%m-%dT%H:%M:%S%.6fZ"
ROW_GROUP = 50_000
MOST_VALUES = 6
"""Texts of a column that the dictionary lists."""
LONGEST_VALUE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file of an export: its name, its size, its SHA-256, and its rows where it is a table."""

    name: str
    n_bytes: int
    sha256: str
    n_rows: int | None = None


def write_table(frame: pl.LazyFrame, name: str, folder: Path) -> list[Written]:
    """Write *frame* as CSV and as Parquet; the same frame gives the same bytes."""
    n_rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
    frame.sink_csv(
        csv,
        line_terminator="\r\n",
        float_scientific=False,
        datetime_format=INSTANTS,
        quote_style="necessary",
        maintain_order=True,
    )
    frame.sink_parquet(parquet, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True)
    return [written(csv, n_rows), written(parquet, n_rows)]


def written(path: Path, n_rows: int | None = None) -> Written:
    """Return what the file at *path* is."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Written(name=path.name, n_bytes=path.stat().st_size, sha256=digest, n_rows=n_rows)


def dictionary(sweep: str, runs: Runs, series: pl.LazyFrame | None) -> Iterator[str]:
    """Yield the lines of the data dictionary, in Markdown."""
    yield from (f"# Data of the sweep {sweep}", "", *_READING, "", "## runs", "")
    yield f"{runs.frame.height:,} rows, one for each run: one fit and its scores."
    yield ""
    yield from _table(runs.columns, runs.frame.lazy())
    if series is not None:
        yield from (
            "",
            "## series",
            "",
            "What fitted estimators tell of their training, one row for each number.",
            "",
        )
        yield from _table(SERIES, series)


_READING = (
    'Read a table with `polars.read_parquet("runs.parquet")` or `pandas.read_parquet("runs.parquet")`, which keeps'
    " the types;",
    'in R with `arrow::read_parquet("runs.parquet")`; in a spreadsheet open `runs.csv`.',
    "",
    "CSV files are UTF-8 as RFC 4180 wants them. Decimals are plain, with a point and without an exponent, and",
    "have as many digits as it takes to read the same number again. A missing value is an empty field, an empty",
    'text is `""`. Instants are UTC.',
)


def _table(columns: Sequence[Column], frame: pl.LazyFrame) -> Iterator[str]:
    yield "| column | type | unit | meaning | missing | range |"
    yield "|---|---|---|---|---|---|"
    facts = _facts(columns, frame)
    for column, (n_missing, extent) in zip(columns, facts, strict=True):
        cells = (f"`{column.name}`", column.kind.value, column.unit, column.meaning, f"{n_missing:,}", extent)
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _facts(columns: Sequence[Column], frame: pl.LazyFrame) -> list[tuple[int, str]]:
    """Return of each column how many values are missing, and the range of the others in words."""
    asked = []
    for at, column in enumerate(columns):
        values = pl.col(column.name)
        few = values.drop_nulls().unique().sort().head(MOST_VALUES).implode().alias(f"few{at}")
        low, high = values.min().alias(f"low{at}"), values.max().alias(f"high{at}")
        extent = [few] if column.kind in (Kind.TEXT, Kind.BOOLEAN) else [low, high]
        distinct = values.drop_nulls().n_unique().alias(f"n{at}")
        asked += [values.null_count().alias(f"missing{at}"), distinct, *extent]
    row = frame.select(asked).collect(engine="streaming").row(0, named=True)
    return [(row[f"missing{at}"], _extent(column, row, at)) for at, column in enumerate(columns)]


def _extent(column: Column, row: dict[str, object], at: int) -> str:
    n = row[f"n{at}"]
    if not n:
        return "none"
    if column.kind in (Kind.TEXT, Kind.BOOLEAN):
        few = row[f"few{at}"]
        assert isinstance(few, list)
        assert isinstance(n, int)
        texts = [str(value).lower() if column.kind is Kind.BOOLEAN else str(value) for value in few]
        short = n <= MOST_VALUES and all(len(text) <= LONGEST_VALUE for text in texts)
        return ", ".join(f"`{text}`" if text else "empty text" for text in texts) if short else f"{n:,} values"
    low, high = (_shown(column, row[f"{end}{at}"]) for end in ("low", "high"))
    return low if low == high else f"{low} … {high}"


def _shown(column: Column, value: object) -> str:
    """Return a value as the CSV file has it."""
    frame = pl.DataFrame({"v": [value]}, schema={"v": DTYPES[column.kind]})
    return frame.write_csv(include_header=False, float_scientific=False, datetime_format=INSTANTS).strip()


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
