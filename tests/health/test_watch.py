"""Nothing waits for ever, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.health.examinations import GROUND, examined, files

from manyfit.health.finding import Status
from manyfit.health.inquiry import Inquiry, Subject
from manyfit.health.watch import MOST_ABANDONED, examine, inquiries
from manyfit.model.errors import NotFound

QUICK = 0.25
"""Makes the limits of 8 s into 2 s."""


def processes_with(text: str) -> list[int]:
    """Return the processes whose environment has *text*, this one and dead ones left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(text in part for part in process.environ().values()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_check_that_hangs_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    """The hanging one is a problem within its limit; what comes after it is looked at; nothing is left."""
    begun = time.monotonic()
    found = examined(files(tmp_path, disk="HangingLocks", limit_factor=QUICK))
    assert time.monotonic() - begun < 15
    assert (found["flock"].status, found["flock"].seen.text) == (Status.PROBLEM, "no answer within 2.0 s")
    assert "flock should take" in found["flock"].seen.do
    assert found["names"].status is Status.OK
    assert found["sqlite store"].seen.text == "no: see flock"
    assert found["directory store"].status is Status.OK
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []


def test_a_server_that_is_gone_is_not_asked_again_and_again(tmp_path: Path) -> None:
    """Two checks wait in vain; those that need a file are left out."""
    found = examined(files(tmp_path, disk="Gone", limit_factor=QUICK))
    assert {name: finding.status for name, finding in found.items() if name != "mount"} == {
        "space": Status.PROBLEM,
        "writing": Status.PROBLEM,
        "directory store": Status.PROBLEM,
        "sqlite store": Status.WARNING,
    }
    assert processes_with(str(tmp_path)) == []


def test_a_process_that_dies_costs_one_check(tmp_path: Path) -> None:
    """A library that crashes on import, or a kernel that kills, is told with the signal."""
    found = examined(files(tmp_path, disk="Crashing"))
    assert "ended with signal 11" in found["flock"].seen.text
    assert found["names"].status is Status.OK
    assert list(tmp_path.iterdir()) == []


def test_after_some_without_an_answer_the_rest_is_left_out() -> None:
    """Where nothing answers, the examination ends all the same and names what it did not look at."""
    asked = Inquiry(subject=Subject.STORE, store="x", opener="tests.health.opened:hanging", limit_factor=0.02)
    found = examined(asked)
    assert found["opening"].status is Status.PROBLEM
    assert len(found) == 1
    asked = Inquiry(
        subject=Subject.STORE, store="x", opener="tests.health.opened:hanging_later", limit_factor=0.02
    )
    found = examined(asked)
    assert (
        len([finding for finding in found.values() if finding.seen.text.startswith("no answer")]) == MOST_ABANDONED
    )
    assert "results" in found["left out"].seen.text


def test_a_folder_that_does_not_exist_is_a_wrong_request(tmp_path: Path) -> None:
    """It is not a finding."""
    with pytest.raises(NotFound, match=r"there is no folder .*/missing; give one"):
        examine([files(tmp_path / "missing")])


def test_an_interrupted_examination_clears_away_what_it_made(tmp_path: Path, python_path: str) -> None:
    """Ctrl-C in the middle of a test: the folder is gone, and so is every process."""
    code = (
        "from pathlib import Path; from tests.health.examinations import files;"
        " from manyfit.health.watch import examine;"
        f" examine([files(Path({str(tmp_path)!r}), disk='HangingLocks')])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": python_path},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        _wait_for(tmp_path, "locked-*")
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate(timeout=20)[1]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []


def _wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 20
    while not list((folder / GROUND).glob(pattern)):
        assert time.monotonic() < end, "the test that was to be interrupted did not begin"
        time.sleep(0.01)


def test_an_inquiry_passes_through_json() -> None:
    """What is asked of another process is what it is asked."""
    for asked in inquiries(folder="/some/where", store="x.sweep", opener="a:b"):
        assert Inquiry.from_json(asked.to_json()) == asked


def test_everything_is_asked_for_once() -> None:
    """Each subject has one inquiry, a store only where one is given, and each examination its own folder."""
    first, second = inquiries(folder="."), inquiries(folder=".", store="x", opener="a:b")
    assert [asked.subject for asked in second] == [*Subject]
    assert [asked.subject for asked in first] == [subject for subject in Subject if subject is not Subject.STORE]
    assert first[3].ground != second[3].ground


def test_what_libraries_print_does_not_disturb(tmp_path: Path) -> None:
    """Stdout of the process that looks belongs to findings; a store that prints on opening is no trouble."""
    asked = Inquiry(subject=Subject.STORE, store="x", opener="tests.health.opened:talking")
    assert examined(asked)["opening"].seen.text == "talking"
