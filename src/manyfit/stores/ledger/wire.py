"""Values to and from the JSON of the store's files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from manyfit.model.audit import certificate_from_json
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import (
    Action,
    AddSegment,
    Audit,
    Cancel,
    Compacted,
    Entry,
    Pause,
    Resume,
    SetTerms,
    Stop,
)
from manyfit.model.keys import CandidateKey, CellKey, SegmentId, TaskKey, UnitId, WorkerId
from manyfit.model.lease import End, EndKind, Span
from manyfit.model.terms import terms_from_json
from manyfit.model.unit import Mode, Unit
from manyfit.model.wire import candidate_from_json, candidate_to_json, cell_from_json, cell_to_json
from manyfit.model.worker import Beat, WorkerInfo, WorkerState

BEAT_BYTES = 1024

_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

_ACTIONS: Mapping[str, type[Action]] = {
    kind.__name__: kind for kind in (AddSegment, Pause, Resume, SetTerms, Stop, Cancel, Compacted, Audit)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """
    The content of a claim file. `log` is the place in the worker's log where its records begin.

    `adopted` says that the epoch was taken over from another store, where it was claimed.
    """

    unit: UnitId
    epoch: int
    worker: WorkerId
    position: int
    nonce: str
    at: float
    log: tuple[int, int]
    adopted: bool = False


def to_bytes(value: Any) -> bytes:
    """Return *value* as one line of JSON."""
    return _ENCODE(value).encode() + b"\n"


def entry_bytes(entry: Entry, nonce: str) -> bytes:
    """Return a control entry as its file says it."""
    action = {"kind": type(entry.action).__name__, **asdict(entry.action)}
    return to_bytes({"position": entry.position, "action": action, "by": entry.by, "at": entry.at, "nonce": nonce})


def entry_from(data: bytes) -> Entry:
    """Return the control entry of a file."""
    value = json.loads(data)
    fields = value["action"]
    kind = _ACTIONS[fields.pop("kind")]
    if kind is Cancel:
        fields["tasks"] = tuple(fields["tasks"])
    if kind is SetTerms:
        fields["terms"] = terms_from_json(fields["terms"])
    if kind is Audit:
        fields["certificate"] = certificate_from_json(fields["certificate"])
    return Entry(position=value["position"], action=kind(**fields), by=value["by"], at=value["at"])


def claim_bytes(claim: Claim) -> bytes:
    """Return a claim as its file says it."""
    return to_bytes(asdict(claim))


def claim_from(data: bytes) -> Claim:
    """Return the claim of a file."""
    value = json.loads(data)
    value["log"] = tuple(value["log"])
    return Claim(**value)


def end_bytes(end: End, nonce: str, at: float, spans: tuple[Span, ...] | None = None) -> bytes:
    """Return an end as its file says it; with *spans* in place of its own, when they are given."""
    return to_bytes(
        {
            "kind": end.kind.value,
            "indices": end.indices,
            "marks": end.marks,
            "spans": [(span.log, span.start, span.end) for span in (end.spans if spans is None else spans)],
            "attempts": end.attempts,
            "losses": end.losses,
            "parts": end.parts,
            "by": end.by,
            "forgiven": end.forgiven,
            "deaths": end.deaths,
            "nonce": nonce,
            "at": at,
        }
    )


def end_from(data: bytes) -> tuple[End, str]:
    """Return the end and the nonce of its file."""
    value = json.loads(data)
    end = End(
        kind=EndKind(value["kind"]),
        indices=tuple(value["indices"]),
        marks=value["marks"],
        spans=tuple(Span(log=log, start=start, end=stop) for log, start, stop in value["spans"]),
        attempts=_pairs(value["attempts"]),
        losses=_pairs(value["losses"]),
        parts=tuple(tuple(part) for part in value["parts"]),
        by=value["by"],
        forgiven=_pairs(value.get("forgiven", [])),
        deaths=value.get("deaths", 0),
    )
    return end, value["nonce"]


def _pairs(value: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((index, count) for index, count in value)


def beat_bytes(beat: Beat) -> bytes:
    """Return a heartbeat, padded so that every one replaces every other in place."""
    data = json.dumps({**asdict(beat), "state": beat.state.value}).encode()
    return data.ljust(BEAT_BYTES - 1) + b"\n"


def beat_from(data: bytes) -> Beat | None:
    """Return the heartbeat, or None when it is just being replaced."""
    try:
        value = json.loads(data)
        return Beat(**{**value, "state": WorkerState(value["state"])})
    except (ValueError, TypeError, KeyError):
        return None


def worker_bytes(info: WorkerInfo) -> bytes:
    """Return a registration as its file says it."""
    return to_bytes(asdict(info))


def worker_from(data: bytes) -> WorkerInfo:
    """Return the registration of a file."""
    value = json.loads(data)
    return WorkerInfo(
        **{**value, "gpu_bytes": tuple(value.get("gpu_bytes", ())), "labels": tuple(value.get("labels", ()))}
    )


def candidate_bytes(candidate: Candidate) -> bytes:
    """Return the line of a candidate; its key comes first."""
    return to_bytes(candidate_to_json(candidate))


def candidate_from(data: bytes) -> Candidate:
    """Return the candidate of a line."""
    return candidate_from_json(json.loads(data))


def candidate_key_from(data: bytes) -> CandidateKey:
    """Return only the key, which is the first field of the line."""
    if data.startswith(b'{"key":"'):
        return CandidateKey(data[8 : data.index(b'"', 8)].decode())
    return candidate_from(data).key


def cell_bytes(cell: Cell) -> bytes:
    """Return the line of a cell."""
    return to_bytes(cell_to_json(cell))


def cell_from(data: bytes) -> Cell:
    """Return the cell of a line."""
    return cell_from_json(json.loads(data))


def cell_key_from(data: bytes) -> CellKey:
    """Return only the key of the cell of a line."""
    return cell_from(data).key


def unit_bytes(unit: Unit) -> bytes:
    """Return the line of a unit; cells that are all equal are one number."""
    cells: Any = list(unit.cells)
    if len(set(cells)) == 1:
        cells = cells[0]
    return to_bytes(
        {
            "id": unit.id,
            "candidates": list(unit.candidates),
            "cells": cells,
            "cost_seconds": unit.cost_seconds,
            "mode": unit.mode.value,
            "generation": unit.generation,
            "pipeline": unit.pipeline,
        }
    )


def unit_from(data: bytes, segment: SegmentId) -> Unit:
    """Return the unit of a line."""
    value = json.loads(data)
    candidates, cells = tuple(value["candidates"]), value["cells"]
    return Unit(
        id=value["id"],
        segment=segment,
        candidates=candidates,
        cells=(cells,) * len(candidates) if isinstance(cells, int) else tuple(cells),
        cost_seconds=value["cost_seconds"],
        pipeline=value["pipeline"],
        mode=Mode(value["mode"]),
        generation=value["generation"],
    )


def removed_bytes(key: TaskKey) -> bytes:
    """Return the line of a removed key."""
    return to_bytes(key)


def removed_from(data: bytes) -> TaskKey:
    """Return the removed key of a line."""
    return TaskKey(json.loads(data))
