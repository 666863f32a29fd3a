"""Result tables, aggregated or raw, and their export to files."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.errors import UserError
from manyfit.report.aggregate import GROUP, aggregated
from manyfit.report.frames import load_results, results_frame
from manyfit.report.lines import COLUMNS
from manyfit.report.planned import label_of
from manyfit.report.whole import whole_file

_FIRST = ("pipeline", "params", "split", "variant", "features", "n_done", "n_failed", "n_doubtful")
_READ = {*GROUP, "key", "generation", "final", "pipeline", "features", "params", "outcome", "fused_by", "time_fit"}


ORDER = ("split", "variant", "pipeline", "candidate_key", "fold", "seed")
MOST_SORTED = 200_000
FULL_BYTES = 1 << 20
"""With less free space than this, a failure to write is a full disk."""


def raw_results(store: Store) -> pl.LazyFrame:
    """
    Return one row for each task, by split, variant, pipeline, candidate, fold and seed.

    More than `MOST_SORTED` rows come in no particular order: unsorted, any number is exported in little memory.
    """
    frame = results_frame(store, lazy=True)
    n_rows = frame.select(pl.len()).collect().item()
    return frame.sort(ORDER) if n_rows <= MOST_SORTED else frame


def aggregated_results(store: Store) -> pl.DataFrame:
    """
    Return one row for each candidate on each split, over folds and seeds.

    After what it is and its counts come `<set>_<metric>` means, each with its deviation as `std_<set>_<metric>`,
    and the mean fit time in seconds. Ordered by split, pipeline and candidate.
    """
    results = load_results(store, leave_out=frozenset(COLUMNS) - _READ)
    names = [f"{name}_{metric}" for name, metric in results.scores]
    table = aggregated(results.frame, names, stds=names).collect(engine="streaming")
    params = results.frame.select("candidate_key", "params").unique("candidate_key", keep="any")
    labels = params.collect(engine="streaming").with_columns(
        pl.col("params").map_elements(label_of, return_dtype=pl.String)
    )
    scores = [column for name in names for column in (name, f"std_{name}")]
    joined = table.join(labels, on="candidate_key", how="left")
    shaped = joined.select(*_FIRST, *scores, "time_fit", "candidate_key")
    return shaped.sort("split", "pipeline", "candidate_key", "variant")


def _write_csv(frame: pl.LazyFrame, path: Path) -> None:
    frame.sink_csv(path)


def _write_parquet(frame: pl.LazyFrame, path: Path) -> None:
    frame.sink_parquet(path, compression="zstd")


def _write_ndjson(frame: pl.LazyFrame, path: Path) -> None:
    frame.sink_ndjson(path)


def _write_json(frame: pl.LazyFrame, path: Path) -> None:
    frame.collect(engine="streaming").write_json(path)


WRITERS: Mapping[str, Callable[[pl.LazyFrame, Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".json": _write_json,
    ".ndjson": _write_ndjson,
    ".jsonl": _write_ndjson,
}


def export(frame: pl.DataFrame | pl.LazyFrame, path: Path) -> Path:
    """
    Write *frame* to *path* in the format of its ending, in full precision, and return the path.

    The file is complete or not there. Raises `UserError` for an ending that is not in `WRITERS`.
    """
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise UserError(f'results cannot be written as "{path.name}"; endings: {", ".join(WRITERS)}')
    with whole_file(path) as aside:
        try:
            write(frame.lazy(), aside)
        except pl.exceptions.PolarsError as exc:
            if not _is_full(path.parent):
                raise
            # Polars has many words for a full disk, and none of them says so.
            raise UserError(
                f"{path} cannot be written: no space is left in {path.parent}; free some and repeat"
            ) from exc
    return path


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < FULL_BYTES
