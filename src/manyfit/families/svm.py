"""
Support vector machines.

Costs: `benchmarks/calibrate_costs.py` on scaled columns. libsvm's iterations grow with C for a linear
kernel; unscaled columns can take hours and are warned of instead of predicted.
"""

import math

from manyfit.contracts.estimators import FitSize, Meets
from manyfit.families.family import NEVER_MATTER, Params, TableFamily, kernel_rules, number, rule, spread_warning

_LIBSVM = frozenset(f"sklearn.svm:{name}" for name in ("SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"))
_LIBLINEAR = frozenset({"sklearn.svm:LinearSVC", "sklearn.svm:LinearSVR"})


def _calibrated(params: Params) -> bool:
    return params.get("probability") is True


def _seeded(path: str, params: Params) -> bool:
    """libsvm draws folds for probabilities only; liblinear draws in its dual solvers."""
    if path in _LIBSVM:
        return _calibrated(params)
    return params.get("dual") is not False or params.get("multi_class") == "crammer_singer"


def _cost(name: str, params: Params, size: FitSize) -> float:
    n, d, k = size.n_rows, size.n_columns, max(size.n_classes, 1)
    if name.startswith("Linear"):
        one = 4e-8 * n * d * math.pow(1 + number(params, "C", 1.0), 0.2)
        return one * (1 if k <= 2 else k)
    kernel = n * n * (4e-9 * d + 1.5e-8)
    if params.get("kernel") == "linear":
        kernel *= math.sqrt(1 + number(params, "C", 1.0))
    return kernel * (5.0 if _calibrated(params) else 1.0)


RESCUE = "svm-interior"
"""The fusion rule that ends such fits in another way."""

LONG_SECONDS = 600.0
"""Predicted seconds of one fit that are worth a warning."""

MODEST_ITERATIONS = 1_000_000
"""A limit of iterations below this bounds the time of a fit by itself."""

HARD_C = 10.0
"""libsvm's steps with a linear kernel grow with C beyond this, columns having a spread of one (868 x 52)."""


def _advises(name: str, params: Params, data: Meets) -> str | None:
    found = [_slow(name, params, data), _calibrates(params, data)]
    if found[0] is None and not data.scaled:
        found[0] = spread_warning(name, data.spreads)
    return "; ".join(warning for warning in found if warning) or None


def _slow(name: str, params: Params, data: Meets) -> str | None:
    """Warn of a linear kernel whose largest C takes hours, with what to do."""
    kernels = (params.get("kernel"), *data.searched.get("kernel", ()))
    if name not in ("SVC", "SVR") or "linear" not in kernels or (name == "SVC" and RESCUE in data.rules):
        return None
    largest = max(
        (number({"C": c}, "C", 0.0) for c in data.searched.get("C", ())), default=number(params, "C", 1.0)
    )
    seconds = linear_seconds(name, params, largest, data)
    if seconds < LONG_SECONDS or 0 <= number(params, "max_iter", -1) <= MODEST_ITERATIONS:
        return None
    spread = "" if data.scaled else " because columns are not scaled"
    first = "" if data.scaled else "put StandardScaler before it, "
    rescue = f' or fuse = ["{RESCUE}"]' if name == "SVC" else ""
    return (
        f'{name} with kernel = "linear" and C = {largest:g} may take {_duration(seconds)} a fit{spread}; '
        f"{first}try smaller C{rescue}"
    )


def linear_seconds(name: str, params: Params, c: float, data: Meets) -> float:
    """
    Return the predicted seconds of one fit with a linear kernel.

    Making a column larger by a factor is making C larger by its square (of the mean over the columns).
    """
    plain = _cost(name, {**params, "kernel": "linear", "C": 1.0}, data.size)
    squares = [1.0] if data.scaled else [spread**2 for spread in data.spreads] or [1.0]
    return plain * (1 + c * sum(squares) / len(squares) / HARD_C)


def _calibrates(params: Params, data: Meets) -> str | None:
    if not any(value is True for value in (params.get("probability"), *data.searched.get("probability", ()))):
        return None
    return (
        "probability = true makes every fit about 5 times as slow and keeps fits from sharing work; "
        'search without it, and give the kept models probabilities: [keep] calibrate = "sigmoid"'
    )


def _duration(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 24 * 3600 else "more than a day"


FAMILY = TableFamily(
    name="svm",
    covers=_LIBSVM | _LIBLINEAR,
    rules=(
        NEVER_MATTER,
        *kernel_rules(),
        rule("intercept_scaling", when=lambda p: not p.get("fit_intercept", True)),
        rule(
            "penalty", "loss", "dual", when=lambda p: p.get("multi_class") == "crammer_singer", only=("LinearSVC",)
        ),
    ),
    seeded=_seeded,
    cost=_cost,
    scale_sensitive=True,
    advises=_advises,
)
