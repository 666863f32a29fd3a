"""The first part of the page: what was asked, what came of it, and the leaderboard."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from manyfit.report.insights.comparing import other_sets
from manyfit.report.insights.contents import Contents
from manyfit.report.insights.standing import Standing
from manyfit.report.pages.markup import Html, Part, element, folded, joined, paragraph, table
from manyfit.report.texts import plural, show_count, show_duration, show_number

MOST_METRICS = 5
"""Metrics that the leaderboard shows beside the one that ranks."""


def summary(found: Contents) -> Html:
    """Return counts, the question, the answer, and what has to be said of both."""
    return joined(
        [_counts(found), paragraph(*_asked(found)), *_best(found), *(_warned(note) for note in found.notes)]
    )


def _warned(note: str) -> Html:
    return paragraph(note, kind="warn")


def _counts(found: Contents) -> Html:
    counts = found.counts
    n_candidates = len({key for one in found.standings for key in one.board["candidate_key"]})
    named = [
        ("tasks done", counts.done),
        ("failed", counts.failed),
        ("not done yet", counts.planned - counts.done - counts.failed - counts.cancelled),
        ("cancelled", counts.cancelled),
        ("candidates with results", n_candidates),
    ]
    shown = [(name, n) for name, n in named if n or name in ("tasks done", "failed")]
    boxes = [element("li", element("b", show_count(n)), element("span", name)) for name, n in shown]
    return element("ul", *boxes, attributes={"class": "numbers"})


def _asked(found: Contents) -> Iterator[Part]:
    spec = found.spec
    data = spec.get("data")
    if not isinstance(data, Mapping) or not spec.get("pipelines"):
        yield "No sweep file declares this sweep; its parts are under Provenance. "
        if found.standing is not None:
            yield _ranked(found.standing, len(found.standings))
        return
    yield "Data: "
    yield element("code", str(data.get("source", "?")))
    if data.get("target"):
        yield ", target "
        yield element("code", str(data["target"]))
    if found.rows:
        yield " (" + ", ".join(f"{name} {n:,} rows" for name, n in found.rows.items()) + " at most)"
    names = [str(one.get("name", "?")) for one in spec.get("pipelines", [])]
    yield f". {plural(len(names), 'pipeline')}: {', '.join(names)}. "
    splits = [_split(one) for one in spec.get("splits", [])]
    yield f"{plural(len(splits), 'split')}: {'; '.join(splits)}. "
    seeds = spec.get("seeds", [0])
    yield f"{plural(len(seeds), 'seed')}: {', '.join(map(str, seeds))}. "
    if found.standing is not None:
        yield _ranked(found.standing, len(found.standings))


def _split(split: Mapping[str, Any]) -> str:
    folds = split.get("folds") or {}
    parts = [str(split.get("kind", ""))]
    if folds:
        parts.append(f"{folds.get('n')} folds")
    parts += [f"{name} = {_text(value)}" for name, value in (split.get("sets") or {}).items()]
    return f"{split.get('name')} ({', '.join(filter(None, parts))})"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _ranked(standing: Standing, n_splits: int) -> str:
    better = "larger" if standing.greater else "smaller"
    ranked = f"Candidates are ranked by {standing.score_name} ({better} is better), the mean over folds and seeds."
    closer = f" Plots and effects are those of split {standing.split}." if n_splits > 1 else ""
    return ranked + closer


def _best(found: Contents) -> Iterator[Html]:
    standing = found.standing
    if standing is None or not standing.scored.height:
        yield paragraph("No task has a score yet.", kind="warn")
        return
    rows = standing.leaders(len(found.pipelines))
    yield element("h3", "Best candidate of each pipeline")
    yield _board_table(standing, rows, metrics=False)


def leaderboard(found: Contents, plot: Html | None, top: int) -> Html:
    """Return the plot of the first candidates, and a table for each split."""
    parts: list[Part] = [plot] if plot is not None else []
    for standing in found.standings:
        shown = standing.board.head(top)
        more = "" if standing.board.height <= top else f", the first {top} of {standing.board.height:,} candidates"
        parts.append(element("h3", f"Split {standing.split}, by {standing.score_name}{more}"))
        parts.append(_board_table(standing, list(shown.iter_rows(named=True)), metrics=True))
    parts.append(paragraph(_SPREAD, kind="quiet"))
    return joined(parts)


_SPREAD = (
    "± is the standard deviation over folds and seeds, of one score; fit is the mean time of one fit."
    " All candidates with all columns: manyfit results SWEEP --to leaderboard.csv"
)


def _board_table(standing: Standing, rows: Sequence[Mapping[str, Any]], *, metrics: bool) -> Html:
    board = standing.board
    factors = [name for name in ("variant", "features") if board[name].n_unique() > 1]
    elsewhere = [f"{name}_{standing.metric}" for name in other_sets(standing)]
    others = _metrics(board, standing) if metrics else []
    doubtful = ["n_doubtful"] if board["n_doubtful"].sum() else []
    headers = ["rank", "pipeline", "parameters", *factors, standing.score_name, "±"]
    headers += [name.replace("_", " ", 1) for name in elsewhere] + others
    headers += ["done", "failed", *(["doubtful"] if doubtful else []), "fit"]
    body = [
        [
            show_count(row["rank"]),
            row["pipeline"],
            row["params"] or "",
            *(str(row[name]) for name in factors),
            *(_number(row[name]) for name in ("score", "std", *elsewhere, *others)),
            f"{row['n_done']:,}/{row['n_planned'] or 0:,}",
            *(show_count(row[name]) for name in ("n_failed", *doubtful)),
            "-" if row["time_fit"] is None else show_duration(row["time_fit"]),
        ]
        for row in rows
    ]
    first = 3 + len(factors)
    return table(headers, body, right=[0, *range(first, len(headers))], strong=[0], kind="board")


def _metrics(board: pl.DataFrame, standing: Standing) -> list[str]:
    known = dict.fromkeys(metric for _, metric in standing.results.scores if metric != standing.metric)
    there = [name for name in known if name in board.columns and board[name].null_count() < board.height]
    return there[:MOST_METRICS]


def _number(value: float | None) -> str:
    # a deviation of a few bits is none
    return "-" if value is None else show_number(0.0 if abs(value) < 1e-14 else value)


def every_effect(found: Contents) -> Html:
    """Return the effects of all factors as a table that opens."""
    rows: list[list[Part]] = []
    groups = [("all pipelines", found.factors), *((one.pipeline, one.factors) for one in found.families)]
    for name, factors in groups:
        for factor in factors:
            best = max(factor.levels, key=lambda level: level.mean if _rises(found) else -level.mean)
            cells = [name, factor.name, f"{len(factor.levels)}", show_number(factor.effect), best.text]
            rows.append([*cells, show_number(best.mean), show_number(best.std)])
    headers = ("of", "factor", "values", "effect", "best value", "its mean", "±")
    return folded("All effects as numbers", table(headers, rows, right=(2, 3, 5, 6))) if rows else Html("")


def _rises(found: Contents) -> bool:
    return found.standing is None or found.standing.greater
