"""What may go: sweeps, logs and files that nobody needs any more, by the policy of their sweep."""

import enum
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from manyfit.contracts.artifacts import VERIFICATIONS
from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment, Compacted
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Snapshot, WorkerView
from manyfit.model.sweep import Retention
from manyfit.run.lives import is_dead

TEMPORARY_SECONDS = 3600.0
"""Files of this age that were never finished belong to nobody."""

SILENT_SECONDS = 86400.0
"""Longer than any clock is wrong, and than any living worker is silent."""

NEW = ".new-"
_REFERENCE = b'"artifacts"'
_SHA_CHARACTERS = 64


class Kind(enum.Enum):
    """What would go."""

    SWEEP = "sweep"
    LOG = "log"
    ARTIFACT = "artifact"
    TEMPORARY = "temporary"
    LEFTOVER = "leftover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """
    One thing that may go: in which store, under which name, why, how old, how large.

    `path` is a file or folder of this machine, None for a sweep and for files that only the store has.
    """

    kind: Kind
    store: str
    name: str
    why: str
    age_seconds: float
    n_bytes: int
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """A sweep that nothing is taken from, and why."""

    store: str
    why: str


Overrides = Mapping[str, float | None]
"""Seconds by the names of the fields of `Retention`; they count more than what the sweep declares."""


def retention_of(store: Store, overrides: Overrides) -> Retention:
    """Return the policy of the sweep in *store*: the one submitted last, with *overrides*."""
    declared: Mapping[str, Any] = {}
    for entry in reversed(store.entries()):
        if isinstance(entry.action, AddSegment):
            declared = store.segment(entry.action.segment).header.spec.get("retention") or {}
            break
    known = {field.name for field in fields(Retention)}
    return replace(
        Retention(), **{name: value for name, value in {**declared, **overrides}.items() if name in known}
    )


def in_use(store: Store, snapshot: Snapshot, now: float) -> str:
    """
    Say why nothing may be taken from the sweep now; "" when it is settled and nobody is there.

    A worker of another host that was killed seems alive to whoever has just begun to look; after
    `SILENT_SECONDS` without a heartbeat it is dead all the same.
    """
    n_alive = sum(view.alive and now - _seen(view) < SILENT_SECONDS for view in snapshot.workers)
    if n_alive:
        return f"{n_alive} workers are alive" if n_alive > 1 else "1 worker is alive"
    if snapshot.open_units:
        return f"{len(snapshot.open_units)} leases are open"
    return "" if store.finished() else f"not settled: {snapshot.counts}"


def last_sign_of_life(store: Store, snapshot: Snapshot, made_at: float) -> float:
    """Return when somebody last did something to the sweep; *made_at* is when its store was made."""
    acts = [entry.at for entry in store.entries() if not isinstance(entry.action, Compacted)]
    return max([made_at, *acts, *map(_seen, snapshot.workers)])


def _seen(view: WorkerView) -> float:
    return view.info.started_at if view.beat is None else max(view.info.started_at, view.beat.at)


def sweep_due(snapshot: Snapshot, policy: Retention, idle_seconds: float) -> str:
    """Say why a settled sweep goes as a whole; "" when it stays."""
    succeeded = snapshot.counts.done > 0
    limit = policy.completed_seconds if succeeded else policy.failed_seconds
    if limit is None or idle_seconds < limit:
        return ""
    return f"{'completed' if succeeded else 'failed'}, kept for {_days(limit)}"


def logs_due(
    store: Store, snapshot: Snapshot, folder: Path, policy: Retention, *, last_at: float, now: float
) -> Iterator[Due]:
    """Yield the text logs in *folder* of workers that ended long enough ago."""
    limit = policy.logs_seconds
    if limit is None or not folder.is_dir():
        return
    seen = {view.info.id: _seen(view) for view in snapshot.workers}
    for path in sorted(folder.glob("*.log")):
        age = now - seen.get(WorkerId(path.stem), last_at)
        if age >= limit:
            why = f"log of a worker that ended, kept for {_days(limit)}"
            yield _due(Kind.LOG, store, path.name, why, age, path.stat().st_size, path)


def artifacts_due(store: Store, policy: Retention, now: float) -> Iterator[Due]:
    """Yield the kept files that no accepted result refers to."""
    limit = policy.artifacts_seconds
    if limit is None:
        return
    old = [file for file in store.artifacts.files() if now - file.stored_at >= limit]
    wanted = referenced(store) if old else set()
    for file in old:
        if file.name not in wanted and not file.name.startswith(VERIFICATIONS):
            why = f"no result refers to it, kept for {_days(limit)}"
            yield _due(Kind.ARTIFACT, store, file.name, why, now - file.stored_at, file.n_bytes)


def referenced(store: Store) -> set[str]:
    """Return the names of the files that accepted results refer to."""
    names = set()
    for block in store.accepted():
        for line in block.lines.splitlines():
            if _REFERENCE in line:
                names |= {str(kept["file"]) for kept in json.loads(line).get("artifacts", {}).values()}
    return names


def temporary_due(store: Store, folder: Path, now: float) -> Iterator[Due]:
    """Yield the files in *folder* that their writers never finished."""
    for root, folders, names in os.walk(folder):
        used = _linked(Path(root), names)
        for name in names:
            path = Path(root, name)
            age = now - path.lstat().st_mtime
            if _is_temporary(name) and name not in used and age >= TEMPORARY_SECONDS:
                why = "never finished by its writer"
                yield _due(Kind.TEMPORARY, store, str(path.relative_to(folder)), why, age, _size(path), path)
        for name in [name for name in folders if is_dead(name)]:
            folders.remove(name)
            path = Path(root, name)
            why = "left by a worker that died"
            yield _due(Kind.TEMPORARY, store, name, why, now - path.stat().st_mtime, _size(path), path)


def _linked(folder: Path, names: Sequence[str]) -> set[str]:
    """Return the files that names in *folder* point to: without hard links they are what was published."""
    return {os.readlink(folder / name) for name in names if (folder / name).is_symlink()}


def _is_temporary(name: str) -> bool:
    if name.startswith(NEW):
        return True
    sha256, dot, writer = name.removeprefix(".").partition(".")
    return name.startswith(".") and len(sha256) == _SHA_CHARACTERS and bool(dot and writer)


def leftover(store: str, path: Path, now: float) -> Due:
    """Return what a removal that was killed left aside."""
    age = now - path.stat().st_mtime
    why = "left by a removal that did not end"
    return Due(
        kind=Kind.LEFTOVER, store=store, name=path.name, why=why, age_seconds=age, n_bytes=_size(path), path=path
    )


def size_of(store: Store, folder: Path) -> int:
    """Return the bytes of a sweep's files: those in *folder*, and those that only the store has."""
    inside = 0 if store.artifacts.folder is not None else sum(file.n_bytes for file in store.artifacts.files())
    return inside + (_size(folder) if folder.is_dir() else 0)


def _size(path: Path) -> int:
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum(Path(root, name).lstat().st_size for root, _, names in os.walk(path) for name in names)


def _due(kind: Kind, store: Store, name: str, why: str, age: float, n_bytes: int, path: Path | None = None) -> Due:
    return Due(kind=kind, store=store.url, name=name, why=why, age_seconds=age, n_bytes=n_bytes, path=path)


def _days(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
