"""Measures of series, each computed once, by row and channel; padding does not count."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from manyfit.models.signals.series import Floats, Series


class Moments:
    """The measures of a block of series. All are arrays by row and channel."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._there = series.there
        self.n = series.lengths[:, None].astype(np.float64)

    def mean_of(self, values: Floats) -> Floats:
        """Return the mean over the samples that are there, of values that are 0 elsewhere."""
        found: Floats = values.sum(axis=2) / self.n
        return found

    @cached_property
    def values(self) -> Floats:
        """The samples, 0 for the padding."""
        return self._series.filled()

    @cached_property
    def mean(self) -> Floats:
        return self.mean_of(self.values)

    @cached_property
    def centred(self) -> Floats:
        """The samples without their mean, 0 for the padding and where a series is constant."""
        found: Floats = np.where(
            self._there & ~self.constant[:, :, None], self.values - self.mean[:, :, None], 0.0
        )
        return found

    @cached_property
    def std(self) -> Floats:
        found: Floats = np.sqrt(self.mean_of(self.centred**2))
        return found

    @cached_property
    def min(self) -> Floats:
        found: Floats = self._series.filled(np.inf).min(axis=2)
        return found

    @cached_property
    def max(self) -> Floats:
        found: Floats = self._series.filled(-np.inf).max(axis=2)
        return found

    @cached_property
    def constant(self) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = self.min == self.max
        return found

    @cached_property
    def peak(self) -> Floats:
        return np.maximum(self.max, -self.min)

    @cached_property
    def energy(self) -> Floats:
        found: Floats = (self.values**2).sum(axis=2)
        return found

    @cached_property
    def rms(self) -> Floats:
        found: Floats = np.sqrt(self.energy / self.n)
        return found

    @cached_property
    def _sorted(self) -> Floats:
        return np.sort(self._series.values, axis=2)  # NaN is sorted to the end

    def quantile(self, q: float) -> Floats:
        """Return the quantile as `numpy.quantile` does it by default, between the two nearest samples."""
        at = q * (self.n - 1)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, self.n.astype(np.int64) - 1)
        shape = self._sorted.shape[:2]
        below, above = (
            np.take_along_axis(self._sorted, np.broadcast_to(i, shape)[:, :, None], axis=2)[:, :, 0]
            for i in (low, high)
        )
        found: Floats = below + (above - below) * (at - low)
        return found

    @cached_property
    def steps(self) -> Floats:
        """The differences of neighbouring samples, 0 where one of them is padding."""
        found: Floats = np.where(self._there[:, :, 1:], np.diff(self.values, axis=2), 0.0)
        return found

    @cached_property
    def n_steps(self) -> Floats:
        """How many pairs of neighbours there are, at least 1."""
        found: Floats = np.maximum(self.n - 1, 1)
        return found

    @cached_property
    def crossings(self) -> Floats:
        """How often neighbouring samples are on different sides of 0 (0 itself is above)."""
        above = self.values >= 0
        found: Floats = ((above[:, :, 1:] != above[:, :, :-1]) & self._there[:, :, 1:]).sum(axis=2).astype(float)
        return found

    def standardised(self, power: int) -> Floats:
        """Return the mean of ((x - mean) / std) ** power, 0 for a constant series."""
        scale = np.where(self.std > 0, self.std, 1.0)
        return self.mean_of((self.centred / scale[:, :, None]) ** power)

    @cached_property
    def slope(self) -> Floats:
        """The slope of the least-squares line by sample, 0 for a single sample."""
        at = np.where(self._there, np.arange(self._series.width) - (self.n[:, :, None] - 1) / 2, 0.0)
        spread = (at**2).sum(axis=2)
        found: Floats = (at * self.centred).sum(axis=2) / np.where(spread > 0, spread, 1.0)
        return found

    @cached_property
    def autocorrelation(self) -> Floats:
        """The correlation of the series with itself one sample later, 0 for a constant series."""
        own = (self.centred**2).sum(axis=2)
        found: Floats = (self.centred[:, :, 1:] * self.centred[:, :, :-1]).sum(axis=2) / np.where(
            own > 0, own, 1.0
        )
        return found


def ratio(above: Floats, below: Floats) -> Floats:
    """Return the quotient, 0 where the divisor is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)
