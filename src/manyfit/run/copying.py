"""Copying a sweep from one store to another: killed anywhere and started again, it ends the same."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from manyfit.contracts.accepted import EndedEpoch
from manyfit.contracts.artifacts import ArtifactStore
from manyfit.contracts.store import Store
from manyfit.model.control import AddSegment, Compacted, Entry
from manyfit.model.errors import Refused, StoreCorrupt
from manyfit.model.keys import UnitId
from manyfit.model.shell import quoted

ARTIFACTS = "artifacts/"
_CHUNK = 1 << 20

OpenAs = Callable[[Entry], Store]
"""Opens a handle on the target whose name and clock are those of an entry of the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """How far a copy is: the stage in a word, what is done of it and in all, and the bytes moved so far."""

    stage: str
    n_done: int
    n_total: int
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """
    What the target has now, all of it compared with the source, and how much of it was new there.

    `n_left_out` are leases of dead workers that are open in the source: their tasks are pending in the
    target.
    """

    sweep: str
    n_entries: int
    n_epochs: int
    n_results: int
    n_artifacts: int
    n_new_entries: int
    n_new_epochs: int
    n_new_artifacts: int
    n_left_out: int


@dataclass(slots=True)
class _Moved:
    entries: int = 0
    epochs: int = 0
    artifacts: int = 0
    n_bytes: int = 0


OnProgress = Callable[[CopyProgress], None]


def copy_sweep(
    source: Store,
    target: Store,
    *,
    open_as: OpenAs,
    reopened: Callable[[], Store],
    on_progress: OnProgress = lambda progress: None,
) -> Copied:
    """
    Bring everything of *source* into *target*, which has nothing else, and compare the two.

    Nothing in *source* changes. *open_as* opens the target under the name and clock of an entry,
    *reopened* with nothing in memory, for the comparison. Raises `Refused` when living workers hold
    leases of *source*, or when the target has a history of its own; `StoreCorrupt` when the two differ
    in the end.
    """
    require_quiet(source)
    moved = _Moved()
    _copy_entries(source, target, open_as, moved, on_progress)
    _copy_artifacts(source.artifacts, target.artifacts, moved, on_progress)
    _copy_epochs(source, target, moved, on_progress)
    checked = reopened()
    try:
        return _compared(source, checked, moved, on_progress)
    finally:
        checked.close()


def require_quiet(source: Store) -> None:
    """Raise `Refused` when living workers hold leases of *source*."""
    snapshot = source.snapshot()
    alive = {view.info.id: view for view in snapshot.workers if view.alive}
    held = [(unit, alive[worker]) for unit, worker in snapshot.open_units.items() if worker in alive]
    if held:
        unit, view = held[0]
        more = f" and {len(held) - 1} more" if len(held) > 1 else ""
        raise Refused(
            f"worker {view.info.id} on {view.info.host} holds unit {unit} of {source.sweep}{more}; pause the sweep"
            f" first, so that nothing changes while it is copied: manyfit pause {quoted(source.url)}"
        )


# -- the control chain -------------------------------------------------------------------------------


def _copy_entries(source: Store, target: Store, open_as: OpenAs, moved: _Moved, on_progress: OnProgress) -> None:
    entries = source.entries()
    bases = _bases(source, entries)
    for entry in entries[_require_same_history(entries, target) :]:
        _copy_entry(source, target, entry, open_as, bases)
        moved.entries += 1
        on_progress(_at("plan", entry.position, len(entries), moved))
    _require_same_history(entries, target)


def _require_same_history(entries: Sequence[Entry], target: Store) -> int:
    """Return how many entries both have. Raises `Refused` where *target* has another one."""
    copied = target.entries()
    for ours, theirs in zip_longest(entries, copied):
        if theirs is None:
            break
        if ours != theirs:
            raise Refused(
                f"entry {theirs.position} of the target, {target.url}, is not that of the source: it has a"
                " history of its own; copy to a store that has no sweep of this name"
            )
    return len(copied)


def _bases(source: Store, entries: Sequence[Entry]) -> dict[int, Path]:
    positions = [entry.position for entry in entries if isinstance(entry.action, Compacted)]
    return dict(zip(positions, source.bases(), strict=True))


def _copy_entry(source: Store, target: Store, entry: Entry, open_as: OpenAs, bases: dict[int, Path]) -> None:
    action = entry.action
    if not isinstance(action, (AddSegment, Compacted)):
        target.append(action, position=entry.position, by=entry.by, at=entry.at)
        return
    writer = open_as(entry)
    try:
        if isinstance(action, AddSegment):
            segment = source.segment(action.segment)
            writer.submit(segment, position=entry.position, more=action.more, n_new=action.n_new)
        else:
            writer.publish_base(bases[entry.position], position=entry.position)
    finally:
        writer.close()


# -- kept files --------------------------------------------------------------------------------------


def _copy_artifacts(source: ArtifactStore, target: ArtifactStore, moved: _Moved, on_progress: OnProgress) -> None:
    there = {file.name: file.n_bytes for file in target.files()}
    files = [file for file in source.files() if there.get(file.name) != file.n_bytes]
    for number, file in enumerate(files, start=1):
        if source.folder is not None and target.folder is not None:
            _copy_file(source.folder, target.folder, file.name)
        else:
            target.put(file.name, source.read(file.name))
        moved.artifacts += 1
        moved.n_bytes += file.n_bytes
        on_progress(_at("files", number, len(files), moved))


def _copy_file(source: Path, target: Path, name: str) -> None:
    """Copy a file of any size: aside first, so that what has its name is whole."""
    relative = name.removeprefix(ARTIFACTS)
    final = target / relative
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.parent / f".new-{secrets.token_hex(8)}"
    with (source / relative).open("rb") as reading, aside.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    aside.rename(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- results -----------------------------------------------------------------------------------------


def _copy_epochs(source: Store, target: Store, moved: _Moved, on_progress: OnProgress) -> None:
    total = sum(_n_ended(state.epoch, state.holder is not None) for state in source.units())
    there = {state.unit: _n_ended(state.epoch, state.holder is not None) for state in target.units()}
    for number, ended in enumerate(source.epochs(), start=1):
        if ended.epoch > there.get(ended.unit, 0):
            moved.epochs += target.adopt(ended)
            moved.n_bytes += len(ended.lines)
        on_progress(_at("results", number, total, moved))


def _n_ended(epoch: int, is_open: bool) -> int:
    return epoch - is_open


def _at(stage: str, n_done: int, n_total: int, moved: _Moved) -> CopyProgress:
    return CopyProgress(stage=stage, n_done=n_done, n_total=n_total, n_bytes=moved.n_bytes)


# -- comparing ---------------------------------------------------------------------------------------


def _compared(source: Store, target: Store, moved: _Moved, on_progress: OnProgress) -> Copied:
    """Compare everything and return what there is. Raises `StoreCorrupt` for the first difference."""
    snapshot, copied = source.snapshot(), target.snapshot()
    if not snapshot.open_units and snapshot.counts != copied.counts:
        raise _differs(f"counts: {snapshot.counts} there, {copied.counts} here")
    if snapshot.counts.planned != copied.counts.planned:
        raise _differs(f"planned tasks: {snapshot.counts.planned} there, {copied.counts.planned} here")
    if source.entries() != target.entries():
        raise _differs("the control chain: the source went on meanwhile")
    n_epochs = _compare_epochs(source, target)
    n_results = _compare_results(source, target, moved, on_progress)
    return Copied(
        sweep=target.sweep,
        n_entries=len(target.entries()),
        n_epochs=n_epochs,
        n_results=n_results,
        n_artifacts=_compare_artifacts(source.artifacts, target.artifacts),
        n_new_entries=moved.entries,
        n_new_epochs=moved.epochs,
        n_new_artifacts=moved.artifacts,
        n_left_out=len(snapshot.open_units),
    )


def _compare_epochs(source: Store, target: Store) -> int:
    n_epochs = 0
    for ours, theirs in zip_longest(source.epochs(), target.epochs()):
        unit = (ours or theirs).unit
        if ours is None or theirs is None or _without_spans(ours) != _without_spans(theirs):
            raise _differs(f"the ends of unit {unit}")
        n_epochs += 1
    return n_epochs


def _without_spans(ended: EndedEpoch) -> EndedEpoch:
    """Return what both stores have to agree on; where the lines are is for each to know."""
    return replace(ended, end=replace(ended.end, spans=()), lines=b"")


def _compare_results(source: Store, target: Store, moved: _Moved, on_progress: OnProgress) -> int:
    """Compare the accepted bytes of each unit by their SHA-256; how many results there are."""
    total = sum(1 for _ in target.units())
    n_results = 0
    pairs = zip_longest(_digests(source), _digests(target))
    for number, (ours, theirs) in enumerate(pairs, start=1):
        if ours != theirs:
            raise _differs(f"the results of unit {(ours or theirs)[0]}")
        n_results += theirs[2]
        on_progress(_at("comparing", number, total, moved))
    return n_results


def _digests(store: Store) -> Iterator[tuple[UnitId, str, int]]:
    """Yield each unit that has results, the SHA-256 of its accepted bytes, and its number of results."""
    unit: UnitId | None = None
    digest, n_lines = hashlib.sha256(), 0
    for block in store.accepted():
        if unit is not None and block.unit != unit:
            yield unit, digest.hexdigest(), n_lines
            digest, n_lines = hashlib.sha256(), 0
        unit = block.unit
        digest.update(block.lines)
        n_lines += block.lines.count(b"\n")
    if unit is not None:
        yield unit, digest.hexdigest(), n_lines


def _compare_artifacts(source: ArtifactStore, target: ArtifactStore) -> int:
    n_files = 0
    for file in source.files():
        if _file_digest(source, file.name, file.n_bytes) != _file_digest(target, file.name, file.n_bytes):
            raise _differs(f"the kept file {file.name}")
        n_files += 1
    return n_files


def _file_digest(artifacts: ArtifactStore, name: str, n_bytes: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, n_bytes, _CHUNK):
        digest.update(artifacts.read(name, start, _CHUNK))
    return digest.hexdigest()


def _differs(what: str) -> StoreCorrupt:
    return StoreCorrupt(f"the copy differs from its source in {what}; remove it and copy again")
