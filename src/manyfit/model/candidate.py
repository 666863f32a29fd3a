"""What is fitted and on what: candidates (pipelines with parameters) and cells (rows and seed)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manyfit.model.keys import CandidateKey, CellKey

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a pipeline: its name in the pipeline, the import path of its class, its parameters."""

    name: str
    use: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    One pipeline with concrete parameters on one feature set of one data variant.

    `shown` are the searched parameters as a person declared them, for tables; `steps` are canonical
    (inactive parameters dropped) and complete. `key` covers `steps` and the columns of the feature set.
    """

    key: CandidateKey
    pipeline: str
    steps: tuple[Step, ...]
    shown: Params
    features: str = ""
    variant: str = ""

    def label(self) -> str:
        """Return the searched parameters as one line: ``kernel=rbf C=10 gamma=0.01``."""
        return " ".join(f"{name}={show_value(value)}" for name, value in self.shown.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """
    One selection of rows and one seed: variant x split x fold x seed.

    `fold` is None for the fit on all training rows of the split; otherwise the rows of that fold are
    held out and scored as the set "cv". `key` covers the data fingerprint, the recipe of the row
    selection, the fold and the seed. `n_train` is the number of training rows, `held_out` the group that
    the fold holds out where that is one group.
    """

    key: CellKey
    split: str
    fold: int | None
    seed: int
    variant: str = ""
    n_train: int = 0
    held_out: str = ""


def show_value(value: Any) -> str:
    """Return a parameter value as people write it: floats in their shortest form, texts bare."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return "(" + ",".join(show_value(part) for part in value) + ")"
    return str(value)
