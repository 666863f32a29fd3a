"""
The shape of a table: what `[data.windows]`, `[data.lags]` and `[data.encode]` make of it once it is read.

A shaping is part of the source, so that the cache and the notes keep tables of different shapes apart.
A further shape is one field of `Shaping`, one part of `shape_grid` where it is a factor, and one function
in `shaped`, with a module of its own beside `data/windows.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from manyfit.data.findings import Findings
from manyfit.model.keys import content_key
from manyfit.model.sweep import DataSpec, EncodeSpec, LagsSpec, WindowsSpec

if TYPE_CHECKING:
    import polars as pl

DEFAULT_TARGET = "target"
"""Name of the target column where the sweep names none."""

SIZE = "windows.size"
"""The argument of a data variant that is the size of its windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """
    What is done to a table, and the columns that have a role in that.

    `windows` has one size. `target` is the column of the labels; `index`, `group` and `time` as in [data].
    """

    windows: WindowsSpec | None = None
    lags: LagsSpec | None = None
    encode: EncodeSpec | None = None
    target: str = DEFAULT_TARGET
    index: str | None = None
    group: str | None = None
    time: str | None = None

    def any(self) -> bool:
        """Whether anything is done at all."""
        return any(part is not None for part in (self.windows, self.lags, self.encode))

    @property
    def key(self) -> str:
        """The key of everything that decides the shape."""
        windows = None if self.windows is None else asdict(self.windows) | {"mixed": self.windows.mixed.value}
        further = [asdict(part) for part in (self.lags, self.encode) if part is not None]
        return content_key([windows, self.target, self.index, self.group, self.time, *further])

    @property
    def roles(self) -> tuple[str, ...]:
        """The columns, beside the target, that are there for another reason than to be features."""
        return tuple(name for name in (self.index, self.group, self.time) if name is not None)


def shaping_of(data: DataSpec, params: Mapping[str, Any]) -> Shaping:
    """Return the shaping that *data* declares for the data variant with *params* ({}: the first size)."""
    windows = data.windows
    if windows is not None:
        windows = replace(windows, sizes=(int(params.get(SIZE, windows.sizes[0])),))
    return Shaping(
        windows=windows,
        lags=data.lags,
        encode=data.encode,
        target=data.target or DEFAULT_TARGET,
        index=data.index,
        group=data.group,
        time=data.time,
    )


def shape_grid(data: DataSpec) -> dict[str, Sequence[Any]]:
    """Return the values of what varies the shape, by the names of the arguments of data variants."""
    sizes = data.windows.sizes if data.windows else ()
    return {SIZE: sizes} if len(sizes) > 1 else {}


def for_source(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a data variant that its source function takes."""
    return {name: value for name, value in params.items() if "." not in name}


def shaped(frame: "pl.DataFrame", shaping: Shaping, findings: Findings) -> "pl.DataFrame | None":
    """
    Return the table in its declared shape; None when *findings* got a mistake.

    A table without the target column is shaped as well: to predict, no label is needed.
    """
    found: pl.DataFrame | None = frame
    if shaping.windows is not None:
        from manyfit.data.windows import Roles, windowed

        roles = Roles(target=shaping.target, group=shaping.group, stamps=(shaping.index, shaping.time))
        found = windowed(frame, shaping.windows, roles, findings)
    if found is not None and shaping.lags is not None and shaping.time is not None:
        from manyfit.data.lags import Series, lagged

        series = Series(target=shaping.target, time=shaping.time, by=shaping.lags.by)
        found = lagged(found, shaping.lags, series, findings)
    if found is not None and shaping.encode is not None:
        from manyfit.data.encoding import encoded

        found = encoded(found, shaping.encode, shaping.target, shaping.roles, findings)
    return found


def carried(
    before: "pl.DataFrame", after: "pl.DataFrame", shaping: Shaping, metadata_columns: Sequence[str]
) -> tuple[str, ...]:
    """
    Return the columns of the shaped table that are features only where a set names them.

    Beside windows these are all that were carried along: numbers of recordings and times are no signals.
    """
    if shaping.windows is not None:
        return tuple(name for name in after.columns if name in before.columns and name != shaping.target)
    return tuple(metadata_columns)
