"""
What worker and runner say to each other.

Worker to runner: orders, each a 4-byte length and JSON. Runner to worker: frames, each a type byte, a
number (mostly a task index), a length and a body; a frame that was cut off by the death of the runner is no frame.
"""

import enum
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import TaskKey, task_key
from manyfit.model.segment import SegmentHeader
from manyfit.model.unit import Mode
from manyfit.model.wire import (
    candidate_from_json,
    candidate_to_json,
    cell_from_json,
    cell_to_json,
    header_from_json,
    header_to_json,
)

LENGTH = struct.Struct(">I")
FRAME = struct.Struct(">cII")


class Kind(enum.Enum):
    """What a frame, or the end of a runner, tells the worker."""

    STARTED = b"S"
    """Tasks are in progress: the number is the index of the first, the others are in the body."""
    RESULT = b"R"
    """The task with this index succeeded; the body is its result without attempt and final."""
    FAILED = b"F"
    """The task with this index failed; the body is its result without attempt and final."""
    COMPLETE = b"D"
    """
    The order is carried out, or was stopped between two tasks as asked; the number is its serial.

    With the body `SPENT` it ended early, since this runner has to make way for another.
    """
    REFUSED = b"X"
    """The unit cannot run here; the body says why (JSON: class, error and message)."""
    DIED = b"-"
    """The runner is gone; the body says how (JSON). Never sent: seen from outside."""
    UNABLE = b"!"
    """No runner can be made here; the body says why (text). Never sent by a runner."""


SPENT = b"spent"

_KINDS = {kind.value: kind for kind in Kind}


class Frame(NamedTuple):
    """One message of a runner; the meaning of number and body depends on the kind."""

    kind: Kind
    number: int = 0
    body: bytes = b""


def pack_frame(frame: Frame) -> bytes:
    """Return the bytes of one frame."""
    return FRAME.pack(frame.kind.value, frame.number, len(frame.body)) + frame.body


def started_frame_of(indices: Sequence[int]) -> Frame:
    """Return the frame that tells that the tasks with these *indices* are in progress together."""
    if len(indices) == 1:
        return Frame(Kind.STARTED, indices[0])
    return Frame(Kind.STARTED, indices[0], struct.pack(f">{len(indices) - 1}I", *indices[1:]))


def started_indices(frame: Frame) -> tuple[int, ...]:
    """Return the tasks that a `Kind.STARTED` frame names."""
    if not frame.body:
        return (frame.number,)
    return (frame.number, *struct.unpack(f">{len(frame.body) // 4}I", frame.body))


def take_frames(buffer: bytearray) -> Iterator[Frame]:
    """Yield the complete frames at the start of *buffer*, and leave in it what is not complete yet."""
    at, end = 0, len(buffer)
    try:
        while end - at >= FRAME.size:
            kind, number, length = FRAME.unpack_from(buffer, at)
            after = at + FRAME.size + length
            if after > end:
                break
            yield Frame(_KINDS[kind], number, bytes(buffer[at + FRAME.size : after]))
            at = after
    finally:
        del buffer[:at]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Work with a serial number, which a request to stop it names; `segment` is what the header is cached by."""

    serial: int
    segment: str
    work: Work


def order_to_json(order: Order, *, with_header: bool) -> bytes:
    """Return *order* as a length and JSON; the header only on request: a runner keeps one per segment."""
    work = order.work
    candidates = {(task.candidate.variant, task.candidate.key): task.candidate for task in work.tasks}
    cells = {task.cell.key: task.cell for task in work.tasks}
    candidate_at = {key: at for at, key in enumerate(candidates)}
    cell_at = {key: at for at, key in enumerate(cells)}
    value = {
        "serial": order.serial,
        "segment": order.segment,
        "header": header_to_json(work.header) if with_header else None,
        "mode": work.mode.value,
        "indices": [task.index for task in work.tasks],
        "candidates": [candidate_to_json(candidate) for candidate in candidates.values()],
        "cells": [cell_to_json(cell) for cell in cells.values()],
        "candidate_of": [candidate_at[task.candidate.variant, task.candidate.key] for task in work.tasks],
        "cell_of": [cell_at[task.cell.key] for task in work.tasks],
        "inputs": [[index, dict(inputs)] for index, inputs in work.inputs.items()],
        "fuse": work.fuse,
        "without": sorted(work.without),
    }
    body = _encode(value).encode()
    return LENGTH.pack(len(body)) + body


def order_from_json(body: bytes, headers: dict[str, SegmentHeader]) -> Order:
    """Return the order in *body*; *headers* are those of earlier orders, and a new one is added to them."""
    value = json.loads(body)
    if value["header"] is not None:
        headers[value["segment"]] = header_from_json(value["header"])
    candidates = [candidate_from_json(candidate) for candidate in value["candidates"]]
    cells = [cell_from_json(cell) for cell in value["cells"]]
    places = zip(value["indices"], value["candidate_of"], value["cell_of"], strict=True)
    tasks = [_task(index, candidates[candidate], cells[cell]) for index, candidate, cell in places]
    work = Work(
        header=headers[value["segment"]],
        mode=Mode(value["mode"]),
        tasks=tasks,
        inputs=dict(value["inputs"]),
        fuse=value["fuse"],
        without=frozenset(value["without"]),
    )
    return Order(serial=value["serial"], segment=value["segment"], work=work)


def _task(index: int, candidate: Candidate, cell: Cell) -> WorkTask:
    key: TaskKey = task_key(candidate.key, cell.key)
    return WorkTask(index=index, key=key, candidate=candidate, cell=cell)


def _plain(value: Any) -> Any:
    """Return the Python number or list inside a NumPy value, and mappings as dicts."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r:.200}")


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
_encode_finite = json.JSONEncoder(separators=(",", ":"), default=_plain, allow_nan=False).encode


def encode_result(value: Mapping[str, Any]) -> bytes:
    """Return the fields of a result as one JSON line without its newline; what is not finite becomes null."""
    try:
        return _encode_finite(value).encode()
    except ValueError:
        return _encode_finite(_finite(json.loads(_encode(value)))).encode()


def _finite(value: Any) -> Any:
    """Return JSON *value* with null in place of NaN and infinities."""
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return value
