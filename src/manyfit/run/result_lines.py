"""Result lines as a worker records them: what a runner said, or what the worker itself has to say of a task."""

import json

from manyfit.contracts.executor import WorkTask
from manyfit.model.result import Failure, Outcome
from manyfit.run.failures import failure_to_json
from manyfit.run.holding import Charge
from manyfit.run.messages import encode_result


def line(body: bytes, attempt: int, *, final: bool) -> bytes:
    """Return a result line: the runner's *body*, which is not parsed, with attempt and final in front."""
    return b'{"attempt":%d,"final":%s,%s\n' % (attempt, b"true" if final else b"false", body[1:])


def line_of(task: WorkTask, failure: Failure, charge: Charge, *, outcome: Outcome, finished_at: float) -> bytes:
    """Return the line of an attempt of which the runner said nothing."""
    known = {
        "index": task.index,
        "key": task.key,
        "outcome": outcome.value,
        "finished_at": finished_at,
        "failure": failure_to_json(failure),
    }
    return line(encode_result(known), charge.attempt, final=charge.final)


def with_limit(body: bytes, memory_bytes: int | None) -> bytes:
    """Return the *body* of a result that says which memory limit, other than that of the sweep, it had."""
    value = json.loads(body)
    details = value.get("details") or {}
    limits = {**details.get("limits", {}), "memory_bytes": memory_bytes}
    return encode_result({**value, "details": {**details, "limits": limits}})
