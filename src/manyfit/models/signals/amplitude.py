"""Rows of one scale: how loud a signal is no longer matters."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from manyfit.models.signals.moments import Moments
from manyfit.models.signals.rowwise import RowTransformer
from manyfit.models.signals.series import Floats, Series


class Amplitude(RowTransformer):
    """
    Shift and scale every row, each channel by itself or all channels of a row alike (`per = "row"`).

    ========  ======================================
    none      x
    minmax    (x - min) / (max - min)
    zscore    (x - mean) / standard deviation
    robust    (x - median) / interquartile range
    peak      x / max abs(x)
    rms       x / root of the mean of x squared
    ========  ======================================

    Where the divisor is 0 it is left out: a constant series becomes 0 under minmax, zscore and robust, and
    a series of zeros stays one. Padding stays padding.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"none", "minmax", "zscore", "robust", "peak", "rms"})],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "per": [StrOptions({"channel", "row"})],
    }

    def __init__(self, method: str = "zscore", *, n_channels: int = 1, per: str = "channel") -> None:
        self.method = method
        self.n_channels = n_channels
        self.per = per

    def _of_block(self, series: Series) -> Floats:
        if self.method == "none":
            return series.values
        shift, scale = self._shift_and_scale(Moments(self._measured(series)))
        moved = series.values - shift[:, :, None]
        found: Floats = moved / np.where(scale > 0, scale, 1.0)[:, :, None]
        return found

    def _measured(self, series: Series) -> Series:
        if self.per == "channel" or self.n_channels == 1:
            return series
        # the samples of all channels as one series, padding at its end
        flat = series.values.reshape(len(series.values), 1, -1)
        if not series.complete:
            flat = np.take_along_axis(flat, np.isnan(flat).argsort(axis=2, kind="stable"), axis=2)
        return Series(values=flat, lengths=series.lengths * self.n_channels)

    def _shift_and_scale(self, of: Moments) -> tuple[Floats, Floats]:
        match self.method:
            case "minmax":
                return of.min, of.max - of.min
            case "zscore":
                # what rounding leaves of the deviation of a constant must not become its scale
                return np.where(of.constant, of.min, of.mean), np.where(of.constant, 0.0, of.std)
            case "robust":
                return of.quantile(0.5), of.quantile(0.75) - of.quantile(0.25)
            case "peak":
                return np.zeros_like(of.peak), of.peak
            case "rms":
                return np.zeros_like(of.rms), of.rms
        raise AssertionError(self.method)

    def _names(self, columns: list[str]) -> list[str]:
        return columns
