"""Feature sets: which columns of a table are features."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from manyfit.data.ahead import ends_column
from manyfit.data.arrays import Column
from manyfit.data.encoding import encoding_in
from manyfit.data.findings import Findings, some
from manyfit.data.shaping import shaping_of
from manyfit.data.sources import TARGET
from manyfit.model.encoding import Encoding
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import FeatureSet, SplitKind, SweepSpec


def feature_columns(
    spec: SweepSpec, columns: Mapping[str, Column], metadata_columns: Sequence[str], findings: Findings
) -> dict[str, tuple[str, ...]]:
    """
    Return the columns of each feature set, in table order.

    Patterns choose among the numeric columns that have no other role: not the target, the index, the
    group, the time, a column that a split reads its sets from, or a metadata column. A column with a
    role other than the target is a feature where a set includes it by its exact name.
    """
    roles = roles_of(spec, metadata_columns, columns)
    return {
        features.name: _chosen(features, columns, roles, _key(features), findings) for features in spec.features
    }


def _key(features: FeatureSet) -> str:
    return f"features.{features.name}" if features.name else "features"


def encoding_of(spec: SweepSpec, columns: Mapping[str, Column]) -> Encoding:
    """Return which columns of a shaped table encode which others."""
    shaping = shaping_of(spec.data, {})
    kinds = {name: column.kind for name, column in columns.items()}
    return encoding_in(spec.data.encode, kinds, shaping.target, shaping.roles)


def roles_of(spec: SweepSpec, metadata_columns: Sequence[str], columns: Mapping[str, Column]) -> dict[str, str]:
    """
    Return what the columns are that patterns leave out.

    What encodes a column with a role has that role too, unless that column is encoded by its own name.
    """
    roles = _own_roles(spec, metadata_columns)
    encode = spec.data.encode
    named = {*encode.onehot, *encode.ordinal} if encode is not None else set()
    origins = encoding_of(spec, columns).origins()
    return roles | {name: roles[of] for name, of in origins.items() if of in roles and of not in named}


def _own_roles(spec: SweepSpec, metadata_columns: Sequence[str]) -> dict[str, str]:
    data = spec.data
    split_columns = [split.column for split in spec.splits if split.kind is SplitKind.COLUMN and split.column]
    named = [(name, "a metadata column") for name in metadata_columns]
    named += [(name, "the column of a split") for name in split_columns]
    if data.lags is not None and data.time is not None:
        named += [(ends_column(data.time), "the time of the target"), (data.lags.by or "", "the series")]
    named += [(data.time or "", "the time"), (data.group or "", "the group"), (data.index or "", "the index")]
    return {name: role for name, role in named if name} | {data.target or TARGET: "the target"}


def _chosen(
    features: FeatureSet, columns: Mapping[str, Column], roles: Mapping[str, str], key: str, findings: Findings
) -> tuple[str, ...]:
    before = len(findings.mistakes)
    for kind, patterns in (("include", features.include), ("exclude", features.exclude)):
        for i, pattern in enumerate(patterns):
            _check_pattern(pattern, columns, f"{key}.{kind}[{i}]", findings)
    exact = {name for name in features.include if name in columns}
    for name in features.include:
        if name in exact:
            _check_exact(columns[name], roles, f"{key}.include[{features.include.index(name)}]", findings)
    chosen = tuple(
        name
        for name, column in columns.items()
        if column.numeric
        and (name not in roles or name in exact)
        and any(fnmatchcase(name, pattern) or name == pattern for pattern in features.include)
        and not any(fnmatchcase(name, pattern) or name == pattern for pattern in features.exclude)
    )
    if not chosen and len(findings.mistakes) == before:
        left_out = some(f"{name} ({column.shown_kind})" for name, column in columns.items() if name not in roles)
        findings.mistake(
            key, f"no numeric feature column is left; columns without another role: {left_out or 'none'}"
        )
    return chosen


def _check_pattern(pattern: str, columns: Mapping[str, Column], key: str, findings: Findings) -> None:
    if pattern not in columns and not any(fnmatchcase(name, pattern) for name in columns):
        near = did_you_mean(pattern, columns) or f"; columns: {some(columns, 6)}"
        findings.mistake(key, f'"{pattern}" matches no column{near}')


def _check_exact(column: Column, roles: Mapping[str, str], key: str, findings: Findings) -> None:
    if roles.get(column.name) == "the target":
        findings.mistake(key, f'"{column.name}" is the target and cannot be a feature')
    elif not column.numeric:
        kind = "an empty" if column.empty else f"a {column.kind}"
        advice = f'with [data.encode] onehot = ["{column.name}"] its features are "{column.name}=*"'
        findings.mistake(key, f'"{column.name}" is {kind} column; features are numbers; {advice}')


def feature_warnings(
    chosen: Mapping[str, Sequence[str]], spec: SweepSpec, columns: Mapping[str, Column], metadata: Sequence[str]
) -> list[str]:
    """Return warnings about columns that are no features though no role says so, and about gaps."""
    roles = roles_of(spec, metadata, columns)
    encoded = encoding_of(spec, columns).known()
    texts = [
        f"{name} ({column.shown_kind})"
        for name, column in columns.items()
        if not column.numeric and name not in roles and name not in encoded
    ]
    used = [name for name in columns if any(name in names for names in chosen.values())]
    advice = "[data.encode] makes numbers of texts"
    warnings = [f"left out, since features are numbers: {some(texts, 5)}; {advice}"] if texts else []
    for what, gaps in (
        ("missing", {name: columns[name].n_missing for name in used}),
        ("infinite", {name: columns[name].n_infinite for name in used}),
    ):
        listed = [f"{name} ({count})" for name, count in gaps.items() if count]
        if listed:
            warnings.append(f"{what} values in feature columns: {some(listed, 5)}; not every estimator takes them")
    return warnings
