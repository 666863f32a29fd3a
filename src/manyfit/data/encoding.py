"""
Encoding: columns of texts become columns of numbers, one for each value or one with the places in an order.

The values of a sweep are those of its whole table, so that they are one list on every machine and in every
fold. A table that a model meets later is encoded by what the model knows, whatever values it has.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from manyfit.data.findings import Findings, some
from manyfit.model.encoding import Encoding, code_name, onehot_name
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import EncodeSpec

if TYPE_CHECKING:
    import polars as pl

KEY = "data.encode"
_ENCODABLE = frozenset({"text", "int", "bool"})
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def encoded(
    frame: "pl.DataFrame", encode: EncodeSpec, target: str, roles: Sequence[str], findings: Findings
) -> "pl.DataFrame | None":
    """
    Return *frame* with the encoding columns behind its own; None when *findings* got a mistake.

    One-hot columns (bool) stand by column and value, and are false where the value is missing; codes
    (float64, from 0) are missing there. Patterns leave out the *target* and the columns with *roles*.
    """
    before = len(findings.mistakes)
    onehot = _onehot_columns(frame, encode, (target, *roles), findings)
    for name, key in _named(encode):
        if name == target:
            findings.mistake(key, f'"{name}" is the target; its classes need no numbers')
        elif name in frame.columns or name in encode.ordinal:
            _check_column(frame, name, key, findings)
    if len(findings.mistakes) > before:
        return None
    _check_names(frame, onehot, encode, findings)
    made: list[pl.Series] = []
    for name in onehot:
        made += _onehot(frame[name], _values(frame[name], encode, findings))
    made += [_codes(frame[name], encode, findings) for name in sorted(encode.ordinal)]
    return None if len(findings.mistakes) > before else frame.with_columns(made)


def encoding_in(
    encode: EncodeSpec | None, kinds: Mapping[str, str], target: str, roles: Sequence[str]
) -> Encoding:
    """Return what `encoded` made of a table whose columns now have these *kinds*; arguments as there."""
    if encode is None:
        return Encoding()
    onehot = {name for name in kinds if _is_onehot(name, kinds[name], encode, (target, *roles))}
    values: dict[str, list[str]] = {}
    for name in kinds:
        for at in (at for at, letter in enumerate(name) if letter == "="):
            if name[:at] in onehot:
                values.setdefault(name[:at], []).append(name[at + 1 :])
    found = {name: tuple(listed) for name, listed in values.items()}
    return Encoding(values=found, orders=dict(encode.ordinal))


def encoded_like(frame: "pl.DataFrame", encoding: Encoding, features: Sequence[str]) -> "pl.DataFrame":
    """
    Return *frame* with those of *features* that encode columns of it, where it lacks them.

    They stand behind its own columns in the order of *features*. Values that are not known are encoded as a
    missing value is, see `unknown_values`.
    """
    origins = encoding.origins()
    lacking = [name for name in features if name not in frame.columns and origins.get(name) in frame.columns]
    known = encoding.known()
    texts = {name: _matched(frame[name], known[name]) for name in {origins[feature] for feature in lacking}}
    return frame.with_columns(
        [
            _coded(texts[origin], known[origin])
            if origin in encoding.orders
            else next(_onehot(texts[origin], [feature[len(origin) + 1 :]]))
            for feature in lacking
            for origin in (origins[feature],)
        ]
    )


def unknown_values(frame: "pl.DataFrame", encoding: Encoding, features: Sequence[str]) -> list[str]:
    """Return sentences about values of *frame* that a model with *features* was not fitted on."""
    origins = encoding.origins()
    asked = {origins[name]: None for name in features if name in origins and name not in frame.columns}
    notes = []
    for name in (name for name in asked if name in frame.columns):
        counts = _others(frame[name], encoding.known()[name])
        n = sum(counts.values())
        if n:
            shown = some((f"{value} ({count})" for value, count in counts.items()), 6)
            rows, count_ = ("row has", "counts") if n == 1 else ("rows have", "count")
            notes.append(
                f'{n:,} {rows} a value of "{name}" that the model does not know, and {count_} as missing'
                f" there: {shown}"
            )
    return notes


# -- the table of a sweep --------------------------------------------------------------------------------


def _named(encode: EncodeSpec) -> Iterator[tuple[str, str]]:
    """Yield what is named as a column, or as a pattern, with its key."""
    yield from ((name, f"{KEY}.onehot[{i}]") for i, name in enumerate(encode.onehot))
    yield from ((name, f"{KEY}.ordinal.{name}") for name in encode.ordinal)


def _is_onehot(name: str, kind: str, encode: EncodeSpec, roles: Sequence[str]) -> bool:
    if name in encode.ordinal:
        return False
    by_pattern = kind == "text" and name not in roles
    return name in encode.onehot or (by_pattern and any(fnmatchcase(name, one) for one in encode.onehot))


def _onehot_columns(
    frame: "pl.DataFrame", encode: EncodeSpec, roles: Sequence[str], findings: Findings
) -> list[str]:
    """Return the columns that are to have one column for each value, in table order."""
    from manyfit.data.fingerprint import kind_of

    kinds = {name: kind_of(dtype) for name, dtype in frame.schema.items()}
    for i, pattern in enumerate(encode.onehot):
        takes = EncodeSpec(onehot=(pattern,))
        if pattern not in kinds and not any(_is_onehot(name, kinds[name], takes, roles) for name in kinds):
            near = did_you_mean(pattern, kinds) or f"; columns: {some(kinds, 6)}"
            findings.mistake(f"{KEY}.onehot[{i}]", f'"{pattern}" matches no column of texts{near}')
    return [name for name in kinds if _is_onehot(name, kinds[name], encode, roles)]


def _check_column(frame: "pl.DataFrame", name: str, key: str, findings: Findings) -> None:
    from manyfit.data.fingerprint import kind_of

    if name not in frame.columns:
        near = did_you_mean(name, frame.columns) or f"; columns: {some(frame.columns, 6)}"
        findings.mistake(key, f'there is no column "{name}"{near}')
    elif frame[name].null_count() == len(frame):
        findings.mistake(key, f'"{name}" is empty: it has no values to encode')
    elif (kind := kind_of(frame.schema[name])) not in _ENCODABLE:
        findings.mistake(key, f'"{name}" is a {kind} column; texts, integers and truth values can be encoded')


def _check_names(frame: "pl.DataFrame", onehot: Sequence[str], encode: EncodeSpec, findings: Findings) -> None:
    """Refuse columns of the table that would look like encoding ones."""
    codes = {code_name(name) for name in encode.ordinal}
    begins = tuple(f"{name}=" for name in onehot)
    taken = [name for name in frame.columns if name in codes or (begins and name.startswith(begins))]
    if taken:
        findings.mistake(KEY, f"the table already has {some(taken)}, as encoding names its columns; rename them")


def _values(column: "pl.Series", encode: EncodeSpec, findings: Findings) -> list[str]:
    from manyfit.data.fingerprint import as_text

    values: list[str] = as_text(column).drop_nulls().unique().sort().to_list()
    if len(values) > encode.max_values:
        findings.mistake(
            f"{KEY}.onehot",
            f'"{column.name}" has {len(values):,} values, and each would be a column; max_values is'
            f" {encode.max_values}: raise it, or put rare values together in the table",
        )
        return []
    return values


def _onehot(column: "pl.Series", values: Iterable[str]) -> Iterator["pl.Series"]:
    from manyfit.data.fingerprint import as_text

    texts = as_text(column)
    for value in values:
        yield (texts == value).fill_null(False).alias(onehot_name(column.name, value))


def _codes(column: "pl.Series", encode: EncodeSpec, findings: Findings) -> "pl.Series":
    order = encode.ordinal[column.name]
    if others := _others(column, order):
        shown = some((f"{value} ({count})" for value, count in others.items()), 6)
        findings.mistake(f"{KEY}.ordinal.{column.name}", f"the column has values that the order lacks: {shown}")
    return _coded(_matched(column, order), order)


# -- any table -------------------------------------------------------------------------------------------


def _coded(texts: "pl.Series", order: Sequence[str]) -> "pl.Series":
    import polars as pl

    codes = {value: float(code) for code, value in enumerate(order)}
    return texts.replace_strict(codes, default=None, return_dtype=pl.Float64).alias(code_name(texts.name))


def _matched(column: "pl.Series", known: Sequence[str]) -> "pl.Series":
    """Return *column* with the *known* value that each of its values is, null where that is none."""
    import polars as pl

    from manyfit.data.fingerprint import as_text

    texts = as_text(column)
    same = _same(texts.drop_nulls().unique().to_list(), known)
    return texts.replace_strict(same, default=None, return_dtype=pl.String)


def _others(column: "pl.Series", known: Sequence[str]) -> Mapping[str, int]:
    """Return how often each value stands in *column* that is none of *known*, in order."""
    from manyfit.data.fingerprint import as_text

    counts = as_text(column).drop_nulls().value_counts().sort(column.name)
    found = {str(value): int(count) for value, count in counts.iter_rows()}
    same = _same(found, known)
    return {value: count for value, count in found.items() if value not in same}


def _same(values: Iterable[str], known: Sequence[str]) -> Mapping[str, str]:
    """
    Return the *known* value that each of *values* is, for those that are one.

    A file of comma-separated texts does not say whether 01, 1.0 or True are texts, numbers or truth values,
    and one part of a table is read otherwise than the whole: what is one number, or one truth value, is equal
    where no other known value is that as well.
    """
    plain = Counter(map(_plain, known))
    of_plain = {_plain(value): value for value in known if plain[_plain(value)] == 1}
    exact = set(known)
    found = {value: value if value in exact else of_plain.get(_plain(value)) for value in values}
    return {value: match for value, match in found.items() if match is not None}


def _plain(value: str) -> str:
    if value.casefold() in ("true", "false"):
        return value.casefold()
    return str(int(value.partition(".")[0])) if _WHOLE.fullmatch(value) and len(value) < 100 else value
