"""What a unit that only scores needs of earlier results: where their kept predictions are."""

import json
from collections.abc import Mapping
from typing import Any

from manyfit.contracts.store import Store
from manyfit.model.keys import TaskKey, task_key
from manyfit.model.lease import Lease
from manyfit.model.segment import Segment
from manyfit.model.unit import Mode, Unit


def kept_inputs(store: Store, lease: Lease, unit: Unit, segment: Segment) -> Mapping[int, Mapping[str, Any]]:
    """
    Return the artifacts of the earlier results of a lease's tasks, by task index.

    Empty for units that fit. A task without kept predictions is left out: it fails, and says why.
    """
    if unit.mode is not Mode.SCORE:
        return {}
    keys = {
        task_key(
            segment.candidates[unit.candidates[task.index]].key, segment.cells[unit.cells[task.index]].key
        ): task.index
        for task in lease.tasks
    }
    return _kept(store, keys)


def _kept(store: Store, keys: Mapping[TaskKey, int]) -> dict[int, Mapping[str, Any]]:
    found: dict[int, Mapping[str, Any]] = {}
    for block in store.accepted():
        for line in block.lines.splitlines():
            if b'"predictions"' in line:
                result = json.loads(line)
                if result["key"] in keys and "predictions" in result.get("artifacts", {}):
                    found[keys[result["key"]]] = result["artifacts"]
    return found
