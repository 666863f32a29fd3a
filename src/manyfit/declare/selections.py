"""Splits and folds: which rows train, which evaluate."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from manyfit.declare.complaints import Complaints, kind_of, received, shown, unknown, wrong
from manyfit.declare.quantities import flag, is_number, label, name, text, whole
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import FoldKind, Folds, Split, SplitKind

KEYS = ("kind", "train", "validate", "test", "column", "seed", "folds", "validation", "gap")
"""Keys of a split. Any other key names a further evaluation set."""

LEAVE_ONE_OUT = FoldKind.LEAVE_ONE_GROUP_OUT.value
"""A kind of folds, and short for the split that has all rows and those folds."""

RESERVED = frozenset({"train", "cv"})
_SETS = ("validate", "test")
_FOLD_KEYS = ("kind", "n", "shuffle")
_FORMS: Mapping[SplitKind, str] = {
    SplitKind.FILTER: "an SQL condition on the columns",
    SplitKind.RANDOM: "a fraction between 0 and 1",
    SplitKind.TIME: "a fraction between 0 and 1",
    SplitKind.GROUPS: "a list of group names or a fraction between 0 and 1",
    SplitKind.COLUMN: "the text of its rows in the column",
}

SetRecipe = str | float | tuple[str, ...]


def split(value: Any) -> Split:
    """
    Read one split; its name is filled in by the caller.

    An integer alone means that many folds over all rows. Without `kind` the values tell it: texts are
    SQL conditions, fractions a random split, lists the groups that are held out.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"folds": value}
    if not isinstance(value, Mapping):
        wrong(f"{received(value)}; a table is wanted")
    complaints = Complaints()
    value = _in_full(value, complaints)
    kind = _kind(value, complaints)
    if kind is None:
        complaints.raise_any()
        raise AssertionError
    sets = _sets(value, kind, complaints)
    found = Split(
        name="",
        kind=kind,
        train=_train(value, kind, complaints),
        sets=sets,
        column=_column(value, kind, complaints),
        seed=_read(lambda seed: whole(seed, 0), value, "seed", 0, complaints),
        folds=_read(lambda folds: _folds(folds, kind), value, "folds", None, complaints),
        validation=_read(flag, value, "validation", True, complaints) and bool(sets),
        gap=_read(lambda rows: whole(rows, 0, "a number of rows"), value, "gap", 0, complaints),
    )
    if not complaints:
        _check_whole(value, found, complaints)
    complaints.raise_any()
    return found


def named(found: Split, name: str) -> Split:
    """Return the split under its name."""
    return replace(found, name=name)


def _read(read: Any, table: Mapping[str, Any], key: str, default: Any, complaints: Complaints) -> Any:
    return complaints.keep(read, table[key], key) if key in table else default


def _in_full(table: Mapping[str, Any], complaints: Complaints) -> Mapping[str, Any]:
    """Return a split whose kind is `LEAVE_ONE_OUT` as what it is short for: all rows, with those folds."""
    if table.get("kind") != LEAVE_ONE_OUT:
        return table
    if "folds" in table and table["folds"] not in (LEAVE_ONE_OUT, {"kind": LEAVE_ONE_OUT}):
        complaints.add(f'a split of kind "{LEAVE_ONE_OUT}" has one fold for each group; leave folds out', "folds")
    held_out = [key for key in table if key in {"train", *_SETS} or key not in KEYS]
    if held_out:
        complaints.add(
            f'a split of kind "{LEAVE_ONE_OUT}" holds out every group in turn and has no sets; for sets beside it'
            f' choose another kind and write folds = "{LEAVE_ONE_OUT}"',
            str(held_out[0]),
        )
    plain = {key: value for key, value in table.items() if key not in held_out}
    return {**plain, "kind": SplitKind.ALL.value, "folds": LEAVE_ONE_OUT}


def _kind(table: Mapping[str, Any], complaints: Complaints) -> SplitKind | None:
    if "kind" in table:
        known = [*(kind.value for kind in SplitKind), LEAVE_ONE_OUT]
        if table["kind"] in known:
            return SplitKind(table["kind"])
        complaints.add(unknown(str(table["kind"]), known, "kind of split"), "kind")
        return None
    if "column" in table:
        return SplitKind.COLUMN
    values = [part for key, part in table.items() if key in _SETS or key not in KEYS]
    if "train" in table or any(isinstance(part, str) for part in values):
        return SplitKind.FILTER
    if any(isinstance(part, (list, tuple)) for part in values):
        return SplitKind.GROUPS
    if any(isinstance(part, float) for part in values):
        return SplitKind.RANDOM
    return SplitKind.ALL if not values and "folds" in table else SplitKind.FILTER


def _sets(table: Mapping[str, Any], kind: SplitKind, complaints: Complaints) -> dict[str, SetRecipe]:
    """Return the evaluation sets in declared order."""
    found: dict[str, SetRecipe] = {}
    for key, value in table.items():
        if key in KEYS and key not in _SETS:
            continue
        if kind is SplitKind.ALL:
            message = 'a split of kind "all" has no evaluation sets; for those choose another kind'
            complaints.add(message if key in KEYS else unknown(str(key), KEYS, "key"), str(key))
        elif key not in KEYS and _misspelt(str(key), table):
            complaints.add(unknown(str(key), KEYS, "key"), str(key))
        elif not _fits(value, kind):
            complaints.add(_misfit(str(key), value, kind), str(key))
        elif (named := complaints.keep(_set_name, key, str(key))) is not None:
            found[named] = complaints.keep(lambda part: _recipe(part, kind), value, named)
    _check_fractions(found, complaints)
    if kind is SplitKind.COLUMN and not found and not complaints:
        return {key: key for key in _SETS}
    return found


def _set_name(value: Any) -> str:
    found = name(value)
    if found in RESERVED:
        wrong(f"{shown(found)} is the name of a set that manyfit makes itself; choose another")
    return found


def _misspelt(key: str, table: Mapping[str, Any]) -> bool:
    """Whether a further set looks like a slip of the pen in a key that is not there: "trian"."""
    return any(sorted(key) == sorted(known) for known in KEYS if known not in table)


def _fits(value: Any, kind: SplitKind) -> bool:
    match kind:
        case SplitKind.FILTER | SplitKind.COLUMN:
            return isinstance(value, str)
        case SplitKind.RANDOM | SplitKind.TIME:
            return is_number(value)
        case _:
            return is_number(value) or isinstance(value, (str, list, tuple))


def _misfit(key: str, value: Any, kind: SplitKind) -> str:
    if key in KEYS:
        return f'{received(value)}; a split of kind "{kind.value}" wants {_FORMS[kind]}'
    closest = did_you_mean(key, KEYS)
    return (
        f'no key "{key}"{closest}; known: {", ".join(KEYS)}; any other key is a further evaluation set and wants'
        f" {_FORMS[kind]}, but {shown(value)} is {kind_of(value)}"
    )


def _recipe(value: Any, kind: SplitKind) -> SetRecipe:
    if kind in {SplitKind.FILTER, SplitKind.COLUMN}:
        return text(value)
    if is_number(value):
        if not 0 < value < 1:
            wrong(f"{value} is no fraction; a number above 0 and below 1 is wanted")
        return float(value)
    names = tuple(label(part) for part in ([value] if isinstance(value, str) else value))
    if not names:
        wrong("is an empty list; name at least one group")
    if len(set(names)) < len(names):
        wrong(f"{shown(value)} names a group twice")
    return names


def _check_fractions(sets: Mapping[str, SetRecipe], complaints: Complaints) -> None:
    fractions = {key: value for key, value in sets.items() if isinstance(value, float)}
    total = sum(fractions.values())
    if total >= 1 - 1e-9 and len(fractions) > 1:
        names = " + ".join(fractions)
        complaints.add(
            f"the fractions {names} sum to {total:g}; below 1 leaves rows to train on",
            *[next(reversed(fractions))],
        )


def _train(table: Mapping[str, Any], kind: SplitKind, complaints: Complaints) -> str | None:
    if "train" not in table:
        return "train" if kind is SplitKind.COLUMN else None
    if kind in {SplitKind.FILTER, SplitKind.COLUMN}:
        return _read(text, table, "train", None, complaints)  # type: ignore[no-any-return] # text gives a str
    complaints.add(
        f'a split of kind "{kind.value}" trains on all rows in no evaluation set; leave train out', "train"
    )
    return None


def _column(table: Mapping[str, Any], kind: SplitKind, complaints: Complaints) -> str | None:
    if kind is SplitKind.COLUMN and "column" not in table:
        complaints.add('a split of kind "column" needs column = "...", the column that names the set of each row')
    if kind is not SplitKind.COLUMN and "column" in table:
        complaints.add(
            f'a split of kind "{kind.value}" has no column; leave it out or choose kind = "column"', "column"
        )
        return None
    return _read(text, table, "column", None, complaints)  # type: ignore[no-any-return] # text gives a str


def _folds(value: Any, kind: SplitKind) -> Folds:
    """
    Read folds. Their kind follows the split where it is not given, so that nothing leaks:
    whole groups when groups are held out, the order of time when time is, else stratified folds
    (which are plain ones for a regression).
    """
    if isinstance(value, str):
        value = _only_kind(value)
    table = value if isinstance(value, Mapping) else {"n": value}
    if table.get("kind") == LEAVE_ONE_OUT:
        return _leave_one_out(table)
    complaints = Complaints()
    for key in table:
        if key not in _FOLD_KEYS:
            complaints.add(unknown(str(key), _FOLD_KEYS, "key"), str(key))
    if "n" not in table:
        complaints.add("folds need n = ..., the number of folds")
    n = _read(lambda part: whole(part, 2, "a number of folds"), table, "n", 2, complaints)
    fold_kind = _read(_fold_kind, table, "kind", _default_folds(kind), complaints)
    timed = fold_kind is FoldKind.TIME
    shuffle = _read(flag, table, "shuffle", not timed, complaints)
    if shuffle and timed:
        complaints.add("folds in the order of time cannot be shuffled", "shuffle")
    complaints.raise_any()
    return Folds(n=n, kind=fold_kind, shuffle=shuffle)


def _only_kind(text: str) -> Mapping[str, Any]:
    """Return folds that are given as a kind alone, which one kind allows."""
    kind = _fold_kind(text)
    if kind is not FoldKind.LEAVE_ONE_GROUP_OUT:
        wrong(f'{shown(text)} needs a number of folds: write {{ kind = "{text}", n = 5 }}')
    return {"kind": text}


def _leave_one_out(table: Mapping[str, Any]) -> Folds:
    """Read folds that the groups decide; more than that there is nothing to say."""
    complaints = Complaints()
    for key in table:
        if key == "n":
            complaints.add("there are as many folds as groups; leave n out", "n")
        elif key == "shuffle":
            complaints.add("each fold holds out one group, so that nothing is shuffled; leave it out", "shuffle")
        elif key != "kind":
            complaints.add(unknown(str(key), _FOLD_KEYS, "key"), str(key))
    complaints.raise_any()
    return Folds(n=0, kind=FoldKind.LEAVE_ONE_GROUP_OUT, shuffle=False)


def _default_folds(kind: SplitKind) -> FoldKind:
    return {SplitKind.GROUPS: FoldKind.GROUP, SplitKind.TIME: FoldKind.TIME}.get(kind, FoldKind.STRATIFIED)


def _fold_kind(value: Any) -> FoldKind:
    known = [kind.value for kind in FoldKind]
    if value not in known:
        wrong(unknown(str(value), known, "kind of folds"))
    return FoldKind(value)


def _check_whole(table: Mapping[str, Any], found: Split, complaints: Complaints) -> None:
    """Check what only the whole split shows: that it selects something, and that something is scored."""
    if found.kind is SplitKind.FILTER and found.train is None and not found.sets:
        complaints.add(
            'has no rows to select: give train, validate or test an SQL condition, or choose kind = "all"'
        )
    elif found.kind in {SplitKind.RANDOM, SplitKind.TIME, SplitKind.GROUPS} and not found.sets:
        complaints.add(f"has no evaluation set: give validate or test {_FORMS[found.kind]}")
    elif not found.sets and found.folds is None:
        complaints.add("scores nothing: give folds, for example folds = 5, or an evaluation set such as test")
    elif not found.validation and found.folds is None:
        complaints.add("validation = false leaves nothing to score without folds", "validation")
    elif found.gap and found.kind is not SplitKind.TIME and not _timed(found.folds):
        complaints.add('needs the order of time: kind = "time", or folds = { kind = "time", n = 5 }', "gap")
    elif table.get("validation") is True and not found.sets:
        complaints.add("there is no evaluation set to score; leave validation out or give one", "validation")


def _timed(folds: Folds | None) -> bool:
    return folds is not None and folds.kind is FoldKind.TIME
