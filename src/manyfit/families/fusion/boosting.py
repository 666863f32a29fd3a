"""Boosted trees of scikit-learn: a shorter run of stages is a prefix of a longer one."""

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
from sklearn.ensemble._gradient_boosting import predict_stages
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.validation import validate_data

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Predicting, Source
from manyfit.families.fusion.demands import require_one_target
from manyfit.families.fusion.prefixes import by_length, fitted, prefix_seconds, seed_refusal
from manyfit.families.fusion.sources import classes_of, methods_of
from manyfit.families.fusion.tokens import token

AUTO_STOPPING_ROWS = 10_000
"""Histogram boosting with early_stopping="auto" stops early above this number of rows."""

Prepare = Callable[[Any, Any], tuple[Any, Any]]
"""Returns checked rows and the raw predictions before the first stage, of a fitted estimator."""
Add = Callable[[Any, Any, Any, slice], None]
"""Adds some stages of an estimator to the raw predictions of rows, in place: estimator, rows, raw, stages."""
Refuses = Callable[[Params, FitSize], str | None]


@dataclass(slots=True)
class Climb:
    """The raw predictions of one set, stage by stage; it never goes back. Nothing is computed until asked."""

    estimator: Any
    X: Any
    prepare: Prepare
    add: Add
    stage: int = 0
    raw: Any = None
    rows: Any = None

    def at(self, stage: int) -> Any:
        """Return the raw predictions after *stage* stages; they belong to the caller."""
        if self.rows is None:
            self.rows, self.raw = self.prepare(self.estimator, self.X)
        self.add(self.estimator, self.rows, self.raw, slice(self.stage, stage))
        self.stage = stage
        return self.raw.copy(order="K")


@dataclass(frozen=True, slots=True)
class StagedSource:
    """The answers after some stages: scikit-learn's own methods on raw predictions that were computed before."""

    estimator: Any
    climbs: Mapping[str, Climb]
    stage: int

    @property
    def classes(self) -> Any:
        return classes_of(self.estimator)

    @property
    def methods(self) -> Sequence[str]:
        return methods_of(self.estimator)

    def answer(self, name: str, method: str) -> Any:
        climb = self.climbs[name]
        shown = copy.copy(self.estimator)
        shown._raw_predict = lambda X: climb.at(self.stage)
        return getattr(shown, method)(climb.X)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRule:
    """
    Boosted trees with fewer stages are answered for by the first stages of the fit with the most.

    Exact because each stage draws from one stream and builds on the stages before it, never on those to come.
    Fits that stop early (`n_iter_no_change` of gradient boosting; `early_stopping` of histogram boosting, where
    "auto" means above 10,000 rows), with `warm_start`, an `init` estimator, a loss that is an object, a
    random_state that is no whole number, or several targets are fitted alone.
    """

    name: str
    covers: frozenset[str]
    axes: tuple[str, ...]
    prepare: Prepare
    add: Add
    refusal: Refuses
    shares: str = "the longest run of stages"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"scikit-learn": ("1.9",)})

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        if params.get("warm_start"):
            return "warm_start continues an earlier fit"
        return self.refusal(params, size) or seed_refusal(params)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return prefix_seconds(alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        require_one_target(batch)
        lengths = by_length(batch.estimators, attrgetter(self.axes[0]))
        longest = fitted(batch.estimators[0], {self.axes[0]: lengths[-1][0]}, batch.X, batch.y)
        climbs = {name: Climb(longest.estimator, X, self.prepare, self.add) for name, X in batch.sets.items()}
        for n_stages, positions in lengths:
            for position in positions:
                longest.warn_again()
                yield position, StagedSource(longest.estimator, climbs, n_stages)


def _gradient_refusal(params: Params, size: FitSize) -> str | None:
    if params.get("n_iter_no_change") is not None:
        return f"n_iter_no_change={params['n_iter_no_change']} stops early: it decides the number of stages"
    if params.get("init") not in (None, "zero"):
        return "init is an estimator of its own, which may draw other numbers in each fit"
    return None


def _histogram_refusal(params: Params, size: FitSize) -> str | None:
    stopping = params.get("early_stopping")
    if stopping is False or (stopping == "auto" and size.n_rows <= AUTO_STOPPING_ROWS):
        loss = params.get("loss")
        return None if isinstance(loss, str) else "loss is an object, which may remember earlier fits"
    if stopping == "auto":
        return f"early_stopping=auto stops early above {AUTO_STOPPING_ROWS:,} rows: set it to False to share"
    return f"early_stopping={stopping} stops early: it decides the number of stages"


def _prepare_gradient(estimator: Any, X: Any) -> tuple[Any, Any]:
    rows = validate_data(estimator, X, dtype=np.float32, order="C", accept_sparse="csr", reset=False)
    return rows, estimator._raw_predict_init(rows)


def _add_gradient(estimator: Any, rows: Any, raw: Any, stages: slice) -> None:
    predict_stages(estimator.estimators_[stages], rows, estimator.learning_rate, raw)


def _prepare_histogram(estimator: Any, X: Any) -> tuple[Any, Any]:
    rows = estimator._preprocess_X(X, reset=False)
    baseline = estimator._baseline_prediction
    raw = np.zeros((rows.shape[0], estimator.n_trees_per_iteration_), dtype=baseline.dtype, order="F")
    raw += baseline
    return rows, raw


def _add_histogram(estimator: Any, rows: Any, raw: Any, stages: slice) -> None:
    estimator._predict_iterations(rows, estimator._predictors[stages], raw, False, _openmp_effective_n_threads())


RULES: tuple[Predicting, ...] = (
    StagedRule(
        name="gradient-boosting",
        covers=frozenset(f"sklearn.ensemble:GradientBoosting{kind}" for kind in ("Classifier", "Regressor")),
        axes=("n_estimators",),
        prepare=_prepare_gradient,
        add=_add_gradient,
        refusal=_gradient_refusal,
    ),
    StagedRule(
        name="histogram-boosting",
        covers=frozenset(f"sklearn.ensemble:HistGradientBoosting{kind}" for kind in ("Classifier", "Regressor")),
        axes=("max_iter",),
        prepare=_prepare_histogram,
        add=_add_histogram,
        refusal=_histogram_refusal,
    ),
)
