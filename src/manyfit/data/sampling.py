"""Samples of rows: as many of each class as are wanted, the same ones for the same seed."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import numpy as np
import numpy.typing as npt

from manyfit.model.errors import UserError
from manyfit.model.mistake import did_you_mean

Rows = npt.NDArray[np.int64]

FORMS = "balanced:N, stratified:N, per-class:MIN, per-class:MIN,cap=MAX or all"


class SampleKind(Enum):
    """How many rows of each class are drawn."""

    ALL = "all"
    """Every row."""
    BALANCED = "balanced"
    """The same number of every class."""
    STRATIFIED = "stratified"
    """A number of rows in all, of every class its share."""
    PER_CLASS = "per-class"
    """Every row of every class up to a cap, and no class with fewer than a minimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """`n` is the number of the kind: of each class, in all, or at least of each class, which has at most `cap`."""

    kind: SampleKind
    n: int = 0
    cap: int | None = None

    def __str__(self) -> str:
        if self.kind is SampleKind.ALL:
            return str(self.kind.value)
        return f"{self.kind.value}:{self.n}" + (f",cap={self.cap}" if self.cap is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Positions of the rows that were drawn, ascending, and what is to be said of them."""

    rows: Rows
    notes: tuple[str, ...] = ()


def parse_sampling(text: str) -> Sampling:
    """Return what *text* says. Raises `UserError`."""
    name, _, rest = text.strip().partition(":")
    known = [kind.value for kind in SampleKind]
    if name not in known:
        raise UserError(f'no sample "{text}"{did_you_mean(name, known)}; write {FORMS}')
    kind = SampleKind(name)
    if kind is SampleKind.ALL:
        if rest:
            raise UserError(f'"{text}": all takes no number; write {FORMS}')
        return Sampling(kind=kind)
    found = re.fullmatch(r"(\d+)(?:,\s*cap=(\d+))?", rest.strip())
    if found is None or int(found[1]) < 1 or (found[2] is not None and kind is not SampleKind.PER_CLASS):
        raise UserError(f'"{text}" is no sample; write {FORMS}, with whole numbers from 1 on')
    n, cap = int(found[1]), int(found[2]) if found[2] is not None else None
    if cap is not None and cap < n:
        raise UserError(f'"{text}": the cap {cap} is below the minimum {n}')
    return Sampling(kind=kind, n=n, cap=cap)


def draw(
    sampling: Sampling,
    keys: Sequence[bytes],
    *,
    seed: int,
    codes: npt.NDArray[np.int64] | None = None,
    names: Sequence[str] = (),
) -> Sample:
    """
    Draw rows by their *keys* alone: the order of the rows does not matter, nor does the machine.

    *codes* are the classes of the rows, positions in *names*; None for a regression, which is one stratum. Rows of
    one key are alike, and which of them is drawn follows their order. Raises `UserError` where the classes do not
    allow the sample.
    """
    if codes is None:
        codes, names = _one_stratum(sampling, len(keys)), ("rows",)
    by_class = _shuffled(keys, codes, len(names), seed)
    sizes = [len(rows) for rows in by_class]
    wanted, notes = _wanted(sampling, sizes, names)
    parts = [rows[:n] for rows, n in zip(by_class, wanted, strict=True)]
    return Sample(rows=np.sort(np.concatenate(parts)), notes=tuple(notes))


def _one_stratum(sampling: Sampling, n_rows: int) -> npt.NDArray[np.int64]:
    if sampling.kind in {SampleKind.BALANCED, SampleKind.PER_CLASS}:
        raise UserError(f'"{sampling}" is by class, and a regression has none; write stratified:N or all')
    return np.zeros(n_rows, dtype=np.int64)


def _shuffled(keys: Sequence[bytes], codes: npt.NDArray[np.int64], n_classes: int, seed: int) -> list[Rows]:
    """Return the rows of each class in an order that the seed and their keys decide."""
    salt = f"{seed}:".encode()
    ranks = [hashlib.blake2b(salt + key, digest_size=16).digest() for key in keys]
    order: dict[int, list[int]] = {code: [] for code in range(n_classes)}
    for row in sorted(range(len(keys)), key=lambda row: (ranks[row], row)):
        order[int(codes[row])].append(row)
    return [np.array(rows, dtype=np.int64) for rows in order.values()]


def _wanted(sampling: Sampling, sizes: Sequence[int], names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return how many rows of each class are drawn, and what is to be said of that."""
    match sampling.kind:
        case SampleKind.ALL:
            return list(sizes), []
        case SampleKind.BALANCED:
            return _balanced(sampling.n, sizes, names)
        case SampleKind.STRATIFIED:
            return _shares(sampling.n, sizes)
        case SampleKind.PER_CLASS:
            return _capped(sampling, sizes, names), []
        case _:
            assert_never(sampling.kind)


def _balanced(n: int, sizes: Sequence[int], names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Take the same number of every class that there is: as many as the smallest one has, at most *n*."""
    smallest = min((size, code) for code, size in enumerate(sizes) if size)
    taken = min(n, smallest[0])
    notes = []
    if taken < n:
        notes.append(f"{taken} rows of each class and not {n}: {names[smallest[1]]} has no more")
    return [taken if size else 0 for size in sizes], notes


def _shares(n: int, sizes: Sequence[int]) -> tuple[list[int], list[str]]:
    """Divide *n* by largest remainders; among equal ones the class that comes first."""
    total = sum(sizes)
    if n >= total:
        return list(sizes), [f"all {total} rows: there are no {n}"] if n > total else []
    whole = [n * size // total for size in sizes]
    rest = sorted(range(len(sizes)), key=lambda code: (-(n * sizes[code] % total), code))
    for code in rest[: n - sum(whole)]:
        whole[code] += 1
    return whole, []


def _capped(sampling: Sampling, sizes: Sequence[int], names: Sequence[str]) -> list[int]:
    few = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True) if size < sampling.n]
    if few:
        raise UserError(
            f'"{sampling}" wants {sampling.n} rows of every class, and too few are there of {", ".join(few)};'
            " lower the minimum, or give more rows"
        )
    cap = sampling.cap
    return [size if cap is None else min(size, cap) for size in sizes]
