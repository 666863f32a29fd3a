"""Features of a series by frequency."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Integral, Real
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from manyfit.models.signals.moments import Moments, ratio
from manyfit.models.signals.rowwise import RowTransformer
from manyfit.models.signals.series import Floats, NamesOf, Series, channel_names, listed


class Spectrum:
    """The power of a block of series by row, channel and frequency, without the frequency 0."""

    def __init__(self, series: Series, *, rate: float, taper: str) -> None:
        weights = _weights(series, taper)
        amplitudes = np.fft.rfft(Moments(series).centred * weights, axis=2)[:, :, 1:]
        two_sided: Floats = np.full(amplitudes.shape[2], 2.0, dtype=np.float64)
        if series.width % 2 == 0:
            two_sided[-1:] = 1.0  # the highest frequency stands for itself only
        norm = rate * (weights**2).sum(axis=2, keepdims=True)
        powers = two_sided * np.abs(amplitudes) ** 2 / np.where(norm > 0, norm, 1.0)
        self.power: Floats = powers.astype(np.float64)
        self.frequencies: Floats = np.fft.rfftfreq(series.width, 1 / rate)[1:].astype(np.float64)
        self.width = rate / series.width

    @cached_property
    def total(self) -> Floats:
        found: Floats = self.power.sum(axis=2)
        return found

    @cached_property
    def shares(self) -> Floats:
        return ratio(self.power, np.broadcast_to(self.total[:, :, None], self.power.shape))

    @cached_property
    def centroid(self) -> Floats:
        found: Floats = (self.shares * self.frequencies).sum(axis=2)
        return found

    @cached_property
    def bandwidth(self) -> Floats:
        apart = (self.frequencies - self.centroid[:, :, None]) ** 2
        found: Floats = np.sqrt((self.shares * apart).sum(axis=2))
        return found

    @cached_property
    def flatness(self) -> Floats:
        if not len(self.frequencies):
            return self.total
        with np.errstate(divide="ignore"):
            logarithm = np.log(self.power).mean(axis=2)
        return ratio(np.exp(logarithm), self.power.mean(axis=2))

    @cached_property
    def entropy(self) -> Floats:
        if len(self.frequencies) < 2:
            return np.zeros_like(self.total)
        logs = np.log(np.where(self.shares > 0, self.shares, 1.0))
        found: Floats = -(self.shares * logs).sum(axis=2) / np.log(len(self.frequencies))
        return found

    @cached_property
    def dominant(self) -> Floats:
        if not len(self.frequencies):
            return self.total
        return np.where(self.total > 0, self.frequencies[self.power.argmax(axis=2)], 0.0)

    @cached_property
    def dominant_share(self) -> Floats:
        found: Floats = self.shares.max(axis=2, initial=0.0)
        return found

    def rolloff(self, part: float) -> Floats:
        """Return the lowest frequency up to which there is this *part* of the power."""
        if not len(self.frequencies):
            return self.total
        reached = np.cumsum(self.power, axis=2) >= part * self.total[:, :, None]
        return np.where(self.total > 0, self.frequencies[reached.argmax(axis=2)], 0.0)

    def between(self, edges: Sequence[float]) -> Floats:
        """Return the power between neighbouring edges, by row, channel and band; the last edge is included."""
        f, last = self.frequencies, edges[-1]
        inside = [
            (f >= low) & ((f < high) | ((f == high) & (high == last))) for low, high in itertools.pairwise(edges)
        ]
        return np.stack([self.power[:, :, band].sum(axis=2) * self.width for band in inside], axis=2)


def _weights(series: Series, taper: str) -> Floats:
    """Return the taper over the samples that each row has, 0 after its end (as scipy's periodic windows)."""
    if taper == "none":
        return series.there.astype(np.float64)
    turn = 2 * np.pi * np.arange(series.width) / series.lengths[:, None, None]
    found: Floats = np.where(series.there, 0.5 - 0.5 * np.cos(turn), 0.0)
    # a single sample has no taper
    return np.where(series.lengths[:, None, None] == 1, series.there, found)


FEATURES: Mapping[str, Callable[[Spectrum, float], Floats]] = {
    "centroid": lambda of, _: of.centroid,
    "bandwidth": lambda of, _: of.bandwidth,
    "rolloff": lambda of, part: of.rolloff(part),
    "flatness": lambda of, _: of.flatness,
    "entropy": lambda of, _: of.entropy,
    "dominant_frequency": lambda of, _: of.dominant,
    "dominant_share": lambda of, _: of.dominant_share,
    "power": lambda of, _: of.total * of.width,
}
"""The features that are one number, by name."""

BANDS = ("band_powers", "band_shares")
"""The features that are one number for each band."""


class SpectralFeatures(RowTransformer):
    """
    Features of the power spectrum of each channel of each row; none is NaN.

    The spectrum is that of `scipy.signal.periodogram(x, rate, taper, detrend="constant", nfft=width)` without
    the frequency 0: a row that is shorter than the others is tapered over its own samples and padded with
    zeros, so that all rows have the same frequencies.

    `features` is "all", a name or a list of names: centroid and bandwidth (mean and deviation of the frequency,
    by power), rolloff (below it is this part of the power), flatness (geometric by arithmetic mean of the
    power), entropy (1: equally loud at every frequency), dominant_frequency (the lowest of equally loud ones)
    and dominant_share (its part of the power), power (the variance of the tapered signal), band_powers, and
    band_shares (parts of the power). All are 0 for a constant series. `bands` are edges in the unit of
    `rate`, samples a second, or the number of equally wide bands. Columns are called CHANNEL_FEATURE, and
    CHANNEL_band_power_LOW_HIGH.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "features": [NamesOf({"all", *FEATURES, *BANDS})],
        "rate": [Interval(Real, 0, None, closed="neither")],
        "bands": [Interval(Integral, 1, None, closed="left"), list, tuple],
        "rolloff": [Interval(Real, 0, 1, closed="right")],
        "taper": [StrOptions({"hann", "none"})],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        features: str | Sequence[str] = "all",
        *,
        rate: float = 1.0,
        bands: int | Sequence[float] = 4,
        rolloff: float = 0.85,
        taper: str = "hann",
        n_channels: int = 1,
    ) -> None:
        self.features = features
        self.rate = rate
        self.bands = bands
        self.rolloff = rolloff
        self.taper = taper
        self.n_channels = n_channels

    def _chosen(self) -> list[str]:
        return listed(self.features, [*FEATURES, *BANDS])

    def _edges(self) -> list[float]:
        if isinstance(self.bands, (list, tuple)):
            edges = [float(edge) for edge in self.bands]
            if len(edges) < 2 or sorted(set(edges)) != edges:
                raise ValueError(f"bands = {list(self.bands)}: two or more rising frequencies are wanted")
            return edges
        n_bands = int(cast(int, self.bands))
        return [self.rate / 2 * i / n_bands for i in range(n_bands + 1)]

    def _of_block(self, series: Series) -> Floats:
        of = Spectrum(series, rate=self.rate, taper=self.taper)
        return np.concatenate([self._feature(name, of) for name in self._chosen()], axis=2)

    def _feature(self, name: str, of: Spectrum) -> Floats:
        if name not in BANDS:
            return FEATURES[name](of, self.rolloff)[:, :, None]
        powers = of.between(self._edges())
        whole = np.broadcast_to((of.total * of.width)[:, :, None], powers.shape)
        return powers if name == "band_powers" else ratio(powers, whole)

    def _names(self, columns: list[str]) -> list[str]:
        names = [own for name in self._chosen() for own in self._names_of(name)]
        return [f"{channel}_{name}" for channel in channel_names(columns, self.n_channels) for name in names]

    def _names_of(self, name: str) -> list[str]:
        if name not in BANDS:
            return [name]
        edges = self._edges()
        return [f"{name[:-1]}_{low:g}_{high:g}" for low, high in itertools.pairwise(edges)]
