"""A plan as text and as HTML."""

import html
from collections.abc import Sequence

from manyfit.plan.summary import PipelineSummary, PlanSummary, SplitSummary
from manyfit.report.texts import show_bytes, show_duration, show_factor

HEADERS = ("pipeline", "candidates", "tasks", "units", "predicted")
LEARNED = ("half within", "90% within", "memory")
"""Further columns of a plan that learned from finished tasks."""


def headline(summary: PlanSummary) -> str:
    """Return the first line: how many tasks, and of what."""
    merged = f"  ({summary.n_merged:,} duplicates merged)" if summary.n_merged else ""
    parts = [
        f"{n:,} {word if n == 1 else word + 's'}"
        for n, word in (
            (summary.n_candidates, "candidate"),
            (summary.n_splits, "split"),
            *([(summary.n_folds, "fold")] if summary.n_folds else []),
            (summary.n_seeds, "seed"),
        )
    ]
    return f"{summary.sweep}: {summary.n_tasks:,} tasks from {', '.join(parts)}{merged}"


def split_lines(summary: PlanSummary) -> list[str]:
    """Return one line for each split: its tasks, its folds, the rows of a fit."""
    return [
        f"split {split.split}: {split.n_tasks:,} tasks, {_fits(split)}, up to {split.n_train:,} training rows"
        for split in summary.splits
    ]


def _fits(split: SplitSummary) -> str:
    folds = f"{split.n_folds} folds" if split.n_folds else ""
    whole = "fits on all training rows" if split.whole else ""
    return " and ".join(filter(None, (folds, whole)))


def headers(summary: PlanSummary) -> Sequence[str]:
    """Return the headers of `rows`."""
    return (*HEADERS, *LEARNED) if _learned(summary) else HEADERS


def rows(summary: PlanSummary) -> list[Sequence[str]]:
    """Return one row for each pipeline under `headers`."""
    return [
        (
            row.pipeline,
            f"{row.n_candidates:,}",
            f"{row.n_tasks:,}",
            f"{row.n_units:,}",
            show_duration(row.seconds),
            *(_lessons(row) if _learned(summary) else ()),
        )
        for row in summary.pipelines
    ]


def _learned(summary: PlanSummary) -> bool:
    return any(row.accuracy is not None for row in summary.pipelines)


def _lessons(row: PipelineSummary) -> Sequence[str]:
    """Return how sure the prediction of a task is, and the memory of a worker."""
    sure = row.accuracy
    factors = ("-", "-") if sure is None else (show_factor(sure.median), show_factor(sure.p90))
    return (*factors, show_bytes(row.peak_bytes) if row.peak_bytes else "-")


def closing(summary: PlanSummary) -> str:
    """Return the line about time, disk and memory."""
    workers = "1 worker" if summary.n_workers == 1 else f"{summary.n_workers} workers"
    return (
        f"about {show_duration(summary.wall_seconds)} on {workers} ({summary.sureness}),"
        f" {show_bytes(summary.disk_bytes)} on disk, {show_bytes(summary.worker_bytes)} a worker"
    )


def plan_text(summary: PlanSummary) -> str:
    """Return the plan as plain text, 80 columns or less for usual names."""
    table = [headers(summary), *rows(summary)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
    warnings = [f"warning: {warning}" for warning in summary.warnings]
    return "\n".join([headline(summary), *lines, *split_lines(summary), closing(summary), *warnings])


def plan_html(summary: PlanSummary) -> str:
    """Return the plan as a small HTML table for notebooks."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headers(summary))
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(summary)
    )
    splits = "".join(f"<p>{html.escape(line)}</p>" for line in split_lines(summary))
    warnings = "".join(f"<p>warning: {html.escape(warning)}</p>" for warning in summary.warnings)
    return (
        f"<p>{html.escape(headline(summary))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{splits}<p>{html.escape(closing(summary))}</p>{warnings}"
    )
