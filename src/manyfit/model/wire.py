"""Values as JSON values, for plan files and for what workers tell runners. Exact both ways."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import CandidateKey, CellKey
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Limits


def header_to_json(header: SegmentHeader) -> dict[str, Any]:
    """Return a segment header as JSON values."""
    return {
        "sweep": header.sweep,
        "executor": header.executor,
        "spec": dict(header.spec),
        "folder": header.folder,
        "fingerprints": dict(header.fingerprints),
        "metrics": list(header.metrics),
        "limits": asdict(header.limits),
        "priority": header.priority,
        "supersedes": dict(header.supersedes),
        "costs": dict(header.costs),
        "memory_bytes": dict(header.memory_bytes),
        # Said only where it holds, so that plans are the bytes that they always were.
        **({"alone": True} if header.alone else {}),
    }


def header_from_json(value: Mapping[str, Any]) -> SegmentHeader:
    """Return the segment header that `header_to_json` wrote."""
    return SegmentHeader(
        sweep=value["sweep"],
        executor=value["executor"],
        spec=value["spec"],
        folder=value["folder"],
        fingerprints=value["fingerprints"],
        metrics=tuple(value["metrics"]),
        limits=Limits(**value["limits"]),
        priority=value["priority"],
        supersedes=value["supersedes"],
        # Plans of earlier versions lack them: nothing is known then.
        costs=value.get("costs", {}),
        memory_bytes=value.get("memory_bytes", {}),
        alone=value.get("alone", False),
    )


def candidate_to_json(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as JSON values; its key comes first."""
    return {
        "key": candidate.key,
        "pipeline": candidate.pipeline,
        "steps": [{"name": s.name, "use": s.use, "params": dict(s.params)} for s in candidate.steps],
        "shown": dict(candidate.shown),
        "features": candidate.features,
        "variant": candidate.variant,
    }


def candidate_from_json(value: Mapping[str, Any]) -> Candidate:
    """Return the candidate that `candidate_to_json` wrote."""
    return Candidate(
        key=CandidateKey(value["key"]),
        pipeline=value["pipeline"],
        steps=tuple(Step(**step) for step in value["steps"]),
        shown=value["shown"],
        features=value["features"],
        variant=value["variant"],
    )


def cell_to_json(cell: Cell) -> dict[str, Any]:
    """Return a cell as JSON values."""
    return {
        "key": cell.key,
        "split": cell.split,
        "fold": cell.fold,
        "seed": cell.seed,
        "variant": cell.variant,
        "n_train": cell.n_train,
        # Said only where there is one, so that plans are the bytes that they always were.
        **({"held_out": cell.held_out} if cell.held_out else {}),
    }


def cell_from_json(value: Mapping[str, Any]) -> Cell:
    """Return the cell that `cell_to_json` wrote."""
    return Cell(
        key=CellKey(value["key"]),
        split=value["split"],
        fold=value["fold"],
        seed=value["seed"],
        variant=value["variant"],
        n_train=value["n_train"],
        held_out=value.get("held_out", ""),
    )
