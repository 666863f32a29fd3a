"""A plan as text and as HTML."""

import html
from collections.abc import Sequence

from manyfit.plan.fused import FusionSummary
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


MATTERS = 0.05
"""The part of the predicted seconds that has to be saved before the summary mentions it."""


def fused_line(summary: PlanSummary) -> str:
    """Return the line about what is saved by computing tasks together, "" when that is next to nothing."""
    if summary.alone_seconds - summary.cost_seconds < max(MATTERS * summary.alone_seconds, 0.05):
        return ""
    alone, together = show_duration(summary.alone_seconds), show_duration(summary.cost_seconds)
    return f"fused: {alone} alone, {together} together"


FUSION_HEADERS = ("pipeline", "rule", "candidates", "tasks", "alone", "together", "guarantee")


def fusion_text(summary: PlanSummary) -> str:
    """Return what tasks share, and what they do not with the reason; 80 columns or less for usual names."""
    if not summary.fusion:
        return f"nothing is fused{': ' + summary.not_fused if summary.not_fused else ''}"
    table = [FUSION_HEADERS, *(_fusion_row(row) for row in summary.fusion)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["what is fused, and why not", _aligned(table[0], widths, texts=(0, 1, 6))]
    for row, cells in zip(summary.fusion, table[1:], strict=True):
        lines += [_aligned(cells, widths, texts=(0, 1, 6)), f"  {_why(row)}"]
    return "\n".join(lines)


def _fusion_row(row: FusionSummary) -> tuple[str, ...]:
    return (
        row.pipeline,
        row.rule or "-",
        f"{row.n_candidates:,}",
        f"{row.n_tasks:,}",
        show_duration(row.alone_seconds),
        show_duration(row.seconds),
        row.guarantee or "-",
    )


def _why(row: FusionSummary) -> str:
    of = f"{row.estimator}{'' if row.last else ' of these'}: " if row.estimator else ""
    return f"{of}shares {row.shares}" if row.rule else f"{of}alone, {row.reason}"


def _aligned(cells: Sequence[str], widths: Sequence[int], texts: Sequence[int] = (0,)) -> str:
    """Return one line of a table; columns other than *texts* are aligned at the right."""
    pairs = enumerate(zip(cells, widths, strict=True))
    return "  ".join(cell.ljust(w) if i in texts else cell.rjust(w) for i, (cell, w) in pairs).rstrip()


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
    lines = [_aligned(row, widths) for row in table]
    fused = [line] if (line := fused_line(summary)) else []
    warnings = [f"warning: {warning}" for warning in summary.warnings]
    return "\n".join([headline(summary), *lines, *split_lines(summary), *fused, closing(summary), *warnings])


def plan_html(summary: PlanSummary) -> str:
    """Return the plan as small HTML tables for notebooks, with what is fused and why not."""
    splits = "".join(f"<p>{html.escape(line)}</p>" for line in split_lines(summary))
    warnings = "".join(f"<p>warning: {html.escape(warning)}</p>" for warning in summary.warnings)
    fused = f"<p>{html.escape(line)}</p>" if (line := fused_line(summary)) else ""
    return (
        f"<p>{html.escape(headline(summary))}</p>{_html_table(headers(summary), rows(summary))}"
        f"{splits}{fused}<p>{html.escape(closing(summary))}</p>{_fusion_html(summary)}{warnings}"
    )


def _fusion_html(summary: PlanSummary) -> str:
    if not summary.fusion:
        return ""
    table = [(*_fusion_row(row), _why(row)) for row in summary.fusion]
    return f"<details><summary>what is fused</summary>{_html_table((*FUSION_HEADERS, 'why'), table)}</details>"


def _html_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    lines = ("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
