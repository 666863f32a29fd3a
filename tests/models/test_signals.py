"""Transformers of signals against formulas of numpy and scipy, row by row without padding."""

import numpy as np
import pytest
from scipy import signal, stats
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.families.libraries import needs
from tests.models.padded import padded, rows_of, waves

from manyfit.families.estimators import SklearnCatalog
from manyfit.models.catalog import registered
from manyfit.models.signals import series
from manyfit.models.signals.amplitude import Amplitude
from manyfit.models.signals.decimate import Decimate
from manyfit.models.signals.references import ReferenceDistances
from manyfit.models.signals.spectral_features import SpectralFeatures
from manyfit.models.signals.time_features import FEATURES, TimeFeatures

LENGTHS = (200, 77, 130, 3, 1, 64)


@parametrize_with_checks(
    [
        Decimate(),
        Decimate(factor=3, method="iir"),
        *[Amplitude(method) for method in ("none", "minmax", "zscore", "robust", "peak", "rms")],
        TimeFeatures(),
        SpectralFeatures(),
        ReferenceDistances(metrics=("l1", "l2", "cosine", "correlation"), n_references=2),
    ]
)
def test_they_are_scikit_learns(estimator, check):
    """Every check that scikit-learn has for transformers."""
    check(estimator)


@needs("dtaidistance")
@parametrize_with_checks([ReferenceDistances(), ReferenceDistances(selection_metric="dtw", window=2)])
def test_warping_is_scikit_learns(estimator, check):
    """The same with dynamic time warping."""
    check(estimator)


@pytest.mark.parametrize(
    "name", ["Decimate", "Amplitude", "TimeFeatures", "SpectralFeatures", "ReferenceDistances"]
)
def test_they_are_registered(name):
    """Sweep files know them by their bare names."""
    catalog = SklearnCatalog(names=registered())
    assert catalog.resolve(name).kind == "transformer"
    assert catalog.load(catalog.path(name)).__name__ == name


def test_unknown_names_are_found_when_planning():
    """A name in a list is checked by the constraints, so that no task fails of it."""
    catalog = SklearnCatalog(names=registered())
    path = catalog.path("TimeFeatures")
    assert catalog.check(path, "features", ["mean", "std"]) is None
    assert "TimeFeatures wants" in catalog.check(path, "features", ["mean", "sdt"])
    assert "TimeFeatures wants" in catalog.check(path, "features", [])
    assert 'did you mean "rms"?' in catalog.check(path, "features", "rmss")


# -- rows as series ------------------------------------------------------------------------------------


def test_gaps_inside_are_filled_by_a_line():
    """NaN at the end is padding; before that it is a gap."""
    X = np.array([[1.0, np.nan, 3.0, np.nan], [np.nan, 2.0, 5.0, 6.0]])
    found = series.as_series(X, 1)
    assert found.lengths.tolist() == [3, 4]
    np.testing.assert_array_equal(found.values[:, 0, :3], [[1, 2, 3], [2, 2, 5]])
    assert np.isnan(found.values[0, 0, 3])


def test_channels_end_together():
    """The longest channel says how long a row is; a shorter one goes on with its last sample."""
    found = series.as_series(np.array([[1.0, 2.0, 3.0, np.nan, 4.0, np.nan, np.nan, np.nan]]), 2)
    assert found.lengths.tolist() == [3]
    assert found.values[0, 1, :3].tolist() == [4, 4, 4]


def test_rows_without_samples_are_refused():
    """A row of nothing but NaN has no features, and the message says which."""
    with pytest.raises(ValueError, match="row 1 is a series without samples"):
        TimeFeatures().fit(np.array([[1.0, 2.0], [np.nan, np.nan]]))
    with pytest.raises(ValueError, match="row 0 has a channel without samples"):
        TimeFeatures(n_channels=2).fit(np.array([[1.0, np.nan]]))


def test_columns_that_are_no_channels_are_refused():
    """Five columns are no two channels."""
    with pytest.raises(ValueError, match="5 columns cannot be divided into 2 channels"):
        Amplitude(n_channels=2).fit(np.ones((2, 5)))


def test_blocks_change_nothing(monkeypatch):
    """Rows are computed block by block with the same result."""
    X = waves(LENGTHS)
    several = [Decimate(4), Amplitude("robust"), TimeFeatures(), SpectralFeatures()]
    whole = [one.fit_transform(X) for one in several]
    monkeypatch.setattr(series, "_BLOCK", 300)
    for one, expected in zip(several, whole, strict=True):
        np.testing.assert_allclose(one.fit_transform(X), expected, rtol=1e-12, atol=1e-12)


# -- Decimate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 5, 8])
@pytest.mark.parametrize("method", ["fir", "iir"])
def test_decimation_is_scipys(factor, method):
    """Each row is decimated as scipy decimates it alone, and the padding stays padding."""
    X = waves((200, 130, 97, 201))
    found = Decimate(factor, method=method).fit_transform(X)
    for row, alone in zip(found, rows_of(X), strict=True):
        expected = signal.decimate(alone, factor, ftype=method)
        np.testing.assert_allclose(row[: len(expected)], expected, rtol=0, atol=1e-12)
        assert np.isnan(row[len(expected) :]).all()
    assert found.shape[1] == -(-X.shape[1] // factor)


def test_decimation_takes_away_what_would_be_an_alias():
    """A tone above the new Nyquist frequency is gone; every fourth sample alone would keep it."""
    tone = np.sin(2 * np.pi * 0.24 * np.arange(400))[None, :]
    for method in ("fir", "iir"):
        middle = Decimate(4, method=method).fit_transform(tone)[0, 20:-20]
        assert np.abs(middle).max() < 0.05
    assert np.abs(tone[0, ::4]).max() > 0.9


@pytest.mark.parametrize("method", ["fir", "iir"])
def test_short_series_are_decimated_too(method):
    """A series shorter than the filter, down to one sample, gives numbers."""
    found = Decimate(4, method=method).fit_transform(waves((40, 9, 3, 1)))
    assert [len(row) for row in rows_of(found)] == [10, 3, 1, 1]


def test_channels_are_decimated_apart():
    """Two channels side by side are what each is alone, and columns keep the names of the samples."""
    X = waves((100, 100, 60))
    both = np.hstack([X, -2 * X])
    alone = Decimate(5).fit_transform(X)
    transformer = Decimate(5, n_channels=2).fit(both)
    np.testing.assert_allclose(transformer.transform(both), np.hstack([alone, -2 * alone]), atol=1e-12)
    names = [f"{channel}_{i:04d}" for channel in "xy" for i in range(100)]
    assert transformer.get_feature_names_out(names)[[0, 1, 19, 20]].tolist() == [
        "x_0000",
        "x_0005",
        "x_0095",
        "y_0000",
    ]


def test_a_factor_of_one_changes_nothing():
    """Not even rounding."""
    X = waves(LENGTHS)
    np.testing.assert_array_equal(Decimate(1).fit_transform(X), X)


# -- Amplitude -----------------------------------------------------------------------------------------

SCALINGS = {
    "none": lambda x: x,
    "minmax": lambda x: (x - x.min()) / np.ptp(x),
    "zscore": stats.zscore,
    "robust": lambda x: (x - np.median(x)) / stats.iqr(x),
    "peak": lambda x: x / np.abs(x).max(),
    "rms": lambda x: x / np.sqrt(np.mean(x**2)),
}


@pytest.mark.parametrize("method", SCALINGS)
def test_amplitudes_are_the_formulas(method):
    """Each row is shifted and scaled by itself; padding takes no part."""
    X = waves((200, 77, 130, 3))
    found = Amplitude(method).fit_transform(X)
    for row, alone in zip(found, rows_of(X), strict=True):
        np.testing.assert_allclose(row[: len(alone)], SCALINGS[method](alone), atol=1e-12)
        assert np.isnan(row[len(alone) :]).all()


@pytest.mark.parametrize(
    ("method", "of_constant"), [("minmax", 0), ("zscore", 0), ("robust", 0), ("peak", 1), ("rms", 1)]
)
def test_constant_rows_are_defined(method, of_constant):
    """A constant has no scale: it becomes 0, or 1 where only the size counts; zeros stay zeros."""
    X = padded([0.1] * 7, [0.0] * 7, [0.1] * 3, [5e100, 5e100])
    found = Amplitude(method).fit_transform(X)
    np.testing.assert_allclose(found[0], of_constant, atol=1e-15)
    np.testing.assert_allclose(found[2, :3], of_constant, atol=1e-15)
    assert (found[1] == 0).all()


def test_channels_of_a_row_can_share_a_scale():
    """Alone, each channel has a peak of 1; together, only the louder one."""
    X = np.hstack([waves((50, 30)), 10 * waves((50, 30), seed=1)])
    apart = Amplitude("peak", n_channels=2).fit_transform(X)
    together = Amplitude("peak", n_channels=2, per="row").fit_transform(X)
    assert np.nanmax(np.abs(apart[:, :50]), axis=1) == pytest.approx([1, 1])
    assert (np.nanmax(np.abs(together[:, :50]), axis=1) < 0.5).all()
    for row, scaled in zip(X, together, strict=True):
        np.testing.assert_allclose(scaled, row / np.nanmax(np.abs(row)), atol=1e-12)


# -- features ------------------------------------------------------------------------------------------


def crossings(x):
    return np.mean(np.signbit(x[1:] + 0.0) != np.signbit(x[:-1] + 0.0))


IN_TIME = {
    "mean": np.mean,
    "std": np.std,
    "min": np.min,
    "max": np.max,
    "median": np.median,
    "iqr": stats.iqr,
    "rms": lambda x: np.sqrt(np.mean(x**2)),
    "energy": lambda x: np.sum(x**2),
    "peak": lambda x: np.abs(x).max(),
    "peak_to_peak": np.ptp,
    "crest_factor": lambda x: np.abs(x).max() / np.sqrt(np.mean(x**2)),
    "shape_factor": lambda x: np.sqrt(np.mean(x**2)) / np.mean(np.abs(x)),
    "skewness": stats.skew,
    "kurtosis": stats.kurtosis,
    "zero_crossings": crossings,
    "mean_abs_difference": lambda x: np.abs(np.diff(x)).mean(),
    "max_abs_difference": lambda x: np.abs(np.diff(x)).max(),
    "slope": lambda x: stats.linregress(np.arange(len(x)), x).slope,
    "autocorrelation": lambda x: np.sum((x[1:] - x.mean()) * (x[:-1] - x.mean())) / np.sum((x - x.mean()) ** 2),
    "length": len,
}


def test_every_feature_in_time_has_a_formula():
    """None goes unproven below."""
    assert list(FEATURES) == list(IN_TIME)


@pytest.mark.parametrize("name", IN_TIME)
def test_features_in_time_are_the_formulas(name):
    """Each is what numpy or scipy say of the row alone."""
    X = waves((200, 77, 130, 3)) - 1.5
    found = TimeFeatures(name).fit_transform(X)[:, 0]
    np.testing.assert_allclose(found, [IN_TIME[name](row) for row in rows_of(X)], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("transformer", [TimeFeatures(), SpectralFeatures()])
def test_features_of_odd_rows_are_numbers(transformer):
    """Constants, zeros, single samples: nothing is NaN or infinite."""
    X = padded([0.1] * 9, [0.0] * 9, [3.0], [1.0, -1.0], [1e-300] * 4)
    assert np.isfinite(transformer.fit_transform(X)).all()
    assert np.isfinite(transformer.fit_transform(X[:, :1])).all()


def test_features_have_names():
    """The channel before the last number, and the feature; chosen ones in their order."""
    X = np.ones((3, 6))
    transformer = TimeFeatures(["rms", "mean"], n_channels=2).fit(X)
    named = transformer.get_feature_names_out([f"{c}_{i:04d}" for c in ("acc_x", "acc_y") for i in range(3)])
    assert named.tolist() == ["acc_x_rms", "acc_x_mean", "acc_y_rms", "acc_y_mean"]
    assert transformer.get_feature_names_out().tolist() == ["c0_rms", "c0_mean", "c1_rms", "c1_mean"]
    bands = SpectralFeatures("band_shares", rate=100, bands=[0, 10, 50]).fit(X)
    assert bands.get_feature_names_out([f"v{i}" for i in range(6)]).tolist() == [
        "v_band_share_0_10",
        "v_band_share_10_50",
    ]


def spectrum(x, width, rate, taper="hann"):
    f, p = signal.periodogram(x, rate, {"none": "boxcar"}.get(taper, taper), nfft=width, detrend="constant")
    return f[1:], p[1:]


BY_FREQUENCY = {
    "centroid": lambda f, p: np.average(f, weights=p),
    "bandwidth": lambda f, p: np.sqrt(np.average((f - np.average(f, weights=p)) ** 2, weights=p)),
    "rolloff": lambda f, p: f[np.flatnonzero(np.cumsum(p) >= 0.85 * p.sum())[0]],
    "flatness": lambda f, p: stats.gmean(p) / p.mean(),
    "entropy": lambda f, p: stats.entropy(p / p.sum()) / np.log(len(p)),
    "dominant_frequency": lambda f, p: f[p.argmax()],
    "dominant_share": lambda f, p: p.max() / p.sum(),
    "power": lambda f, p: p.sum() * (f[1] - f[0]),
}


@pytest.mark.parametrize("taper", ["hann", "none"])
@pytest.mark.parametrize("name", BY_FREQUENCY)
def test_features_by_frequency_are_the_formulas(name, taper):
    """Each is what follows from scipy's periodogram of the row alone, at the frequencies of the longest row."""
    for lengths in ((200, 77, 130), (201, 64)):
        X = waves(lengths)
        found = SpectralFeatures(name, rate=50.0, taper=taper).fit_transform(X)[:, 0]
        expected = [BY_FREQUENCY[name](*spectrum(row, X.shape[1], 50.0, taper)) for row in rows_of(X)]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_bands_divide_the_power():
    """Band powers are those of scipy's periodogram; shares of all bands are 1, with the highest frequency."""
    X = waves((200, 200, 150))
    edges = [0, 2, 10, 25]
    powers = SpectralFeatures("band_powers", rate=50.0, bands=edges).fit_transform(X)
    for row, found in zip(rows_of(X), powers, strict=True):
        f, p = spectrum(row, 200, 50.0)
        expected = [p[(f >= low) & (f < high)].sum() * 0.25 for low, high in ((0, 2), (2, 10), (10, 26))]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    shares = SpectralFeatures("band_shares", rate=50.0, bands=5).fit_transform(X)
    assert shares.shape == (3, 5)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_a_tone_is_found():
    """Ten cycles in a second are 10 Hz, and nearly all of the power is there."""
    tone = np.sin(2 * np.pi * 10 * np.arange(500) / 500)[None, :]
    frequency, share, flatness = SpectralFeatures(
        ["dominant_frequency", "dominant_share", "flatness"], rate=500, taper="none"
    ).fit_transform(tone)[0]
    assert frequency == 10
    assert share > 0.999
    assert flatness < 1e-6


def test_edges_must_rise():
    """Bands that are no bands are refused with the value."""
    with pytest.raises(ValueError, match=r"bands = \[5, 5\]: two or more rising"):
        SpectralFeatures(bands=[5, 5]).fit(np.ones((2, 8))).transform(np.ones((2, 8)))
