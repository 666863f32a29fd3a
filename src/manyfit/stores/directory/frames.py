"""
Frames of a result log.

``#<T> <length:08d> <crc:08x>`` and a newline, then exactly *length* bytes of body ending in a newline.
The checksum covers the name of the file and the offset of the frame too, so that a block that a disk
delivers from another place does not pass.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADER = b"H"
RESULTS = b"R"
MARK = b"M"

PREFIX_LENGTH = 21
"""Bytes before the body of a frame."""

FORMAT = 1

_BEGINNINGS = {
    HEADER: (b'{"file": ',),
    RESULTS: (b'{"unit": ',),
    MARK: tuple(b"%d" % digit for digit in range(10)),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame: its kind, the offset of its first byte in its file, its body."""

    kind: bytes
    start: int
    body: bytes

    @property
    def end(self) -> int:
        return self.start + PREFIX_LENGTH + len(self.body)


def encode(kind: bytes, file_id: str, offset: int, body: bytes) -> bytes:
    """Return the frame around *body* for *offset* of the file *file_id*."""
    return b"#%b %08d %08x\n%b" % (kind, len(body), checksum(file_id, offset, body), body)


def checksum(file_id: str, offset: int, body: bytes) -> int:
    """Return the checksum of a frame."""
    return zlib.crc32(body, zlib.crc32(f"{file_id}:{offset}:".encode()))


def frames(data: bytes, file_id: str, base: int = 0) -> Iterator[Frame]:
    """Yield the frames of *data*, which begins at offset *base* of its file, up to the first bad one."""
    at = 0
    while frame := _frame_at(data, at, file_id, base):
        yield frame
        at = frame.end - base


def _frame_at(data: bytes, at: int, file_id: str, base: int) -> Frame | None:
    prefix = data[at : at + PREFIX_LENGTH]
    if len(prefix) < PREFIX_LENGTH or prefix[:1] != b"#" or prefix[-1:] != b"\n":
        return None
    try:
        length, crc = int(prefix[3:11]), int(prefix[12:20], 16)
    except ValueError:
        return None
    body = data[at + PREFIX_LENGTH : at + PREFIX_LENGTH + length]
    if length < 0 or len(body) < length or not body.endswith(b"\n"):
        return None
    expected = b"#%b %08d %08x\n" % (prefix[1:2], length, crc)
    if prefix[1:2] not in _BEGINNINGS or not body.startswith(_BEGINNINGS[prefix[1:2]]):
        return None  # the checksum does not cover the kind, so that the body has to agree with it
    if prefix != expected or crc != checksum(file_id, base + at, body):
        return None
    return Frame(prefix[1:2], base + at, body)


def header_body(file_id: str, after: Sequence[tuple[str, int]]) -> bytes:
    """
    Return the body of the first frame of the log file *file_id*.

    *after* lists the abandoned files before it with the offset up to which each holds: whatever stands
    behind was written again later, also if a reader sees a mark that covers it.
    """
    return json.dumps({"file": file_id, "format": FORMAT, "after": list(map(list, after))}).encode() + b"\n"


def results_head(unit: str, epoch: int) -> bytes:
    """Return the first line of the body of a results frame."""
    return json.dumps({"unit": unit, "epoch": epoch}).encode() + b"\n"
