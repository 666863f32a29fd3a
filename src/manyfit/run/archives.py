"""
Archive files: a sweep in one file whose every byte is accounted for.

An archive is a zip file. Its manifest has the size and the SHA-256 of every entry; its last bytes, the
comment of the zip file, have the SHA-256 of everything before them. So a flipped bit is found wherever it
is, also between the entries. Entries are read by the names in the manifest and never by a path: what an
archive contains cannot reach outside of the folder that it is restored to.
"""

import hashlib
import io
import json
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from manyfit.model.errors import StoreCorrupt

MANIFEST = "manifest.json"
FORMAT = "manyfit-archive"
VERSION = 1
TRAILER = b"manyfit-archive 1 sha256 "
N_HEX = 64
ROOTS = ("store", "export", "logs")
FILES = (MANIFEST, "sweep.json")
"""Entries beside the folders `ROOTS`."""

MOST_ENTRIES = 2_000_000
MOST_MANIFEST_BYTES = 1 << 30
MOST_PACKED = 200
FREE_BYTES = 64 << 20
"""What is inside may be so many times the size of the archive, and this more: beyond it is a bomb."""
LONGEST_NAME, LONGEST_PART = 1000, 255
PACKED_ALREADY = frozenset({".parquet", ".npz", ".skops", ".zip", ".gz", ".zst", ".safetensors", ".ubj"})

_CHUNK = 1 << 20
_MODE = (stat.S_IFREG | 0o600) << 16
_MADE_AT = (1980, 1, 1, 0, 0, 0)
_SWEEP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One file in an archive."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """
    What an archive says of itself.

    `counts` are those of the sweep, `facts` whatever else there is to know of it, as JSON values.
    """

    sweep: str
    counts: Mapping[str, int]
    entries: Sequence[ArchiveEntry]
    facts: Mapping[str, Any]

    @property
    def n_bytes(self) -> int:
        """Bytes of all entries, unpacked."""
        return sum(entry.n_bytes for entry in self.entries)

    def named(self, name: str) -> ArchiveEntry:
        """Return the entry *name*. Raises `StoreCorrupt` where there is none."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise StoreCorrupt(f"the archive has no {name}")


# -- writing -----------------------------------------------------------------------------------------


def write_archive(
    path: Path,
    files: Sequence[tuple[str, Path]],
    *,
    sweep: str,
    counts: Mapping[str, int],
    facts: Mapping[str, Any],
) -> Manifest:
    """
    Write *files*, by the names that they get, into a new archive at *path*, which must not exist.

    The file is durable when this returns; whether it is whole is for the caller to check.
    """
    with path.open("x+b") as stream:
        manifest = _write(stream, files, sweep, counts, facts, pack=True)
        if manifest.n_bytes > _limit(stream.tell()):
            # So regular that a reader would take it for a bomb: unpacked it is large, and believed.
            stream.seek(0)
            stream.truncate()
            manifest = _write(stream, files, sweep, counts, facts, pack=False)
        _seal(stream)
        stream.flush()
        os.fsync(stream.fileno())
    return manifest


def _write(
    stream: IO[bytes],
    files: Sequence[tuple[str, Path]],
    sweep: str,
    counts: Mapping[str, int],
    facts: Mapping[str, Any],
    *,
    pack: bool,
) -> Manifest:
    with zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
        entries = [_add(archive, name, source, pack=pack) for name, source in files]
        manifest = Manifest(sweep=sweep, counts=counts, entries=entries, facts=facts)
        content = _manifest_bytes(manifest)
        with archive.open(_info(MANIFEST, len(content), pack=pack), "w") as target:
            target.write(content)
        archive.comment = TRAILER + b"0" * N_HEX
    return manifest


def _add(archive: zipfile.ZipFile, name: str, source: Path, *, pack: bool) -> ArchiveEntry:
    digest, n_bytes = hashlib.sha256(), 0
    with source.open("rb") as reading:
        size = os.fstat(reading.fileno()).st_size
        with archive.open(_info(name, size, pack=pack), "w", force_zip64=size >= 1 << 31) as target:
            while chunk := reading.read(_CHUNK):
                digest.update(chunk)
                n_bytes += len(chunk)
                target.write(chunk)
    return ArchiveEntry(name=name, n_bytes=n_bytes, sha256=digest.hexdigest())


def _info(name: str, size: int, *, pack: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_MADE_AT)
    info.external_attr = _MODE
    info.create_system = 3
    packed = pack and PurePosixPath(name).suffix not in PACKED_ALREADY
    info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    info.file_size = size
    return info


def _manifest_bytes(manifest: Manifest) -> bytes:
    value = {
        "format": FORMAT,
        "version": VERSION,
        "sweep": manifest.sweep,
        "counts": dict(manifest.counts),
        "facts": dict(manifest.facts),
        "entries": [asdict(entry) for entry in manifest.entries],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _seal(stream: IO[bytes]) -> None:
    """Write the digest of everything before the last bytes into them."""
    end = stream.seek(0, os.SEEK_END) - N_HEX
    digest = _digest_until(stream, end)
    stream.seek(end)
    stream.write(digest.encode())


def _digest_until(stream: IO[bytes], end: int) -> str:
    stream.seek(0)
    digest, left = hashlib.sha256(), end
    while left and (chunk := stream.read(min(_CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


# -- reading -----------------------------------------------------------------------------------------


def looks_like_archive(path: Path) -> bool:
    """Whether *path* is meant as an archive, be it whole or not."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        begins = stream.read(2) == b"PK"
        return begins or path.suffix.lower() == ".zip" or _trailer_of(stream) is not None


def _trailer_of(stream: IO[bytes]) -> bytes | None:
    """Return the digest that the last bytes say; None where they say none."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - len(TRAILER) - N_HEX))
    last = stream.read()
    return last[len(TRAILER) :] if last.startswith(TRAILER) else None


class Archive:
    """
    An open archive that is whole: opening it compares the checksum of the file, and its structure.

    Raises `StoreCorrupt` for anything that manyfit did not write. `verify` reads every entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("rb")
        try:
            _require_digest(self._stream, path)
            self._zip = _opened(self._stream, path)
            self._infos = _checked_infos(self._zip, self._stream, path)
            self.manifest = self._manifest()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._zip.close()
        self._stream.close()

    def verify(self) -> Iterator[ArchiveEntry]:
        """Yield each entry after it was read and compared with the manifest."""
        for entry in self.manifest.entries:
            for _ in self.chunks(entry):
                pass
            yield entry

    def read(self, name: str) -> bytes:
        """Return the content of the entry *name*, compared with the manifest."""
        return b"".join(self.chunks(self.manifest.named(name)))

    def chunks(self, entry: ArchiveEntry) -> Iterator[bytes]:
        """Yield the content of *entry*; raises `StoreCorrupt` at its end when it is not what the manifest says."""
        digest, n_bytes = hashlib.sha256(), 0
        for chunk in self._chunks(entry.name, entry.n_bytes):
            digest.update(chunk)
            n_bytes += len(chunk)
            yield chunk
        if n_bytes != entry.n_bytes or digest.hexdigest() != entry.sha256:
            raise _corrupt(self.path, f"{entry.name} is not what the manifest says")

    def _chunks(self, name: str, most: int) -> Iterator[bytes]:
        left = most + 1
        try:
            with self._zip.open(self._infos[name]) as reading:
                while left > 0 and (chunk := reading.read(min(_CHUNK, left))):
                    left -= len(chunk)
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
            raise _corrupt(self.path, f"{name} cannot be unpacked ({exc})") from exc

    def _manifest(self) -> Manifest:
        if MANIFEST not in self._infos:
            raise _corrupt(self.path, f"it has no {MANIFEST}")
        size = self._infos[MANIFEST].file_size
        content = b"".join(self._chunks(MANIFEST, min(size, MOST_MANIFEST_BYTES)))
        manifest = _parsed(content, self.path)
        listed = {entry.name for entry in manifest.entries}
        if len(listed) != len(manifest.entries) or listed | {MANIFEST} != set(self._infos):
            raise _corrupt(self.path, "its entries are not those that its manifest lists")
        for entry in manifest.entries:
            if self._infos[entry.name].file_size != entry.n_bytes:
                raise _corrupt(self.path, f"{entry.name} has another size than the manifest says")
        return manifest


def _require_digest(stream: IO[bytes], path: Path) -> None:
    said = _trailer_of(stream)
    if said is None:
        raise _corrupt(path, "its last bytes are not those of an archive: it was cut off, or is something else")
    end = stream.seek(0, os.SEEK_END) - N_HEX
    if _digest_until(stream, end).encode() != said:
        raise _corrupt(path, "its bytes do not have the checksum that stands at its end")


def _opened(stream: IO[bytes], path: Path) -> zipfile.ZipFile:
    stream.seek(0)
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError, OverflowError) as exc:
        raise _corrupt(path, f"it is no zip file ({exc})") from exc


def _checked_infos(archive: zipfile.ZipFile, stream: IO[bytes], path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name. Raises `StoreCorrupt` for all that could fool a reader."""
    infos = archive.infolist()
    size = stream.seek(0, os.SEEK_END)
    if len(infos) > MOST_ENTRIES or sum(info.file_size for info in infos) > _limit(size):
        raise _corrupt(path, "what is in it is out of all proportion to its size")
    for info in infos:
        _check_info(info, path)
    _check_names([info.filename for info in infos], path)
    _check_places(infos, archive.start_dir, path)
    return {info.filename: info for info in infos}


def _limit(size: int) -> int:
    return MOST_PACKED * size + FREE_BYTES


def _check_info(info: zipfile.ZipInfo, path: Path) -> None:
    shown = info.filename[:80]
    if info.external_attr != _MODE or info.create_system != 3:
        raise _corrupt(path, f"{shown!r} is no plain file")
    if info.flag_bits & ~0x800 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _corrupt(path, f"{shown!r} is packed in a way that archives are not")
    if info.orig_filename != info.filename:
        raise _corrupt(path, f"{shown!r} has another name than it shows")


def _check_names(names: Sequence[str], path: Path) -> None:
    folded: dict[str, str] = {}
    for name in names:
        _check_name(name, path)
        alike = unicodedata.normalize("NFC", name).casefold()
        if alike in folded:
            raise _corrupt(path, f"{folded[alike]!r} and {name!r} would be one file")
        folded[alike] = name
    for name in folded:
        parts = name.split("/")
        for n in range(1, len(parts)):
            if "/".join(parts[:n]) in folded:
                raise _corrupt(path, f"{'/'.join(parts[:n])!r} would be a file and a folder")


def _check_name(name: str, path: Path) -> None:
    parts = name.split("/")
    sound = (
        len(name) <= LONGEST_NAME
        and not _FORBIDDEN.search(name)
        and (name in FILES or (len(parts) > 1 and parts[0] in ROOTS))
        and all(0 < len(part.encode("utf-8", "replace")) <= LONGEST_PART for part in parts)
        and not any(part in (".", "..") or part.endswith((" ", ".")) for part in parts)
    )
    if not sound:
        raise _corrupt(path, f"{name[:80]!r} is no name that an archive has")


def _check_places(infos: Sequence[zipfile.ZipInfo], end: int, path: Path) -> None:
    """Raise where entries overlap, as those of a bomb do, or where something stands before them."""
    places = sorted((info.header_offset, info.header_offset + 30 + info.compress_size) for info in infos)
    at = 0
    for begin, until in places:
        if begin < at or (at == 0 and begin != 0):
            raise _corrupt(path, "its entries overlap, or do not begin at its beginning")
        at = until
    if at > end:
        raise _corrupt(path, "its entries reach beyond their end")


def _parsed(content: bytes, path: Path) -> Manifest:
    try:
        value = json.loads(content)
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']!r}")
        if value["version"] != VERSION:
            raise _corrupt(
                path, f"it has version {value['version']}, this manyfit reads {VERSION}: use a newer one"
            )
        manifest = Manifest(
            sweep=_text(value["sweep"], _SWEEP),
            counts={str(name): _count(n) for name, n in value["counts"].items()},
            entries=[_entry(entry) for entry in value["entries"]],
            facts=dict(value["facts"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise _corrupt(path, f"its manifest cannot be read ({type(exc).__name__}: {exc})") from exc
    return manifest


def _entry(value: Mapping[str, Any]) -> ArchiveEntry:
    return ArchiveEntry(
        name=_text(value["name"], None), n_bytes=_count(value["n_bytes"]), sha256=_text(value["sha256"], _SHA)
    )


def _text(value: Any, pattern: re.Pattern[str] | None) -> str:
    if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
        raise ValueError(f"{value!r:.80} is no such text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r:.80} is no count")
    return value


def _corrupt(path: Path, why: str) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is not a whole archive: {why}; take another copy of it")


# -- unpacking ---------------------------------------------------------------------------------------


def unpack(archive: Archive, root: str, folder: Path) -> int:
    """
    Write the entries below *root* into *folder*, which exists, is empty and nobody else's; how many.

    Every entry is compared with the manifest as it is written.
    """
    n_files = 0
    for entry in archive.manifest.entries:
        if not entry.name.startswith(f"{root}/"):
            continue
        target = folder.joinpath(*entry.name.split("/")[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with io.FileIO(descriptor, "wb") as writing:
            for chunk in archive.chunks(entry):
                writing.write(chunk)
        n_files += 1
    return n_files
