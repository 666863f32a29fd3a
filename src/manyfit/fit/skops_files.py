"""Skops files with one layout, and limits on what they unpack to."""

import hashlib
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from manyfit.model.errors import Refused

MAX_UNPACKED = 2**33
"""Bytes that a model may unpack to, all its arrays together."""

MAX_RATIO = 100
"""How many times as large as packed an entry may be; what would shrink more is stored as it is."""

_FREE = 2**20
"""An entry that unpacks to less is never too large for its packed size."""

_SCHEMA = "schema.json"
_DATE = (1980, 1, 1, 0, 0, 0)
_ID, _FILE, _LOADER, _SET = "__id__", "file", "__loader__", "SetNode"
_SCALARS = frozenset({"JsonNode"})
_KEY_LENGTH = 32


def canonical(content: bytes) -> bytes:
    """
    Return a skops file with the same object and the layout that every equal object gets.

    Skops names arrays by their addresses in memory and dates its entries. Here arrays are named by their
    content, objects are numbered in order and only where something refers to them again, and entries have no date.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        files = {name: archive.read(name) for name in archive.namelist() if name != _SCHEMA}
    names = {name: _content_name(name, body) for name, body in files.items()}
    _order_sets(schema)
    _rename(schema, names, _numbers(schema))
    entries = {_SCHEMA: json.dumps(schema, separators=(",", ":"), ensure_ascii=True).encode()}
    entries |= {names[name]: files[name] for name in sorted(files, key=names.__getitem__)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in entries.items():
            _add(archive, name, body)
    return out.getvalue()


def _content_name(name: str, body: bytes) -> str:
    return f"{hashlib.sha256(body).hexdigest()[:_KEY_LENGTH]}.{name.rpartition('.')[2]}"


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON value, those outside before those inside, in order."""
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, dict):
            yield top
            stack.extend(reversed(top.values()))
        elif isinstance(top, list):
            stack.extend(reversed(top))


def _numbers(schema: Any) -> Mapping[int, int]:
    """Return new ids by old ones, from 1, of objects that occur more than once."""
    ids = [node[_ID] for node in _dicts(schema) if _is_shared(node)]
    counts = Counter(ids)
    repeated = dict.fromkeys(one for one in ids if counts[one] > 1)
    return {one: number for number, one in enumerate(repeated, start=1)}


def _is_shared(node: Mapping[str, Any]) -> bool:
    """Whether it matters that the object is the same: of plain texts and numbers it never does."""
    return isinstance(node.get(_ID), int) and node.get(_LOADER) not in _SCALARS


def _order_sets(schema: Any) -> None:
    for node in _dicts(schema):
        if node.get(_LOADER) == _SET and isinstance(node.get("content"), list):
            node["content"].sort(key=lambda part: json.dumps(part.get("content"), default=str))


def _rename(schema: Any, names: Mapping[str, str], numbers: Mapping[int, int]) -> None:
    for node in _dicts(schema):
        if isinstance(node.get(_ID), int):
            number = numbers.get(node[_ID]) if _is_shared(node) else None
            del node[_ID]
            if number is not None:
                node[_ID] = number
        if isinstance(node.get(_FILE), str) and node[_FILE] in names:
            node[_FILE] = names[node[_FILE]]


def _add(archive: zipfile.ZipFile, name: str, body: bytes) -> None:
    if name in archive.NameToInfo:
        return  # equal arrays are one entry
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 3
    dense = len(body) > _FREE and len(zlib.compress(body)) * MAX_RATIO < 2 * len(body)
    archive.writestr(info, body, compress_type=zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED)


def check_size(content: bytes, shown: str, limit: int = MAX_UNPACKED) -> None:
    """
    Raise `Refused` for a skops file that would unpack to more than *limit* bytes, or far more than it has.

    Reads directories only, those of sparse matrices in it included.
    """
    total = 0
    for info, inner in _infos(content, shown):
        total += info.file_size
        if info.file_size > _FREE and info.file_size > info.compress_size * MAX_RATIO:
            where = f" of {inner}" if inner else ""
            raise Refused(f'{shown}: the entry "{info.filename}"{where} unpacks to {info.file_size:,} bytes')
        if total > limit:
            raise Refused(f"{shown} unpacks to more than {limit:,} bytes")


def _infos(content: bytes, shown: str) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise Refused(f"{shown} has entries of the same name")
            for info in archive.infolist():
                yield info, ""
            for info in archive.infolist():
                if info.filename.endswith(".npz"):
                    with zipfile.ZipFile(io.BytesIO(archive.read(info))) as inner:
                        yield from ((part, info.filename) for part in inner.infolist())
    except zipfile.BadZipFile as error:
        raise Refused(f"{shown} cannot be read as a model: {error}") from error
