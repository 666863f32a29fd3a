"""Splits on real rows: which rows train and which are in each evaluation set."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.model_selection import train_test_split

from manyfit.data.conditions import rows_where
from manyfit.data.findings import Findings, some
from manyfit.data.fingerprint import as_text
from manyfit.data.recipes import fractions
from manyfit.data.roles import Roles
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import Problem, Split, SplitKind

Rows = npt.NDArray[np.int64]
Sets = dict[str, Rows]
Mask = npt.NDArray[np.bool_]

TRAIN = "train"


def select_rows(split: Split, frame: pl.DataFrame, roles: Roles, findings: Findings) -> Sets | None:
    """
    Return the row numbers of "train" and of each evaluation set, ascending; None after a mistake.

    The same split of the same content selects the same rows on every machine.
    """
    before = len(findings.mistakes)
    masks = _masks(split, frame, roles, findings)
    if len(findings.mistakes) > before:
        return None
    if TRAIN not in masks:
        rest = np.ones(len(frame), dtype=bool)
        for mask in masks.values():
            rest &= ~mask
        masks = {TRAIN: rest, **masks}
    sets = {name: np.flatnonzero(mask) for name, mask in masks.items()}
    if roles.ends is not None:
        sets = _of_known_ends(split, sets, roles, findings)
    _check(split, sets, roles, findings)
    return sets if len(findings.mistakes) == before else None


def _masks(split: Split, frame: pl.DataFrame, roles: Roles, findings: Findings) -> dict[str, Mask]:
    match split.kind:
        case SplitKind.ALL:
            return {}
        case SplitKind.FILTER:
            return _filtered(split, frame, findings)
        case SplitKind.RANDOM:
            return _random(split, roles, findings)
        case SplitKind.GROUPS:
            return _held_out(split, roles, findings)
        case SplitKind.TIME:
            return _latest(split, roles, findings)
        case SplitKind.COLUMN:
            return _named_rows(split, frame, findings)


def _of_known_ends(split: Split, sets: Sets, roles: Roles, findings: Findings) -> Sets:
    """
    Return the sets without the rows whose target lies ahead of the table, or in a set that comes later.

    A set comes later when its first row is not before the last row of the other one; they may share a
    time, since several series can have rows at one time.
    """
    assert roles.ends is not None
    found = {name: rows[~roles.target.missing()[rows]] for name, rows in sets.items()}
    if roles.times is None or any(len(rows) == 0 for rows in found.values()):
        return found
    first = {name: int(roles.times[rows].min()) for name, rows in found.items()}
    last = {name: int(roles.times[rows].max()) for name, rows in found.items()}
    for name, rows in found.items():
        later = [first[other] for other in found if other != name and first[other] >= last[name]]
        found[name] = rows[roles.ends[rows] < min(later)] if later else rows
    if any(first[name] < last[TRAIN] for name in found if name != TRAIN):
        findings.warn(
            f'split "{split.name}" is not in the order of time, and rows beside those that are evaluated train:'
            ' for a forecast choose kind = "time"'
        )
    return found


def _filtered(split: Split, frame: pl.DataFrame, findings: Findings) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    conditions = {TRAIN: split.train, **split.sets}
    for name, condition in conditions.items():
        if isinstance(condition, str):
            try:
                masks[name] = rows_where(frame, condition)
            except ValueError as error:
                findings.mistake(f"splits.{split.name}.{name}", str(error))
    return masks


def _random(split: Split, roles: Roles, findings: Findings) -> dict[str, Mask]:
    """Draw each set from what the earlier ones left, stratified by the classes of a classification."""
    target, masks = roles.target, {}
    rest = np.flatnonzero(~target.missing())
    n_all = len(rest)
    for name, fraction in fractions(split).items():
        count = max(1, round(fraction * n_all))
        classes = target.values[rest] if target.problem is Problem.CLASSIFICATION else None
        try:
            rest, drawn = train_test_split(rest, test_size=count, random_state=split.seed, stratify=classes)
        except ValueError as error:
            findings.mistake(f"splits.{split.name}.{name}", f"{count} of {n_all} rows cannot be drawn: {error}")
            return {}
        masks[name] = _mask(drawn, len(target.values))
    return {TRAIN: _mask(rest, len(target.values)), **masks}


def _held_out(split: Split, roles: Roles, findings: Findings) -> dict[str, Mask]:
    """Hold out named groups, and fractions of the other groups in random order."""
    key = f"splits.{split.name}"
    if roles.groups is None:
        findings.mistake(key, 'holds out groups, and [data] names no group column: write group = "..." there')
        return {}
    codes = {name: code for code, name in enumerate(roles.group_names)}
    chosen: dict[str, list[int]] = {}
    for name, groups in split.sets.items():
        if isinstance(groups, tuple):
            for group in groups:
                if group not in codes:
                    near = did_you_mean(group, codes) or f"; groups: {some(codes, 6)}"
                    findings.mistake(f"{key}.{name}", f'there is no group "{group}"{near}')
            chosen[name] = [codes[group] for group in groups if group in codes]
    named = {code for taken in chosen.values() for code in taken}
    order = [code for code in np.random.RandomState(split.seed).permutation(len(codes)) if code not in named]
    for name, fraction in fractions(split).items():
        n_taken = min(len(order), max(1, round(fraction * len(codes))))
        chosen[name], order = order[:n_taken], order[n_taken:]
    return {name: np.isin(roles.groups, chosen[name]) for name in split.sets}


def _latest(split: Split, roles: Roles, findings: Findings) -> dict[str, Mask]:
    """Hold out the latest rows; the set declared last gets the very latest. Equal times keep table order."""
    if roles.times is None:
        findings.mistake(f"splits.{split.name}", 'needs the time of each row: write time = "..." in [data]')
        return {}
    if (roles.times < 0).any():
        findings.mistake(f"splits.{split.name}", f"{int((roles.times < 0).sum())} rows have no time")
        return {}
    order = np.argsort(roles.times, kind="stable")
    counts = {name: max(1, round(fraction * len(order))) for name, fraction in fractions(split).items()}
    start = max(0, len(order) - sum(counts.values()))
    masks = {TRAIN: _mask(order[: max(0, start - split.gap)], len(order))}
    for name, count in counts.items():
        masks[name] = _mask(order[start : start + count], len(order))
        start += count
    return masks


def _named_rows(split: Split, frame: pl.DataFrame, findings: Findings) -> dict[str, Mask]:
    key, column = f"splits.{split.name}", split.column or ""
    if column not in frame.columns:
        findings.mistake(f"{key}.column", f'there is no column "{column}"{did_you_mean(column, frame.columns)}')
        return {}
    values = as_text(frame[column])
    known = [str(value) for value in values.drop_nulls().unique().sort().to_list()]
    masks: dict[str, Mask] = {}
    for name, text in {TRAIN: split.train or TRAIN, **split.sets}.items():
        if text in known:
            masks[name] = (values == text).fill_null(False).to_numpy()
        elif name == TRAIN or text != name or not any(other in known for other in split.sets.values()):
            near = did_you_mean(str(text), known) or f"; values: {some(known, 6)}"
            findings.mistake(f"{key}.{name}", f'no row has "{text}" in column "{column}"{near}')
    unused = len(frame) - sum(int(mask.sum()) for mask in masks.values())
    if unused and not findings.mistakes:
        findings.warn(f'split "{split.name}": {unused} rows have another value in "{column}" and are in no set')
    return masks


def _mask(rows: Sequence[int] | Rows, n_rows: int) -> Mask:
    mask = np.zeros(n_rows, dtype=bool)
    mask[rows] = True
    return mask


def _check(split: Split, sets: Sets, roles: Roles, findings: Findings) -> None:
    """Refuse empty sets, rows that train and evaluate, and rows without a target."""
    key = f"splits.{split.name}"
    for name, rows in sets.items():
        place = f"{key}.{name}" if name in split.sets or split.train else key
        if len(rows) == 0:
            findings.mistake(place, f'no row is in "{name}"')
        n_without = int(roles.target.missing()[rows].sum())
        if n_without:
            advice = _without_gaps(split, name, roles.target.name)
            findings.mistake(place, f'{n_without} of the {len(rows)} rows of "{name}" have no target; {advice}')
        if name != TRAIN and (shared := len(np.intersect1d(rows, sets[TRAIN]))):
            message = f"{shared} of its {len(rows)} rows are also among the {len(sets[TRAIN])} training rows"
            findings.mistake(place, message)


def _without_gaps(split: Split, name: str, target: str) -> str:
    """Return how to leave out of the set *name* the rows that have no target."""
    column = target if target.isidentifier() else f'"{target}"'
    condition = f"{column} IS NOT NULL"
    if split.kind is SplitKind.ALL:
        return f"filter them out: train = {_literal(condition)}"
    if split.kind is not SplitKind.FILTER:
        return f"leave them out of the data, or select rows by conditions: {name} = {_literal(condition)}"
    declared = split.train if name == TRAIN else split.sets.get(name)
    whole = f"({declared}) AND {condition}" if isinstance(declared, str) else condition
    return f"filter them out: {name} = {_literal(whole)}"


def _literal(condition: str) -> str:
    """Return *condition* as a sweep file has it, in the quotes that it does not contain."""
    if '"' not in condition:
        return f'"{condition}"'
    return f"'{condition}'" if "'" not in condition else f"'''{condition}'''"
