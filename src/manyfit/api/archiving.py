"""A finished sweep in one file: made, checked without unpacking, and put back into a store."""

import contextlib
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from manyfit import connect
from manyfit._version import __version__
from manyfit.api.exporting import write_export
from manyfit.api.stores import copy_sweep
from manyfit.connect import Address, Kind
from manyfit.contracts.store import Store
from manyfit.model.control import certificates
from manyfit.model.errors import Refused, StoreCorrupt, UserError
from manyfit.model.shell import quoted
from manyfit.model.snapshot import Counts
from manyfit.report.export.folders import held_aside
from manyfit.report.planned import segments_of
from manyfit.run.archives import Archive, ArchiveEntry, Manifest, looks_like_archive, write_archive
from manyfit.run.archives import unpack as unpacked
from manyfit.run.control import last_header
from manyfit.run.copying import Copied, CopyProgress, require_quiet
from manyfit.stores.directory.layout import Layout

OnProgress = Callable[[CopyProgress], None]
Tell = Callable[[str], None]

NEVER_MOVED = ("heartbeat",)
"""Folders of a store whose files are about processes that are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """An archive that is whole: where it is, what it has, how large it is."""

    path: Path
    manifest: Manifest
    n_bytes: int

    @property
    def n_runs(self) -> int:
        """Runs that have a result."""
        return int(self.manifest.facts.get("n_runs", 0))

    @property
    def complete(self) -> bool:
        """Whether no task of the sweep was left when the archive was made."""
        return not (self.manifest.counts.get("pending", 0) or self.manifest.counts.get("running", 0))


def is_archive(target: str | Path) -> bool:
    """Whether *target* is a file that is meant as an archive."""
    return not connect.is_url(str(target)) and looks_like_archive(Path(target))


# -- making ------------------------------------------------------------------------------------------


def archive_sweep(
    store: Store, path: str | Path, *, partial: bool = False, logs: bool = False, tell: Tell = lambda text: None
) -> Archived:
    """
    Write everything of *store* into one file at *path*, and check every byte of it.

    The file is there whole or not at all; an archive that is there already is replaced. What a killed call left
    aside is removed by the next. *logs* takes the logs of workers along. Raises `Refused` when tasks are left,
    unless *partial*; when living workers hold leases; and when *path* is anything else than an archive.
    """
    path = Path(os.path.abspath(path))
    _require_settled(store, partial=partial)
    require_quiet(store)
    if path.exists() and not is_archive(path):
        raise Refused(f"{path} is there and is no archive; name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held_aside(path) as aside:
            return _made(store, aside, path, logs=logs, tell=tell)
    except OSError as exc:
        raise UserError(f"{path} cannot be written: {exc}") from exc


def _require_settled(store: Store, *, partial: bool) -> None:
    counts = store.snapshot().counts
    left = counts.pending + counts.running
    if left and not partial:
        raise Refused(
            f"{left:,} tasks of {store.sweep} are left ({counts}); finish it with manyfit run {quoted(store.url)},"
            " or archive it as it is with --partial"
        )


def _made(store: Store, aside: Path, path: Path, *, logs: bool, tell: Tell) -> Archived:
    before = store.snapshot()
    tell("copying the store")
    copied = _copy_to(aside / "store", store)
    tell("exporting tables")
    export = aside / "export"
    export.mkdir()
    exported = write_export(store, export)
    _require_unchanged(before.counts, store.snapshot().counts, store)
    (aside / "sweep.json").write_text(json.dumps(dict(last_header(store).spec), indent=1) + "\n")
    files = [*_files(copied, "store"), *_files(export, "export"), ("sweep.json", aside / "sweep.json")]
    log_folder = connect.local_files(store).logs
    files += _files(log_folder, "logs", ending=".log") if logs and log_folder.is_dir() else []
    tell("writing the archive")
    facts = _facts(store, exported.n_runs)
    archive = aside / "archive"
    write_archive(archive, files, sweep=store.sweep, counts=asdict(before.counts), facts=facts)
    tell("checking the archive")
    found = check_archive(archive)
    os.replace(archive, path)
    _sync_folder(path.parent)
    return Archived(path=path, manifest=found.manifest, n_bytes=found.n_bytes)


def _copy_to(folder: Path, store: Store) -> Path:
    """Copy *store* into a new folder, whatever its backend is, and compare the two; return where it is."""
    folder.mkdir()
    place = folder / f"{store.sweep}{connect.STORE_SUFFIX}"
    copy_sweep(store.url, str(place))
    return place


def _require_unchanged(before: Counts, after: Counts, store: Store) -> None:
    if before != after:
        raise Refused(f"somebody went on with {store.sweep} while it was archived; pause it first, and repeat")


def _files(folder: Path, root: str, ending: str = "") -> list[tuple[str, Path]]:
    """Return all plain files below *folder*, with their names in the archive."""
    found = []
    for path in sorted(folder.rglob(f"*{ending}")):
        relative = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and relative.parts[0] not in NEVER_MOVED:
            found.append((f"{root}/{relative.as_posix()}", path))
    return found


def _facts(store: Store, n_runs: int) -> dict[str, Any]:
    audited = certificates(store.entries())
    return {
        "manyfit": __version__,
        "n_runs": n_runs,
        "n_entries": len(store.entries()),
        "segments": [str(segment) for segment in segments_of(store)],
        "n_artifacts": sum(1 for _ in store.artifacts.files()),
        "n_certificates": len(audited),
    }


# -- checking ----------------------------------------------------------------------------------------


def check_archive(path: str | Path) -> Archived:
    """
    Compare every byte of the archive at *path* with its checksums, and its counts with each other.

    Nothing is unpacked. Raises `StoreCorrupt` for the first thing that is wrong.
    """
    with _opened(path) as archive:
        for _ in archive.verify():
            pass
        _check_counts(archive)
        return Archived(path=Path(path), manifest=archive.manifest, n_bytes=Path(path).stat().st_size)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Archive]:
    try:
        archive = Archive(Path(path))
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc}") from exc
    with archive:
        yield archive


def _check_counts(archive: Archive) -> None:
    """Raise `StoreCorrupt` when counts do not add up, or when files are missing that others speak of."""
    counts, facts = archive.manifest.counts, archive.manifest.facts
    settled = counts.get("done", 0) + counts.get("failed", 0)
    parts = settled + sum(counts.get(name, 0) for name in ("running", "pending", "cancelled"))
    _require(archive, counts.get("planned") == parts, "its counts do not add up")
    _require(
        archive, facts.get("n_runs") == settled, f"{settled} tasks have ended, it has {facts.get('n_runs')} runs"
    )
    _require(
        archive, _rows_of(archive) == settled, "its table of runs has another number of rows than it has runs"
    )
    for file in json.loads(archive.read("export/metadata.json")).get("files", ()):
        entry = archive.manifest.named(f"export/{file['name']}")
        _require(archive, entry.sha256 == file["sha256"], f"{entry.name} is not the one that was exported")
    store = _files_of_store(archive)
    kept = sum(name.startswith("artifacts/") for name in store)
    _require(archive, kept == facts.get("n_artifacts"), f"it has {kept} of {facts.get('n_artifacts')} kept files")
    entries = sum(name.startswith("control/") for name in store)
    _require(archive, entries == facts.get("n_entries"), f"it has {entries} of {facts.get('n_entries')} entries")
    segments = {f"plan/{segment}.jsonl" for segment in facts.get("segments", ())}
    _require(archive, segments <= store.keys(), "a part of its plan is missing")


def _files_of_store(archive: Archive) -> Mapping[str, ArchiveEntry]:
    prefix = "store/"
    entries = archive.manifest.entries
    return {entry.name.removeprefix(prefix): entry for entry in entries if entry.name.startswith(prefix)}


def _rows_of(archive: Archive) -> int:
    import polars as pl

    content = io.BytesIO(archive.read("export/runs.parquet"))
    try:
        return int(pl.scan_parquet(content).select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as exc:
        raise StoreCorrupt(
            f"{archive.path} is not a whole archive: its table of runs cannot be read ({exc})"
        ) from exc


def _require(archive: Archive, holds: bool, why: str) -> None:
    if not holds:
        raise StoreCorrupt(f"{archive.path} is not a whole archive: {why}; make it again from its sweep")


# -- putting back ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A sweep that is in a store again: its URL there, and what was copied."""

    target: Address
    copied: Copied
    counts: Counts


def restore_archive(
    path: str | Path, target: str | Path, *, on_progress: OnProgress = lambda progress: None
) -> Restored:
    """
    Check the archive at *path* and bring its sweep into the store *target*, a folder or a URL.

    *target* has no sweep of this name, or an unfinished copy of this one: killed and called again, it goes
    on. Nothing of the archive is run. Raises `StoreCorrupt` for an archive that is not whole, `Refused` where
    *target* has a history of its own.
    """
    with _opened(path) as archive:
        _check_counts(archive)
        sweep = archive.manifest.sweep
        place = connect.within(connect.parse(str(target), Path.cwd()), sweep)
        with _beside(place) as aside:
            folder = aside / f"{sweep}{connect.STORE_SUFFIX}"
            folder.mkdir()
            unpacked(archive, "store", folder)
            _make_folders(folder, archive.manifest.facts.get("segments", ()))
            copied = copy_sweep(str(folder), str(target), on_progress=on_progress)
        return Restored(target=place, copied=copied, counts=_same_counts(archive, place))


def _make_folders(folder: Path, segments: Sequence[str]) -> None:
    """Make the folders of a store that had no file in them; the segments are names of files in the archive."""
    layout = Layout(folder)
    for part in (*layout.folders(), *(layout.units / segment for segment in segments)):
        part.mkdir(exist_ok=True)


@contextlib.contextmanager
def _beside(place: Address) -> Iterator[Path]:
    """Yield a new folder on the disk that the sweep goes to, where that is one of this machine."""
    parent = Path(tempfile.gettempdir()) if place.kind is Kind.POSTGRESQL else place.path.parent
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".restore-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _same_counts(archive: Archive, place: Address) -> Counts:
    store = connect.open_address(place)
    try:
        counts = store.snapshot().counts
    finally:
        store.close()
    said = archive.manifest.counts
    if said.get("done") != counts.done or said.get("failed") != counts.failed:
        raise StoreCorrupt(f"{place} has {counts}, and {archive.path} said otherwise: {dict(said)}")
    return counts


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__: Sequence[str] = (
    "Archived",
    "Restored",
    "archive_sweep",
    "check_archive",
    "is_archive",
    "restore_archive",
)
