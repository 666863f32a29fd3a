"""Frames of result logs, and JSON as strictly as the format has it."""

import json
import re
import zlib
from collections.abc import Iterator, Sequence

from manyfit.testing.independent.shapes import Json

_FRAME = re.compile(rb"#(.) (\d{8}) ([0-9a-f]{8})\n")


def frames(data: bytes, file_id: str, start: int) -> Iterator[tuple[str, int, int, bytes]]:
    """
    Yield kind, first byte, end and body of the frames from *start* up to the first bad one.

    The checksum does not cover the letter of the kind, so that a frame whose body is not of its kind is bad too.
    """
    while head := _FRAME.match(data, start):
        body = data[head.end() : head.end() + int(head[2])]
        crc = zlib.crc32(f"{file_id}:{start}:".encode() + body)
        if len(body) < int(head[2]) or not body.endswith(b"\n") or crc != int(head[3], 16):
            return
        kind = head[1].decode(errors="replace")
        if misfit(kind, file_id, start, body):
            return
        end = head.end() + len(body)
        yield kind, start, end, body
        start = end


def misfit(kind: str, file_id: str, start: int, body: bytes) -> str:
    """Return what is wrong with a frame of this kind that has this body; "" if nothing is."""
    if kind == "M":
        return "" if re.fullmatch(rb"\d+\n", body) else "its body is not a number"
    try:
        first = parsed(body.partition(b"\n")[0])
    except ValueError:
        first = {}
    if kind == "R":
        whole = isinstance(first.get("unit"), str) and isinstance(first.get("epoch"), int)
        return "" if whole else "its body does not begin with a unit and an epoch"
    if kind == "H":
        if start:
            return "it is not the first"
        return "" if first.get("file") == file_id else "its body does not name the file"
    return "no frame has that letter"


def bad_frame(data: bytes, file_id: str, at: int) -> str:
    """Return what is wrong with the frame at byte *at*, where `frames` ended."""
    head = _FRAME.match(data, at)
    if head is None:
        return "no frame begins there"
    body = data[head.end() : head.end() + int(head[2])]
    if zlib.crc32(f"{file_id}:{at}:".encode() + body) != int(head[3], 16):
        return "its checksum differs"
    kind = head[1].decode(errors="replace")
    return f"{kind} frame: {misfit(kind, file_id, at, body) or 'it is cut off'}"


def refuse(constant: str) -> float:
    """Refuse NaN and infinities, which are no JSON."""
    raise ValueError(f"{constant} is not JSON")


def parsed(text: bytes) -> Json:
    """Return the JSON object of *text*. Raises ValueError."""
    value = json.loads(text, parse_constant=refuse)
    if not isinstance(value, dict):
        raise ValueError(f"an object is expected, not {text[:40]!r}")
    return value


def complete(value: Json, needed: Sequence[str]) -> Json:
    """Return *value*, which has all that is *needed*. Raises ValueError."""
    if missing := [name for name in needed if name not in value]:
        raise ValueError(f"without {', '.join(missing)}")
    return value
