"""Cross-validation inside the training rows, with scikit-learn's splitters."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from manyfit.model.sweep import FoldKind, Folds, Problem

Rows = npt.NDArray[np.int64]

GROUPED = frozenset({FoldKind.GROUP, FoldKind.STRATIFIED_GROUP, FoldKind.LEAVE_ONE_GROUP_OUT})
"""Kinds of folds that need to know the groups."""


def effective_kind(folds: Folds, problem: Problem) -> FoldKind:
    """Return the kind that is used: a regression has no classes to stratify by."""
    if problem is Problem.CLASSIFICATION:
        return folds.kind
    plain = {FoldKind.STRATIFIED: FoldKind.PLAIN, FoldKind.STRATIFIED_GROUP: FoldKind.GROUP}
    return plain.get(folds.kind, folds.kind)


def is_seeded(folds: Folds) -> bool:
    """Whether the seed of a cell decides which rows are in which fold."""
    return folds.shuffle and folds.kind not in {FoldKind.TIME, FoldKind.LEAVE_ONE_GROUP_OUT}


def fold_rows(
    folds: Folds,
    kind: FoldKind,
    seed: int,
    *,
    train: Rows,
    target: npt.NDArray[Any],
    groups: npt.NDArray[np.int64] | None,
    times: npt.NDArray[np.int64] | None,
    ends: npt.NDArray[np.int64] | None = None,
    gap: int = 0,
) -> list[tuple[Rows, Rows]]:
    """
    Return the rows that train and the rows held out of each fold, as ascending row numbers.

    *target*, *groups* and *times* hold all rows of the table. Folds by time train on earlier rows only, *gap*
    rows before the held-out ones and earlier, and with *ends* on rows whose targets lie before the held-out
    ones; of those that leave one group out, the n-th holds out the n-th group in order. Raises ValueError in
    scikit-learn's words where the rows do not allow the folds.
    """
    if kind is FoldKind.TIME and times is not None:
        train = train[np.argsort(times[train], kind="stable")]
    grouped = kind in GROUPED  # the others warn of groups
    own_groups = groups[train] if grouped and groups is not None else None
    with warnings.catch_warnings():
        # small classes are reported once, when planning
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts = list(_splitter(folds, kind, seed, gap).split(train, target[train], own_groups))
    found = [(np.sort(train[inside]), np.sort(train[outside])) for inside, outside in parts]
    if kind is FoldKind.TIME and times is not None and ends is not None:
        return [(inside[ends[inside] < times[outside].min()], outside) for inside, outside in found]
    return found


def _splitter(folds: Folds, kind: FoldKind, seed: int, gap: int) -> Any:
    from sklearn.model_selection import (
        GroupKFold,
        KFold,
        LeaveOneGroupOut,
        StratifiedGroupKFold,
        StratifiedKFold,
        TimeSeriesSplit,
    )

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
            return TimeSeriesSplit(folds.n, gap=gap)
        case FoldKind.LEAVE_ONE_GROUP_OUT:
            return LeaveOneGroupOut()
