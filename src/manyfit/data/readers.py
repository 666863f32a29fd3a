"""Readers: every kind of source as a Polars frame. A new format is one function and one line in `READERS`."""

import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyfit.data.findings import some
from manyfit.data.sources import SKLEARN, TARGET, Source, SourceKind
from manyfit.model.errors import UserError, told
from manyfit.model.mistake import did_you_mean

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Data sets that scikit-learn brings along, with one target."""

_AGAIN = re.compile(r"(.*)_duplicated_\d+", re.DOTALL)

_MARKERS = ("NA", "N/A", "nan", "NaN", "null", "NULL", "None", "?")


def read(source: Source) -> pl.DataFrame:
    """Return the table of *source* without its metadata. Raises UserError for anything that goes wrong."""
    match source.kind:
        case SourceKind.SKLEARN:
            return _bundled(source.text.removeprefix(SKLEARN))
        case SourceKind.FUNCTION:
            return _called(source)
        case SourceKind.FILE:
            return read_file(source.path, source.text)


def read_file(path: Path, shown: str) -> pl.DataFrame:
    """Return the table in a file, chosen by its suffix; *shown* is what messages call it."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise UserError(
            f'"{shown}" has no suffix that can be read; known: {known};'
            ' other sources are "sklearn:NAME" and "package.module:function"'
        )
    if path.is_dir():
        raise UserError(f'"{shown}" is a folder; a table is one file')
    if not path.is_file():
        raise UserError(f'there is no file "{shown}" ({path}){did_you_mean(path.name, _tables_in(path.parent))}')
    try:
        return reader(path)
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError) as error:
        advice = "; save the file as UTF-8" if "invalid utf-8" in str(error).lower() else ""
        raise UserError(f'"{shown}" cannot be read: {error}{advice}') from error


def _tables_in(folder: Path) -> list[str]:
    """Return the names of the files in *folder* that could be data: a sweep file never is."""
    found = folder.glob("*") if folder.is_dir() else ()
    return [path.name for path in found if path.suffix.lower() in READERS and path.is_file()]


def _csv(path: Path) -> pl.DataFrame:
    return _separated(path, ",")


def _tsv(path: Path) -> pl.DataFrame:
    return _separated(path, "\t")


def _separated(path: Path, separator: str) -> pl.DataFrame:
    frame = pl.read_csv(path, separator=separator, try_parse_dates=True, infer_schema_length=None)
    again = (_AGAIN.fullmatch(name) for name in frame.columns)  # Polars renames what the header has twice
    repeated = sorted({found[1] for found in again if found and found[1] in frame.columns})
    if repeated:
        raise ValueError(f"more than one column is called {some(repeated)}")
    quoted = {name: name.replace('""', '"') for name in frame.columns if '""' in name}
    return _with_numbers(frame.rename(quoted))


def _with_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Read columns of numbers with gaps written as NA as numbers with gaps."""
    return frame.with_columns(_number_or_text(column) for column in frame.iter_columns())


def _number_or_text(column: pl.Series) -> pl.Series:
    if column.dtype != pl.String or not column.is_in(_MARKERS).any():
        return column
    gaps = column.is_in(_MARKERS).fill_null(True)
    for dtype in (pl.Int64(), pl.Float64()):
        numbers = column.zip_with(~gaps, pl.Series(column.name, [None], pl.String)).cast(dtype, strict=False)
        if numbers.null_count() == gaps.sum() < len(column):
            return numbers
    return column


def _arrow(path: Path) -> pl.DataFrame:
    try:
        return pl.read_ipc(path)
    except pl.exceptions.ComputeError:
        return pl.read_ipc_stream(path)


def _npz(path: Path) -> pl.DataFrame:
    with np.load(path, allow_pickle=False) as arrays:
        return _columns({name: arrays[name] for name in arrays.files})


def _npy(path: Path) -> pl.DataFrame:
    array = np.load(path, allow_pickle=False)
    if array.dtype.names:
        return pl.DataFrame({name: np.ascontiguousarray(array[name]) for name in array.dtype.names})
    return _columns({"x": array})


READERS: Mapping[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": pl.read_parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".ipc": _arrow,
    ".npz": _npz,
    ".npy": _npy,
    ".json": pl.read_json,
    ".ndjson": pl.read_ndjson,
}


def _columns(arrays: Mapping[str, np.ndarray[Any, Any]]) -> pl.DataFrame:
    """Return arrays as columns: x0, x1, ... for the features, "target" for y, others by their names."""
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        shown = {"X": "x", "data": "x", "y": TARGET}.get(name, name)
        if array.ndim == 2:
            columns |= {f"{shown}{i}": np.ascontiguousarray(array[:, i]) for i in range(array.shape[1])}
        elif array.ndim == 1:
            columns[shown] = array
        else:
            raise ValueError(f'the array "{name}" has {array.ndim} dimensions; 1 or 2 are wanted')
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its arrays have different numbers of rows: {sorted(set(lengths.values()))}")
    return pl.DataFrame(columns)


def _bundled(name: str) -> pl.DataFrame:
    if name not in BUNDLED:
        raise UserError(
            f'scikit-learn brings no data set "{name}"{did_you_mean(name, BUNDLED)}; known: {", ".join(BUNDLED)}'
        )
    datasets = importlib.import_module("sklearn.datasets")
    return frame_of(getattr(datasets, f"load_{name}")())


def _called(source: Source) -> pl.DataFrame:
    module_name, _, function_name = source.text.partition(":")
    # what it prints must not stand in the output of a command
    with _importable(source.folder), contextlib.redirect_stdout(sys.stderr):
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise UserError(f'"{source.text}": {error}') from error
        except (Exception, SystemExit) as error:
            reason = told(type(error).__name__, error)
            raise UserError(f'"{source.text}": importing {module_name} failed: {reason}') from error
        function = getattr(module, function_name, None)
        if not callable(function):
            near = did_you_mean(function_name, vars(module))
            raise UserError(f'"{source.text}": no function "{function_name}" in {module_name}{near}')
        try:
            return _readable(frame_of(function(**source.params)))
        except UserError as error:
            raise UserError(f'"{source.text}": {error}') from error
        except (Exception, SystemExit) as error:  # user code may raise anything
            raise UserError(f'"{source.text}" failed: {told(type(error).__name__, error)}') from error


def _readable(frame: pl.DataFrame) -> pl.DataFrame:
    """Refuse columns of Python objects, which have no content to compare between hosts."""
    objects = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Object)]
    if objects:
        raise UserError(f"columns hold neither numbers nor texts: {some(objects)}")
    return frame


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def frame_of(made: Any) -> pl.DataFrame:
    """Return what a source function may return as a frame: a frame, columns, an (X, y) pair or a Bunch."""
    if isinstance(made, pl.LazyFrame):
        return made.collect()
    if isinstance(made, pl.DataFrame):
        return made
    if hasattr(made, "columns") and hasattr(made, "iloc"):
        return _from_pandas(made)
    if isinstance(made, Mapping) and "data" in made and "target" in made:
        return _with_target(made["data"], _named(made), made.get("feature_names"))
    if isinstance(made, Mapping):
        return _columns({str(name): np.asarray(column) for name, column in made.items()})
    if isinstance(made, tuple) and len(made) == 2:
        return _with_target(made[0], made[1], None)
    raise UserError(
        f"a source gives a pandas or Polars frame, a dict of columns, a pair (X, y) or a Bunch,"
        f" not {type(made).__name__}"
    )


def _with_target(data: Any, target: Any, names: Any) -> pl.DataFrame:
    if hasattr(data, "toarray"):
        data = data.toarray()
    if hasattr(data, "columns"):
        frame = frame_of(data)
    else:
        array = np.asarray(data)
        listed = [str(name) for name in names] if names is not None else [f"x{i}" for i in range(array.shape[1])]
        frame = pl.DataFrame({name: np.ascontiguousarray(array[:, i]) for i, name in enumerate(listed)})
    values = np.asarray(target)
    if values.ndim != 1 or len(values) != len(frame):
        raise UserError(
            f"the target has shape {values.shape} for {len(frame)} rows; one value for each row is wanted"
        )
    column = pl.Series(TARGET, values.tolist() if values.dtype == object else values)
    return frame.with_columns(column)


def _named(bunch: Mapping[str, Any]) -> Any:
    """Return the target of a Bunch, as the names of its classes where these are texts."""
    target, names = np.asarray(bunch["target"]), bunch.get("target_names")
    if names is None or target.dtype.kind not in "iu" or np.asarray(names).dtype.kind not in "UO":
        return target
    return np.asarray([str(name) for name in names])[target]


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Convert column by column: Polars' own conversion needs pyarrow for texts."""
    names = [str(name) for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"the frame has more than one column called {some(repeated)}")
    return pl.DataFrame([_pandas_column(name, frame.iloc[:, i]) for i, name in enumerate(names)])


def _pandas_column(name: str, series: Any) -> pl.Series:
    values = series.to_numpy()
    if isinstance(series.dtype, np.dtype) and values.dtype.kind in "biufM":
        return pl.Series(name, values)
    present = series.notna().to_numpy()
    listed = [value if there else None for value, there in zip(values.tolist(), present, strict=True)]
    return pl.Series(name, listed, strict=False)
