"""Names of the columns that `[data.encode]` adds, for who needs no data frames."""

from collections.abc import Iterable

from manyfit.model.sweep import EncodeSpec


def onehot_name(column: str, value: str) -> str:
    """Return the name of the feature that tells whether *column* has *value*."""
    return f"{column}={value}"


def code_name(column: str) -> str:
    """Return the name of the feature with the places of the values of *column* in their order."""
    return f"{column}_code"


def encoded_columns(encode: EncodeSpec | None, columns: Iterable[str]) -> frozenset[str]:
    """Return which of *columns* other columns of the shaped table encode."""
    names = list(columns)
    if encode is None:
        return frozenset()
    listed = {name for name in encode.ordinal if code_name(name) in names}
    return frozenset(listed | {name for name in names if any(other.startswith(f"{name}=") for other in names)})
