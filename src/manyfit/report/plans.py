"""A plan as text and as HTML."""

import html
from collections.abc import Sequence

from manyfit.plan.summary import PlanSummary, SplitSummary
from manyfit.report.texts import show_bytes, show_duration

HEADERS = ("pipeline", "candidates", "tasks", "units", "predicted")


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


def rows(summary: PlanSummary) -> list[Sequence[str]]:
    """Return one row for each pipeline under `HEADERS`."""
    return [
        (row.pipeline, f"{row.n_candidates:,}", f"{row.n_tasks:,}", f"{row.n_units:,}", show_duration(row.seconds))
        for row in summary.pipelines
    ]


def closing(summary: PlanSummary) -> str:
    """Return the line about time, disk and memory."""
    workers = "1 worker" if summary.n_workers == 1 else f"{summary.n_workers} workers"
    return (
        f"about {show_duration(summary.wall_seconds)} on {workers} ({summary.sureness}),"
        f" {show_bytes(summary.disk_bytes)} on disk, {show_bytes(summary.worker_bytes)} a worker"
    )


def plan_text(summary: PlanSummary) -> str:
    """Return the plan as plain text, 80 columns or less for usual names."""
    table = [HEADERS, *rows(summary)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADERS))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
    warnings = [f"warning: {warning}" for warning in summary.warnings]
    return "\n".join([headline(summary), *lines, *split_lines(summary), closing(summary), *warnings])


def plan_html(summary: PlanSummary) -> str:
    """Return the plan as a small HTML table for notebooks."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in HEADERS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(summary)
    )
    splits = "".join(f"<p>{html.escape(line)}</p>" for line in split_lines(summary))
    warnings = "".join(f"<p>warning: {html.escape(warning)}</p>" for warning in summary.warnings)
    return (
        f"<p>{html.escape(headline(summary))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{splits}<p>{html.escape(closing(summary))}</p>{warnings}"
    )
