"""Times, amounts of memory, names and plain values, read from what people write."""

import math
import re
from collections.abc import Mapping
from typing import Any

from manyfit.declare.complaints import Complaints, kind_of, received, shown, wrong

_TIMES = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "ms": 0.001}
_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
MAX_NAME = 100
"""A name stands in names of files, which file systems end at 255 bytes."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def seconds(value: Any) -> float:
    """Read a time: a number of seconds, or a text such as "90s", "15min", "1h" or "1h 30min"."""
    if is_number(value) and 0 < value < math.inf:
        return float(value)
    total = _sum(value, _TIMES) if isinstance(value, str) else None
    if total is None or total <= 0:
        wrong(f'{shown(value)} is no time; write seconds as a number above 0, or "90s", "15min", "1h", "2d"')
    return total


def memory_bytes(value: Any) -> int | None:
    """Read an amount of memory: bytes, or a text such as "500MB" or "2GiB"; "none" is no limit."""
    if value is None or value == "none":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    total = _sum(value, _SIZES) if isinstance(value, str) else None
    if total is None or total < 1:
        wrong(f'{shown(value)} is no amount of memory; write bytes as an integer above 0, or "500MB", "2GiB"')
    return int(total)


def _sum(text: str, units: Mapping[str, float]) -> float | None:
    """Return the sum of amounts with units, or None where the text is anything else."""
    total, position = 0.0, 0
    while position < len(text.rstrip()):
        found = _AMOUNT.match(text, position)
        if found is None or found[2].lower() not in units:
            return None
        total += float(found[1]) * units[found[2].lower()]
        position = found.end()
    return total if position else None


def name(value: Any) -> str:
    """Read a name; it becomes a part of file names and of keys."""
    if not isinstance(value, str):
        wrong(f"{received(value)}; a name is a text")
    if not _NAME.fullmatch(value):
        allowed = 'letters, digits, "_", "-" and ".", beginning with a letter, a digit or "_"'
        wrong(f"{shown(value)} is no name; a name has {allowed}")
    if len(value) > MAX_NAME:
        wrong(f"has {len(value)} characters; a name has at most {MAX_NAME}")
    return value


def text(value: Any) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str):
        wrong(f"{received(value)}; a text is wanted")
    if not value.strip():
        wrong("is an empty text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts, or a single text."""
    if isinstance(value, str):
        return (text(value),)
    if not isinstance(value, (list, tuple)):
        wrong(f"{received(value)}; a list of texts is wanted")
    if not value:
        wrong("is an empty list")
    complaints = Complaints()
    found = tuple(complaints.keep(text, part, i) for i, part in enumerate(value))
    for i, part in enumerate(found):
        if part is not None and part in found[:i]:
            complaints.add(f"{shown(part)} is in the list more than once", i)
    complaints.raise_any()
    return found


def label(value: Any) -> str:
    """Read a class as text: 0 and true are classes as well as "hid"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else text(value)


def whole(value: Any, low: int, what: str = "an integer") -> int:
    """Read an integer that is at least *low*."""
    if not isinstance(value, int) or isinstance(value, bool):
        wrong(f"{received(value)}; {what} >= {low} is wanted")
    if value < low:
        wrong(f"{value} is too small; {what} >= {low} is wanted")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        wrong(f"{received(value)}; true or false is wanted")
    return value


def is_number(value: Any) -> bool:
    """Whether *value* is a real number; truth values are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """
    Read a parameter value as a JSON value: lists for tuples, and null for the text "None".

    TOML has no null, and no estimator of scikit-learn takes the text "None" for anything.
    """
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or value == "None":
        return None
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        wrong(f"{value} is not a finite number")
    found = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)
    if found is not None:
        return found(value)
    use = type(value).__name__ if not isinstance(value, type) else value.__name__
    return wrong(
        f'{shown(value)} is {kind_of(value)}, which a sweep cannot store; for an estimator write {{use = "{use}"}}'
    )
