"""
The one layout of a bundle: the same entries are the same bytes, and nothing else is a bundle.

It is a zip file of stored entries, so that any zip program opens it, with the entries in order of
their names behind the first and every field that has no meaning here at a fixed value. Reading one means to
write its entries again and compare: comments, links, hidden or repeated entries, bytes before or after
the zip file and whatever else one may have make it another file, and another file is refused.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

from manyfit.model.errors import Refused

MAX_BYTES = 2**32 - 2**20
"""Bytes of a bundle at most; more would need another layout."""

MAX_ENTRIES = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_VERSION, _DOS_DATE = 20, 0x21
_REGULAR = 0o100600 << 16
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

MANIFEST = "manifest.json"
"""The first entry of a bundle."""


def is_bundle(content: bytes) -> bool:
    """Whether *content* begins as a bundle does; plain skops files begin with another entry."""
    return content[:4] == _LOCAL and content[30 : 30 + len(MANIFEST)] == MANIFEST.encode()


def write_entries(entries: Mapping[str, bytes]) -> bytes:
    """
    Return a bundle of *entries*, the first one first and the others by name.

    Raises ValueError for a name that is none, and `Refused` for more than `MAX_BYTES`.
    """
    first, *others = entries
    ordered = [first, *sorted(others)]
    if wrong := [name for name in ordered if not _NAME.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} is no name of an entry")
    size = sum(len(content) + 2 * (len(name) + 64) for name, content in entries.items())
    if size > MAX_BYTES or len(ordered) > MAX_ENTRIES:
        raise Refused(f"{size:,} bytes in {len(ordered)} entries are more than a bundle holds ({MAX_BYTES:,})")
    return _laid_out([(name.encode(), entries[name]) for name in ordered])


def _laid_out(entries: list[tuple[bytes, bytes]]) -> bytes:
    body, directory = bytearray(), bytearray()
    for name, content in entries:
        fields = (_VERSION, 0, 0, 0, _DOS_DATE, zlib.crc32(content), len(content), len(content), len(name), 0)
        directory += _CENTRAL + struct.pack("<H", 3 << 8 | _VERSION) + struct.pack("<HHHHHIIIHH", *fields)
        directory += struct.pack("<HHHII", 0, 0, 0, _REGULAR, len(body)) + name
        body += _LOCAL + struct.pack("<HHHHHIIIHH", *fields) + name + content
    n = len(entries)
    end = _END + struct.pack("<HHHHIIH", 0, 0, n, n, len(directory), len(body), 0)
    return bytes(body + directory + end)


def read_entries(content: bytes, shown: str) -> dict[str, bytes]:
    """
    Return the entries of the bundle *content*, which messages call *shown*.

    Never takes more memory than a few times the bundle itself. Raises `Refused` for anything that
    `write_entries` would not have written like this.
    """
    if len(content) > MAX_BYTES:
        raise Refused(f"{shown} has {len(content):,} bytes; a bundle has at most {MAX_BYTES:,}")
    entries: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in _sound(archive.infolist(), len(content), shown):
                entries[info.filename] = archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise Refused(f"{shown} is no bundle: {error}") from error
    if not entries or write_entries(entries) != content:
        raise Refused(f"{shown} is no bundle as manyfit writes it: somebody changed or packed it in another way")
    return entries


def _sound(infos: list[zipfile.ZipInfo], n_bytes: int, shown: str) -> list[zipfile.ZipInfo]:
    """Refuse what can be told from the directory, with a reason of its own, before an entry is read."""
    names = [info.filename for info in infos]
    if len(infos) > MAX_ENTRIES:
        raise Refused(f"{shown} has {len(infos):,} entries; a bundle has at most {MAX_ENTRIES:,}")
    for info in infos:
        if not _NAME.fullmatch(info.filename):
            raise Refused(f"{shown} has an entry {info.filename[:80]!r}; names of entries are plain words")
        if names.count(info.filename) > 1:
            raise Refused(f'{shown} has two entries "{info.filename}"')
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise Refused(f'{shown}: the entry "{info.filename}" is compressed; entries of a bundle are not')
        if info.external_attr != _REGULAR:
            raise Refused(f'{shown}: the entry "{info.filename}" is no plain file (a link, or a folder)')
    if sum(info.file_size for info in infos) > n_bytes:
        raise Refused(f"{shown} promises more bytes than it has")
    return infos
