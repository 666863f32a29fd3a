"""Candidates in order of their scores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound
from manyfit.model.keys import CandidateKey, CellKey, task_key
from manyfit.model.mistake import did_you_mean
from manyfit.report.aggregate import GROUP, aggregated, mean_scores
from manyfit.report.frames import NEEDED, Results, load_results, ranking_of
from manyfit.report.held_out import compared_sets
from manyfit.report.lines import COLUMNS
from manyfit.report.planned import PlanTables, label_of, removed_tasks, segments_of

_READ = NEEDED | {*GROUP, "pipeline", "features", "params", "outcome", "fused_by", "time_fit"}
LEAVE_OUT = frozenset(COLUMNS) - _READ

GreaterIsBetter = Callable[[str], bool]


def scorers_rise(metric: str) -> bool:
    """Every scorer of scikit-learn is better when greater: losses have a sign in front (`neg_log_loss`)."""
    del metric
    return True


def leaderboard(
    store: Store,
    *,
    top: int | None = None,
    metric: str | None = None,
    split: str | None = None,
    pipeline: str | None = None,
    greater_is_better: GreaterIsBetter = scorers_rise,
) -> pl.DataFrame:
    """
    Return one row for each candidate on each split, best first; *top* of each split.

    Columns: rank (in its split), pipeline, params (as shown), split, variant, features, set, score, std, the other
    metrics on the same set (mean), the ranking metric on the other sets as `<set>_<metric>`, gap (by how much
    a candidate is worse on the held-out set; no column where no split has one), n_done, n_planned, n_failed,
    n_doubtful (of fusion rules that an audit switched off), time_fit (mean seconds), candidate_key.
    `score` is the mean of *metric* (the sweep's own when None) over folds and seeds, on the set "cv" where the
    split has it, else "validate", else the first other set that is not "train". Equal scores stand in the order
    of their candidate keys, candidates without a score last. Raises `NotFound` for a metric, split or pipeline
    that no result has, when there are results.
    """
    metric = metric or ranking_of(store).rank_by
    results = load_results(store, leave_out=LEAVE_OUT)
    chosen = selected(results, metric, split=split, pipeline=pipeline)
    ranked = rank(chosen, metric, descending=greater_is_better(metric))
    if top is not None:
        ranked = ranked.filter(pl.col("rank") <= top)
    detailed = _with_planned(_with_details(ranked, chosen, metric), store, chosen)
    return _shaped(_with_gap(detailed, chosen, metric, rises=greater_is_better(metric)), chosen, metric)


def selected(results: Results, metric: str, *, split: str | None = None, pipeline: str | None = None) -> Results:
    """Return the results of one split or pipeline. Raises `NotFound` for names that no result has."""
    frame = results.frame
    for column, wanted in (("split", split), ("pipeline", pipeline)):
        if wanted is not None:
            _check_named(results, column, wanted)
            frame = frame.filter(pl.col(column) == wanted)
    if results.scores and metric not in results.metrics():
        _refuse("metric", metric, results.metrics())
    return replace(results, frame=frame)


def _check_named(results: Results, column: str, wanted: str) -> None:
    known = results.frame.select(pl.col(column).unique().sort()).collect(engine="streaming")[column].to_list()
    if known and wanted not in known:
        _refuse(column, wanted, known)


def _refuse(what: str, wanted: str, known: Iterable[str]) -> None:
    names = list(known)
    raise NotFound(
        f'no result has the {what} "{wanted}"{did_you_mean(wanted, names)} (there are: {", ".join(names)})'
    )


def rank(results: Results, metric: str, *, descending: bool = True) -> pl.DataFrame:
    """Return candidate_key, variant, split, n_done, n_failed, set, score and rank, in order; see `leaderboard`."""
    columns = [f"{name}_{kind}" for name, kind in results.scores if kind == metric]
    table = mean_scores(results.frame, columns).sort("split")
    parts = table.partition_by("split", maintain_order=True) if table.height else [table]
    scored = pl.concat([_scored(part, ranking_set(part, results, metric), metric) for part in parts])
    ordered = scored.sort(
        "split", "score", "candidate_key", "variant", descending=[False, descending, False, False], nulls_last=True
    )
    return ordered.with_columns(pl.int_range(1, pl.len() + 1).over("split").alias("rank"))


def ranking_set(part: pl.DataFrame, results: Results, metric: str) -> str | None:
    """Return the set that ranks the candidates of one split: cv, else validate, else another, never train."""
    scored = [name for name, kind in results.scores if kind == metric and part[f"count_{name}_{metric}"].sum() > 0]
    others = sorted(name for name in scored if name != "train")
    return next((name for name in ("cv", "validate", *others) if name in scored), None)


def _scored(part: pl.DataFrame, name: str | None, metric: str) -> pl.DataFrame:
    score = pl.lit(None, dtype=pl.Float64) if name is None else pl.col(f"{name}_{metric}")
    shown = pl.lit(name, dtype=pl.String).alias("set")
    return part.select(*GROUP, "n_done", "n_failed", score.alias("score"), shown)


def _with_details(ranked: pl.DataFrame, results: Results, metric: str) -> pl.DataFrame:
    # Only for the rows shown: texts and deviations of all cost more than the ranking.
    keys = ranked.select(pl.col("candidate_key").unique()).lazy()
    shown = results.frame.join(keys, on="candidate_key", how="semi")
    names = [f"{name}_{kind}" for name, kind in results.scores]
    ranking = [f"{name}_{kind}" for name, kind in results.scores if kind == metric]
    details = aggregated(shown, names, stds=ranking).drop("n_done", "n_failed")
    params = shown.select("candidate_key", "params").unique("candidate_key", keep="any")
    labels = params.collect(engine="streaming").with_columns(
        pl.col("params").map_elements(label_of, return_dtype=pl.String)
    )
    joined = ranked.join(details.collect(engine="streaming"), on=GROUP, how="left", maintain_order="left")
    return joined.join(labels, on="candidate_key", how="left", maintain_order="left")


def _with_planned(ranked: pl.DataFrame, store: Store, results: Results) -> pl.DataFrame:
    if results.complete:
        return ranked.with_columns((pl.col("n_done") + pl.col("n_failed")).alias("n_planned"))
    tables = PlanTables(store, with_params=False)
    for segment in segments_of(store):
        tables.load(segment)
    tasks = tables.planned(ranked["candidate_key"].unique().to_list())
    removed = removed_tasks(store)
    if removed:
        tasks = tasks.filter(_active(tasks, removed))
    planned = tasks.group_by(GROUP).agg(pl.len().cast(pl.Int64).alias("n_planned"))
    return ranked.join(planned, on=GROUP, how="left", maintain_order="left")


def _active(tasks: pl.DataFrame, removed: frozenset[str]) -> pl.Series:
    pairs = tasks.select("candidate_key", "cell_key").iter_rows()
    active = [task_key(CandidateKey(candidate), CellKey(cell)) not in removed for candidate, cell in pairs]
    return pl.Series(values=active, dtype=pl.Boolean)


def _with_gap(ranked: pl.DataFrame, results: Results, metric: str, *, rises: bool) -> pl.DataFrame:
    """Add by how much candidates are worse on the held-out set than on the one that ranks, where there is one."""
    gaps: dict[str, pl.Expr] = {}
    for (split,), part in ranked.group_by("split"):
        scored = [name for name, kind in results.scores if kind == metric]
        pair = compared_sets([name for name in scored if part[f"{name}_{metric}"].is_not_null().any()])
        if pair is not None and pair[0] == part["set"][0]:
            gap = pl.col("score") - pl.col(f"{pair[1]}_{metric}")
            gaps[str(split)] = gap if rises else -gap
    if not gaps:
        return ranked
    found = pl.lit(None, dtype=pl.Float64)
    for name, gap in gaps.items():
        found = pl.when(pl.col("split") == name).then(gap).otherwise(found)
    return ranked.with_columns(found.alias("gap"))


def _shaped(ranked: pl.DataFrame, results: Results, metric: str) -> pl.DataFrame:
    others = [kind for kind in results.metrics() if kind != metric]
    sets = [name for name, kind in results.scores if kind == metric and _elsewhere(ranked, name)]
    return ranked.select(
        "rank",
        "pipeline",
        "params",
        "split",
        "variant",
        "features",
        "set",
        "score",
        _on_ranking_set(ranked, results, metric, prefix="std_").alias("std"),
        *(_on_ranking_set(ranked, results, kind).alias(kind) for kind in others),
        *(f"{name}_{metric}" for name in sets),
        *(["gap"] if "gap" in ranked.columns else []),
        "n_done",
        "n_planned",
        "n_failed",
        "n_doubtful",
        "time_fit",
        "candidate_key",
    )


def _elsewhere(ranked: pl.DataFrame, name: str) -> bool:
    """Whether *name* is not the ranking set of every row: then its scores say something more."""
    return bool((ranked["set"] != name).any())


def _on_ranking_set(ranked: pl.DataFrame, results: Results, kind: str, *, prefix: str = "") -> pl.Expr:
    used: Sequence[str] = ranked["set"].drop_nulls().unique().to_list()
    chosen = pl.lit(None, dtype=pl.Float64)
    for name in used:
        if (name, kind) in results.scores:
            chosen = pl.when(pl.col("set") == name).then(pl.col(f"{prefix}{name}_{kind}")).otherwise(chosen)
    return chosen
