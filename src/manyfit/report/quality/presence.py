"""Rules about what is there: tasks, folds, scores, rows."""

from collections.abc import Iterator, Sequence

import polars as pl

from manyfit.report.environments import differing, environments
from manyfit.report.quality.material import Material, keys_of
from manyfit.report.quality.remark import Found
from manyfit.report.texts import plural

EXAMPLES = 3
UNEVEN = 2.0
"""The largest fold has at most so many times the rows of the smallest."""


def missing_tasks(material: Material) -> Iterator[Found]:
    """Tasks of the plan without a result."""
    planned = material.planned.group_by("pipeline", "split").len("n_planned")
    absent = material.missing.group_by("pipeline", "split").len("n")
    for row in absent.join(planned, on=["pipeline", "split"]).sort("pipeline", "split").iter_rows(named=True):
        mine = material.missing.filter(
            (pl.col("pipeline") == row["pipeline"]) & (pl.col("split") == row["split"])
        ).sort("candidate_key", "fold", "seed", nulls_last=True)
        yield Found(
            text=f"{row['n']:,} of {plural(row['n_planned'], 'task')} of {row['pipeline']} on {row['split']}"
            " have no result",
            n_found=row["n"],
            n_looked_at=row["n_planned"],
            pipeline=row["pipeline"],
            examples=keys_of(mine.head(EXAMPLES)),
        )


def missing_folds(material: Material) -> Iterator[Found]:
    """Candidates that have results on some of their folds and seeds, and not on others."""
    by = ["candidate_key", "pipeline", "variant", "split"]
    folded = material.planned.filter(pl.col("fold").is_not_null())
    planned = folded.group_by(by).agg(pl.len().alias("n_planned"))
    done = material.done.filter(pl.col("fold").is_not_null()).group_by(by).agg(pl.len().alias("n_done"))
    holes = planned.join(done, on=by).filter(pl.col("n_done") < pl.col("n_planned"))
    groups = holes.group_by("pipeline", "split").agg(pl.len().alias("n"), pl.col("n_done").min())
    totals = planned.group_by("pipeline", "split").agg(pl.len().alias("n_all"), pl.col("n_planned").max())
    for row in groups.join(totals, on=["pipeline", "split"]).sort("pipeline", "split").iter_rows(named=True):
        yield Found(
            text=f"{row['n']:,} of {plural(row['n_all'], 'candidate')} of {row['pipeline']} on {row['split']}"
            f" have scores on some folds only, at least {row['n_done']} of {row['n_planned']}: their means do not"
            " compare with others",
            n_found=row["n"],
            n_looked_at=row["n_all"],
            pipeline=row["pipeline"],
        )


def failed_tasks(material: Material) -> Iterator[Found]:
    """Tasks that failed for good."""
    failed = pl.col("outcome") != "succeeded"
    for name, frame in by_pipeline(material.results):
        yield from found_in(frame, frame.filter(failed), name, "failed")


def missing_scores(material: Material) -> Iterator[Found]:
    """Tasks that succeeded on a set and have no score there to rank by; training rows never rank."""
    yield from _nulls(material, [pair for pair in material.scores if _ranks(material, pair)])


def undefined_scores(material: Material) -> Iterator[Found]:
    """The same for the other metrics, and for training rows."""
    yield from _nulls(material, [pair for pair in material.scores if not _ranks(material, pair)])


def _ranks(material: Material, score: tuple[str, str]) -> bool:
    part, metric = score
    return part != "train" and metric == material.rank_by


def _nulls(material: Material, pairs: Sequence[tuple[str, str]]) -> Iterator[Found]:
    for name, frame in by_pipeline(material.done):
        for part, metric in pairs:
            if f"n_{part}" not in frame.columns:
                continue
            scored = frame.filter(pl.col(f"n_{part}").is_not_null())
            without = scored.filter(pl.col(f"{part}_{metric}").is_null())
            yield from found_in(scored, without, name, f"have no {metric} on {part}")


def mixed_versions(material: Material) -> Iterator[Found]:
    """Results that were made with different versions of the same library."""
    made = [one for one in environments(material.store) if one.libraries]
    for library, versions in differing(made).items():
        usual = made[0].libraries.get(library, "absent")
        others = sum(one.n_results for one in made if one.libraries.get(library, "absent") != usual)
        yield Found(
            text=f"{plural(others, 'result')} made with {library} {', '.join(v for v in versions if v != usual)},"
            f" the others with {usual}",
            n_found=others,
            n_looked_at=material.results.height,
        )


def doubtful_results(material: Material) -> Iterator[Found]:
    """Results of fusion rules that an audit switched off."""
    doubtful = material.results.filter(pl.col("doubtful"))
    for row in doubtful.group_by("fused_by").len("n").sort("fused_by").iter_rows(named=True):
        mine = doubtful.filter(pl.col("fused_by") == row["fused_by"])
        yield Found(
            text=f"{plural(row['n'], 'result')} computed by {row['fused_by']}, which an audit switched off",
            n_found=row["n"],
            n_looked_at=material.results.height,
            examples=examples_of(mine),
        )


def uneven_folds(material: Material) -> Iterator[Found]:
    """Splits whose folds hold out very different numbers of rows."""
    if "n_cv" not in material.done.columns:
        return
    cells = material.done.filter(pl.col("n_cv") > 0).group_by("variant", "split", "fold", "seed")
    sizes = cells.agg(pl.col("n_cv").max()).group_by("variant", "split")
    found = sizes.agg(pl.col("n_cv").min().alias("low"), pl.col("n_cv").max().alias("high"), pl.len().alias("n"))
    uneven = found.filter(pl.col("high") > UNEVEN * pl.col("low")).sort("split", "variant")
    for row in uneven.iter_rows(named=True):
        yield Found(
            text=f"folds of {row['split']} hold out between {row['low']:,} and {row['high']:,} rows",
            n_found=row["n"],
            n_looked_at=row["n"],
        )


def changed_rows(material: Material) -> Iterator[Found]:
    """Cells on which fits of one feature set had different numbers of rows."""
    counts = [name for name in material.done.columns if name.startswith("n_")]
    cells = material.done.group_by("variant", "split", "fold", "seed", "features")
    for name in counts:
        spread = cells.agg(
            pl.col(name).n_unique().alias("n"), pl.col(name).min().alias("low"), pl.col(name).max().alias("high")
        ).filter(pl.col("low") < pl.col("high"))
        if spread.height:
            low, high = spread.row(0, named=True)["low"], spread.row(0, named=True)["high"]
            yield Found(
                text=f"fits on the same cell had {low:,} and {high:,} rows of {name.removeprefix('n_')}, on"
                f" {plural(spread.height, 'cell')}: the data changed between them",
                n_found=spread.height,
                n_looked_at=spread.height,
            )


def by_pipeline(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each pipeline in *frame* with its rows, by name."""
    for name in sorted(frame["pipeline"].unique().to_list()):
        yield name, frame.filter(pl.col("pipeline") == name)


def found_in(fits: pl.DataFrame, wrong: pl.DataFrame, pipeline: str, says: str) -> Iterator[Found]:
    """Yield that *wrong* ones of the *fits* of a pipeline did what *says* says; nothing where there are none."""
    if wrong.height:
        yield Found(
            text=f"{wrong.height:,} of {plural(fits.height, 'fit')} of {pipeline} {says}",
            n_found=wrong.height,
            n_looked_at=fits.height,
            pipeline=pipeline,
            examples=examples_of(wrong),
        )


def examples_of(frame: pl.DataFrame) -> list[str]:
    """Return a few of the keys in *frame*, always the same ones."""
    return frame["key"].unique().sort().head(EXAMPLES).to_list()
