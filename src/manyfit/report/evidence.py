"""The evidence of failures: read from result lines, and in words."""

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.keys import UnitId
from manyfit.report.texts import show_bytes, show_duration

Evidence = Mapping[str, Any]
"""What is known of a failure beside its words; the keys stand with `manyfit.model.result.Failure`."""

Ended = tuple[UnitId, int]
"""A unit and one of its epochs, which has ended."""

Line = tuple[UnitId, int, int, int]
"""Where a result stands: its unit, epoch, index and attempt."""


def evidence_of(store: Store, lines: Set[Line]) -> dict[Line, Evidence]:
    """Return the evidence of the failures at *lines*, {} where there is none; reads the logs of their units."""
    if not lines:
        return {}
    wanted: set[Ended] = {(unit, epoch) for unit, epoch, _, _ in lines}
    every = {(state.unit, epoch) for state in store.units() for epoch in range(1, state.epoch + 1)}
    found: dict[Line, Evidence] = {line: {} for line in lines}
    for block in store.accepted(frozenset(every - wanted)):
        for body in map(json.loads, block.lines.splitlines()):
            line = (block.unit, block.epoch, body["index"], body["attempt"])
            if line in found:
                found[line] = (body.get("failure") or {}).get("evidence") or {}
    return found


def evidence_text(evidence: Evidence) -> str:
    """Return *evidence* in words, what comes first being where and for how long; "" for none."""
    return "; ".join(filter(None, (", ".join(_where(evidence)), ", ".join(_memory(evidence)), *_end(evidence))))


def _where(evidence: Evidence) -> Iterator[str]:
    if "host" in evidence:
        yield f"on {evidence['host']}"
    if "pid" in evidence:
        yield f"process {evidence['pid']}"
    if "seconds" in evidence:
        yield f"after {show_duration(evidence['seconds'])}"
    if "limit_seconds" in evidence:
        yield f"limit {show_duration(evidence['limit_seconds'])}"


def _memory(evidence: Evidence) -> Iterator[str]:
    if evidence.get("peak_bytes"):
        yield f"peak memory {show_bytes(evidence['peak_bytes'])}"
    if "limit_bytes" in evidence:
        by = f" held by {evidence['memory_by']}" if "memory_by" in evidence else ""
        yield f"limit {show_bytes(evidence['limit_bytes'])}{by}"


def _end(evidence: Evidence) -> Iterator[str]:
    if "how" in evidence:
        yield f"how: {evidence['how']}"
    if "signal" in evidence:
        yield f"ended with {evidence['signal']}"
    if "exit_code" in evidence:
        yield f"exit code {evidence['exit_code']}"
    if "alone" in evidence:
        yield "it had the host to itself" if evidence["alone"] else "it did not get the host to itself"
    if "losses" in evidence:
        yield f"workers lost: {evidence['losses']}"
