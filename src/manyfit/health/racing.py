"""Several processes that do the same at the same moment, and what each of them saw."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, NoReturn


def race(n: int, act: Callable[[int], Any]) -> list[Any]:
    """
    Return what *act* gave in each of *n* forked processes, which begin together.

    The values pass through JSON. To be called from a process of one thread. Raises `OSError` as *act*
    does, `ChildProcessError` when one of the processes died.
    """
    gate = os.pipe()
    racers = [_start(number, act, gate) for number in range(n)]
    os.close(gate[0])
    os.close(gate[1])
    return [_value(_finish(pid, fd)) for pid, fd in racers]


def _start(number: int, act: Callable[[int], Any], gate: tuple[int, int]) -> tuple[int, int]:
    mine, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(mine)
        _act(number, act, gate, theirs)
    os.close(theirs)
    return pid, mine


def _act(number: int, act: Callable[[int], Any], gate: tuple[int, int], fd: int) -> NoReturn:
    """Wait until the gate opens, act, write down what came of it, and end without any clean-up."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(gate[1])
        os.read(gate[0], 1)
        os.write(fd, json.dumps(_outcome(act, number)).encode())
        status = 0
    finally:
        os._exit(status)


def _outcome(act: Callable[[int], Any], number: int) -> dict[str, Any]:
    try:
        return {"value": act(number)}
    except OSError as error:
        return {"errno": error.errno, "said": error.strerror}


def _finish(pid: int, fd: int) -> bytes:
    parts = []
    with os.fdopen(fd, "rb") as file:
        while part := file.read(1 << 16):
            parts.append(part)
    os.waitpid(pid, 0)
    return b"".join(parts)


def _value(data: bytes) -> Any:
    if not data:
        raise ChildProcessError("a process of the test died")
    outcome = json.loads(data)
    if "errno" in outcome:
        raise OSError(outcome["errno"], outcome["said"])
    return outcome["value"]


def other(act: Callable[[], Any]) -> Any:
    """Return what *act* gives in another process."""
    return race(1, lambda _: act())[0]


Sight = tuple[bool, str]
"""Whether a racer was told that it won a name, and the content that it then found there."""


def broken_names(sights: Sequence[Sequence[Sight]]) -> tuple[int, int]:
    """
    Return for how many names several racers won, and for how many they disagree about the content.

    *sights* has one row for each racer, one column for each name; the content under a name is the number
    of the racer that it belongs to. A name that nobody was told to have won is in order when all agree
    whose it is: file servers lose replies.
    """
    n_doubled = n_torn = 0
    for column in zip(*sights, strict=True):
        winners = [str(number) for number, (won, _) in enumerate(column) if won]
        contents = {content for _, content in column}
        n_doubled += len(winners) > 1
        n_torn += len(contents) != 1 or (len(winners) == 1 and contents != set(winners))
    return n_doubled, n_torn
