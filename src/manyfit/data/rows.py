"""What a runner fits on: the rows of a cell as arrays, from the memory-mapped table of this host."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from manyfit.data.arrays import Arrays, open_arrays
from manyfit.data.features import encoding_of, feature_columns, roles_of
from manyfit.data.findings import Findings, some
from manyfit.data.folders import cache_root
from manyfit.data.folds import effective_kind, fold_rows
from manyfit.data.opening import Opened, open_planned, open_source
from manyfit.data.sources import Source, source_of
from manyfit.data.variants import variants
from manyfit.data.views import View, open_view
from manyfit.model.encoding import Encoding
from manyfit.model.errors import DataChanged, NotFound
from manyfit.model.schema import FeatureSchema
from manyfit.model.sweep import Problem, Split, SweepSpec

if TYPE_CHECKING:
    import polars as pl

TRAIN, HELD_OUT = "train", "cv"
"""The set that is fitted, and the set of the rows that a fold holds out."""

_MAX_KEPT, _MAX_KEPT_BYTES = 4, 2**28


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRows:
    """
    The arrays of one cell, by set: "train" to fit, and the sets to score.

    `X` holds float64 matrices (C order, missing values NaN), `y` class codes (int64, positions in
    `classes`) or float64 numbers, `rows` row numbers of the table and `ids` the texts of the index
    column (empty without one). `groups` are codes of the training rows, None without a group column.
    `scored` names the sets to score, in order. The arrays are shared between fits and read-only.
    """

    X: Mapping[str, npt.NDArray[np.float64]]
    y: Mapping[str, npt.NDArray[Any]]
    rows: Mapping[str, npt.NDArray[np.int64]]
    scored: tuple[str, ...]
    problem: Problem
    classes: tuple[str, ...]
    groups: npt.NDArray[np.int64] | None = None
    ids: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


class DataRows:
    """
    The rows of one data variant, by cell.

    Keeps the last few selections, since the tasks of a unit come fold by fold. The same cell gives the
    same rows in the same order on every machine. For one thread.
    """

    def __init__(
        self,
        spec: SweepSpec,
        *,
        arrays: Arrays,
        view: View,
        columns: Mapping[str, tuple[str, ...]],
        others: Sequence[str] = (),
        encoding: Encoding | None = None,
    ) -> None:
        self.problem = view.problem
        self.classes = view.classes
        self._splits = {split.name: split for split in spec.splits}
        self._arrays = arrays
        self._columns = columns
        self._view = view
        self._others = tuple(others)
        self._encoding = encoding or Encoding()
        self._numbers = arrays.numbers()
        self._folds: OrderedDict[tuple[str, int], list[Any]] = OrderedDict()
        self._kept: OrderedDict[tuple[Any, ...], FitRows] = OrderedDict()

    def columns(self, features: str) -> tuple[str, ...]:
        """Return the columns of a feature set, in table order. Raises `NotFound`."""
        if features not in self._columns:
            raise NotFound(f'no feature set "{features}"; known: {some(self._columns)}')
        return self._columns[features]

    def schema(self, features: str) -> FeatureSchema:
        """Return names and types of a feature set, in table order. Raises `NotFound`."""
        names = self.columns(features)
        types = tuple(self._arrays.columns[name].kind for name in names)
        return FeatureSchema(names=names, types=types, mode=features)

    def others(self) -> tuple[str, ...]:
        """Return the columns with another role, which patterns leave out: target, group, metadata and so on."""
        return self._others

    def encoding(self) -> Encoding:
        """Return which columns encode which others."""
        return self._encoding

    def frame(self) -> "pl.DataFrame":
        """Read the whole table with its original types, in the order of row numbers."""
        return self._arrays.frame()

    def sets(self, split: str, fold: int | None, seed: int) -> Mapping[str, npt.NDArray[np.int64]]:
        """
        Return the row numbers of the sets of a cell, ascending: "train" and "cv" for a fold, else the split's.

        Raises `NotFound` for a split or a fold that is not there.
        """
        return self._sets(self._split(split), fold, seed)

    def select(
        self, split_name: str, fold: int | None, seed: int, columns: Sequence[str], score_train: bool
    ) -> FitRows:
        """
        Return the arrays of a cell: training rows and "cv" for a fold, else the split's evaluation sets.

        *seed* shuffles the folds. Raises `NotFound` for a split, a fold or a column that is not there.
        """
        key = (split_name, fold, seed, tuple(columns), score_train)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        sets = self._sets(self._split(split_name), fold, seed)
        found = self._cut(sets, self._positions(columns), score_train)
        self._keep(key, found)
        return found

    def _split(self, name: str) -> Split:
        if name not in self._splits or name not in self._view.sizes:
            raise NotFound(f'no split "{name}"; known: {some(self._splits)}')
        return self._splits[name]

    def _positions(self, columns: Sequence[str]) -> list[int]:
        try:
            return self._arrays.positions(columns)
        except KeyError as error:
            raise NotFound(f"no numeric column {error} in the data") from error

    def _sets(self, split: Split, fold: int | None, seed: int) -> dict[str, npt.NDArray[np.int64]]:
        if fold is None:
            return {name: self._view.rows(split.name, name) for name in self._view.sizes[split.name]}
        parts = self._fold_rows(split, seed)
        if not 0 <= fold < len(parts):
            raise NotFound(f'no fold {fold} in split "{split.name}", which has {len(parts)}')
        return dict(zip((TRAIN, HELD_OUT), parts[fold], strict=True))

    def _fold_rows(self, split: Split, seed: int) -> list[Any]:
        if split.folds is None:
            return []
        key = (split.name, seed)
        if key not in self._folds:
            self._folds[key] = fold_rows(
                split.folds,
                effective_kind(split.folds, self.problem),
                seed,
                train=self._view.rows(split.name, TRAIN),
                target=self._view.values,
                groups=self._view.groups,
                times=self._view.times,
                ends=self._view.ends,
                gap=split.gap,
            )
            while len(self._folds) > _MAX_KEPT:
                self._folds.popitem(last=False)
        self._folds.move_to_end(key)
        return self._folds[key]

    def _cut(
        self, sets: Mapping[str, npt.NDArray[np.int64]], positions: Sequence[int], score_train: bool
    ) -> FitRows:
        view = self._view
        scored = [name for name in sets if name != TRAIN]
        return FitRows(
            X={name: _frozen(self._matrix(rows, positions)) for name, rows in sets.items()},
            y={name: _frozen(np.asarray(view.values[rows])) for name, rows in sets.items()},
            rows={name: _frozen(rows) for name, rows in sets.items()},
            scored=(*scored, TRAIN) if score_train else tuple(scored),
            problem=self.problem,
            classes=self.classes,
            groups=_frozen(np.asarray(view.groups[sets[TRAIN]])) if view.groups is not None else None,
            ids={name: np.asarray(view.ids[rows]) for name, rows in sets.items()} if view.ids is not None else {},
        )

    def _matrix(self, rows: npt.NDArray[np.int64], positions: Sequence[int]) -> npt.NDArray[np.float64]:
        """Copy rows and columns out of the mapped matrix."""
        if list(positions) == list(range(positions[0], positions[0] + len(positions))):
            part = self._numbers[:, positions[0] : positions[0] + len(positions)]
            return np.ascontiguousarray(np.asarray(part)[rows])
        return np.ascontiguousarray(np.asarray(self._numbers)[rows[:, None], np.asarray(positions)])

    def _keep(self, key: tuple[Any, ...], found: FitRows) -> None:
        self._kept[key] = found
        while len(self._kept) > 1 and (len(self._kept) > _MAX_KEPT or self._kept_bytes() > _MAX_KEPT_BYTES):
            self._kept.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(matrix.nbytes for kept in self._kept.values() for matrix in kept.X.values())


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array


def open_rows(
    spec: SweepSpec, header_folder: Path, variant: str, fingerprint: str, *, cache: Path | None = None
) -> DataRows:
    """
    Open the rows of a data variant whose content was *fingerprint* when the plan was made.

    Paths in *spec* start from *header_folder*. A source with changed time stamps is looked at again; a
    host without a converted copy makes one. Raises `DataChanged`, which names the source and the
    columns that differ, when the content is another, and when there is neither source nor copy.
    """
    root = cache if cache is not None else cache_root()
    params = variants(spec.data).get(variant)
    if params is None:
        raise NotFound(f'no data variant "{variant}"; known: {some(variants(spec.data))}')
    opened = _planned(source_of(spec.data, params, header_folder), fingerprint, root)
    findings = Findings(file="")
    columns = feature_columns(spec, opened.arrays.columns, opened.metadata_columns, findings)
    view = open_view(opened.arrays, spec, findings)
    if view is None or findings.mistakes:
        raise DataChanged("; ".join(str(mistake) for mistake in findings.mistakes))
    known = opened.arrays.columns
    others = [name for name in roles_of(spec, opened.metadata_columns, known) if name in known]
    encoding = encoding_of(spec, known)
    return DataRows(spec, arrays=opened.arrays, view=view, columns=columns, others=others, encoding=encoding)


def _planned(source: Source, fingerprint: str, cache: Path) -> Opened:
    opened = open_planned(source, fingerprint, cache)
    if opened is not None:
        return opened
    findings = Findings(file="")
    opened = open_source(source, cache, findings)
    if opened is None:
        reasons = "; ".join(mistake.message for mistake in findings.mistakes)
        raise DataChanged(f"{reasons}. Restore it, or run `manyfit run` again to plan with other data")
    if fingerprint not in (opened.arrays.fingerprint, _earlier(opened.arrays)):
        raise DataChanged(_difference(source, open_arrays(fingerprint, cache), opened.arrays))
    return opened


def _earlier(arrays: Arrays) -> str:
    from manyfit.data.fingerprint import unordered_fingerprint

    return unordered_fingerprint({name: column.fingerprint for name, column in arrays.columns.items()})


def _difference(source: Source, planned: Arrays | None, now: Arrays) -> str:
    """Return what differs between the planned content and that of now, and what to do."""
    advice = "Run `manyfit run` again to plan with the new data, or restore the file."
    shown = f'the data in "{source.text}"' + (f' with "{source.metadata.name}"' if source.metadata else "")
    if planned is None:
        return f"{shown} is not what the plan was made from (it was planned on another host). {advice}"
    names = [*planned.columns, *(name for name in now.columns if name not in planned.columns)]
    differing = [name for name in names if planned.columns.get(name) != now.columns.get(name)]
    rows = f" ({planned.n_rows} rows then, {now.n_rows} now)" if planned.n_rows != now.n_rows else ""
    found = f"columns that differ: {some(differing, 6)}" if differing else "its columns stand in another order"
    return f"{shown} changed since the plan was made{rows}; {found}. {advice}"
