"""Windows: a table with one row a sample becomes a table with one row a window."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import assert_never

import numpy as np
import numpy.typing as npt
import polars as pl

from manyfit.data.findings import Findings, some
from manyfit.data.fingerprint import NUMERIC, kind_of
from manyfit.model.mistake import did_you_mean
from manyfit.model.sweep import Mixed, WindowsSpec

Integers = npt.NDArray[np.int64]
KEY = "data.windows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """
    Columns that windows treat in their own way.

    `target` holds the labels. `group` must be constant in a recording. Of the `stamps` (row ids, times)
    a window has the values of its first sample.
    """

    target: str
    group: str | None = None
    stamps: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """The recordings of a sorted table: their first rows, and their numbers of rows."""

    starts: Integers
    lengths: Integers

    def inside(self, n_rows: int) -> npt.NDArray[np.bool_]:
        """Return which rows have a row of the same recording before them."""
        found = np.ones(n_rows, dtype=bool)
        found[self.starts] = False
        return found


def windowed(frame: pl.DataFrame, windows: WindowsSpec, roles: Roles, findings: Findings) -> pl.DataFrame | None:
    """
    Return one row for each whole window, recording by recording in the order of their first rows.

    Columns: what is constant in every recording, the order and stamps of a window's first sample, its
    label, and the samples of each channel as `<channel>_0000`, ... (float64, gaps NaN). `windows` has
    one size. None when *findings* got a mistake.
    """
    channels = _channels(frame, windows, roles, findings)
    if channels is None:
        return None
    ordered, recordings = _ordered(frame, windows)
    firsts = _first_rows(recordings, windows, findings)
    if not len(firsts):
        _refuse_size(recordings, windows, findings)
        return None
    kept = _constant(ordered, recordings, {*channels, roles.target}, windows, roles, findings)
    rows = _labelled(firsts, ordered, windows, roles.target, findings)
    if kept is None or rows is None:
        return None
    labels = ordered[roles.target][rows.labels].to_frame() if roles.target in ordered.columns else pl.DataFrame()
    samples = [_samples(ordered[name], rows.firsts, windows.sizes[0]) for name in channels]
    return _beside([ordered.select(kept)[rows.firsts], labels, *samples], findings)


def _channels(
    frame: pl.DataFrame, windows: WindowsSpec, roles: Roles, findings: Findings
) -> tuple[str, ...] | None:
    """Return the channels in table order, after a look at all columns that the declaration names."""
    before = len(findings.mistakes)
    for key, name in (("by", windows.by), ("order", windows.order)):
        _check_column(frame, name, key, findings)
    taken = {windows.by, windows.order, roles.target, roles.group, *roles.stamps}
    numbers = [name for name in frame.columns if kind_of(frame.schema[name]) in NUMERIC and name not in taken]
    chosen: set[str] = set()
    for i, pattern in enumerate(windows.channels):
        found = [name for name in numbers if name == pattern or fnmatchcase(name, pattern)]
        if not found:
            findings.mistake(f"{KEY}.channels[{i}]", _no_channel(pattern, frame, numbers, taken))
        chosen.update(found)
    if len(findings.mistakes) > before:
        return None
    return tuple(name for name in frame.columns if name in chosen)


def _check_column(frame: pl.DataFrame, name: str | None, key: str, findings: Findings) -> None:
    if name is None:
        return
    if name not in frame.columns:
        near = did_you_mean(name, frame.columns) or f"; columns: {some(frame.columns, 6)}"
        findings.mistake(f"{KEY}.{key}", f'there is no column "{name}"{near}')
    elif n_without := frame[name].null_count():
        findings.mistake(f"{KEY}.{key}", f'{n_without} of {len(frame)} rows have no value in "{name}"')


def _no_channel(pattern: str, frame: pl.DataFrame, numbers: list[str], taken: Iterable[str | None]) -> str:
    if pattern in taken:
        return f'"{pattern}" has another role in [data] or [data.windows] and cannot be a channel'
    if pattern in frame.columns:
        return f'"{pattern}" holds no numbers; channels are numbers'
    near = did_you_mean(pattern, numbers) or f"; columns of numbers: {some(numbers, 6)}"
    return f'"{pattern}" matches no column of numbers{near}'


def _ordered(frame: pl.DataFrame, windows: WindowsSpec) -> tuple[pl.DataFrame, Recordings]:
    """Return the rows recording by recording, samples in order; equal ones stay as they stand."""
    if windows.by is None:
        codes = np.zeros(len(frame), dtype=np.int64)
    else:
        dense = frame[windows.by].rank("dense").to_numpy().astype(np.int64) - 1
        _, first = np.unique(dense, return_index=True)
        codes = np.argsort(np.argsort(first))[dense]
    keys = [codes] if windows.order is None else [frame[windows.order].rank("dense").to_numpy(), codes]
    order = np.lexsort(keys)  # stable
    lengths = np.bincount(codes)
    starts = np.cumsum(lengths) - lengths
    ordered = frame if (order[1:] > order[:-1]).all() else frame[order]
    return ordered, Recordings(starts=starts, lengths=lengths)


def _step(windows: WindowsSpec) -> int:
    return windows.step or max(1, round(windows.sizes[0] * (1 - windows.overlap)))


def _first_rows(recordings: Recordings, windows: WindowsSpec, findings: Findings) -> Integers:
    """Return the first row of every whole window; a warning says how many samples are in none."""
    size, step = windows.sizes[0], _step(windows)
    counts = np.where(recordings.lengths < size, 0, (recordings.lengths - size) // step + 1)
    ends = np.where(counts == 0, 0, (counts - 1) * step + size)
    cut = recordings.lengths - ends
    if cut.any():
        short = f"; {(counts == 0).sum()} recordings have no window at all" if (counts == 0).any() else ""
        findings.warn(
            f"windows of {size} samples: {(cut > 0).sum()} of {len(cut)} recordings end in an incomplete one,"
            f" {cut.sum()} samples are left out{short}"
        )
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    firsts: Integers = np.repeat(recordings.starts, counts) + step * number
    return firsts


def _refuse_size(recordings: Recordings, windows: WindowsSpec, findings: Findings) -> None:
    longest = int(recordings.lengths.max())
    message = f"no recording has {windows.sizes[0]} samples; the longest has {longest}"
    findings.mistake(f"{KEY}.size", message if windows.by else f"{message}: the table is one, without by = ...")


def _constant(
    ordered: pl.DataFrame,
    recordings: Recordings,
    without: set[str],
    windows: WindowsSpec,
    roles: Roles,
    findings: Findings,
) -> list[str] | None:
    """Return the columns that go along: those that no recording changes, and the stamps."""
    stamps = {windows.order, *roles.stamps}
    inside = recordings.inside(len(ordered))
    others = [name for name in ordered.columns if name not in without]
    changing = [name for name in others if name not in stamps and _changes(ordered[name], inside)]
    if roles.group in changing:
        findings.mistake("data.group", f'"{roles.group}" changes inside of a recording; a window is in one group')
        return None
    if changing:
        findings.warn(f"windows leave out columns that change inside of a recording: {some(changing, 5)}")
    return [name for name in others if name not in changing]


def _changes(column: pl.Series, inside: npt.NDArray[np.bool_]) -> bool:
    before = column.shift(1)
    differing = column.ne_missing(before).to_numpy() & inside
    return bool(differing.any())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labelled:
    """The first rows of the windows that stay, and for each a row that has its label."""

    firsts: Integers
    labels: Integers


def _labelled(
    firsts: Integers, ordered: pl.DataFrame, windows: WindowsSpec, target: str, findings: Findings
) -> _Labelled | None:
    if target not in ordered.columns:
        return _Labelled(firsts=firsts, labels=firsts)
    codes = _codes(ordered[target])
    labels = _label_rows(codes, firsts, windows.sizes[0], windows.mixed)
    stays = labels >= 0
    if not stays.any():
        findings.mistake(KEY, f'none of {len(firsts)} windows has a label: "{target}" is mixed or missing in each')
        return None
    if not stays.all():
        why = "mixed labels or none" if windows.mixed is Mixed.DROP else "no label"
        findings.warn(f"{(~stays).sum()} of {len(firsts)} windows have {why} and are left out")
    return _Labelled(firsts=firsts[stays], labels=labels[stays])


def _codes(column: pl.Series) -> Integers:
    """Return labels as codes in the order of the classes, -1 where there is none."""
    plain = column.fill_nan(None) if column.dtype.is_float() else column
    codes: Integers = plain.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
    return codes


def _label_rows(codes: Integers, firsts: Integers, size: int, mixed: Mixed) -> Integers:
    """Return for each window a row that has its label, -1 for a window without one."""
    last = firsts + size - 1
    match mixed:
        case Mixed.LAST:
            return np.where(codes[last] < 0, -1, last)
        case Mixed.DROP:
            changes = np.concatenate([[0], np.cumsum(codes[1:] != codes[:-1])])
            return np.where((changes[firsts] == changes[last]) & (codes[firsts] >= 0), firsts, -1)
        case Mixed.MAJORITY:
            return _majority_rows(codes, firsts, size)
        case _:
            assert_never(mixed)


def _majority_rows(codes: Integers, firsts: Integers, size: int) -> Integers:
    """Count class by class, so that memory does not grow with the classes; a gap counts as the last class."""
    most = np.full(len(firsts), -1, dtype=np.int64)
    found = np.full(len(firsts), -1, dtype=np.int64)
    present, rows = np.unique(codes, return_index=True)
    for code, row in sorted(zip(present, rows, strict=True), key=lambda pair: pair[0] < 0):
        total = np.concatenate([[0], np.cumsum(codes == code)])
        counts = total[firsts + size] - total[firsts]
        better = counts > most
        most[better] = counts[better]
        found[better] = row if code >= 0 else -1
    return found


def _samples(column: pl.Series, firsts: Integers, size: int) -> pl.DataFrame:
    values = column.cast(pl.Float64).to_numpy()
    cut = np.lib.stride_tricks.sliding_window_view(values, size)[firsts].T.copy()
    digits = max(4, len(str(size - 1)))
    return pl.DataFrame({f"{column.name}_{i:0{digits}d}": samples for i, samples in enumerate(cut)})


def _beside(parts: list[pl.DataFrame], findings: Findings) -> pl.DataFrame | None:
    names = [name for part in parts for name in part.columns]
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        findings.mistake(f"{KEY}.channels", f"the samples would be called like other columns: {some(repeated)}")
        return None
    return pl.concat([part for part in parts if part.width], how="horizontal")
