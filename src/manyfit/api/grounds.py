"""The rows that models are verified on: which there are, which of them a fit has not seen, which are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np

from manyfit.api.choosing import Chosen
from manyfit.model.candidate import Cell
from manyfit.model.errors import UserError
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Problem, SweepSpec

if TYPE_CHECKING:
    from manyfit.data import DataRows
    from manyfit.data.sampling import Sampling
    from manyfit.data.verifiable import Verifiable
    from manyfit.fit.verification import Setting

TRAIN = "train"


class Origin(Enum):
    """Where rows come from."""

    DATA = "data"
    """Another table."""
    UNSEEN_GROUPS = "unseen-groups"
    """The sweep's own data: rows of groups that took no part in the training of a fit."""
    UNUSED_ROWS = "unused-rows"
    """The sweep's own data: rows that are in no set of the split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    Which rows, and how many of them.

    `data` is a file or another source, for `Origin.DATA`; files are looked for from `here`. `where` is an SQL
    condition that the rows fulfil. `keep_seen` keeps rows that stand among training rows.
    """

    origin: Origin
    sampling: "Sampling"
    data: str = ""
    seed: int = 0
    keep_seen: bool = False
    where: str = ""
    here: Path = field(default_factory=Path.cwd)

    def shown(self) -> str:
        """Return what people call the rows."""
        match self.origin:
            case Origin.DATA:
                return self.data
            case Origin.UNSEEN_GROUPS:
                return "groups that took no part in training"
            case Origin.UNUSED_ROWS:
                return "rows that are in no set"
            case _:
                assert_never(self.origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """
    The data of one variant (`own`), and the table that rows are drawn from: the same, or another.

    `numbers` are the row numbers of the table where it is stored; `allowed` says which rows may be drawn.
    `fingerprint` is that of the whole table.
    """

    spec: SweepSpec
    data: "DataRows"
    own: "Verifiable"
    table: "Verifiable"
    numbers: Any
    allowed: Any
    fingerprint: str

    def setting(self, metric: str) -> "Setting":
        """Return what the answers of models are held against."""
        from manyfit.fit.verification import Setting

        metrics = (metric, *(name for name in self.spec.metrics if name != metric))
        return Setting(problem=self.data.problem, classes=self.data.classes, data=self.spec.data, metrics=metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows that one fit is verified on: positions in the table of the ground, ascending."""

    cell: Cell
    rows: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The rows for the fits of a model, and counts of those left out or kept though seen."""

    parts: tuple[Part, ...]
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def ground_of(header: SegmentHeader, variant: str, request: Request) -> Ground:
    """Open the data of a sweep and the rows of *request*. Raises `UserError` with all mistakes, `DataChanged`."""
    from manyfit.data import open_rows
    from manyfit.declare import from_json
    from manyfit.families.estimators import find_beside

    spec = from_json(header.spec)
    folder = Path(header.folder)
    find_beside(header.folder)
    fingerprint = header.fingerprints.get(variant, "")
    data = open_rows(spec, folder, variant, fingerprint)
    own = _verifiable(data.frame(), spec, data, spec.data.source)
    if request.origin is not Origin.DATA:
        _require_roles(spec, request)
        numbers = np.arange(len(own.target))
        allowed = _where(own.frame, request)
        return Ground(
            spec=spec, data=data, own=own, table=own, numbers=numbers, allowed=allowed, fingerprint=fingerprint
        )
    table, numbers, found = _other_table(spec, data, variant, folder, request)
    allowed = np.ones(len(numbers), dtype=bool)
    return Ground(spec=spec, data=data, own=own, table=table, numbers=numbers, allowed=allowed, fingerprint=found)


def _other_table(
    spec: SweepSpec, data: "DataRows", variant: str, folder: Path, request: Request
) -> "tuple[Verifiable, Any, str]":
    from manyfit.data import variants
    from manyfit.data.fingerprint import column_fingerprint, table_fingerprint
    from manyfit.data.unseen import read_table_like

    params = variants(spec.data)[variant]
    frame = read_table_like(spec.data, request.data, folder, params=params, here=request.here)
    found = table_fingerprint({column.name: column_fingerprint(column) for column in frame.iter_columns()})
    numbers = np.flatnonzero(_where(frame, request))
    if not len(numbers):
        raise UserError(f"{request.data}: no row fulfils {request.where!r}")
    return _verifiable(frame[numbers], spec, data, request.data), numbers, found


def _verifiable(frame: Any, spec: SweepSpec, data: "DataRows", file: str) -> "Verifiable":
    from manyfit.data.verifiable import verifiable

    chosen = {name: None for features in spec.features for name in data.columns(features.name)}
    return verifiable(
        frame,
        spec.data,
        problem=data.problem,
        classes=data.classes,
        columns=tuple(chosen),
        file=file,
        encoding=data.encoding(),
    )


def _where(frame: Any, request: Request) -> Any:
    from manyfit.data.conditions import rows_where

    if not request.where:
        return np.ones(len(frame), dtype=bool)
    try:
        return np.array(rows_where(frame, request.where))
    except ValueError as error:
        raise UserError(f"--where: {error}") from error


def _require_roles(spec: SweepSpec, request: Request) -> None:
    if request.origin is Origin.UNSEEN_GROUPS and spec.data.group is None:
        raise UserError(
            'the sweep knows no groups; write group = "..." in [data], the column of what belongs together, or'
            " name rows of your own with --data"
        )


# -- drawing -----------------------------------------------------------------------------------------


def draw_rows(ground: Ground, chosen: Chosen, request: Request) -> Drawn | str:
    """Draw the rows for the fits of a model; as a text, why there are none. Raises `UserError`."""
    free = ground.allowed & ground.table.judged()
    counts = {"no_target": int((ground.allowed & ~ground.table.judged()).sum())}
    eligible = []
    for cell in chosen.cells:
        mask = free & _unseen(ground, cell, request, counts)
        free &= ~mask  # of fits that have not seen a row the first predicts it
        eligible.append(np.flatnonzero(mask))
    rows = np.concatenate(eligible)
    if not len(rows):
        return _why_none(chosen, request, counts)
    drawn, notes = _sampled(ground, rows, request)
    owner = np.repeat(np.arange(len(eligible)), [len(part) for part in eligible])
    parts = [Part(cell=cell, rows=np.sort(rows[drawn[owner[drawn] == i]])) for i, cell in enumerate(chosen.cells)]
    kept = tuple(part for part in parts if len(part.rows))
    return Drawn(parts=kept, counts=counts, notes=(*notes, *_told(counts, request)))


def _unseen(ground: Ground, cell: Cell, request: Request, counts: dict[str, int]) -> Any:
    """Return which rows of the table a fit has not seen, and count the others in *counts*."""
    from manyfit.data.verifiable import of_unseen_groups, seen_rows, set_of_rows

    train = ground.data.sets(cell.split, cell.fold, cell.seed)[TRAIN]
    match request.origin:
        case Origin.UNSEEN_GROUPS:
            return of_unseen_groups(ground.table, train)
        case Origin.UNUSED_ROWS:
            names = set_of_rows(ground.data.sets(cell.split, None, cell.seed), len(ground.own.target))
            return np.array([not name for name in names], dtype=bool)
        case Origin.DATA:
            seen = seen_rows(ground.table, ground.own, train)
            counts["seen_by_index"] = int(seen.by_index.sum())
            counts["seen_by_content"] = int(seen.by_content.sum())
            return np.ones_like(seen.any) if request.keep_seen else ~seen.any
        case _:
            assert_never(request.origin)


def _sampled(ground: Ground, rows: Any, request: Request) -> tuple[Any, tuple[str, ...]]:
    from manyfit.data.sampling import draw

    keys = ground.table.keys()
    names = [ground.spec.data.labels.get(text, text) for text in ground.data.classes]
    codes = ground.table.target[rows] if ground.data.problem is Problem.CLASSIFICATION else None
    found = draw(request.sampling, [keys[row] for row in rows], seed=request.seed, codes=codes, names=names)
    return found.rows, found.notes


def _why_none(chosen: Chosen, request: Request, counts: Mapping[str, int]) -> str:
    match request.origin:
        case Origin.DATA:
            if counts.get("seen_by_index", 0) + counts.get("seen_by_content", 0):
                return (
                    f"{request.data}: no row is left, every one stands among the training rows of split"
                    f' "{chosen.split}" ({_by(counts)}); --keep-seen keeps them'
                )
            return f"{request.data}: no row has a target"
        case Origin.UNSEEN_GROUPS:
            return f'split "{chosen.split}" leaves no group unseen: each of them has training rows'
        case Origin.UNUSED_ROWS:
            return f'split "{chosen.split}" leaves no row out: every one is in a set'
        case _:
            assert_never(request.origin)


def _told(counts: Mapping[str, int], request: Request) -> Sequence[str]:
    """Return what is to be said of rows that were seen in training, and of rows that nobody can judge."""
    found = []
    if n_seen := counts.get("seen_by_index", 0) + counts.get("seen_by_content", 0):
        fate = "are kept, as --keep-seen says" if request.keep_seen else "are left out (--keep-seen keeps them)"
        found.append(
            f"leakage: {n_seen} rows of {request.data} stand among training rows ({_by(counts)}) and {fate}"
        )
    if n_without := counts.get("no_target", 0):
        found.append(f"{n_without} rows without a target are left out")
    return found


def _by(counts: Mapping[str, int]) -> str:
    by = [("index", "seen_by_index"), ("equal features and target", "seen_by_content")]
    return ", ".join(f"{counts[name]} by {what}" for what, name in by if counts.get(name))
