"""Reading result logs of other workers: what was accepted, and what a lost worker left durable."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.lease import End, Span
from manyfit.model.worker import Beat
from manyfit.stores.directory import frames
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.log import Place
from manyfit.stores.files.disk import Disk
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import Attempt


def accepted_lines(disk: Disk, layout: Layout, unit: UnitId, epoch: int, end: End) -> bytes:
    """Return the result lines of (*unit*, *epoch*) in the spans of *end*. Raises `StoreCorrupt`."""
    head = frames.results_head(unit, epoch)
    parts = []
    for span in end.spans:
        found = _frames_of(disk, layout, span)
        parts += [frame.body[len(head) :] for frame in found if _is_of(frame, head)]
    return b"".join(parts)


def _is_of(frame: frames.Frame, head: bytes) -> bool:
    return frame.kind == frames.RESULTS and frame.body.startswith(head)


def _frames_of(disk: Disk, layout: Layout, span: Span) -> Iterator[frames.Frame]:
    path = layout.log_file(span.log)
    data = disk.read(path, span.start, span.end - span.start) or b""
    at = span.start
    for frame in frames.frames(data, span.log, span.start):
        yield frame
        at = frame.end
    if at != span.end:
        raise StoreCorrupt(
            f"{path}: the accepted results in bytes {span.start} to {span.end} are damaged at byte {at}. "
            "Restore the file from a backup, or retry the tasks of that unit."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Durable:
    """What a worker has made durable under one epoch."""

    spans: tuple[Span, ...]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    file_id: str
    start: int
    found: tuple[frames.Frame, ...]
    marked: int


def durable(disk: Disk, layout: Layout, worker: WorkerId, since: Place, unit: UnitId, epoch: int) -> Durable:
    """
    Return what *worker* recorded from *since* on under (*unit*, *epoch*) and covered by a mark.

    What is merely visible does not count: the server may lose it yet. A later file of the worker may
    say that an earlier one holds less far than its last mark, since it was abandoned.
    """
    files = list(_files(disk, layout, worker, since))
    limits = _limits(files)
    head = frames.results_head(unit, epoch)
    spans: list[Span] = []
    attempts: list[Attempt] = []
    for file in files:
        end = min(file.marked, limits.get(file.file_id, file.marked))
        held = [frame for frame in file.found if frame.end <= end]
        if held:
            spans.append(Span(log=file.file_id, start=file.start, end=held[-1].end))
        for frame in held:
            if _is_of(frame, head):
                attempts.extend(map(Attempt.of_line, frame.body[len(head) :].splitlines()))
    return Durable(spans=tuple(spans), attempts=tuple(attempts))


def _files(disk: Disk, layout: Layout, worker: WorkerId, since: Place) -> Iterator[_File]:
    number, start = since
    while True:
        file_id = f"{worker}-{number}"
        data = disk.read(layout.log_file(file_id), start)
        if data is None:
            return
        found = tuple(frames.frames(data, file_id, start))
        marks = [int(frame.body) for frame in found if frame.kind == frames.MARK]
        yield _File(file_id=file_id, start=start, found=found, marked=marks[-1] if marks else 0)
        number, start = number + 1, 0


def _limits(files: list[_File]) -> dict[str, int]:
    limits: dict[str, int] = {}
    for file in files:
        if file.found and file.found[0].kind == frames.HEADER:
            limits.update((name, end) for name, end in json.loads(file.found[0].body)["after"])
    return limits


def read_beat(disk: Disk, layout: Layout, worker: WorkerId) -> Beat | None:
    """Return the last heartbeat of *worker*, if there is a whole one."""
    data = disk.read(layout.beat(worker))
    return wire.beat_from(data) if data else None
