"""
Rows as series: the samples of a window, channel after channel.

A row of `n_channels` channels has all samples of the first channel, then those of the second, and so on.
A shorter series is padded at its end with NaN: it ends with the last sample of any of its channels. A gap
before that is filled by the line between its neighbours, and with the nearest sample at an end of a channel.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import StrOptions

Floats = npt.NDArray[np.float64]

_BLOCK = 2**21
"""Samples that are transformed at once; temporary arrays are a few times as large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`values` by row, channel and sample (NaN after the end), and how many samples each row has."""

    values: Floats
    lengths: npt.NDArray[np.int64]

    @property
    def width(self) -> int:
        return int(self.values.shape[2])

    @property
    def there(self) -> npt.NDArray[np.bool_]:
        """Which samples are no padding, by row, one channel and sample."""
        found: npt.NDArray[np.bool_] = np.arange(self.width) < self.lengths[:, None, None]
        return found

    @property
    def complete(self) -> bool:
        """Whether no row is padded."""
        return bool((self.lengths == self.width).all())

    def filled(self, value: float = 0.0) -> Floats:
        """Return the values with *value* for the padding."""
        return self.values if self.complete else np.where(self.there, self.values, value)

    def blocks(self) -> "Iterator[Series]":
        """Yield the rows in blocks, so that temporary arrays stay small."""
        n_rows = max(1, _BLOCK // max(1, self.values.shape[1] * self.width))
        for start in range(0, len(self.values), n_rows):
            rows = slice(start, start + n_rows)
            yield Series(values=self.values[rows], lengths=self.lengths[rows])


def as_series(X: Floats, n_channels: int) -> Series:
    """
    Return the rows of *X* as series, their gaps filled.

    Raises ValueError when the columns cannot be divided into channels, and for a channel without samples.
    """
    n_rows, n_columns = X.shape
    if n_columns % n_channels:
        raise ValueError(f"{n_columns} columns cannot be divided into {n_channels} channels of one length")
    values = X.reshape(n_rows, n_channels, n_columns // n_channels)
    absent: npt.NDArray[np.bool_] = np.isnan(values)
    if not absent.any():
        return Series(values=values, lengths=np.full(n_rows, values.shape[2]))
    present = ~absent
    somewhere = np.logical_or.reduce(present, axis=1)
    lengths = values.shape[2] - somewhere[:, ::-1].argmax(axis=1)
    empty = np.logical_and.reduce(absent, axis=2).any(axis=1)
    if empty.any():
        where = f"row {int(empty.argmax())}" + (" has a channel" if n_channels > 1 else " is a series")
        raise ValueError(f"{where} without samples ({empty.sum()} of {n_rows} rows)")
    found = Series(values=values, lengths=lengths)
    gaps = absent & found.there
    return Series(values=_without_gaps(values, gaps, lengths), lengths=lengths) if gaps.any() else found


def _without_gaps(values: Floats, gaps: npt.NDArray[np.bool_], lengths: npt.NDArray[np.int64]) -> Floats:
    filled = values.copy()
    for row, channel in np.argwhere(gaps.any(axis=2)):
        series = filled[row, channel, : lengths[row]]
        known = np.flatnonzero(~np.isnan(series))
        series[:] = np.interp(np.arange(len(series)), known, series[known])
    return filled


def in_blocks(series: Series, compute: Callable[[Series], Floats]) -> Floats:
    """Return what *compute* makes of the rows, block by block."""
    return np.concatenate([compute(block) for block in series.blocks()])


def channel_names(names: Sequence[Any], n_channels: int) -> list[str]:
    """
    Return the names of the channels: what all columns of each have before their last number.

    `acc_0000`, `acc_0001` are of the channel `acc`. Where that tells channels not apart they are c0, c1, ...
    """
    width = len(names) // n_channels
    stems: list[str] = []
    for channel in range(n_channels):
        found = {re.sub(r"_?\d+$", "", str(name)) for name in names[channel * width : (channel + 1) * width]}
        stems.append(found.pop() if len(found) == 1 else "")
    if "" in stems or len(set(stems)) < n_channels:
        return [f"c{channel}" for channel in range(n_channels)]
    return stems


class NamesOf(StrOptions):  # type: ignore[misc] # scikit-learn ships no types
    """The constraint of a parameter that is one of some names, or a list of them without repetition."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether *val* is a known name or a list of such."""
        if isinstance(val, str):
            return val in self.options
        if not isinstance(val, (list, tuple)) or not val:
            return False
        return all(isinstance(name, str) and name in self.options for name in val) and len(set(val)) == len(val)

    def __str__(self) -> str:
        return f"{super().__str__()}, or a list of them"


def listed(names: str | Sequence[str], everything: Sequence[str]) -> list[str]:
    """Return the chosen names in their order; "all" is everything."""
    if isinstance(names, str):
        return list(everything) if names == "all" else [names]
    return list(names)
