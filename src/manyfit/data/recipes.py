"""Recipes: what decides the rows of a split, in one canonical form, for the keys of tasks."""

import re
from collections.abc import Mapping
from typing import Any

from manyfit.data.folds import GROUPED
from manyfit.data.sources import TARGET
from manyfit.model.sweep import DataSpec, FoldKind, Problem, Split, SplitKind


def recipe(split: Split, roles: Mapping[str, Any], folds: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Return what decides the rows, as canonical JSON values: names of splits and data variants are not in it.

    *roles* are the roles that the selection depends on. The planner leaves "folds" out for the fit on
    all training rows.
    """
    sets = {name: normal(part) if isinstance(part, str) else part for name, part in split.sets.items()}
    found: dict[str, Any] = {
        "kind": split.kind.value,
        "sets": {n: _listed(part) for n, part in sets.items()},
        **roles,
    }
    if split.train is not None:
        found["train"] = normal(split.train) if split.kind is SplitKind.FILTER else split.train
    if split.column is not None:
        found["column"] = split.column
    if split.kind is SplitKind.RANDOM or (split.kind is SplitKind.GROUPS and fractions(split)):
        found["seed"] = split.seed
    if len(fractions(split)) > 1:
        found["order"] = list(split.sets)
    if split.gap:
        found["gap"] = split.gap
    return found | ({"folds": folds} if folds is not None else {})


def _listed(part: Any) -> Any:
    return sorted(part) if isinstance(part, tuple) else part


def role_recipe(data: DataSpec, problem: Problem, split: Split) -> dict[str, Any]:
    """Return the roles that the rows or the targets of *split* depend on."""
    found: dict[str, Any] = {"target": data.target or TARGET, "problem": problem.value}
    fold_kind = split.folds.kind if split.folds else None
    if split.kind is SplitKind.GROUPS or fold_kind in GROUPED:
        found["group"] = data.group
    if split.kind is SplitKind.TIME or fold_kind is FoldKind.TIME:
        found["time"] = data.time
    if data.lags is not None:
        found["ahead"] = data.time
    return found


def fractions(split: Split) -> Mapping[str, float]:
    """Return the sets that are given as fractions, in declared order."""
    return {name: part for name, part in split.sets.items() if isinstance(part, float)}


def normal(condition: str) -> str:
    """Return a condition with normal white space outside of quotes, so that a line break changes no key."""
    parts = re.split(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")", condition.strip())
    return "".join(part if i % 2 else re.sub(r"\s+", " ", part) for i, part in enumerate(parts))
