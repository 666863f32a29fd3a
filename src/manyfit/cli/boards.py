"""Leaderboard and task tables as a terminal has room for them: what says least is left out first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from manyfit.cli.output import GAP, Output

if TYPE_CHECKING:
    import polars as pl

    from manyfit.report.accuracy import PipelineAccuracy

_FIXED = ("rank", "pipeline", "params", "split", "variant", "features", "set", "score", "std")
_COUNTS = ("n_done", "n_planned", "n_failed", "n_doubtful", "time_fit", "candidate_key")
ROOM_FOR_PARAMS = 40
"""Columns that the parameters keep before another metric is shown."""


def show_leaderboard(out: Output, frame: "pl.DataFrame", metric: str) -> None:
    """Show one table for each split, best candidate first."""
    for number, part in enumerate(frame.partition_by("split", maintain_order=True)):
        if number:
            out.line()
        if frame["split"].n_unique() > 1 or part["split"][0] != "cv":
            out.line(f"split {part['split'][0]}")
        _board(out, part, metric)


def _board(out: Output, part: "pl.DataFrame", metric: str) -> None:
    sets = part["set"].drop_nulls().unique().to_list()
    ranking = " ".join([*sets[:1], metric])
    columns: list[tuple[str, list[str], bool]] = [
        ("rank", [str(rank) for rank in part["rank"]], True),
        ("pipeline", list(part["pipeline"]), False),
        ("parameters", _params(part), False),
        (ranking, _scores(part, "score"), True),
    ]
    if part["std"].is_not_null().any():
        columns.append(("±", _scores(part, "std"), True))
    held_out = _held_out(part, metric, sets)
    columns += [(name, _scores(part, name), True) for name in held_out]
    columns += [column for column in _optional(part) if column[1] and column[0] not in held_out]
    headers, cells, right = _within(columns, out.width)
    out.table(headers, list(zip(*cells, strict=True)), right=right)


def _held_out(part: "pl.DataFrame", metric: str, sets: Sequence[str]) -> list[str]:
    """Return the columns that say how well candidates generalise: the score on the held-out set, and the gap."""
    from manyfit.report.held_out import compared_sets

    if "gap" not in part.columns or part["gap"].is_null().all():
        return []
    named = [name for name in part.columns if name.endswith(f"_{metric}") and part[name].is_not_null().any()]
    pair = compared_sets([*sets[:1], *(name.removesuffix(f"_{metric}") for name in named)])
    return [] if pair is None else [f"{pair[1]}_{metric}", "gap"]


def _params(part: "pl.DataFrame") -> list[str]:
    """Return parameters with what else tells candidates apart: feature set and data variant."""
    extra = [name for name in ("features", "variant") if part[name].n_unique() > 1]
    return [
        " ".join([row["params"] or "", *(f"{name}={row[name]}" for name in extra)]).strip() or "-"
        for row in part.iter_rows(named=True)
    ]


def _optional(part: "pl.DataFrame") -> list[tuple[str, list[str], bool]]:
    """Return the further columns, most telling first."""
    from manyfit.report.texts import show_duration

    complete = (part["n_done"] == part["n_planned"]).all()
    done = [f"{row['n_done']}/{row['n_planned']}" for row in part.iter_rows(named=True)]
    times = ["-" if value is None else show_duration(value) for value in part["time_fit"]]
    others = [name for name in part.columns if name not in (*_FIXED, *_COUNTS)]
    return [
        ("doubtful", _doubtful(part), True),
        ("done", [] if complete else done, True),
        ("fit", times, True),
        *((name, _scores(part, name), True) for name in others if part[name].is_not_null().any()),
    ]


def _doubtful(part: "pl.DataFrame") -> list[str]:
    """Return how many results of each row are doubtful; nothing where none is."""
    counts = part["n_doubtful"].to_list()
    return [f"{n}/{of}" if n else "-" for n, of in zip(counts, part["n_done"], strict=True)] if any(counts) else []


def _scores(part: "pl.DataFrame", column: str) -> list[str]:
    return ["-" if value is None else show_score(value) for value in part[column]]


def show_score(value: float) -> str:
    """Return a score with four decimals, large ones with four significant digits."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def _within(
    columns: Sequence[tuple[str, list[str], bool]], width: int
) -> tuple[list[str], list[list[str]], list[int]]:
    """Keep the first columns, and of the others as many as leave room for the parameters."""
    kept: list[tuple[str, list[str], bool]] = []
    used = 0
    for number, (header, cells, at_right) in enumerate(columns):
        wide = max([len(header), *map(len, cells)])
        wide = min(wide, ROOM_FOR_PARAMS) if header == "parameters" else wide
        if number > 4 and used + len(GAP) + wide > width:
            continue
        used += wide + (len(GAP) if kept else 0)
        kept.append((header, cells, at_right))
    right = [i for i, (_, _, at_right) in enumerate(kept) if at_right]
    return [header for header, _, _ in kept], [cells for _, cells, _ in kept], right


def show_gaps(out: Output, frame: "pl.DataFrame", metric: str) -> None:
    """Show validation beside held-out scores, one table for each split."""
    for number, part in enumerate(frame.partition_by("split", maintain_order=True)):
        if number:
            out.line()
        out.line(f"split {part['split'][0]}")
        columns: list[tuple[str, list[str], bool]] = [
            ("rank", [str(rank) for rank in part["rank"]], True),
            ("pipeline", list(part["pipeline"]), False),
            ("parameters", _params(part), False),
            (f"{part['validation_set'][0]} {metric}", _scores(part, "validation"), True),
            (part["held_out_set"][0], _scores(part, "held_out"), True),
            ("gap", _scores(part, "gap"), True),
            ("rank there", [str(rank) for rank in part["held_out_rank"]], True),
        ]
        out.table(
            [header for header, _, _ in columns],
            list(zip(*(cells for _, cells, _ in columns), strict=True)),
            right=[i for i, (_, _, at_right) in enumerate(columns) if at_right],
        )


def show_tasks(out: Output, frame: "pl.DataFrame", metric: str | None) -> None:
    """Show one row for each task."""
    from manyfit.report.planned import label_of

    metrics = [
        name for name in frame.columns if frame[name].dtype.is_float() and not name.startswith(("time_", "n_"))
    ]
    shown = [name for name in metrics if metric is None or name.endswith(f"_{metric}")] or metrics
    rows = frame.to_dicts()
    columns: list[tuple[str, list[str], bool]] = [
        ("key", [row["key"][:8] for row in rows], False),
        ("pipeline", [row["pipeline"] for row in rows], False),
        ("parameters", [label_of(row["params"]) or "-" for row in rows], False),
        ("split", [row["split"] for row in rows], False),
        (*_folds(rows), True),
        ("seed", [str(row["seed"]) for row in rows], True),
        ("outcome", [row["outcome"] + (", doubtful" if row["doubtful"] else "") for row in rows], False),
        *((name, _scores(frame, name), True) for name in shown),
    ]
    headers, cells, right = _within(columns, out.width)
    out.table(headers, list(zip(*cells, strict=True)), right=right)


def _folds(rows: "Sequence[Mapping[str, Any]]") -> tuple[str, list[str]]:
    """Return the header and the cells of the folds: of groups where each fold holds one out."""
    named = any(row["held_out"] for row in rows)
    cells = ["-" if row["fold"] is None else row["held_out"] or str(row["fold"]) for row in rows]
    return ("held out" if named else "fold"), cells


def show_accuracy(out: Output, rows: "Sequence[PipelineAccuracy]") -> None:
    """Show predicted against real of finished tasks, one line for each pipeline and kind of prediction."""
    from manyfit.report.texts import show_duration, show_factor

    if not rows:
        return
    columns: list[tuple[str, list[str], bool]] = [
        ("pipeline", [row.pipeline for row in rows], False),
        ("predicted", [show_duration(row.predicted_seconds) for row in rows], True),
        ("took", [show_duration(row.real_seconds) for row in rows], True),
        ("ratio", ["-" if row.ratio is None else show_factor(row.ratio) for row in rows], True),
        ("half within", [show_factor(row.seconds.median) if row.seconds else "-" for row in rows], True),
        ("90% within", [show_factor(row.seconds.p90) if row.seconds else "-" for row in rows], True),
        ("learned from", [f"{row.n_learned:,}" if row.n_learned else "formulas" for row in rows], True),
        ("peak", [_known_bytes(row.real_bytes) for row in rows], True),
        ("predicted peak", [_known_bytes(row.predicted_bytes) for row in rows], True),
        ("tasks", [f"{row.n_tasks:,}" for row in rows], True),
    ]
    headers, cells, right = _within(columns, out.width)
    out.line()
    out.line("predicted against real")
    out.table(headers, list(zip(*cells, strict=True)), right=right)


def accuracy_facts(rows: "Sequence[PipelineAccuracy]") -> list[dict[str, Any]]:
    """Return predicted against real as JSON values."""
    return [{**asdict(row), "ratio": row.ratio} for row in rows]


def _known_bytes(size: int) -> str:
    from manyfit.report.texts import show_bytes

    return show_bytes(size) if size else "-"
