"""What planning can foresee of a split: classes that are missing or small, and folds that cannot be made."""

from collections.abc import Sequence

import numpy as np

from manyfit.data.findings import Findings, some
from manyfit.data.folds import GROUPED, Rows, effective_kind, fold_rows
from manyfit.data.roles import Roles
from manyfit.data.selection import TRAIN, Sets
from manyfit.model.sweep import FoldKind, Folds, Problem, Split

_STRATIFIED = (FoldKind.STRATIFIED, FoldKind.STRATIFIED_GROUP)


def check_classes(split: Split, sets: Sets, roles: Roles, findings: Findings) -> None:
    """Refuse training rows of one class; warn of classes that are evaluated and never trained."""
    if roles.target.problem is not Problem.CLASSIFICATION:
        return
    codes = {name: roles.target.values[rows] for name, rows in sets.items()}
    classes = roles.target.classes
    trained = np.unique(codes[TRAIN])
    if len(trained) < 2 and not (roles.target.detects and (trained == 0).all()):
        shown = some(classes[int(code)] for code in trained)
        findings.mistake(f"splits.{split.name}", f"all {len(codes[TRAIN])} training rows are of the class {shown}")
        return
    for name, own in codes.items():
        if name == TRAIN:
            continue
        lacking, counts = np.unique(own[~np.isin(own, trained)], return_counts=True)
        if len(lacking):
            shown = some(f"{classes[int(code)]} ({count})" for code, count in zip(lacking, counts, strict=True))
            findings.warn(
                f'split "{split.name}": {counts.sum()} of {len(own)} rows of "{name}" are of classes that'
                f" no training row has: {shown}"
            )


def check_folds(split: Split, sets: Sets, roles: Roles, findings: Findings) -> None:
    """Refuse folds that scikit-learn refuses; warn of classes with fewer training rows than folds."""
    if split.folds is None:
        return
    key, train = f"splits.{split.name}.folds", sets[TRAIN]
    kind = effective_kind(split.folds, roles.target.problem)
    if kind in GROUPED and not _grouped(split.folds, train, roles, key, findings):
        return
    if kind is FoldKind.TIME and not _timed(train, roles, key, findings):
        return
    try:
        parts = fold_rows(
            split.folds,
            kind,
            0,
            train=train,
            target=roles.target.values,
            groups=roles.groups,
            times=roles.times,
            ends=roles.ends,
            gap=split.gap,
        )
    except ValueError as error:
        findings.mistake(key, f"{split.folds.n} folds of {len(train)} training rows cannot be made: {error}")
        return
    if kind is FoldKind.LEAVE_ONE_GROUP_OUT:
        _check_left_out(split, parts, roles, findings)
    if any(len(inside) == 0 or len(outside) == 0 for inside, outside in parts):
        findings.mistake(key, f"{split.folds.n} folds leave a fold without rows")
    if kind in _STRATIFIED:
        _warn_small(split, train, roles, findings)


def _grouped(folds: Folds, train: Rows, roles: Roles, key: str, findings: Findings) -> bool:
    """Whether the training rows have groups enough; else what is wrong is in *findings*."""
    if roles.groups is None:
        findings.mistake(key, 'folds of whole groups need a group column: write group = "..." in [data]')
        return False
    n_without = int((roles.groups[train] < 0).sum())
    n_groups = len(np.unique(roles.groups[train]))
    if n_without:
        findings.mistake(key, f"{n_without} of the {len(train)} training rows have no group")
    elif folds.kind is FoldKind.LEAVE_ONE_GROUP_OUT and n_groups < 2:
        findings.mistake(key, "to leave one group out takes two groups at least, and the training rows have one")
    elif n_groups < folds.n:
        findings.mistake(key, f"{folds.n} folds of whole groups, and the training rows have {n_groups}")
    else:
        return True
    return False


def _check_left_out(split: Split, parts: Sequence[tuple[Rows, Rows]], roles: Roles, findings: Findings) -> None:
    """Refuse groups without which one class is left; warn of classes that only the group left out has."""
    if roles.target.problem is not Problem.CLASSIFICATION or roles.groups is None:
        return
    lacking = []
    for inside, outside in parts:
        group = roles.group_names[int(roles.groups[outside[0]])]
        trained = np.unique(roles.target.values[inside])
        names = [roles.target.classes[int(code)] for code in trained]
        if len(names) < 2:
            message = f'without the group "{group}" all training rows are of the class {some(names)}'
            findings.mistake(f"splits.{split.name}.folds", message)
        own = np.unique(roles.target.values[outside])
        missing = [roles.target.classes[int(code)] for code in own[~np.isin(own, trained)]]
        lacking += [f"{name} (only in {group})" for name in missing]
    if lacking:
        findings.warn(
            f'split "{split.name}": classes that no training row has once their group is left out: {some(lacking)}'
        )


def _timed(
    train: "np.ndarray[tuple[int], np.dtype[np.int64]]", roles: Roles, key: str, findings: Findings
) -> bool:
    if roles.times is None:
        findings.mistake(key, 'folds in the order of time need the time of each row: write time = "..." in [data]')
        return False
    n_without = int((roles.times[train] < 0).sum())
    if n_without:
        findings.mistake(key, f"{n_without} of the {len(train)} training rows have no time")
    return not n_without


def _warn_small(
    split: Split, train: "np.ndarray[tuple[int], np.dtype[np.int64]]", roles: Roles, findings: Findings
) -> None:
    n_folds = split.folds.n if split.folds else 0
    codes, counts = np.unique(roles.target.values[train], return_counts=True)
    small = [
        f"{roles.target.classes[int(code)]} ({count})"
        for code, count in zip(codes, counts, strict=True)
        if count < n_folds
    ]
    if small:
        findings.warn(
            f'split "{split.name}": classes with fewer training rows than the {n_folds} folds: {some(small)}; some'
            " folds hold none of their rows"
        )
