"""Rules about how fits went: training that ran away, stood still, or ended before it was done."""

import re
from collections.abc import Callable, Iterator

import polars as pl

from manyfit.report.quality import shapes
from manyfit.report.quality.material import TASK, Material
from manyfit.report.quality.presence import by_pipeline, examples_of, found_in
from manyfit.report.quality.remark import Found
from manyfit.report.texts import plural

SHARE_WARNED = 0.5
_CATEGORY = re.compile(r'(?:^\[|,)\s*\["(\w+)",')
"""The categories in the text of warnings, which need not be JSON where a message has a backslash."""

SHORT = 0.5
"""A series is truncated that has less than this part of the steps of the same candidate elsewhere."""


def diverged_fits(material: Material) -> Iterator[Found]:
    """Fits with a series or a score that says that they ran away."""
    wrong = _keys_with(material, shapes.diverged) | _absurd(material)
    for name, frame in by_pipeline(material.done):
        mine = frame.filter(pl.col("key").is_in(list(wrong)))
        yield from found_in(frame, mine, name, "diverged")


def _absurd(material: Material) -> set[str]:
    columns = [f"{name}_{metric}" for name, metric in material.scores if metric in shapes.BOUNDED]
    if not columns:
        return set()
    return set(material.done.filter(pl.any_horizontal(pl.col(columns) < shapes.ABSURD))["key"])


def flat_series(material: Material) -> Iterator[Found]:
    """Fits with a loss that never changed."""
    wrong = _keys_with(material, shapes.flat)
    for name, frame in by_pipeline(material.done):
        mine = frame.filter(pl.col("key").is_in(list(wrong)))
        yield from found_in(frame, mine, name, "have a loss that never changed")


def _keys_with(material: Material, wrong: Callable[[str, shapes.Values], bool]) -> set[str]:
    return {key for key, name, values, _ in material.curves if wrong(name, values)}


def truncated_series(material: Material) -> Iterator[Found]:
    """Series much shorter than those of the same candidate on other folds and seeds."""
    by = [TASK[0], "pipeline", "variant", "split", "series"]
    several = material.series.filter(pl.col("n_values") > 1)
    longest = several.with_columns(pl.col("n_values").max().over(by).alias("longest"))
    short = longest.filter(pl.col("n_values") < SHORT * pl.col("longest"))
    for name, frame in by_pipeline(short):
        n_all = several.filter(pl.col("pipeline") == name)["key"].n_unique()
        n = frame["key"].n_unique()
        yield Found(
            text=f"{n:,} of {plural(n_all, 'fit')} of {name} trained less than half as long as the same candidate"
            " elsewhere",
            n_found=n,
            n_looked_at=n_all,
            pipeline=name,
            examples=examples_of(frame),
        )


def missing_series(material: Material) -> Iterator[Found]:
    """Fits without a series that others of the same pipeline have."""
    having = material.series.select("key", "pipeline").unique()
    for name, frame in by_pipeline(having):
        mine = material.done.filter(pl.col("pipeline") == name)
        without = mine.join(frame.select("key"), on="key", how="anti")
        yield from found_in(mine, without, name, "have no series, others have")


def not_converged(material: Material) -> Iterator[Found]:
    """Pipelines many of whose fits did not converge."""
    yield from _warned(
        material, lambda kind: kind == shapes.NOT_CONVERGED, shapes.SHARE_NOT_CONVERGED, "did not converge"
    )


def warned_fits(material: Material) -> Iterator[Found]:
    """Pipelines most of whose fits warned about anything else."""
    yield from _warned(material, lambda kind: kind != shapes.NOT_CONVERGED, SHARE_WARNED, "warned")


def _warned(material: Material, meant: Callable[[str], bool], share: float, what: str) -> Iterator[Found]:
    rows = material.warned.select("key", "warnings").iter_rows()
    keys = {key for key, text in rows if any(map(meant, _CATEGORY.findall(text)))}
    for name, frame in by_pipeline(material.results):
        mine = frame.filter(pl.col("key").is_in(list(keys)))
        if mine.height > share * frame.height:
            yield from found_in(frame, mine, name, what)
