"""Fewer samples, without what they could not show."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import signal
from sklearn.utils._param_validation import Interval, StrOptions

from manyfit.models.signals.rowwise import RowTransformer
from manyfit.models.signals.series import Floats, Series


class Decimate(RowTransformer):
    """
    Keep one sample of every *factor*, after a low-pass filter without phase shift.

    Each row becomes what `scipy.signal.decimate(row, factor, ftype=method)` makes of it: a Hamming-windowed
    FIR filter of 20 * factor + 1 taps, or a Chebyshev filter of order 8, forwards and backwards ("iir"; for
    factors up to 13). A row of n samples has ceil(n / factor) after it; padding stays padding. Rows of
    unequal length are filtered one length at a time by "iir", all at once by "fir". A factor of 1 changes
    nothing.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "factor": [Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "method": [StrOptions({"fir", "iir"})],
    }

    def __init__(self, factor: int = 2, *, n_channels: int = 1, method: str = "fir") -> None:
        self.factor = factor
        self.n_channels = n_channels
        self.method = method

    def _of_block(self, series: Series) -> Floats:
        if self.factor == 1:
            return series.values
        found = self._fir(series) if self.method == "fir" else self._iir(series)
        if series.complete:
            return found
        there = np.arange(found.shape[2]) < -(-series.lengths // self.factor)[:, None, None]
        return np.where(there, found, np.nan)

    def _fir(self, series: Series) -> Floats:
        # the filter meets zeros after the end of a row, as it does with the row alone
        taps = signal.firwin(20 * self.factor + 1, 1.0 / self.factor, window="hamming")
        found: Floats = signal.resample_poly(series.filled(), 1, self.factor, axis=2, window=taps)
        return found

    def _iir(self, series: Series) -> Floats:
        sections = signal.cheby1(8, 0.05, 0.8 / self.factor, output="sos")
        most = 3 * (2 * len(sections) + 1 - min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum()))
        found = np.full((*series.values.shape[:2], -(-series.width // self.factor)), np.nan)
        for length in np.unique(series.lengths):
            rows = np.flatnonzero(series.lengths == length)
            part = series.values[rows, :, :length]
            smooth = signal.sosfiltfilt(sections, part, axis=2, padlen=min(int(most), int(length) - 1))
            kept = smooth[:, :, :: self.factor]
            found[rows, :, : kept.shape[2]] = kept
        return found

    def _names(self, columns: list[str]) -> list[str]:
        width = len(columns) // self.n_channels
        return [
            name
            for channel in range(self.n_channels)
            for name in columns[channel * width : (channel + 1) * width : self.factor]
        ]
