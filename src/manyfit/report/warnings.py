"""Warnings of fits, grouped so that a thousand alike are one line."""

import json
from dataclasses import dataclass

import polars as pl

from manyfit.contracts.store import Store
from manyfit.report.frames import NEEDED, load_results
from manyfit.report.lines import COLUMNS

_TEXT = r'"(?:[^"\\]|\\.)*"'
_WARNING = rf"\[\s*{_TEXT}\s*,\s*{_TEXT}\s*,\s*\d+\s*\]"
_PARTS = rf"^\[\s*(?<category>{_TEXT})\s*,\s*(?<text>{_TEXT})\s*,\s*(?<count>\d+)\s*\]$"
_NUMBER = r"[-+]?\b\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningGroup:
    """
    Warnings that differ in nothing but numbers, of one pipeline.

    `text` has `#` for every number; `n_tasks` tasks warned `count` times in all.
    """

    pipeline: str
    category: str
    text: str
    n_tasks: int
    count: int


def fit_warnings(store: Store) -> list[WarningGroup]:
    """Return the warnings of current results by pipeline, category and text without numbers, most tasks first."""
    kept = NEEDED | {"pipeline", "warnings"}
    frame = load_results(store, leave_out=frozenset(COLUMNS) - kept).frame
    single = (
        frame.filter(pl.col("warnings").is_not_null())
        .select("key", "pipeline", pl.col("warnings").str.extract_all(_WARNING).alias("warning"))
        .explode("warning", empty_as_null=False)
        .with_columns(pl.col("warning").str.extract_groups(_PARTS))
        .unnest("warning")
        .with_columns(pl.col("text").str.replace_all(_NUMBER, "#"), pl.col("count").cast(pl.Int64))
    )
    by = ["pipeline", "category", "text"]
    groups = single.group_by(by).agg(pl.col("key").n_unique().alias("n_tasks"), pl.col("count").sum())
    ordered = groups.sort("n_tasks", "count", *by, descending=[True, True, False, False, False])
    return [
        WarningGroup(
            pipeline=row["pipeline"],
            category=json.loads(row["category"]),
            text=json.loads(row["text"]),
            n_tasks=row["n_tasks"],
            count=row["count"],
        )
        for row in ordered.collect(engine="streaming").iter_rows(named=True)
    ]
