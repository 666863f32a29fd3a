"""
Examines several subjects at once, each in a process of its own, and waits for none of them for ever.

A call to a file server that is gone cannot be interrupted, nor can the process that made it be ended. So
such a process is abandoned, the check that it was in becomes a finding, and a new process does the rest.
"""

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manyfit.health import filesystem
from manyfit.health.child import CLEAR, INQUIRY
from manyfit.health.finding import Check, Finding, Seen, Status, bad, doubtful
from manyfit.health.inquiry import DISK, Inquiry, Subject, checks_of
from manyfit.health.texts import time_text
from manyfit.model.errors import NotFound, UserError

Told = Callable[[str, int, int], None]
"""Is told the name of the check that reads a lot, how much it has read, and of how much."""

START_SECONDS = 15.0
"""What a new process may take to begin: Python and manyfit may lie on a slow disk themselves."""
END_SECONDS = 2.0
MOST_ABANDONED = 3
"""After so many checks without an answer the rest of a subject is not tried any more."""


def inquiries(
    *, folder: str, store: str = "", opener: str = "", disk: str = DISK, limit_factor: float = 1.0
) -> list[Inquiry]:
    """Return everything to examine: the machine, versions, clocks, the file system of *folder*, a store."""
    ground = f".manyfit-doctor-{secrets.token_hex(4)}"
    found = [Inquiry(subject=subject) for subject in (Subject.MACHINE, Subject.VERSIONS, Subject.CLOCK)]
    found.append(
        Inquiry(subject=Subject.FILES, folder=folder, ground=ground, disk=disk, limit_factor=limit_factor)
    )
    if store:
        found.append(Inquiry(subject=Subject.STORE, store=store, opener=opener, limit_factor=limit_factor))
    return found


def examine(asked: Sequence[Inquiry], told: Told | None = None) -> list[Finding]:
    """
    Return what was found, by area in their order.

    Raises `UserError` for a folder or a store that does not exist. Leaves nothing behind, also when it is
    interrupted; where that cannot be, a finding says so.
    """
    watches = [_Watch(inquiry, told or (lambda *_: None)) for inquiry in asked]
    try:
        with selectors.DefaultSelector() as selector:
            for watch in watches:
                watch.start(selector)
            while open_ones := [watch for watch in watches if not watch.ended]:
                _turn(selector, open_ones)
    finally:
        for watch in watches:
            watch.close()
    findings = [finding for watch in watches for finding in watch.findings]
    findings += filesystem.verdicts(findings)
    areas = list(type(findings[0].area)) if findings else []
    return sorted(findings, key=lambda finding: areas.index(finding.area))


def _turn(selector: selectors.BaseSelector, watches: Sequence["_Watch"]) -> None:
    now = time.monotonic()
    until = min(watch.deadline for watch in watches)
    for key, _ in selector.select(max(0.0, until - now)):
        key.data.listen(selector)
    for watch in watches:
        if not watch.ended and time.monotonic() >= watch.deadline:
            watch.abandon(selector)


class _Watch:
    """One inquiry under way: its process, what it said, and by when it has to say something more."""

    def __init__(self, inquiry: Inquiry, told: Told) -> None:
        self.inquiry = inquiry
        self.findings: list[Finding] = []
        self.ended = False
        self.deadline = 0.0
        self._told = told
        self._checks: Mapping[str, Check] = {check.name: check for check in checks_of(inquiry, lambda *_: None)}
        self._now: Check | None = None
        self._n_abandoned = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._cleared = inquiry.subject is not Subject.FILES
        self._heard = b""

    # -- the process -----------------------------------------------------------------------------------

    def start(self, selector: selectors.BaseSelector) -> None:
        """Start a process for the checks that have not been made."""
        self._process = _started(self.inquiry, [finding.name for finding in self.findings])
        self._heard, self._now = b"", None
        self._wait(START_SECONDS)
        assert self._process.stdout is not None
        selector.register(self._process.stdout, selectors.EVENT_READ, self)

    def listen(self, selector: selectors.BaseSelector) -> None:
        """Take in what the process said; go on when it ended before its work was done."""
        assert self._process is not None
        assert self._process.stdout is not None
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if not data:
            self._leave(selector)
            status = _ended(self._process)
            if not self.ended:
                self._go_on(selector, f"the process that looked ended with {_status_text(status)}")

    def abandon(self, selector: selectors.BaseSelector) -> None:
        """Give the process up: it is killed, and left alone if even that does not end it."""
        assert self._process is not None
        self._leave(selector)
        _kill(self._process)
        limit = self._limit(self._now) if self._now else START_SECONDS
        self._go_on(selector, f"no answer within {time_text(limit)}")

    def _leave(self, selector: selectors.BaseSelector) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        selector.unregister(self._process.stdout)
        self._process.stdout.close()

    def _go_on(self, selector: selectors.BaseSelector, what: str) -> None:
        """Report the check that was not answered, and start another process for the rest."""
        self._n_abandoned += 1
        if self._now is not None:
            self._found(self._now, _unanswered(self._now, what))
        if self._now is None or self._n_abandoned >= MOST_ABANDONED:
            self._give_up(what)
        elif self._left():
            self.start(selector)
        else:
            self.ended = True

    def _give_up(self, what: str) -> None:
        self.ended = True
        left = self._left()
        if left:
            text = f"{', '.join(left)}: not looked at, after {self._n_abandoned} without an answer ({what})"
            seen = bad(text, "see what is wrong with it first: a server that is gone, a disk that fails")
            self.findings.append(Finding(area=self.inquiry.subject.area, name="left out", seen=seen))

    def _left(self) -> list[str]:
        done = {finding.name: finding.status for finding in self.findings}
        broken = {name for name, status in done.items() if status is Status.PROBLEM}
        return [name for name, check in self._checks.items() if name not in done and check.after not in broken]

    def close(self) -> None:
        """End the process, and clear away what it made if it did not come to that."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            _ended(self._process)
        if self._process is not None:
            _kill(self._process)  # what it had started, if it was in the middle of something
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        if not self._cleared and self._process is not None:
            self._clear()

    def _clear(self) -> None:
        process = _started(self.inquiry, [CLEAR])
        try:
            process.communicate(timeout=START_SECONDS if self._n_abandoned == 0 else END_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            text = f"{self.inquiry.ground_folder} was left behind"
            seen = doubtful(text, "remove that folder when the file system answers again")
            self.findings.append(Finding(area=self.inquiry.subject.area, name="tidiness", seen=seen))
        finally:
            assert process.stdout is not None
            process.stdout.close()

    # -- what it says ----------------------------------------------------------------------------------

    def _take(self, value: Mapping[str, Any]) -> None:
        match value:
            case {"begin": name}:
                self._now = self._checks[name]
                self._wait(self._limit(self._now))
            case {"seen": seen} if self._now is not None:
                self._found(self._now, Seen(**{**seen, "status": Status(seen["status"])}))
                self._now = None
                self._wait(START_SECONDS)
            case {"progress": [n, of]} if self._now is not None:
                self._wait(self._limit(self._now))
                self._told(self._now.name, n, of)
            case {"wrong": message}:
                raise NotFound(message) if value.get("not_found") else UserError(message)
            case {"end": True}:
                self.ended = self._cleared = True

    def _found(self, check: Check, seen: Seen) -> None:
        self.findings.append(check.finding(seen))

    def _limit(self, check: Check) -> float:
        return check.limit_seconds * self.inquiry.limit_factor

    def _wait(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds


def _unanswered(check: Check, what: str) -> Seen:
    return bad(what, f"see what keeps it: {check.area.value} {check.name} should take less than a second")


def _started(inquiry: Inquiry, names: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the process in a session of its own, so that Ctrl-C reaches it through this one only."""
    path = os.pathsep.join(filter(None, sys.path))
    quiet = None if os.environ.get("MANYFIT_DEBUG") else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "manyfit.health.child", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=quiet,
        env={**os.environ, "PYTHONPATH": path, INQUIRY: inquiry.to_json()},
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process with everything that it started; one that cannot die now is left to the kernel."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it may have ended already
        os.killpg(process.pid, signal.SIGKILL)
    if _ended(process) is None:
        process.returncode = -signal.SIGKILL  # nobody waits for it any more


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _status_text(status: int | None) -> str:
    if status is None:
        return "nothing said"
    return f"signal {-status}" if status < 0 else f"exit {status}"
