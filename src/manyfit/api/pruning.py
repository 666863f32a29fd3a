"""Taking away what nobody needs any more: said first, done when asked."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from manyfit import connect
from manyfit.connect import Address
from manyfit.contracts.store import Store
from manyfit.model.errors import ManyfitError, NotFound
from manyfit.run import retention
from manyfit.run.retention import Due, Kind, Overrides, Spared


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What may go (`due`), what of it was removed, and the sweeps that nothing is taken from."""

    due: Sequence[Due]
    removed: Sequence[Due]
    spared: Sequence[Spared]


def prune(
    targets: Sequence[str | Path],
    *,
    overrides: Overrides | None = None,
    yes: bool = False,
    clock: Callable[[], float] = time.time,
) -> Pruned:
    """
    Find what may go in the sweeps that *targets* mean, and with *yes* remove it.

    A target is a sweep, or a folder or database with many. *overrides* count more than the policies of
    the sweeps: seconds, or None for "never", by the fields of `Retention`. Nothing is taken from sweeps
    that are not settled or that somebody works on. Raises `NotFound` for a target that is not there.
    """
    due: list[Due] = []
    removed: list[Due] = []
    spared: list[Spared] = []
    for target in targets:
        place = connect.expected(target)
        aside = [retention.leftover(str(place), path, clock()) for path in connect.leftovers(place)]
        due += aside
        removed += [one for one in aside if yes and _remove_path(one)]
        for address in _sweeps(place):
            looked = _Look(address, overrides or {}, clock)
            found, why = looked.due()
            due += found
            spared += [Spared(store=str(address), why=why)] if why else []
            removed += looked.remove(found) if yes else []
    return Pruned(due=due, removed=removed, spared=spared)


def _sweeps(place: Address) -> Sequence[Address]:
    """Return the sweeps that are meant; a place for many sweeps may have none. Raises `NotFound`."""
    if place.kind is connect.Kind.SQLITE and not place.path.is_file():
        raise NotFound(f"there is no database {place.path}; check the name")
    if place.kind is not connect.Kind.DIRECTORY:
        return [connect.resolve(place)] if place.sweep else connect.found_in(place)
    found = connect.found_in(place)
    return found if found or place.path.is_dir() else [connect.resolve(place)]


@dataclass(frozen=True, slots=True)
class _Look:
    """One sweep that is looked at."""

    address: Address
    overrides: Overrides
    clock: Callable[[], float]

    def due(self) -> tuple[list[Due], str]:
        """Return what may go, and why nothing may."""
        store = connect.open_address(self.address)
        try:
            snapshot = store.snapshot()
            if why := retention.in_use(store, snapshot, self.clock()):
                return [], why
            return list(self._found(store)), ""
        finally:
            store.close()

    def _found(self, store: Store) -> Iterator[Due]:
        now, snapshot = self.clock(), store.snapshot()
        files = connect.local_files(store)
        policy = retention.retention_of(store, self.overrides)
        last_at = retention.last_sign_of_life(store, snapshot, connect.made_at(self.address))
        if why := retention.sweep_due(snapshot, policy, now - last_at):
            yield Due(
                kind=Kind.SWEEP,
                store=store.url,
                name=store.sweep,
                why=why,
                age_seconds=now - last_at,
                n_bytes=retention.size_of(store, files.folder),
            )
            return
        yield from retention.logs_due(store, snapshot, files.logs, policy, last_at=last_at, now=now)
        yield from retention.artifacts_due(store, policy, now)
        yield from retention.temporary_due(store, files.folder, now)

    def remove(self, found: Sequence[Due]) -> list[Due]:
        """Remove what was found, unless somebody came to the sweep meanwhile."""
        if not found:
            return []
        store = connect.open_address(self.address)
        try:
            if retention.in_use(store, store.snapshot(), self.clock()):
                return []
            store.artifacts.remove([one.name for one in found if one.kind is Kind.ARTIFACT])
        finally:
            store.close()
        return [one for one in found if one.kind is Kind.ARTIFACT or self._remove(one)]

    def _remove(self, one: Due) -> bool:
        if one.kind is not Kind.SWEEP:
            return _remove_path(one)
        try:
            connect.remove(self.address)
        except (OSError, ManyfitError):
            return False
        return True


def _remove_path(one: Due) -> bool:
    """Remove a file or folder of this machine; whether it is gone."""
    assert one.path is not None
    if one.path.is_dir() and not one.path.is_symlink():
        shutil.rmtree(one.path, ignore_errors=True)
    else:
        one.path.unlink(missing_ok=True)
    return not one.path.exists()
