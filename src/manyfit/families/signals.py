"""
Transformers of signals, manyfit's own.

Costs were measured on one core with windows of 128 to 1024 samples; they include transforming the training
rows once. Dynamic time warping is by far the dearest: its work grows with the square of the samples.
"""

from collections.abc import Sequence
from typing import Any

from manyfit.contracts.estimators import FitSize
from manyfit.families.family import Params, TableFamily, number, rule

_N_TIME_FEATURES, _N_SPECTRAL_FEATURES, _OF_BANDS = 20, 8, ("band_powers", "band_shares")
"""How many features "all" are, beside those that there are for each band."""

_CELL_SECONDS = 5e-9
"""One cell of the table of dynamic time warping (dtaidistance, compiled)."""


def _among(names: Any, *wanted: str) -> bool:
    """Whether one of *wanted* is chosen by a parameter that is a name or a list of names."""
    chosen: Sequence[Any] = [names] if isinstance(names, str) else names
    return any(name in chosen for name in ("all", *wanted))


def _warps(params: Params) -> bool:
    return _among(params.get("metrics", ()), "dtw") or params.get("selection_metric") == "dtw"


def _cost(name: str, params: Params, size: FitSize) -> float:
    samples = size.n_rows * size.n_columns
    if name == "ReferenceDistances":
        return _distances(params, size)
    per_sample = {"Decimate": 4e-8, "Amplitude": 2e-8, "TimeFeatures": 2e-7, "SpectralFeatures": 1.5e-7}
    return per_sample[name] * samples


def _distances(params: Params, size: FitSize) -> float:
    n_classes = max(size.n_classes, 1)
    n_candidates = min(size.n_rows / n_classes, number(params, "max_candidates", size.n_rows))
    pairs = size.n_rows * n_classes * number(params, "n_references", 1)
    selecting = n_classes * n_candidates**2
    found = 1e-8 * size.n_columns * (pairs + selecting)
    if _warps(params):
        band = min(size.n_columns, 2 * number(params, "window", size.n_columns) + 1)
        warped = pairs * _among(params.get("metrics", ()), "dtw")
        warped += selecting * (params.get("selection_metric") == "dtw")
        found += _CELL_SECONDS * size.n_columns * band * warped
    return found


def _width(name: str, params: Params, size: FitSize) -> int:
    n_channels = max(1, int(number(params, "n_channels", 1)))
    match name:
        case "Decimate":
            return n_channels * -(-size.n_columns // n_channels // int(number(params, "factor", 2)))
        case "TimeFeatures":
            return n_channels * _count(params, _N_TIME_FEATURES)
        case "SpectralFeatures":
            return n_channels * _n_spectral(params)
        case "ReferenceDistances":
            metrics = params.get("metrics", "")
            n_metrics = 1 if isinstance(metrics, str) else len(metrics)
            return n_metrics * max(size.n_classes, 1) * int(number(params, "n_references", 1))
        case _:
            return size.n_columns


def _count(params: Params, n_all: int) -> int:
    chosen = params.get("features", "all")
    if isinstance(chosen, str):
        return n_all if chosen == "all" else 1
    return len(chosen)


def _n_spectral(params: Params) -> int:
    bands = params.get("bands", 4)
    n_bands = bands if isinstance(bands, int) else len(bands) - 1
    features = params.get("features", "all")
    if features == "all":
        return _N_SPECTRAL_FEATURES + len(_OF_BANDS) * n_bands
    chosen = [features] if isinstance(features, str) else features
    return sum(n_bands if name in _OF_BANDS else 1 for name in chosen)


FAMILY = TableFamily(
    name="signals",
    covers=frozenset(
        {
            "manyfit.models.signals.amplitude:Amplitude",
            "manyfit.models.signals.decimate:Decimate",
            "manyfit.models.signals.references:ReferenceDistances",
            "manyfit.models.signals.spectral_features:SpectralFeatures",
            "manyfit.models.signals.time_features:TimeFeatures",
        }
    ),
    rules=(
        rule("method", when=lambda p: p.get("factor") == 1, only=("Decimate",)),
        rule("per", when=lambda p: p.get("method") == "none" or p.get("n_channels", 1) == 1, only=("Amplitude",)),
        rule(
            "bands",
            when=lambda p: not _among(p.get("features", "all"), "band_powers", "band_shares"),
            only=("SpectralFeatures",),
        ),
        rule(
            "rolloff", when=lambda p: not _among(p.get("features", "all"), "rolloff"), only=("SpectralFeatures",)
        ),
        rule("selection", when=lambda p: p.get("n_references") == 1, only=("ReferenceDistances",)),
        rule("window", when=lambda p: not _warps(p), only=("ReferenceDistances",)),
    ),
    cost=_cost,
    width=_width,
    predicts=False,
)
