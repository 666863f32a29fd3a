"""What planning needs to know of estimators: which exist, what parameters they have, what those ignore."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from manyfit.model.candidate import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorInfo:
    """
    One estimator class. `path` is its import path ("sklearn.svm:SVC"); `defaults` are all parameters of
    its constructor with their default values, None for those without one, which `required` names; `kind`
    is "classifier", "regressor", "transformer", "clusterer", "outlier_detector" or "other".
    """

    path: str
    defaults: Mapping[str, Any]
    kind: str
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSize:
    """How large one fit is: rows, columns and classes (0 for a regression)."""

    n_rows: int
    n_columns: int
    n_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meets:
    """
    What an estimator meets in a pipeline: data, and values that are searched.

    `spreads` are the standard deviations of the columns, `scaled` says that a step before it makes them
    alike, `size` is that of the largest fit. `searched` are the values of its parameters that a sweep
    tries beside the fixed ones; of a range, the ends. `rules` are the fusion rules that it asks for by name.
    """

    spreads: Sequence[float]
    scaled: bool
    size: FitSize
    searched: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    rules: Sequence[str] = ()


class EstimatorCatalog(Protocol):
    """Looks up estimator classes and checks values, as scikit-learn itself would."""

    def resolve(self, name: str) -> EstimatorInfo:
        """
        Return the estimator called *name*: a scikit-learn class name, a registered name or an import path.

        Raises `NotFound` with a "did you mean" when there is none, `MissingExtra` when its library is
        not installed, `UserError` when the import path leads to something that is not an estimator.
        """

    def check(self, path: str, param: str, value: Any) -> str | None:
        """Return what is wrong with *value* for *param* and what is allowed, or None when it is allowed."""

    def normalise(self, path: str, param: str, value: Any) -> Any:
        """Return the one canonical form of equal values: a whole number for a real parameter becomes a float."""

    def decode(self, path: str, param: str, value: Any) -> Any:
        """
        Return the value for the constructor.

        Nested `{use = ...}` tables become estimators, lists become tuples where the parameter wants one.
        """


class Family(Protocol):
    """
    What manyfit knows of one kind of estimator.

    Pure knowledge: nothing is imported or fitted to answer.
    """

    @property
    def name(self) -> str:
        """The name of the family, as reasons and reports show it."""

    @property
    def covers(self) -> frozenset[str]:
        """Import paths of the exact classes covered."""

    def inactive(self, path: str, params: Mapping[str, Any]) -> frozenset[str]:
        """
        Return the parameters that the estimator ignores, given all its parameters (defaults filled in).

        Dropping them must not change any prediction.
        """

    def uses_seed(self, path: str, params: Mapping[str, Any]) -> bool:
        """Whether a fit with these parameters depends on `random_state` at all."""

    def cost_seconds(self, path: str, params: Mapping[str, Any], size: FitSize) -> float:
        """Return a rough prediction of one fit and its scoring on one core, in seconds."""

    def n_columns(self, path: str, params: Mapping[str, Any], size: FitSize) -> int:
        """
        Return how many columns a step behind this one meets: those of *size* where parameters do not tell.

        Asked of steps that transform. A prediction: classes and rows that are not there make it fewer.
        """

    def warns(self, path: str, params: Mapping[str, Any], data: Meets) -> str | None:
        """Return a warning about the data for this estimator (scales, hours of work), or None."""


class Families(Protocol):
    """Finds the family of an estimator; the generic family covers whatever no other does."""

    def of(self, path: str) -> Family:
        """Return the family that covers the class at *path*."""


def final_step(steps: Sequence[Step]) -> Step:
    """Return the step that predicts."""
    return steps[-1]
