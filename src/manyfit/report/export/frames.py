"""The table of runs and that of series, as they are exported."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.series import steps_of
from manyfit.report.export import columns as kinds
from manyfit.report.export.columns import Column, Kind
from manyfit.report.frames import NEEDED, load_results
from manyfit.report.lines import COLUMNS
from manyfit.report.quality.shapes import floats, lengths_in, series_in

ORDER = ("split", "variant", "pipeline", "candidate_key", "fold", "seed", "key")
AT_ONCE = 20_000
"""Runs whose series are in memory at the same time."""
SERIES = (
    Column(name="key", kind=Kind.TEXT, meaning="the run"),
    Column(name="series", kind=Kind.TEXT, meaning="what the fitted estimator calls it"),
    Column(name="step", kind=Kind.INTEGER, meaning="place in the whole series, from 0"),
    Column(name="value", kind=Kind.FLOAT, meaning="the number; missing: not a number, or infinite"),
    Column(name="n_values", kind=Kind.INTEGER, meaning="how long the whole series was: up to 500 are kept of it"),
)
"""The columns of the table of series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """One row for each run, in a fixed order, with the columns that the frame has."""

    frame: pl.DataFrame
    columns: Sequence[Column]


def runs_of(store: Store, declared: Sequence[tuple[str, str]] = ()) -> Runs:
    """
    Return the runs of *store* with the *declared* columns, the usual ones where none is.

    Raises `UserError` for a declared column that is not there, or is of another type.
    """
    names = [name for name, _ in declared] or kinds.USUAL
    wanted = NEEDED | set(ORDER) | {"params", "fused_by", *names}
    results = load_results(store, leave_out=frozenset(COLUMNS) - wanted)
    schema = results.frame.collect_schema()
    frame = results.frame.sort(ORDER, nulls_last=True).collect(engine="streaming")
    params, frame = _with_params(frame)
    scores = [kinds.score_column(part, metric) for part, metric in results.scores]
    counted = {column.name for column in scores} | kinds.KNOWN.keys()
    counts = [kinds.count_column(name) for name in schema.names() if name.startswith("n_") and name not in counted]
    usual = [kinds.KNOWN[name] for name in kinds.USUAL]
    others = [column for name, column in kinds.KNOWN.items() if name not in kinds.USUAL]
    there = [*usual, *params, *scores, *counts]
    chosen = kinds.declared_columns(declared, [*there, *others]) if declared else there
    return Runs(frame=frame.select(_written(column, frame) for column in chosen), columns=chosen)


def _with_params(frame: pl.DataFrame) -> tuple[list[Column], pl.DataFrame]:
    """Return the columns of the searched parameters, and *frame* with them."""
    texts = frame["params"].unique().sort().drop_nulls()
    columns, values = kinds.param_columns(texts)
    schema = {column.name: kinds.DTYPES[column.kind] for column in columns}
    table = pl.DataFrame(values, schema=schema, strict=False).with_columns(texts.alias("params"))
    return columns, frame.join(table, on="params", how="left", maintain_order="left")


def _written(column: Column, frame: pl.DataFrame) -> pl.Expr:
    """Return the values of *column*: numbers that are none are missing."""
    values = pl.col(column.name)
    if frame[column.name].dtype.is_float():
        values = pl.when(values.is_finite()).then(values)
    if column.kind is Kind.TEXT and frame[column.name].dtype != pl.String:
        return values.map_batches(_texts, return_dtype=pl.String)
    return values.cast(kinds.DTYPES[column.kind])


def _texts(values: pl.Series) -> pl.Series:
    """Return *values* as the text that a CSV file has for them."""
    written = values.to_frame("v").write_csv(include_header=False, float_scientific=False, null_value="\x00")
    return pl.Series([None if line == "\x00" else line for line in written.splitlines()], dtype=pl.String)


def write_series(store: Store, keys: Sequence[str], folder: Path) -> pl.LazyFrame | None:
    """
    Return the series of the runs with these *keys*, in their order; None where no run has any.

    Parts of it are written into *folder*, so that memory is that of a part. The frame has to be written
    before the folder goes.
    """
    frame = load_results(store, leave_out=frozenset(COLUMNS) - NEEDED - {"details"}).frame
    having = frame.filter(pl.col("details").str.contains('"series"', literal=True))
    parts = []
    for start in range(0, len(keys), AT_ONCE):
        batch = pl.LazyFrame({"key": keys[start : start + AT_ONCE]}).with_row_index("order")
        rows = having.join(batch, on="key").sort("order").select("key", "details").collect(engine="streaming")
        long = _long(rows)
        if long.height:
            parts.append(folder / f"part-{start}.parquet")
            long.write_parquet(parts[-1], compression="lz4")
    return pl.concat([pl.scan_parquet(part) for part in parts]) if parts else None


def _long(rows: pl.DataFrame) -> pl.DataFrame:
    parts = [part for key, text in rows.iter_rows() for part in _series(key, text)]
    columns = list(zip(*parts, strict=True)) or [(), (), (), (), ()]
    keys, names, steps, values, lengths = columns
    nested = pl.DataFrame(
        [
            pl.Series("key", keys, dtype=pl.String),
            pl.Series("series", names, dtype=pl.String),
            pl.Series("step", steps, dtype=pl.List(pl.Int64)),
            pl.Series("value", values, dtype=pl.List(pl.Float64)),
            pl.Series("n_values", lengths, dtype=pl.Int64),
        ]
    )
    return nested.explode("step", "value", empty_as_null=False)


def _series(key: str, text: str) -> Iterator[tuple[str, str, list[int], list[float | None], int]]:
    details = json.loads(text)
    lengths = lengths_in(details)
    for name, values in sorted(series_in(details).items()):
        n_values = lengths.get(name, len(values))
        yield key, name, steps_of(n_values, len(values)), floats(values), n_values
