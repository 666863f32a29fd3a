"""The table [data.windows]: lengths in samples, or in seconds where the sampling rate is given."""

from typing import Annotated, Any

from pydantic import PlainValidator, model_validator

from manyfit.declare import quantities
from manyfit.declare.complaints import Complaints, received, shown, unknown, wrong
from manyfit.declare.table import Table, Text
from manyfit.model.sweep import Mixed, WindowsSpec

Length = int | str
"""A number of samples, or a time such as "2s"."""


def _length(value: Any) -> Length:
    if isinstance(value, str):
        quantities.seconds(value)
        return value
    return quantities.whole(value, 1, "a number of samples")


def _lengths(value: Any) -> tuple[Length, ...]:
    if not isinstance(value, (list, tuple)):
        return (_length(value),)
    if not value:
        wrong("is an empty list; give at least one size")
    complaints = Complaints()
    found = tuple(complaints.keep(_length, part, i) for i, part in enumerate(value))
    complaints.raise_any()
    return found


def _rate(value: Any) -> float:
    if not quantities.is_number(value) or value <= 0:
        wrong(f"{received(value)}; a number of samples a second is wanted, above 0")
    return float(value)


def _overlap(value: Any) -> float:
    if not quantities.is_number(value) or not 0 <= value < 1:
        wrong(f"{received(value)}; a fraction of the size is wanted, from 0 and below 1")
    return float(value)


def _mixed(value: Any) -> Mixed:
    known = [mixed.value for mixed in Mixed]
    if value not in known:
        wrong(unknown(str(value), known, "treatment"))
    return Mixed(value)


class WindowsTable(Table):
    """The table [data.windows]."""

    size: Annotated[tuple[Length, ...], PlainValidator(_lengths)]
    channels: Annotated[tuple[str, ...], PlainValidator(quantities.texts)]
    by: Text | None = None
    order: Text | None = None
    step: Annotated[Length | None, PlainValidator(_length)] = None
    overlap: Annotated[float, PlainValidator(_overlap)] = 0.0
    rate: Annotated[float | None, PlainValidator(_rate)] = None
    mixed: Annotated[Mixed, PlainValidator(_mixed)] = Mixed.DROP

    @model_validator(mode="after")
    def _check(self) -> "WindowsTable":
        complaints = Complaints()
        if self.step is not None and "overlap" in self.model_fields_set:
            complaints.add("step says how far windows are apart already; leave out one of the two", "overlap")
        sizes = [complaints.keep(self._samples, size, "size", *self._place(i)) for i, size in enumerate(self.size)]
        complaints.keep(self._samples, self.step, "step")
        for i, size in enumerate(sizes):
            if size is not None and size in sizes[:i]:
                complaints.add(f"{shown(self.size[i])} is {size} samples, as a size before it", "size", i)
        complaints.raise_any()
        return self

    def _place(self, i: int) -> tuple[int, ...]:
        return (i,) if len(self.size) > 1 else ()

    def _samples(self, length: Length | None) -> int | None:
        if not isinstance(length, str):
            return length
        if self.rate is None:
            wrong(f"{shown(length)} is a time; give rate = ..., the samples a second, or a number of samples")
        found = round(quantities.seconds(length) * self.rate)
        if found < 1:
            wrong(f"{shown(length)} is less than one sample at a rate of {self.rate:g} a second")
        return found

    def spec(self) -> WindowsSpec:
        return WindowsSpec(
            sizes=tuple(found for size in self.size if (found := self._samples(size)) is not None),
            channels=self.channels,
            by=self.by,
            order=self.order,
            step=self._samples(self.step),
            overlap=self.overlap,
            mixed=self.mixed,
        )
