"""Fitted models as files: written with skops, read back without running what a file brings along."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manyfit.fit.layout import is_bundle
from manyfit.fit.skops_files import canonical, check_size
from manyfit.model.errors import NotFound, Refused, told

TRUSTED: tuple[str, ...] = (
    "collections.OrderedDict",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "manyfit.fit.boosters.Booster",
    "manyfit.models.anomaly.AnomalyEnvelope",
    "manyfit.models.anomaly.AnomalyForest",
    "manyfit.models.anomaly.AnomalyNeighbors",
    "manyfit.models.anomaly.AnomalySvm",
    "manyfit.models.calibrated.Calibrated",
    "manyfit.models.forecast.Drift",
    "manyfit.models.forecast.SeasonalNaive",
    "manyfit.models.gbt.GbtClassifier",
    "manyfit.models.gbt.GbtRegressor",
    "manyfit.models.knn.KnnClassifier",
    "manyfit.models.knn.KnnRegressor",
    "manyfit.models.knn_semi.KnnSemiClassifier",
    "manyfit.models.signals.amplitude.Amplitude",
    "manyfit.models.signals.decimate.Decimate",
    "manyfit.models.signals.references.ReferenceDistances",
    "manyfit.models.signals.spectral_features.SpectralFeatures",
    "manyfit.models.signals.time_features.TimeFeatures",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)
"""
Types inside fitted estimators of known libraries that skops asks about; a test holds the list to those needed.

Boosters are never among them: they are written apart (see `manyfit.fit.boosters`).
"""


def dump_model(estimator: Any) -> bytes:
    """
    Return the fitted estimator as skops bytes, equal bytes for equal estimators.

    Raises what skops raises for types that it cannot write.
    """
    import skops.io

    return canonical(bytes(skops.io.dumps(estimator)))


def foreign_types(content: bytes, name: Path | str = "the model") -> list[str]:
    """
    Return the types in a model that `load_model` refuses unless they are named as trusted.

    Raises `Refused` for what is no skops file, or unpacks to more than any model.
    """
    import skops.io

    check_size(content, str(name))
    try:
        return sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
    except Exception as exc:
        raise Refused(f"{name} cannot be read as a model: {told(type(exc).__name__, exc)}") from exc


def load_model(path: Path | str, *, sha256: str | None = None, trusted: Sequence[str] = ()) -> Any:
    """
    Return the fitted estimator that a sweep kept at *path*.

    Only types that skops trusts, those in `TRUSTED` and those in *trusted* are built. Raises `NotFound` when
    there is no such file, `Refused` when its bytes do not match *sha256*, when it is no model, and
    when it contains any other type. A classifier predicts class codes: positions in the list `classes`
    beside the file's name in the result.
    """
    return model_of(_read(Path(path)), path, sha256=sha256, trusted=trusted)


def model_of(content: bytes, name: Path | str, *, sha256: str | None = None, trusted: Sequence[str] = ()) -> Any:
    """Return the fitted estimator that *content*, which a sweep kept as *name*, is (see `load_model`)."""
    import skops.io

    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise Refused(f"{name} does not match its checksum {sha256[:12]}; it was changed after it was kept")
    if is_bundle(content):
        raise Refused(f"{name} is a bundle with a manifest; load it with manyfit.load({str(name)!r})")
    try:
        unknown = sorted(set(foreign_types(content, name)) - set(trusted))
        if unknown:
            raise Refused(
                f"{name} contains {', '.join(unknown)}; if you trust where it comes from, load it with "
                f"trusted={unknown!r}"
            )
        return skops.io.loads(content, trusted=[*TRUSTED, *trusted])
    except Refused:
        raise
    except Exception as exc:
        raise Refused(f"{name} cannot be read as a model: {told(type(exc).__name__, exc)}") from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise NotFound(f"there is no model at {path}; keep one with keep.models and run the sweep again") from exc
