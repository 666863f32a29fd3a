"""
One table as one sweep sees it: target codes, groups, times, ids and the rows of every split.

A view is computed once for each host from the converted table and stored beside it, so that runners
read a few small arrays and need no data frame library.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from manyfit.data.arrays import Arrays
from manyfit.data.findings import Findings
from manyfit.data.folders import make_folder, open_folder
from manyfit.model.keys import content_key
from manyfit.model.sweep import DataSpec, FoldKind, Problem, Split, SweepSpec

if TYPE_CHECKING:
    from manyfit.data.roles import Roles


@dataclass(frozen=True, kw_only=True)
class View:
    """
    The stored view in `folder`. `sizes` counts the rows of each set by split, "train" among them.

    `held_out` names the group that each fold holds out, by split, where a fold holds out one group.
    `values` are class codes (int64) or the numbers of a regression (float64) of all rows.
    """

    folder: Path
    problem: Problem
    classes: tuple[str, ...]
    sizes: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]
    splits: tuple[str, ...] = field(default=())
    held_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def values(self) -> npt.NDArray[Any]:
        return self._array("target.npy")

    @cached_property
    def groups(self) -> npt.NDArray[np.int64] | None:
        return self._array("groups.npy") if (self.folder / "groups.npy").exists() else None

    @cached_property
    def times(self) -> npt.NDArray[np.int64] | None:
        return self._array("times.npy") if (self.folder / "times.npy").exists() else None

    @cached_property
    def ends(self) -> npt.NDArray[np.int64] | None:
        return self._array("ends.npy") if (self.folder / "ends.npy").exists() else None

    @cached_property
    def ids(self) -> npt.NDArray[Any] | None:
        return self._array("ids.npy") if (self.folder / "ids.npy").exists() else None

    def rows(self, split: str, name: str) -> npt.NDArray[np.int64]:
        """Return the row numbers of a set, ascending."""
        with np.load(self.folder / "sets.npz", allow_pickle=False) as stored:
            found: npt.NDArray[np.int64] = stored[f"{self.splits.index(split)}:{name}"]
        return found

    def _array(self, name: str) -> npt.NDArray[Any]:
        mapped: npt.NDArray[Any] = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        return mapped


def open_view(arrays: Arrays, spec: SweepSpec, findings: Findings) -> View | None:
    """Return the view of *arrays* for *spec*, computed if this host has none; None after a mistake."""
    folder = arrays.folder.parent.parent / "views" / f"{arrays.fingerprint}-{_key(spec)}"
    manifest = open_folder(folder) or _make(folder, arrays, spec, findings)
    if manifest is None:
        return None
    return View(
        folder=folder,
        problem=Problem(manifest["problem"]),
        classes=tuple(manifest["classes"]),
        sizes=manifest["sizes"],
        warnings=tuple(manifest["warnings"]),
        splits=tuple(manifest["splits"]),
        held_out={name: tuple(groups) for name, groups in manifest.get("held_out", {}).items()},
    )


def _key(spec: SweepSpec) -> str:
    """Return the key of everything in *spec* that decides the view."""
    splits = [[split.name, _plain(split)] for split in spec.splits]
    problem = spec.data.problem.value if spec.data.problem else None
    return content_key([_declared_roles(spec.data), problem, splits])


def _declared_roles(data: DataSpec) -> list[str | None]:
    ahead = ["lags"] if data.lags else []
    return [data.target, data.group, data.time, data.index, *ahead]


def _plain(split: Split) -> list[Any]:
    folds = [split.folds.n, split.folds.kind.value, split.folds.shuffle] if split.folds else None
    sets = [[name, list(part) if isinstance(part, tuple) else part] for name, part in split.sets.items()]
    gap = [split.gap] if split.gap else []
    return [split.kind.value, split.train, sets, split.column, split.seed, folds, split.validation, *gap]


def _make(folder: Path, arrays: Arrays, spec: SweepSpec, findings: Findings) -> Mapping[str, Any] | None:
    from manyfit.data.checks import check_classes, check_folds
    from manyfit.data.labels import check_labels
    from manyfit.data.roles import read_roles
    from manyfit.data.selection import select_rows

    before, warned = len(findings.mistakes), len(findings.warnings)
    frame = arrays.frame()
    roles = read_roles(frame, spec.data, findings)
    if roles is None:
        return None
    selected = {split.name: select_rows(split, frame, roles, findings) for split in spec.splits}
    for split in spec.splits:
        sets = selected[split.name]
        if sets is not None:
            check_classes(split, sets, roles, findings)
            check_folds(split, sets, roles, findings)
    if len(findings.mistakes) > before:
        # the caller holds the labels against the view, and there is none
        check_labels(spec.data, roles.target.problem, roles.target.classes, findings)
        return None
    whole = {name: sets for name, sets in selected.items() if sets is not None}
    notes = findings.warnings[warned:]
    del findings.warnings[warned:]
    splits = {split.name: split for split in spec.splits}
    return make_folder(folder, lambda draft: _write(draft, roles, splits, whole, notes))


def _write(
    draft: Path,
    roles: "Roles",
    splits: Mapping[str, Split],
    selected: Mapping[str, Mapping[str, npt.NDArray[np.int64]]],
    notes: list[str],
) -> dict[str, Any]:
    optional = {"groups": roles.groups, "times": roles.times, "ends": roles.ends, "ids": roles.ids}
    for name, array in {"target": roles.target.values, **optional}.items():
        if array is not None:
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
    stored = {f"{i}:{name}": rows for i, sets in enumerate(selected.values()) for name, rows in sets.items()}
    np.savez(draft / "sets.npz", **stored)  # type: ignore[arg-type] # the stub takes a name for allow_pickle
    held_out = {name: _held_out(splits[name], sets, roles) for name, sets in selected.items()}
    return {
        "problem": roles.target.problem.value,
        "classes": list(roles.target.classes),
        "sizes": {split: {name: len(rows) for name, rows in sets.items()} for split, sets in selected.items()},
        "splits": list(selected),
        "held_out": {name: groups for name, groups in held_out.items() if groups},
        "warnings": notes,
    }


def _held_out(split: Split, sets: Mapping[str, npt.NDArray[np.int64]], roles: "Roles") -> list[str]:
    """Return the names of the groups that the folds of *split* hold out, in order, if each holds out one."""
    if split.folds is None or split.folds.kind is not FoldKind.LEAVE_ONE_GROUP_OUT or roles.groups is None:
        return []
    return [roles.group_names[code] for code in np.unique(roles.groups[sets["train"]])]
