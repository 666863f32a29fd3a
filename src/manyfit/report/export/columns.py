"""The columns of an exported table of runs: which there are, their types, units and meanings."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import polars as pl

from manyfit.model.errors import UserError
from manyfit.model.mistake import did_you_mean

PARAM = "param_"
"""Begins the name of the column of a searched parameter."""


class Kind(Enum):
    """The type of a column."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIME = "time"


DTYPES: Mapping[Kind, pl.DataType | type[pl.DataType]] = {
    Kind.TEXT: pl.String,
    Kind.INTEGER: pl.Int64,
    Kind.FLOAT: pl.Float64,
    Kind.BOOLEAN: pl.Boolean,
    Kind.TIME: pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name, its type, its unit ("": none) and what it means."""

    name: str
    kind: Kind
    unit: str = ""
    meaning: str = ""


_FIXED: Sequence[tuple[str, Kind, str, str]] = (
    ("key", Kind.TEXT, "", "names the run: a hash of what was fitted on which rows"),
    ("pipeline", Kind.TEXT, "", "pipeline of the sweep file"),
    ("candidate_key", Kind.TEXT, "", "names the candidate: the pipeline with its parameters and columns"),
    ("params", Kind.TEXT, "", "searched parameters as a JSON object"),
    ("variant", Kind.TEXT, "", "data variant; empty text where there is only one"),
    ("features", Kind.TEXT, "", "feature set; empty text where there is only one"),
    ("split", Kind.TEXT, "", "split of the sweep file"),
    ("fold", Kind.INTEGER, "", "fold that was held out, from 0; missing: fitted on all training rows"),
    ("held_out", Kind.TEXT, "", "group that the fold holds out, where that is one group"),
    ("seed", Kind.INTEGER, "", "seed of the run"),
    ("outcome", Kind.TEXT, "", "succeeded or failed"),
    ("attempt", Kind.INTEGER, "", "which attempt at the run this is, from 1"),
    ("finished_at", Kind.TIME, "UTC", "when the run ended, by the clock of its worker"),
    ("worker", Kind.TEXT, "", "worker that made the run"),
    ("time_load", Kind.FLOAT, "s", "time to load the rows; 0 or missing where runs before it had loaded them"),
    ("time_fit", Kind.FLOAT, "s", "time to fit; of fits that were made together, its part"),
    ("time_predict", Kind.FLOAT, "s", "time to predict all sets"),
    ("time_score", Kind.FLOAT, "s", "time to compute the scores"),
    ("peak_bytes", Kind.INTEGER, "B", "largest memory of the runner; 0: not measured"),
    ("fused_by", Kind.TEXT, "", "fusion rule that computed it; missing: fitted alone"),
    ("guarantee", Kind.TEXT, "", "what that rule promises of the scores"),
    ("doubtful", Kind.BOOLEAN, "", "whether an audit switched that rule off"),
    ("n_warnings", Kind.INTEGER, "", "warnings of the fit"),
    ("failure_class", Kind.TEXT, "", "class of the failure"),
    ("failure_error", Kind.TEXT, "", "exception of the failure"),
    ("failure_message", Kind.TEXT, "", "message of the failure"),
)
USUAL = tuple(name for name, *_ in _FIXED)
"""The columns that every export has that names none; parameters, scores and counts of rows follow."""

_OTHERS: Sequence[tuple[str, Kind, str, str]] = (
    ("segment", Kind.TEXT, "", "part of the plan that it was in"),
    ("unit", Kind.TEXT, "", "unit of work that it was in"),
    ("epoch", Kind.INTEGER, "", "which claim of that unit made it, from 1"),
    ("index", Kind.INTEGER, "", "place in that unit, from 0"),
    ("generation", Kind.INTEGER, "", "0, or how often the run was asked for again"),
    ("mode", Kind.TEXT, "", "fit, keep (to keep the model) or score (from kept predictions)"),
    ("failure_fingerprint", Kind.TEXT, "", "equal for failures with the same cause"),
    ("warnings", Kind.TEXT, "", "warnings as a JSON list of category, text, count"),
    ("details", Kind.TEXT, "", "what is not a number, by set, as a JSON object: confusion matrices, series"),
    ("artifacts", Kind.TEXT, "", "kept model and predictions as a JSON object"),
)
KNOWN: Mapping[str, Column] = {
    name: Column(name=name, kind=kind, unit=unit, meaning=meaning)
    for name, kind, unit, meaning in (*_FIXED, *_OTHERS)
}


def score_column(part: str, metric: str) -> Column:
    """Return the column of a score."""
    where = "the held-out fold" if part == "cv" else f"the set {part}"
    return Column(name=f"{part}_{metric}", kind=Kind.FLOAT, meaning=f"{metric} on {where}")


def count_column(name: str) -> Column:
    """Return the column of the rows of a set, by the name that results have for it."""
    part = name.removeprefix("n_")
    return Column(name=name, kind=Kind.INTEGER, unit="rows", meaning=f"rows of the set {part}")


def param_columns(texts: Iterable[str]) -> tuple[list[Column], dict[str, list[object]]]:
    """
    Return a column for each parameter in *texts* (JSON objects), and its values text by text.

    Numbers are integers where all of them are; where values are of several types, all are written as JSON. A
    parameter that is null, or that the text does not have, is None.
    """
    parsed = [json.loads(text) for text in texts]
    names = sorted({name for params in parsed for name in params})
    columns, values = [], {}
    for name in names:
        raw = [params.get(name) for params in parsed]
        kind = _kind_of([value for value in raw if value is not None])
        meaning = f"searched parameter {name}; missing: another pipeline's, or None"
        columns.append(Column(name=f"{PARAM}{name}", kind=kind, meaning=meaning))
        values[f"{PARAM}{name}"] = [_as(kind, value) for value in raw]
    return columns, values


def _kind_of(values: Sequence[object]) -> Kind:
    if all(isinstance(value, bool) for value in values):
        return Kind.BOOLEAN
    if any(isinstance(value, bool) for value in values):
        return Kind.TEXT
    if all(isinstance(value, int) and abs(value) < 2**63 for value in values):
        return Kind.INTEGER
    return Kind.FLOAT if all(isinstance(value, (int, float)) for value in values) else Kind.TEXT


def _as(kind: Kind, value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if kind is Kind.TEXT:
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return float(str(value)) if kind is Kind.FLOAT else value


def declared_columns(declared: Sequence[tuple[str, str]], there: Sequence[Column]) -> list[Column]:
    """
    Return the columns that are declared, of those that are *there*, each with the type that it will have.

    Raises `UserError` for a name that is not there, naming the nearest, and for a type that the column does
    not have. An integer may be declared as a float, and everything as text.
    """
    by_name = {column.name: column for column in there}
    found = []
    for name, kind in declared:
        if name not in by_name:
            near = did_you_mean(name, by_name)
            raise UserError(f'no column "{name}"{near}; columns: {", ".join(by_name)}')
        found.append(_typed(by_name[name], kind))
    if len({column.name for column in found}) < len(found):
        raise UserError("a column is declared more than once")
    return found


def _typed(column: Column, declared: str) -> Column:
    if declared not in ("", *(kind.value for kind in Kind)):
        known = [kind.value for kind in Kind]
        raise UserError(f'"{declared}" is no type of a column; types: {", ".join(known)}')
    kind = Kind(declared) if declared else column.kind
    widened = kind is Kind.TEXT or (column.kind, kind) == (Kind.INTEGER, Kind.FLOAT)
    if kind is not column.kind and not widened:
        raise UserError(f"column {column.name} is {column.kind.value}, and is declared as {kind.value}")
    return Column(name=column.name, kind=kind, unit=column.unit, meaning=column.meaning)
