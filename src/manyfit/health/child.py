"""
The process that examines one subject: ``python -m manyfit.health.child [DONE...]``.

It writes one JSON value a line: `begin` before each check, `seen` after it, `progress`, `wrong` for a
request that means nothing, `end` at last. The inquiry comes in the environment, where other users cannot
read it as they can arguments. DONE are the names of checks that are left out. Whatever a
library prints goes to stderr. SIGTERM ends it after it has cleared away what it made.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from manyfit.health import filesystem
from manyfit.health.finding import Check, Seen, Status, bad, doubtful
from manyfit.health.inquiry import Inquiry, Subject, checks_of
from manyfit.health.texts import error_advice, error_text
from manyfit.model.errors import NotFound, UserError

INQUIRY = "MANYFIT_INQUIRY"
CLEAR = "--clear"
"""In the place of DONE: only clear away what an earlier process made."""
TELL_SECONDS = 0.2


def main() -> int:
    """Examine, and write what is found."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say = _speaker()
    inquiry, done = Inquiry.from_json(os.environ.pop(INQUIRY)), sys.argv[1:]
    try:
        if CLEAR not in done:
            _examine(inquiry, done, say)
    finally:
        if inquiry.subject is Subject.FILES:
            filesystem.clear(inquiry.ground_folder)
    say({"end": True})
    return 0


def _speaker() -> Callable[[dict[str, Any]], None]:
    """Return the only way to stdout, which from now on is stderr for everybody else."""
    file = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        file.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
        file.flush()

    return say


def _examine(inquiry: Inquiry, done: Collection[str], say: Callable[[dict[str, Any]], None]) -> None:
    broken = set()
    last = 0.0

    def tell(n: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_SECONDS:
            last = time.monotonic()
            say({"progress": [n, of]})

    for check in checks_of(inquiry, tell):
        if check.name in done or check.after in broken:
            continue
        say({"begin": check.name})
        try:
            _must_exist(inquiry)
            seen = _look(check)
        except UserError as error:
            say({"wrong": str(error), "not_found": isinstance(error, NotFound)})
            return
        if seen.status is Status.PROBLEM:
            broken.add(check.name)
        say({"seen": {**asdict(seen), "status": seen.status.value}})


def _must_exist(inquiry: Inquiry) -> None:
    """Raise for a folder that is not there: that is a wrong request, not a finding."""
    if inquiry.subject is Subject.FILES and not Path(inquiry.folder).is_dir():
        raise NotFound(f"there is no folder {inquiry.folder}; give one that exists with --fs")


def _look(check: Check) -> Seen:
    try:
        return check.look()
    except UserError:
        raise
    except OSError as error:
        return bad(error_text(error), error_advice(error))
    except Exception as error:  # noqa: BLE001 - one check that fails must not take the others with it
        return doubtful(f"could not be looked at: {type(error).__name__}: {error}", "report this line to manyfit")


if __name__ == "__main__":
    sys.exit(main())
