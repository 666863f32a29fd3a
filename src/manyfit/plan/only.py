"""Filters of a run: ``kernel=linear pipeline=svc`` keeps the tasks that match."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.model.candidate import Candidate, Cell, show_value
from manyfit.model.errors import UserError
from manyfit.model.mistake import did_you_mean

_CANDIDATE_FIELDS = ("pipeline", "features", "variant")
_CELL_FIELDS = ("split", "fold", "seed")


@dataclass(frozen=True, slots=True)
class Only:
    """
    Which tasks are wanted: for each name, the values that are.

    Names are pipeline, features, variant, split, fold, seed, or a searched parameter as it was declared
    (with or without its step). A candidate that does not have the parameter does not match.
    """

    wanted: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return bool(self.wanted)

    def candidate(self, candidate: Candidate) -> bool:
        """Whether the candidate's part of the filter matches."""
        return all(
            _candidate_value(candidate, name) in values
            for name, values in self.wanted.items()
            if name not in _CELL_FIELDS
        )

    def cell(self, cell: Cell) -> bool:
        """Whether the cell's part of the filter matches."""
        return all(
            str(getattr(cell, name)) in values for name, values in self.wanted.items() if name in _CELL_FIELDS
        )

    def as_texts(self) -> list[str]:
        """Return the filter as `parse` reads it."""
        return [f"{name}={value}" for name, values in self.wanted.items() for value in values]


def parse(texts: Iterable[str]) -> Only:
    """
    Return the filter of ``name=value`` texts; several values of one name are alternatives.

    Raises `UserError` for a text that is not of this form.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(
                f'"{text}" is not a filter; write name=value, for example pipeline=svc or kernel=linear'
            )
        wanted[name.strip()] = (*wanted.get(name.strip(), ()), _plain(value.strip()))
    return Only(wanted)


def check(only: Only, candidates: Sequence[Candidate], cells: Sequence[Cell]) -> None:
    """Raise `UserError` when the filter names something that the sweep does not have, or matches nothing."""
    params = {name for candidate in candidates for name in candidate.shown}
    bare = {name.rpartition("__")[2] for name in params}
    known = {*_CANDIDATE_FIELDS, *_CELL_FIELDS, *params, *bare}
    for name, values in only.wanted.items():
        if name not in known:
            raise UserError(f'this sweep has no "{name}" to filter by{did_you_mean(name, known)}')
        has = _values(name, candidates, cells)
        for value in values:
            if value not in has:
                shown = ", ".join(sorted(has)[:8])
                raise UserError(f'{name}={value} matches no task; values of "{name}" here: {shown}')


def _values(name: str, candidates: Sequence[Candidate], cells: Sequence[Cell]) -> set[str]:
    if name in _CELL_FIELDS:
        return {str(getattr(cell, name)) for cell in cells}
    return {value for candidate in candidates if (value := _candidate_value(candidate, name)) is not None}


def _candidate_value(candidate: Candidate, name: str) -> str | None:
    if name in _CANDIDATE_FIELDS:
        return str(getattr(candidate, name))
    for shown, value in candidate.shown.items():
        if name in {shown, shown.rpartition("__")[2]}:
            return show_value(value)
    return None


def _plain(value: str) -> str:
    """Bring a typed value into the form of `show_value`: 1.0 and 1 are one number for a person."""
    try:
        parsed: Any = json.loads(value)
    except ValueError:
        return value
    return show_value(parsed) if isinstance(parsed, (int, float)) and not isinstance(parsed, bool) else value
