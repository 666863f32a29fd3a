"""Compactions: Parquet files of accepted results that say of themselves which epochs they hold."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import UnitId

FORMAT = 1
_KEY = "manyfit"

Epochs = frozenset[tuple[UnitId, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What the newest segment says about ranking, so that readers of a base need no plan."""

    segment: str
    rank_by: str
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """
    One compaction, as its footer describes it.

    `current` says that every row is a final result of the first generation, so that none can supersede another.
    """

    path: Path
    epochs: Epochs
    scores: tuple[tuple[str, str], ...]
    sets: tuple[str, ...]
    n_rows: int
    current: bool
    ranking: Ranking


def footer(
    *,
    epochs: Iterable[tuple[str, int]],
    scores: Sequence[tuple[str, str]],
    sets: Sequence[str],
    n_rows: int,
    current: bool,
    ranking: Ranking,
) -> dict[str, str]:
    """Return the metadata that a base carries."""
    value = {
        "format": FORMAT,
        "epochs": sorted(epochs),
        "scores": list(scores),
        "sets": list(sets),
        "n_rows": n_rows,
        "current": current,
        "ranking": asdict(ranking),
    }
    return {_KEY: json.dumps(value, separators=(",", ":"))}


def read_base(path: Path) -> Base:
    """Return what the base at *path* holds. Raises `StoreCorrupt` when it is not one."""
    try:
        value = json.loads(pl.read_parquet_metadata(path)[_KEY])
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as exc:
        raise StoreCorrupt(
            f"{path} is not a compaction of results ({exc}); the logs still have everything"
        ) from exc
    if value.get("format") != FORMAT:
        raise StoreCorrupt(
            f"{path} has format {value.get('format')}; this manyfit reads {FORMAT}: use a newer one"
        )
    return _base(path, value)


def _base(path: Path, value: Mapping[str, Any]) -> Base:
    ranking = value["ranking"]
    return Base(
        path=path,
        epochs=frozenset((UnitId(unit), epoch) for unit, epoch in value["epochs"]),
        scores=tuple((name, metric) for name, metric in value["scores"]),
        sets=tuple(value["sets"]),
        n_rows=value["n_rows"],
        current=value["current"],
        ranking=Ranking(segment=ranking["segment"], rank_by=ranking["rank_by"], metrics=tuple(ranking["metrics"])),
    )
