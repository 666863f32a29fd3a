"""Cross-validation inside the training rows, with scikit-learn's splitters."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from manyfit.model.sweep import FoldKind, Folds, Problem

Rows = npt.NDArray[np.int64]


def effective_kind(folds: Folds, problem: Problem) -> FoldKind:
    """Return the kind that is used: a regression has no classes to stratify by."""
    if problem is Problem.CLASSIFICATION:
        return folds.kind
    plain = {FoldKind.STRATIFIED: FoldKind.PLAIN, FoldKind.STRATIFIED_GROUP: FoldKind.GROUP}
    return plain.get(folds.kind, folds.kind)


def is_seeded(folds: Folds) -> bool:
    """Whether the seed of a cell decides which rows are in which fold."""
    return folds.shuffle and folds.kind is not FoldKind.TIME


def fold_rows(
    folds: Folds,
    kind: FoldKind,
    seed: int,
    *,
    train: Rows,
    target: npt.NDArray[Any],
    groups: npt.NDArray[np.int64] | None,
    times: npt.NDArray[np.int64] | None,
) -> list[tuple[Rows, Rows]]:
    """
    Return the rows that train and the rows held out of each fold, as ascending row numbers.

    *target*, *groups* and *times* hold all rows of the table. Folds by time train on earlier rows
    only. Raises ValueError in scikit-learn's words where the rows do not allow the folds.
    """
    if kind is FoldKind.TIME and times is not None:
        train = train[np.argsort(times[train], kind="stable")]
    grouped = kind in {FoldKind.GROUP, FoldKind.STRATIFIED_GROUP}  # the others warn of groups
    own_groups = groups[train] if grouped and groups is not None else None
    with warnings.catch_warnings():
        # small classes are reported once, when planning
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts = list(_splitter(folds, kind, seed).split(train, target[train], own_groups))
    return [(np.sort(train[inside]), np.sort(train[outside])) for inside, outside in parts]


def _splitter(folds: Folds, kind: FoldKind, seed: int) -> Any:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

    state = seed if folds.shuffle else None
    match kind:
        case FoldKind.STRATIFIED:
            return StratifiedKFold(folds.n, shuffle=folds.shuffle, random_state=state)
        case FoldKind.PLAIN:
            return KFold(folds.n, shuffle=folds.shuffle, random_state=state)
        case FoldKind.GROUP:
            return GroupKFold(folds.n, shuffle=folds.shuffle, random_state=state)
        case FoldKind.STRATIFIED_GROUP:
            return StratifiedGroupKFold(folds.n, shuffle=folds.shuffle, random_state=state)
        case FoldKind.TIME:
            return TimeSeriesSplit(folds.n)
