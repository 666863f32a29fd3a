"""Features of a series in time."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from manyfit.models.signals.moments import Moments, ratio
from manyfit.models.signals.rowwise import RowTransformer
from manyfit.models.signals.series import Floats, NamesOf, Series, channel_names, listed

FEATURES: Mapping[str, Callable[[Moments], Floats]] = {
    "mean": lambda of: of.mean,
    "std": lambda of: of.std,
    "min": lambda of: of.min,
    "max": lambda of: of.max,
    "median": lambda of: of.quantile(0.5),
    "iqr": lambda of: of.quantile(0.75) - of.quantile(0.25),
    "rms": lambda of: of.rms,
    "energy": lambda of: of.energy,
    "peak": lambda of: of.peak,
    "peak_to_peak": lambda of: of.max - of.min,
    "crest_factor": lambda of: ratio(of.peak, of.rms),
    "shape_factor": lambda of: ratio(of.rms, of.mean_of(np.abs(of.values))),
    "skewness": lambda of: of.standardised(3),
    "kurtosis": lambda of: np.where(of.constant, 0.0, of.standardised(4) - 3),
    "zero_crossings": lambda of: of.crossings / of.n_steps,
    "mean_abs_difference": lambda of: np.abs(of.steps).sum(axis=2) / of.n_steps,
    "max_abs_difference": lambda of: np.abs(of.steps).max(axis=2, initial=0.0),
    "slope": lambda of: of.slope,
    "autocorrelation": lambda of: of.autocorrelation,
    "length": lambda of: np.broadcast_to(of.n, of.mean.shape),
}
"""The features by name; each is an array by row and channel."""


class TimeFeatures(RowTransformer):
    """
    Features of each channel of each row; none is NaN.

    `features` is "all", a name or a list of names. mean, std (divided by n), min, max, median, iqr; rms,
    energy (sum of squares), peak (largest absolute value), peak_to_peak; crest_factor = peak / rms and
    shape_factor = rms / mean absolute value, 0 for a series of zeros; skewness and kurtosis (0 for a normal
    distribution), 0 for a constant series; zero_crossings: the part of neighbouring samples with different
    signs; mean_abs_difference and max_abs_difference of neighbours; slope of the least-squares line by
    sample; autocorrelation one sample apart, 0 for a constant series; length: the number of samples.
    Columns are called CHANNEL_FEATURE, channel after channel.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "features": [NamesOf({"all", *FEATURES})],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, features: str | Sequence[str] = "all", *, n_channels: int = 1) -> None:
        self.features = features
        self.n_channels = n_channels

    def _chosen(self) -> list[str]:
        return listed(self.features, list(FEATURES))

    def _of_block(self, series: Series) -> Floats:
        of = Moments(series)
        return np.stack([FEATURES[name](of) for name in self._chosen()], axis=2)

    def _names(self, columns: list[str]) -> list[str]:
        channels = channel_names(columns, self.n_channels)
        return [f"{channel}_{name}" for channel in channels for name in self._chosen()]
