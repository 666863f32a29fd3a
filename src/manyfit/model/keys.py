"""Content keys: the same content has the same key on every machine and on every day."""

import hashlib
import json
from typing import Any, NewType

TaskKey = NewType("TaskKey", str)
CandidateKey = NewType("CandidateKey", str)
CellKey = NewType("CellKey", str)
UnitId = NewType("UnitId", str)
SegmentId = NewType("SegmentId", str)
WorkerId = NewType("WorkerId", str)

KEY_LENGTH = 32
"""Hexadecimal digits of a key: 128 bits, so that 10**9 keys collide with probability 1.5e-21."""


_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical_json(value: Any) -> bytes:
    """
    Return *value* as JSON with sorted keys, no spaces and ASCII only.

    Floats are written as Python's shortest round-trip form; 1 and 1.0 stay different, since
    scikit-learn gives them different meanings. Raises ValueError for NaN and infinities.
    """
    return _ENCODE(value).encode()


def content_key(value: Any) -> str:
    """Return the key of any JSON value: the first 128 bits of the SHA-256 of its canonical form."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:KEY_LENGTH]


def task_key(candidate: CandidateKey, cell: CellKey) -> TaskKey:
    """Return the key of the task that fits *candidate* on *cell*."""
    return TaskKey(hashlib.sha256(f"{candidate}/{cell}".encode()).hexdigest()[:KEY_LENGTH])
