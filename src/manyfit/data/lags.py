"""
Lags: a table of series becomes one whose rows know their past, and have the value to come as their target.

A row stays where it stands in time. All that is added to it comes from rows of its series that are not
later; only the target, and the time of the target, come from `horizon` steps later.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manyfit.data.ahead import ends_column
from manyfit.data.findings import Findings, some
from manyfit.data.fingerprint import NUMERIC, kind_of
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import LagsSpec

KEY = "data.lags"
_THERE = "__manyfit_there__"
_CALENDAR = {
    "hour": lambda column: column.dt.hour(),
    "weekday": lambda column: column.dt.weekday(),
    "day": lambda column: column.dt.day(),
    "yearday": lambda column: column.dt.ordinal_day(),
    "month": lambda column: column.dt.month(),
}


def _means(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return _sums(values, n, lambda part: part) / n


def _deviations(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    means = _means(values, n)
    return np.sqrt(_sums(values, n, lambda part: (part - means) ** 2) / (n - 1))


def _sums(
    values: NDArray[np.float64], n: int, of: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the sum over each window of *n* values, in their order: it depends on these values alone."""
    last = len(values) - n + 1
    total = np.zeros(last)
    for at in range(n):
        total += of(values[at : at + last])
    return total


def _over_windows(
    statistic: Callable[[NDArray[np.float64], int], NDArray[np.float64]], column: pl.Expr, n: int
) -> pl.Expr:
    """
    Return a statistic of each window that ends with its row, missing where a value is.

    Running sums, as Polars has them, would differ in their last digits with the beginning of the series. Then
    a model would answer otherwise for the end of a file than for the whole, and rows would not be known again.
    """

    def found(series: pl.Series) -> pl.Series:
        values, out = series.to_numpy(), np.full(len(series), np.nan)
        if len(values) >= n:
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                out[n - 1 :] = statistic(values, n)
        return pl.Series(series.name, out).fill_nan(None)

    return column.map_batches(found, return_dtype=pl.Float64)


_STATISTICS: Mapping[str, Callable[[pl.Expr, int], pl.Expr]] = {
    "mean": partial(_over_windows, _means),
    "std": partial(_over_windows, _deviations),
    "min": lambda column, n: column.rolling_min(n),
    "max": lambda column, n: column.rolling_max(n),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What names the series of a table: the target to come, the time, and the column of the series' ids."""

    target: str
    time: str
    by: str | None = None


def lagged(frame: pl.DataFrame, lags: LagsSpec, series: Series, findings: Findings) -> pl.DataFrame | None:
    """
    Return the rows of *frame* that have `look_back` steps of their series before them, by series and time.

    Lags `<column>_lag_<n>` and statistics `<column>_<statistic>_<window>` (float64) are added, small numbers
    first whatever was declared first, then calendar columns (int64) and the time of the target; the target
    becomes the value `horizon` steps later, missing where the series ends before. None when *findings* got a
    mistake.
    """
    columns = lags.columns or (series.target,)
    if not _sound(frame, columns, lags, series, findings):
        return None
    grouped = [series.by] if series.by else []
    ordered = frame.sort([*grouped, series.time], maintain_order=True)
    if lags.every_seconds is None:
        _warn_uneven(ordered, series, findings)
    steps = _on_grid(ordered, lags.every_seconds, series, findings)
    if steps is None:
        return None
    found = steps.with_columns(*_past(columns, lags, series), *_calendar(lags, series)).with_columns(
        *_future(frame, lags, series)
    )
    begun = _by(pl.int_range(pl.len()), series) >= look_back(lags)
    kept = found.filter(begun & pl.col(_THERE).fill_null(False)).drop(_THERE)
    if not len(kept):
        findings.mistake(
            KEY, f"no series is longer than the {look_back(lags)} steps that its rows are to look back"
        )
        return None
    return kept


def look_back(lags: LagsSpec) -> int:
    """Return how many earlier rows of its series a row must have."""
    return max([*lags.lags, *(window - 1 for window in lags.windows), 0])


def _by(expression: pl.Expr, series: Series) -> pl.Expr:
    return expression.over(series.by) if series.by else expression


def _past(columns: Sequence[str], lags: LagsSpec, series: Series) -> Iterable[pl.Expr]:
    # one order for one content: what was converted first on a host decides the order of columns for all
    for name in sorted(columns):
        own = pl.col(name).cast(pl.Float64).fill_nan(None)
        for n in sorted(lags.lags):
            yield _by(own.shift(n), series).alias(f"{name}_lag_{n}")
        for window in sorted(lags.windows):
            for statistic in sorted(lags.statistics):
                found = _STATISTICS[statistic](own, window)
                yield _by(found, series).alias(f"{name}_{statistic}_{window}")


def _calendar(lags: LagsSpec, series: Series) -> Iterable[pl.Expr]:
    for name in sorted(lags.calendar):
        yield _CALENDAR[name](pl.col(series.time)).cast(pl.Int64).alias(f"{series.time}_{name}")


def _future(frame: pl.DataFrame, lags: LagsSpec, series: Series) -> Iterable[pl.Expr]:
    later = _by(pl.col(series.time).shift(-lags.horizon), series)
    if series.target in frame.columns:
        target = _by(pl.col(series.target).shift(-lags.horizon), series)
        later = pl.when(target.is_not_null()).then(later)
        yield target.alias(series.target)
    yield later.alias(ends_column(series.time))


def _sound(
    frame: pl.DataFrame, columns: Sequence[str], lags: LagsSpec, series: Series, findings: Findings
) -> bool:
    before = len(findings.mistakes)
    for key, name in (*(("columns", name) for name in columns), ("by", series.by), ("time", series.time)):
        if name is not None and name not in frame.columns:
            near = did_you_mean(name, frame.columns) or f"; columns: {some(frame.columns, 6)}"
            place = "data.time" if key == "time" else f"{KEY}.{key}"
            findings.mistake(place, f'there is no column "{name}"{near}')
    if len(findings.mistakes) > before:
        return False
    for name in columns:
        if kind_of(frame.schema[name]) not in NUMERIC:
            findings.mistake(f"{KEY}.columns", f'"{name}" holds no numbers, and a series is of numbers')
    _check_times(frame, lags, series, findings)
    made = [name for name in _made(columns, lags, series) if name in frame.columns]
    if made:
        findings.mistake(KEY, f"the table already has {some(made)}; rename or drop what lags are to add")
    return len(findings.mistakes) == before


def _made(columns: Sequence[str], lags: LagsSpec, series: Series) -> list[str]:
    added = [*_past(columns, lags, series), *_calendar(lags, series)]
    return [*(expression.meta.output_name() for expression in added), ends_column(series.time)]


def _check_times(frame: pl.DataFrame, lags: LagsSpec, series: Series, findings: Findings) -> None:
    times = frame[series.time]
    dated = times.dtype in (pl.Date, pl.Datetime) or isinstance(times.dtype, pl.Datetime)
    if not dated and (lags.calendar or lags.every_seconds is not None):
        key = "calendar" if lags.calendar else "every"
        findings.mistake(f"{KEY}.{key}", f'"{series.time}" holds no dates or times, so it has no calendar')
    if times.null_count():
        findings.mistake("data.time", f'{times.null_count()} rows have no "{series.time}"')
    keys = [series.by, series.time] if series.by else [series.time]
    n_twice = int(frame.select(pl.struct(keys).is_duplicated().sum()).item())
    if n_twice:
        advice = "" if series.by else '; with several series in a table name the column of their ids: by = "..."'
        findings.mistake(KEY, f'{n_twice} rows share their "{series.time}" with another row of the series{advice}')


def _steps(ordered: pl.DataFrame, series: Series) -> pl.Series:
    return ordered.select(_by(pl.col(series.time).diff(), series)).to_series().drop_nulls()


def _warn_uneven(ordered: pl.DataFrame, series: Series, findings: Findings) -> None:
    steps = _steps(ordered, series)
    if not len(steps) or steps.n_unique() == 1:
        return
    usual = steps.mode().sort()[0]
    advice = (
        f'write every = "{int(usual.total_seconds())}s" in [data.lags]' if isinstance(usual, timedelta) else ""
    )
    findings.warn(
        f"{int((steps != usual).sum())} of {len(steps)} steps in time are not the usual {usual}, and lags count"
        f" rows{f'; to count time {advice}' if advice else ''}"
    )


def _on_grid(
    ordered: pl.DataFrame, seconds: float | None, series: Series, findings: Findings
) -> pl.DataFrame | None:
    """Return *ordered* with an empty row for each step that a series lacks; None where times lie between steps."""
    if seconds is None:
        return ordered.with_columns(pl.lit(True).alias(_THERE))
    every = timedelta(seconds=seconds)
    grouped = [series.by] if series.by else None
    there = ordered.with_columns(
        pl.lit(True).alias(_THERE), pl.col(series.time).cast(_finest(ordered.schema[series.time]))
    )
    grid = there.select([*(grouped or []), series.time]).upsample(
        series.time, every=f"{round(seconds * 1e6)}us", group_by=grouped, maintain_order=True
    )
    if grouped:
        grid = grid.with_columns(pl.col(grouped[0]).forward_fill())
    keys = [*(grouped or []), series.time]
    found = grid.join(there, on=keys, how="left", maintain_order="left")
    n_lost = len(ordered) - int(found[_THERE].sum())
    if n_lost:
        findings.mistake(
            f"{KEY}.every",
            f'{n_lost} rows lie between the steps of {every} that are counted from the first "{series.time}"',
        )
        return None
    return found


def _finest(dtype: pl.DataType) -> pl.DataType:
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    return pl.Datetime("us", zone)
