"""Checks of a sweep's store: it is read as a whole, and nothing in it is changed."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from manyfit.contracts.store import Store
from manyfit.health.finding import Area, Check, Seen, bad, doubtful, fine
from manyfit.health.texts import GIBI, size_text, time_text
from manyfit.model.control import AddSegment, Compacted, Entry
from manyfit.model.errors import ManyfitError, MissingExtra, UserError, told
from manyfit.model.snapshot import Counts, Snapshot, WorkerView
from manyfit.model.unit import root_of

Tell = Callable[[int, int], None]
"""Is told how many results of how many were read."""

SILENT_SECONDS = 120.0
"""A worker that holds a lease beats every few seconds; after this long others take over."""
CLOCK_AHEAD_SECONDS = 5.0
LIMIT_SECONDS = 30.0
SHOWN = 3
_SQLITE = "sqlite:///"
_RESTORE = "restore the file from a backup, or submit the sweep into a new store"


@dataclass(slots=True, kw_only=True)
class Patient:
    """A store under examination, opened when it is first looked at."""

    open: Callable[[], Store]
    tell: Tell
    clock: Callable[[], float] = time.time
    _store: Store | None = field(default=None, init=False)
    _snapshot: Snapshot | None = field(default=None, init=False)

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = self.open()
        return self._store

    @property
    def snapshot(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = self.store.snapshot()
        return self._snapshot


def checks(patient: Patient) -> Sequence[Check]:
    """Return the checks of a store."""
    looks: dict[str, Callable[[], Seen]] = {
        "control chain": lambda: chain(patient.store.entries()),
        "plan": lambda: plan(patient.store),
        "counts": lambda: counts(patient.snapshot),
        "leases": lambda: leases(patient.snapshot, patient.clock()),
        "heartbeats": lambda: heartbeats(patient.snapshot.workers, patient.clock()),
        "notes": lambda: notes(patient.snapshot.notes),
        "results": lambda: results(patient.store, patient.snapshot.counts, patient.tell),
        "compactions": lambda: compactions(patient.store),
        "room": lambda: _room(patient.store.url),
    }
    opening = Check(area=Area.STORE, name="opening", look=lambda: _opened(patient), limit_seconds=LIMIT_SECONDS)
    return [
        opening,
        *(
            Check(area=Area.STORE, name=name, look=_sound(look), limit_seconds=LIMIT_SECONDS, after=opening.name)
            for name, look in looks.items()
        ),
    ]


def _opened(patient: Patient) -> Seen:
    """Raises `UserError` for a store that is not there: that is a wrong request, not a finding."""
    try:
        return fine(patient.store.url)
    except UserError:
        raise
    except MissingExtra as error:
        raise UserError(str(error)) from error
    except ManyfitError as error:
        return bad(str(error), "put right what it says, or restore the store from a backup")
    except Exception as error:  # noqa: BLE001 - whatever a backend meets, the store cannot be used
        return bad(told(type(error).__name__, error), "put right what it says, or restore the store from a backup")


def _sound(look: Callable[[], Seen]) -> Callable[[], Seen]:
    """Return *look* with what the store itself complains of as a problem."""

    def looked() -> Seen:
        try:
            return look()
        except ManyfitError as error:
            return bad(str(error), _RESTORE)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - damage can lead to any error where a file is parsed
            return bad(told(type(error).__name__, error), _RESTORE)

    return looked


def chain(entries: Sequence[Entry]) -> Seen:
    """Return whether the entries have every position once, in order."""
    gap = next((n for n, entry in enumerate(entries, 1) if entry.position != n), None)
    if gap is not None:
        found = entries[gap - 1].position
        return bad(f"entry {gap} is missing: {found} stands in its place", "restore the store from a backup")
    if not entries:
        return doubtful("nothing was submitted yet", "manyfit submit SWEEP", entries=0)
    return fine(f"{_n(len(entries), 'entry', 'entries')}, no gaps", entries=len(entries))


def plan(store: Store) -> Seen:
    """Read every segment, which compares it with its checksum, and compare it with its entry."""
    added = [entry.action for entry in store.entries() if isinstance(entry.action, AddSegment)]
    wrong = []
    for action in added:
        found = store.segment(action.segment)
        if (len(found.units), found.n_tasks) != (action.n_units, action.n_tasks):
            wrong.append(
                f"segment {action.segment} has {len(found.units):,} units and {found.n_tasks:,} tasks,"
                f" not {action.n_units:,} and {action.n_tasks:,}"
            )
    if wrong:
        return bad("; ".join(wrong[:SHOWN]), "restore the store from a backup", segments=len(added))
    n_tasks = sum(action.n_tasks for action in added)
    return fine(f"{_n(len(added), 'segment')}, {_n(n_tasks, 'task')}, checksums agree", segments=len(added))


def counts(snapshot: Snapshot) -> Seen:
    """Return whether the counts add up, in all and for each pipeline."""
    wrong = [
        f"{name}: {found}"
        for name, found in {"all": snapshot.counts, **snapshot.per_pipeline}.items()
        if found.planned != _sum(found)
    ]
    total = sum(found.planned for found in snapshot.per_pipeline.values())
    if total != snapshot.counts.planned:
        wrong.append(f"pipelines have {total:,} tasks together, not {snapshot.counts.planned:,}")
    if snapshot.n_units_closed > snapshot.n_units:
        wrong.append(f"{snapshot.n_units_closed:,} of {snapshot.n_units:,} units are closed")
    if wrong:
        return bad("; ".join(wrong[:SHOWN]), "this is a mistake in manyfit: report it with this line")
    return fine(str(snapshot.counts))


def _sum(found: Counts) -> int:
    return found.done + found.failed + found.running + found.pending + found.cancelled


def leases(snapshot: Snapshot, now: float) -> Seen:
    """Return whether open leases are held by workers that still work."""
    workers = {view.info.id: view for view in snapshot.workers}
    dead = sorted({str(holder) for holder in snapshot.open_units.values() if _gone(workers.get(holder), now)})
    n_held = len(snapshot.open_units)
    if dead:
        n_stuck = sum(str(holder) in dead for holder in snapshot.open_units.values())
        return doubtful(
            f"{n_stuck} of {_n(n_held, 'open lease')} held by workers that seem dead: {_some(dead)}",
            "any worker takes them over by itself: manyfit run SWEEP",
            open=n_held,
            dead=dead,
        )
    return fine(_n(n_held, "open lease") if n_held else "none is open", open=n_held, dead=[])


def _gone(view: WorkerView | None, now: float) -> bool:
    if view is None or not view.alive:
        return True
    return view.beat is not None and now - view.beat.at > SILENT_SECONDS


def heartbeats(workers: Sequence[WorkerView], now: float) -> Seen:
    """Return how old the oldest heartbeat of a living worker is, and whose clock is wrong."""
    beats = {
        str(view.info.id): (view.info.host, now - view.beat.at) for view in workers if view.alive and view.beat
    }
    ahead = {host: -age for host, age in beats.values() if age < -CLOCK_AHEAD_SECONDS}
    if ahead:
        text = ", ".join(f"{host} by {time_text(seconds)}" for host, seconds in list(ahead.items())[:SHOWN])
        return doubtful(f"clocks ahead of this machine's: {text}", "set the clocks by NTP", ahead_seconds=ahead)
    if not beats:
        return fine("no worker is at work", oldest_seconds=None)
    oldest, (host, age) = max(beats.items(), key=lambda entry: entry[1][1])
    text = f"oldest of {_n(len(beats), 'worker')}: {time_text(max(0.0, age))} ago ({oldest} on {host})"
    if age > SILENT_SECONDS:
        return doubtful(text, "see whether that machine still runs; its work is taken over", oldest_seconds=age)
    return fine(text, oldest_seconds=age)


def notes(found: Sequence[str]) -> Seen:
    """Return what the store itself noticed."""
    if found:
        return doubtful("; ".join(found[:SHOWN]), "see manyfit status SWEEP", notes=list(found))
    return fine("the store noticed nothing")


def results(store: Store, known: Counts, tell: Tell) -> Seen:
    """
    Read all accepted results, which compares them with their checksums.

    No attempt may be accepted twice, and there may not be more tasks with a final result than were planned.
    """
    n_lines = n_blocks = n_bytes = n_twice = 0
    root, seen = "", set[tuple[int, int]]()
    for block in store.accepted():
        if (here := f"{block.segment}/{root_of(block.unit)}") != root:
            root, seen = here, set()
        attempts = [_attempt(line) for line in block.lines.splitlines()]
        n_twice += len(attempts) - len(set(attempts)) + len(seen.intersection(attempts))
        seen.update(attempts)
        n_lines, n_blocks, n_bytes = n_lines + len(attempts), n_blocks + 1, n_bytes + len(block.lines)
        tell(n_lines, known.done + known.failed)
    facts = {"results": n_lines, "bytes": n_bytes, "epochs": n_blocks, "accepted_twice": n_twice}
    text = f"{_n(n_lines, 'result')} ({size_text(n_bytes)}) read"
    if n_twice:
        text += f"; {_n(n_twice, 'attempt')} accepted twice"
        return bad(text, "this is a mistake in manyfit: keep the store and report it", **facts)
    return fine(f"{text}, checksums agree, none accepted twice", **facts)


def _attempt(line: bytes) -> tuple[int, int]:
    """Return which attempt a result line is about. Raises `UnreadableLine`."""
    try:
        value = json.loads(line)
        return int(value["index"]), int(value["attempt"])
    except (ValueError, KeyError, TypeError) as exc:
        shown = line[:60].decode(errors="replace")
        raise UnreadableLine(f'an accepted result cannot be read: "{shown}"') from exc


class UnreadableLine(ManyfitError):
    """A result passed its checksum and is not one."""


def compactions(store: Store) -> Seen:
    """Compare every compaction with the checksum in its entry."""
    actions = [entry.action for entry in store.entries() if isinstance(entry.action, Compacted)]
    paths = list(store.bases())
    wrong = [
        path.name
        for path, action in zip(paths, actions, strict=False)
        if not path.is_file() or _digest(path) != action.sha256
    ]
    if wrong or len(paths) != len(actions):
        text = f"missing or changed: {_some(wrong)}" if wrong else f"{len(paths)} of {len(actions)} are there"
        return bad(text, "restore them from a backup; the results in the logs are not concerned")
    return fine(f"{_n(len(paths), 'compaction')}, checksums agree" if paths else "none yet")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _room(url: str) -> Seen:
    place = unquote(url.removeprefix(_SQLITE).partition("#")[0]) if url.startswith(_SQLITE) else url
    if not os.path.exists(place):
        return fine("the store is not a file of this machine")
    return room(shutil.disk_usage(place).free)


def room(free: int) -> Seen:
    """Return whether the disk of the store has *free* bytes enough."""
    text = f"{size_text(free)} free where the store lies"
    if free < GIBI:
        return doubtful(text, "free some space there: a full disk stops every worker", free_bytes=free)
    return fine(text, free_bytes=free)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")


def _n(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
