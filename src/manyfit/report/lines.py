"""Accepted result lines as Polars frames, a bounded chunk at a time."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from manyfit.contracts.accepted import AcceptedBlock
from manyfit.model.errors import StoreCorrupt
from manyfit.report.planned import Place, PlanTables

CHUNK_BYTES = 4 << 20
"""Lines that are parsed at once: bounds the memory of every reader, whatever the size of the sweep."""

TIMINGS = ("load", "fit", "predict", "score")
FAILURE = ("cls", "error", "message", "fingerprint")

FINISHED = pl.Datetime("us", "UTC")

COLUMNS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "key": pl.String,
    "segment": pl.String,
    "unit": pl.String,
    "epoch": pl.Int64,
    "index": pl.Int64,
    "generation": pl.Int32,
    "mode": pl.String,
    "candidate_key": pl.String,
    "pipeline": pl.String,
    "params": pl.String,
    "variant": pl.String,
    "features": pl.String,
    "split": pl.String,
    "fold": pl.Int32,
    "held_out": pl.String,
    "seed": pl.Int64,
    "attempt": pl.Int32,
    "outcome": pl.String,
    "final": pl.Boolean,
    "finished_at": FINISHED,
    "worker": pl.String,
    "time_load": pl.Float64,
    "time_fit": pl.Float64,
    "time_predict": pl.Float64,
    "time_score": pl.Float64,
    "peak_bytes": pl.Int64,
    "fused_by": pl.String,
    "guarantee": pl.String,
    "failure_class": pl.String,
    "failure_error": pl.String,
    "failure_message": pl.String,
    "failure_fingerprint": pl.String,
    "n_warnings": pl.Int64,
    "warnings": pl.String,
    "details": pl.String,
    "artifacts": pl.String,
}
"""The columns that every frame of results has; scores and row counts follow them."""

TEXTS = frozenset({"warnings", "details", "artifacts", "params"})
"""Columns of JSON text, which most readers leave out."""

_SHAPE = r'([^\\]"):\s*(?:-?[0-9][0-9.eE+-]*|null)'


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A frame of results; `scores` are the (set, metric) pairs and `sets` the row counts that it has."""

    frame: pl.DataFrame
    scores: tuple[tuple[str, str], ...]
    sets: tuple[str, ...]


def chunks(
    blocks: Iterable[AcceptedBlock], tables: PlanTables, *, leave_out: frozenset[str] = frozenset()
) -> Iterator[Chunk]:
    """
    Yield the lines of *blocks* as frames, in order, without the columns in *leave_out*.

    Leaving texts out saves most of the memory and of the time.
    """
    for group in _grouped(blocks):
        chunk = _chunk(group, tables, leave_out)
        if chunk.frame.height:
            yield chunk


def _grouped(blocks: Iterable[AcceptedBlock]) -> Iterator[list[AcceptedBlock]]:
    group: list[AcceptedBlock] = []
    size = 0
    for block in blocks:
        group.append(block)
        size += len(block.lines)
        if size >= CHUNK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _chunk(blocks: Sequence[AcceptedBlock], tables: PlanTables, leave_out: frozenset[str]) -> Chunk:
    lines = b"".join(block.lines for block in blocks)
    score_shape, count_shape = _shapes(lines, "scores", "n_rows")
    parsed = _with_exact_texts(_parse(lines, _schema(score_shape, count_shape, leave_out)), lines)
    frame = pl.concat([parsed, _block_columns(blocks, parsed.height, tables)], how="horizontal")
    outside = (frame["index"] < 0) | (frame["index"] >= frame["_length"])
    if outside.any():
        unit = frame.filter(outside)["unit"][0]
        raise StoreCorrupt(f"results of unit {unit} name tasks that the unit does not have")
    frame = pl.concat([frame, tables.columns_of(frame["_start"] + frame["index"])], how="horizontal")
    scores = tuple((name, metric) for name, metrics in score_shape.items() for metric in metrics)
    flat = frame.select(*_flat(frame, leave_out), *_scores(scores), *_counts(count_shape))
    return Chunk(frame=flat, scores=scores, sets=tuple(count_shape))


def _shapes(lines: bytes, *fields: str) -> list[dict[str, list[str]]]:
    """
    Return the keys of the objects called *fields* and of the objects in them.

    All numbers become 0 first, so that a few texts stand for all lines and none is missed.
    """
    texts = _parse(lines, dict.fromkeys(fields, pl.String))
    return [_keys(texts[field].str.replace_all(_SHAPE, "${1}:0").unique().drop_nulls()) for field in fields]


def _keys(shapes: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for shape in shapes:
        for name, inner in json.loads(shape).items():
            known = found.setdefault(name, [])
            known.extend(key for key in (inner or ()) if key not in known)
    return {name: sorted(found[name]) for name in sorted(found)}


def _parse(lines: bytes, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    try:
        return pl.read_ndjson(io.BytesIO(lines), schema=dict(schema))
    except pl.exceptions.PolarsError as exc:
        message = (
            f"accepted result lines cannot be read ({exc}); the writer was another version of manyfit, or broken"
        )
        raise StoreCorrupt(message) from exc


def _with_exact_texts(frame: pl.DataFrame, lines: bytes) -> pl.DataFrame:
    """
    Return *frame* with its columns of JSON text as they stand in *lines*.

    Polars does not escape again what it writes as text: a backslash, a line end or a quote in a name that a user
    gave would make other JSON of it, or none.
    """
    if b"\\" not in lines:
        return frame
    escaped = {at: json.loads(line) for at, line in enumerate(lines.split(b"\n")) if b"\\" in line}
    rows = np.arange(frame.height)
    rows[list(escaped)] = frame.height + np.arange(len(escaped))
    texts = [
        pl.concat(
            [frame[name], pl.Series(name, [write(one.get(name)) for one in escaped.values()], frame[name].dtype)]
        )
        for name, write in _WRITERS.items()
        if name in frame.columns
    ]
    return frame.with_columns(text[rows] for text in texts)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "details": _text,
    "artifacts": _text,
    "warnings": lambda values: None if values is None else [_text(value) for value in values],
}


def _schema(
    scores: Mapping[str, Sequence[str]], counts: Iterable[str], leave_out: frozenset[str]
) -> dict[str, pl.DataType | type[pl.DataType]]:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "index": pl.Int64,
        "key": pl.String,
        "attempt": pl.Int32,
        "outcome": pl.String,
        "final": pl.Boolean,
        "finished_at": pl.Float64,
        "timings": pl.Struct(dict.fromkeys(TIMINGS, pl.Float64)),
        "peak_bytes": pl.Int64,
        "failure": pl.Struct(dict.fromkeys(FAILURE, pl.String)),
        "fusion": pl.Struct({"rule": pl.String, "guarantee": pl.String}),
        "warnings": pl.List(pl.String),
        "details": pl.String,
        "artifacts": pl.String,
        "scores": pl.Struct({name: pl.Struct(dict.fromkeys(inner, pl.Float64)) for name, inner in scores.items()}),
        "n_rows": pl.Struct(dict.fromkeys(counts, pl.Int64)),
    }
    for name in leave_out & {"details", "artifacts"}:
        del schema[name]
    if not scores:
        del schema["scores"]
    if not any(True for _ in counts):
        del schema["n_rows"]
    return schema


def _block_columns(blocks: Sequence[AcceptedBlock], height: int, tables: PlanTables) -> pl.DataFrame:
    counts = [block.lines.count(b"\n") for block in blocks]
    if sum(counts) != height:
        raise StoreCorrupt(
            f"{sum(counts)} accepted result lines were read as {height} results; a line is not whole"
        )
    places = [tables.place(block.segment, block.unit) for block in blocks]
    rows = pl.DataFrame({"_n": counts}, schema={"_n": pl.UInt32}).with_row_index("_block")
    which = rows.select(pl.col("_block").repeat_by("_n").explode(empty_as_null=False))["_block"]
    return _block_table(blocks, places)[which]


def _block_table(blocks: Sequence[AcceptedBlock], places: Sequence[Place]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "segment": [block.segment for block in blocks],
            "unit": [block.unit for block in blocks],
            "epoch": [block.epoch for block in blocks],
            "worker": [block.worker for block in blocks],
            "_start": [place.start for place in places],
            "_length": [place.length for place in places],
            "generation": [place.generation for place in places],
            "mode": [place.mode for place in places],
        },
        schema_overrides={"segment": pl.String, "unit": pl.String, "worker": pl.String, "mode": pl.String},
    )


def _flat(frame: pl.DataFrame, leave_out: frozenset[str]) -> list[pl.Expr]:
    flat = {
        **{f"time_{name}": pl.col("timings").struct.field(name) for name in TIMINGS},
        "fused_by": pl.col("fusion").struct.field("rule"),
        "guarantee": pl.col("fusion").struct.field("guarantee"),
        "failure_class": pl.col("failure").struct.field("cls"),
        **{f"failure_{name}": pl.col("failure").struct.field(name) for name in FAILURE[1:]},
        "finished_at": (pl.col("finished_at") * 1e6).round().cast(pl.Int64).cast(FINISHED),
        "peak_bytes": pl.col("peak_bytes").fill_null(0),
        "n_warnings": pl.col("warnings")
        .list.eval(pl.element().str.extract(r"(\d+)\s*\]$").cast(pl.Int64))
        .list.sum()
        .fill_null(0),
        "warnings": pl.when(pl.col("warnings").list.len() > 0).then(
            pl.concat_str(pl.lit("["), pl.col("warnings").list.join(","), pl.lit("]"))
        ),
    }
    wanted = [name for name in COLUMNS if name not in leave_out and (name in flat or name in frame.columns)]
    return [flat.get(name, pl.col(name)).cast(COLUMNS[name]).alias(name) for name in wanted]


def _scores(scores: Iterable[tuple[str, str]]) -> list[pl.Expr]:
    return [
        pl.col("scores").struct.field(name).struct.field(metric).alias(f"{name}_{metric}")
        for name, metric in scores
    ]


def _counts(sets: Iterable[str]) -> list[pl.Expr]:
    return [pl.col("n_rows").struct.field(name).alias(f"n_{name}") for name in sets]
