"""An executor for tests with two rules of fusion: one lies about nearest neighbours, the other is honest."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sklearn
from sklearn.base import clone

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, Guarantee, Params, Rule, Source
from manyfit.families.fusion.sources import FittedSource
from manyfit.fit.executor import FitExecutor, fit_executor
from manyfit.model.segment import SegmentHeader

EXECUTOR = "tests.api.lying:lying"


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Fits one by one what could as well be fitted alone; with a `lie`, all with that value of its axis."""

    name: str
    covers: frozenset[str]
    axes: tuple[str, ...]
    lie: Any = None
    guarantee: Guarantee = Guarantee.EXACT
    shares: str = "nothing"

    @property
    def proven_on(self) -> Mapping[str, tuple[str, ...]]:
        return {"scikit-learn": (".".join(sklearn.__version__.split(".")[:2]),)}

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        return None

    def group(self, path: str, params: Params) -> Hashable:
        return tuple(sorted((name, repr(value)) for name, value in params.items() if name not in self.axes))

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return sum(alone) / 2

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        for place, estimator in enumerate(batch.estimators):
            fitted = clone(estimator)
            if self.lie is not None:
                fitted.set_params(**{self.axes[0]: self.lie})
            yield place, FittedSource(estimator=fitted.fit(batch.X, batch.y), sets=batch.sets)


LYING = Together(
    name="lying", covers=frozenset({"sklearn.neighbors:KNeighborsClassifier"}), axes=("n_neighbors",), lie=25
)
HONEST = Together(
    name="honest",
    covers=frozenset({"sklearn.naive_bayes:GaussianNB", "odd_estimators:Coin", "odd_estimators:Machine"}),
    axes=("var_smoothing", "number"),
)

ODD_ESTIMATORS = '''
import os
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Coin(ClassifierMixin, BaseEstimator):
    """Answers anything, and never the same."""

    _parameter_constraints = {}

    def __init__(self, number=0):
        self.number = number

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.frombuffer(os.urandom(len(X)), dtype=np.uint8) % len(self.classes_)


class Machine(Coin):
    """Answers what the machine is: the file beside this one."""

    def predict(self, X):
        machine = int(Path(__file__).with_name("machine").read_text())
        return np.arange(len(X)) % len(self.classes_) if machine else np.zeros(len(X), dtype=int)
'''
"""A module to write beside a sweep file: estimators that are no use to anybody else."""


class Both:
    """The two rules as a catalog."""

    def of(self, path: str) -> Sequence[Rule]:
        return [rule for rule in (LYING, HONEST) if path in rule.covers]

    def names(self) -> Mapping[str, Guarantee]:
        return {rule.name: rule.guarantee for rule in (LYING, HONEST)}


def lying(header: SegmentHeader) -> FitExecutor:
    """Return the executor of declared sweeps, with these rules in place of manyfit's own."""
    executor = fit_executor(header)
    executor._rules = Both()
    return executor
