"""What planning knows of the data, without the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from manyfit.model.sweep import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSets:
    """
    Sizes of one split on one data variant.

    `n_train` counts all training rows; `n_sets` the rows of each evaluation set. `recipe` is the
    canonical JSON value of the selection (what of the split decides which rows are meant).
    `folds_seeded` and `sets_seeded` tell whether the seed of a cell changes the rows of its folds and
    of its training rows. `n_folds` counts the folds, and `held_out` names what each of them holds out
    where that has a name: the group.
    """

    n_train: int
    n_sets: Mapping[str, int]
    recipe: Mapping[str, object]
    folds_seeded: bool
    sets_seeded: bool
    n_folds: int = 0
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfile:
    """
    One data variant as the planner sees it.

    `fingerprint` is the content key of the whole table, `column_fingerprints` those of its columns.
    `columns` are the numeric feature columns of each feature set, in table order. `classes` are the
    target's values as text, in sorted order ("" problem: none). `spreads` is the standard deviation of
    each feature column. `n_bytes` is the size of the memory-mapped arrays.
    """

    variant: str
    params: Mapping[str, object]
    fingerprint: str
    column_fingerprints: Mapping[str, str]
    problem: Problem
    n_rows: int
    columns: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...]
    splits: Mapping[str, RowSets]
    spreads: Mapping[str, float] = field(default_factory=dict)
    n_bytes: int = 0
    n_missing: int = 0
    warnings: tuple[str, ...] = ()
