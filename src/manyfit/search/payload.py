"""One object for several processes: pickled once, into memory that all of them map and none copies."""

import mmap
import os
import pickle
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import cloudpickle

_LARGE = 1 << 20
"""Buffers from this size in bytes on are shared; smaller ones are copied, and can be written to."""
_ALIGNED = 64
_COUNT = struct.Struct("<Q")


def dumps(value: Any) -> list[Any]:
    """Return the parts of *value* as bytes-like objects: the pickle, and the large buffers beside it."""
    large: list[Any] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True  # not contiguous: stays in the pickle
        if raw.nbytes < _LARGE:
            return True
        large.append(raw)
        return False

    return [cloudpickle.dumps(value, protocol=5, buffer_callback=aside), *large]


def write(parts: Sequence[Any], file: IO[bytes]) -> int:
    """Write what `dumps` returned so that `load` can map it, and return the number of bytes."""
    sizes = [memoryview(part).nbytes for part in parts]
    file.write(_COUNT.pack(len(parts)) + b"".join(_COUNT.pack(size) for size in sizes))
    at = _COUNT.size * (1 + len(parts))
    for part, size in zip(parts, sizes, strict=True):
        padding = -at % _ALIGNED
        file.write(bytes(padding))
        file.write(part)
        at += padding + size
    file.flush()
    return at


def load(path: str | Path) -> Any:
    """Return the object that was written to *path*. Its large buffers are read-only and stay in the file."""
    with open(path, "rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (count,) = _COUNT.unpack_from(view)
    sizes = [_COUNT.unpack_from(view, _COUNT.size * (1 + n))[0] for n in range(count)]
    at, parts = _COUNT.size * (1 + count), []
    for size in sizes:
        at += -at % _ALIGNED
        parts.append(view[at : at + size])
        at += size
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - written by the parent of this process


@contextmanager
def shared(value: Any) -> Iterator[str]:
    """
    Hand out the path at which other processes of this user can `load` *value*, for the length of the block.

    Where the system has anonymous memory files nothing is written to a disk. Raises what pickling raises.
    At the end the memory is given back even while others map it: they must not use it any more.
    """
    parts = dumps(value)
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("manyfit-search", os.MFD_CLOEXEC)
        with open(descriptor, "wb") as file:
            write(parts, file)
            try:
                yield f"/proc/{os.getpid()}/fd/{descriptor}"
            finally:
                os.ftruncate(descriptor, 0)
    else:
        with tempfile.NamedTemporaryFile(prefix="manyfit-search-") as file:
            write(parts, file)
            yield file.name
