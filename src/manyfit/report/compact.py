"""Compaction: accepted results of many logs become one Parquet file for fast reading."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from manyfit.contracts.accepted import AcceptedBlock
from manyfit.contracts.store import Store
from manyfit.model.control import Compacted, Entry
from manyfit.model.errors import PositionTaken
from manyfit.report.bases import footer, read_base
from manyfit.report.frames import covered_epochs, ranking_of
from manyfit.report.lines import COLUMNS, Chunk, chunks
from manyfit.report.planned import PlanTables

ROW_GROUP = 50_000
BASE_ROWS = 200_000
"""Rows after which a file is closed: more would only cost memory."""
ATTEMPTS = 20
"""Tries to append to the control chain. Each lost one means that another writer got on, so 20 are plenty."""


def compact(store: Store, *, tmp: Path, threshold_rows: int = 1, threshold_bytes: int = 0) -> Entry | None:
    """
    Publish Parquet files of all accepted results that no earlier compaction has, each of about `BASE_ROWS`.

    Returns the last entry of the control chain, or None when less than a threshold is left to compact.
    Memory is that of one file; *tmp* needs room for one file twice. Dying in here changes nothing but
    leftover files in *tmp*. Raises `PositionTaken` when other writers were always first.
    """
    last = None
    while (entry := _compact_one(store, tmp, threshold_rows, threshold_bytes)) is not None:
        last = entry
    return last


def _compact_one(store: Store, tmp: Path, threshold_rows: int, threshold_bytes: int) -> Entry | None:
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="compact-", dir=tmp) as folder:
            position = _last(store)
            built = _build(store, Path(folder), threshold_rows, threshold_bytes)
            if built is None:
                return None
            entry = _publish(store, built, position)
            if entry is not None:
                return entry
    raise PositionTaken(_last(store) + 1)


def _publish(store: Store, parquet: Path, position: int) -> Entry | None:
    """Publish after *position*; None when another compaction came first, so that *parquet* is worth nothing."""
    for _ in range(ATTEMPTS):
        try:
            return store.publish_base(parquet, position=position + 1)
        except PositionTaken:
            entries = store.entries(position)
            if any(isinstance(entry.action, Compacted) for entry in entries):
                return None
            position = entries[-1].position if entries else position
    raise PositionTaken(position + 1)


def _last(store: Store) -> int:
    entries = store.entries()
    return entries[-1].position if entries else 0


@dataclass(slots=True)
class _Seen:
    """What passed through `_watched`: which epochs, and how many bytes of lines."""

    epochs: set[tuple[str, int]]
    n_bytes: int


def _watched(blocks: Iterator[AcceptedBlock], seen: _Seen) -> Iterator[AcceptedBlock]:
    for block in blocks:
        seen.epochs.add((block.unit, block.epoch))
        seen.n_bytes += len(block.lines)
        yield block


def _build(store: Store, folder: Path, threshold_rows: int, threshold_bytes: int) -> Path | None:
    seen = _Seen(epochs=set(), n_bytes=0)
    skip = covered_epochs(read_base(path) for path in store.bases())
    blocks = _watched(iter(store.accepted(skip)), seen)
    # Parts on disk, because what scores there are is known only when the last line was read.
    parts, n_rows = [], 0
    for n, chunk in enumerate(chunks(blocks, PlanTables(store))):
        parts.append(_write_part(folder, n, chunk))
        n_rows += parts[-1].n_rows
        if n_rows >= BASE_ROWS:
            break
    if n_rows == 0 or n_rows < threshold_rows or seen.n_bytes < threshold_bytes:
        return None
    return _merge(store, folder, parts, seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    path: Path
    scores: tuple[tuple[str, str], ...]
    sets: tuple[str, ...]
    n_rows: int
    current: bool


def _write_part(folder: Path, number: int, chunk: Chunk) -> _Part:
    frame = chunk.frame
    path = folder / f"part-{number}.parquet"
    frame.write_parquet(path, compression="lz4", statistics=False)
    current = frame["generation"].max() == 0 and bool(frame["final"].all())
    return _Part(path=path, scores=chunk.scores, sets=chunk.sets, n_rows=frame.height, current=current)


def _merge(store: Store, folder: Path, parts: Sequence[_Part], seen: _Seen) -> Path:
    scores = tuple(dict.fromkeys(pair for part in parts for pair in part.scores))
    sets = tuple(dict.fromkeys(name for part in parts for name in part.sets))
    metadata = footer(
        epochs=seen.epochs,
        scores=scores,
        sets=sets,
        n_rows=sum(part.n_rows for part in parts),
        current=all(part.current for part in parts),
        ranking=ranking_of(store),
    )
    columns = [*COLUMNS, *(f"{name}_{metric}" for name, metric in scores), *(f"n_{name}" for name in sets)]
    joined = pl.concat([pl.scan_parquet(part.path) for part in parts], how="diagonal").select(columns)
    path = folder / "base.parquet"
    joined.sink_parquet(path, compression="zstd", row_group_size=ROW_GROUP, metadata=metadata, maintain_order=True)
    return path
