"""Distances between series, each pair by itself: the same pair gives the same bits in every company."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manyfit.models.signals.series import Floats, Series
from manyfit.models.signals.warping import warped


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """One series beside many, on the samples that both have; 0 elsewhere. `n` counts those samples."""

    rows: Floats
    one: Floats
    n: npt.NDArray[np.float64]
    n_all: int
    there: npt.NDArray[np.bool_] | None

    def centred(self) -> "_Common":
        """Return both without their means over the common samples."""
        parts = [values - (values.sum(axis=1) / self.n)[:, None] for values in (self.rows, self.one)]
        if self.there is not None:
            parts = [np.where(self.there, part, 0.0) for part in parts]
        flat = [values.max(axis=1) == values.min(axis=1) for values in self._limited()]
        rows, one = (np.where(same[:, None], 0.0, part) for same, part in zip(flat, parts, strict=True))
        return _Common(rows=rows, one=one, n=self.n, n_all=self.n_all, there=self.there)

    def _limited(self) -> list[Floats]:
        """Return both with a value of their own for the padding, so that extremes are those of samples."""
        if self.there is None:
            return [self.rows, self.one]
        return [np.where(self.there, values, values[:, :1]) for values in (self.rows, self.one)]


def _common(rows: Series, one: Series) -> _Common:
    """Put *one* beside *rows*; no sample after its end is looked at."""
    n_rows, n_channels, _ = rows.values.shape
    length = int(one.lengths[0])
    shape = (n_rows, n_channels * length)
    left = rows.values[:, :, :length].reshape(shape)
    right = np.broadcast_to(one.values[:, :, :length].reshape(1, -1), shape)
    n_common = np.minimum(rows.lengths, length)
    whole = n_channels * rows.width
    if (n_common == length).all():
        return _Common(rows=left, one=right, n=np.full(n_rows, float(shape[1])), n_all=whole, there=None)
    both = np.arange(length) < n_common[:, None, None]
    both = np.broadcast_to(both, (n_rows, n_channels, length)).reshape(shape)
    return _Common(
        rows=np.where(both, left, 0.0),
        one=np.where(both, right, 0.0),
        n=(n_channels * n_common).astype(np.float64),
        n_all=whole,
        there=both,
    )


def _l1(of: _Common) -> Floats:
    found: Floats = np.abs(of.rows - of.one).sum(axis=1) * (of.n_all / of.n)
    return found


def _l2(of: _Common) -> Floats:
    found: Floats = np.sqrt(((of.rows - of.one) ** 2).sum(axis=1) * (of.n_all / of.n))
    return found


def _cosine(of: _Common) -> Floats:
    norms = np.sqrt((of.rows**2).sum(axis=1)) * np.sqrt((of.one**2).sum(axis=1))
    likeness = (of.rows * of.one).sum(axis=1) / np.where(norms > 0, norms, 1.0)
    found: Floats = 1.0 - np.clip(likeness, -1.0, 1.0)
    return found


def _correlation(of: _Common) -> Floats:
    return _cosine(of.centred())


SAMPLEWISE: Mapping[str, Callable[[_Common], Floats]] = {
    "l1": _l1,
    "l2": _l2,
    "cosine": _cosine,
    "correlation": _correlation,
}
DTW = "dtw"
METRICS = (*SAMPLEWISE, DTW)


def distances(metric: str, rows: Series, references: Series, window: int | None) -> Floats:
    """
    Return the distance of each row to each reference.

    Series of unequal length are compared on the samples that both have, and l1 and l2 are scaled up as if
    the others were like those; dtw takes all of them. The channels of a row are one long vector for the
    first four, and vectors by sample for dtw.
    """
    if metric == DTW:
        return warped(_trimmed(rows), _trimmed(references), window)
    measure = SAMPLEWISE[metric]
    columns = [
        np.concatenate([measure(_common(block, one)) for block in rows.blocks()]) for one in _singles(references)
    ]
    return np.stack(columns, axis=1)


def _singles(series: Series) -> list[Series]:
    return [
        Series(values=series.values[i : i + 1], lengths=series.lengths[i : i + 1])
        for i in range(len(series.values))
    ]


def _trimmed(series: Series) -> list[Floats]:
    """Return the series without their padding, by sample, or by sample and channel where there are several."""
    pairs = zip(series.values, series.lengths, strict=True)
    if series.values.shape[1] == 1:
        return [values[0, :length] for values, length in pairs]
    return [values[:, :length].T for values, length in pairs]
