"""The part of the data package that the executor relies on."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from manyfit.model.encoding import Encoding
from manyfit.model.schema import FeatureSchema
from manyfit.model.sweep import Problem


class Selection(Protocol):
    """
    The rows of one cell: features and target of the set "train" and of each evaluation set.

    `scored` names the sets to score, in order. Arrays are shared between tasks and read-only.
    Targets of a classification are codes: positions in `classes` (empty for a regression).
    """

    @property
    def X(self) -> Mapping[str, NDArray[Any]]: ...  # noqa: N802 the field's name for features

    @property
    def y(self) -> Mapping[str, NDArray[Any]]: ...

    @property
    def scored(self) -> Sequence[str]: ...

    @property
    def problem(self) -> Problem: ...

    @property
    def classes(self) -> Sequence[str]: ...

    @property
    def groups(self) -> NDArray[Any] | None:
        """Codes of the groups of the training rows; None without groups."""


class Rows(Protocol):
    """One data variant, opened."""

    def columns(self, features: str) -> Sequence[str]:
        """Return the columns of a feature set, in table order."""

    def schema(self, features: str) -> FeatureSchema:
        """Return the names and types of the columns of a feature set, in table order."""

    def others(self) -> Sequence[str]:
        """Return the columns that patterns leave out, since they have another role: target, group and so on."""

    def encoding(self) -> Encoding:
        """Return which columns encode which others."""

    def select(
        self, split: str, fold: int | None, seed: int, columns: Sequence[str], score_train: bool
    ) -> Selection:
        """Return the rows of a cell."""


class OpenRows(Protocol):
    """Opens the data variant with this name; raises `DataChanged` when it is not what was planned."""

    def __call__(self, variant: str) -> Rows: ...
