"""The table [data.lags]: what rows of series know of their past, and how far ahead their target lies."""

from typing import Annotated, Any

from pydantic import PlainValidator, model_validator

from manyfit.declare import quantities
from manyfit.declare.complaints import Complaints, received, shown, unknown, wrong
from manyfit.declare.table import Count, Table, Text
from manyfit.model.sweep import LAG_CALENDAR, LAG_STATISTICS, LagsSpec


def _counts(value: Any, least: int, what: str) -> tuple[int, ...]:
    listed = list(value) if isinstance(value, (list, tuple)) else [value]
    complaints = Complaints()
    found = tuple(
        complaints.keep(lambda part: quantities.whole(part, least, what), n, i) for i, n in enumerate(listed)
    )
    for i, n in enumerate(found):
        if n is not None and n in found[:i]:
            complaints.add(f"{n} stands in the list twice", i)
    complaints.raise_any()
    return found


def _lags(value: Any) -> tuple[int, ...]:
    return _counts(value, 0, "a number of steps back")


def _windows(value: Any) -> tuple[int, ...]:
    return _counts(value, 2, "a number of steps")


def _every(value: Any) -> float:
    found = quantities.seconds(value)
    if found <= 0:
        wrong(f'{received(value)}; the time between two rows is wanted, such as "1h"')
    return found


def _named(value: Any, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    found = quantities.texts(value)
    for name in found:
        if name not in known:
            wrong(unknown(name, known, what))
    if len(set(found)) < len(found):
        wrong(f"{shown(list(found))} names one twice")
    return found


class LagsTable(Table):
    """The table [data.lags]."""

    lags: Annotated[tuple[int, ...], PlainValidator(_lags)] = ()
    windows: Annotated[tuple[int, ...], PlainValidator(_windows)] = ()
    statistics: Annotated[
        tuple[str, ...], PlainValidator(lambda value: _named(value, LAG_STATISTICS, "statistic"))
    ] = ("mean", "std")
    calendar: Annotated[
        tuple[str, ...], PlainValidator(lambda value: _named(value, LAG_CALENDAR, "part of the calendar"))
    ] = ()
    columns: Annotated[tuple[str, ...], PlainValidator(quantities.texts)] = ()
    horizon: Count = 1
    by: Text | None = None
    every: Annotated[float | None, PlainValidator(_every)] = None

    @model_validator(mode="after")
    def _check(self) -> "LagsTable":
        complaints = Complaints()
        if not self.lags and not self.windows:
            complaints.add("rows would know nothing of their past: give lags = [0, 1, 2], windows = [24], or both")
        if "statistics" in self.model_fields_set and not self.windows:
            complaints.add("statistics are of windows; give windows = [24]", "statistics")
        complaints.raise_any()
        return self

    def spec(self) -> LagsSpec:
        return LagsSpec(
            lags=self.lags,
            windows=self.windows,
            statistics=self.statistics,
            calendar=self.calendar,
            columns=self.columns,
            horizon=self.horizon,
            by=self.by,
            every_seconds=self.every,
        )
