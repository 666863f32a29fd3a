"""Sharing a host, or having it alone."""

import signal
import subprocess
import sys
import time

import pytest

from manyfit.run.crowd import PATIENCE_SECONDS, Alone, Crowd


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def crowd(tmp_path, clock):
    """Return a function that makes one more worker of one host."""
    made = []

    def another():
        made.append(Crowd(tmp_path / "host", monotonic=clock))
        return made[-1]

    yield another
    for member in made:
        member.close()


def test_many_run_together(crowd):
    """Nobody waits as long as nobody wants to be alone."""
    assert all(crowd().join() for _ in range(5))


def test_alone_waits_for_others_and_keeps_newcomers_out(crowd):
    """Who waits is not starved: those inside may finish, nobody comes in."""
    greedy, worker, newcomer = crowd(), crowd(), crowd()
    assert worker.join()
    assert greedy.alone() is Alone.NOT_YET
    assert not newcomer.join()
    worker.leave()
    assert greedy.alone() is Alone.YES
    assert not newcomer.join()
    greedy.rejoin()
    assert newcomer.join()


def test_one_that_was_inside_can_become_alone(crowd):
    """Its own place in the crowd is not in its way."""
    greedy = crowd()
    assert greedy.join()
    assert greedy.alone() is Alone.YES


def test_two_that_want_to_be_alone_take_turns(crowd):
    """Neither blocks the other for ever, even when both were inside."""
    one, two = crowd(), crowd()
    assert one.join()
    assert two.join()
    assert one.alone() is Alone.NOT_YET
    assert two.alone() is Alone.NOT_YET
    assert one.alone() is Alone.YES
    one.rejoin()
    assert two.alone() is Alone.NOT_YET
    assert not one.join()
    assert two.alone() is Alone.YES


def test_who_rejoins_is_inside_before_the_next_can_be_alone(crowd):
    """Between the two states there is no gap in which another has the host while this one runs."""
    one, two = crowd(), crowd()
    assert one.alone() is Alone.YES
    one.rejoin()
    assert two.alone() is Alone.NOT_YET


def test_nobody_waits_for_longer_than_a_minute(crowd, clock):
    """Neither for the host nor for one that has it; the answer says that it was in vain."""
    greedy, stuck, newcomer = crowd(), crowd(), crowd()
    stuck.join()
    assert greedy.alone() is Alone.NOT_YET
    assert not newcomer.join()
    clock.now += PATIENCE_SECONDS - 0.1
    assert greedy.alone() is Alone.NOT_YET
    assert not newcomer.join()
    clock.now += 0.2
    assert greedy.alone() is Alone.IN_VAIN
    assert newcomer.join()


def test_patience_begins_anew_after_a_success(crowd, clock):
    """A wait of long ago does not count."""
    greedy, worker = crowd(), crowd()
    worker.join()
    greedy.alone()
    worker.leave()
    clock.now += PATIENCE_SECONDS
    assert greedy.alone() is Alone.YES
    greedy.rejoin()
    worker.join()
    assert greedy.alone() is Alone.NOT_YET


def test_a_folder_of_somebody_else_lets_everybody_in(tmp_path):
    """A file in its place cannot be used: nobody waits and nobody is ever alone."""
    (tmp_path / "host").write_text("")
    member = Crowd(tmp_path / "host")
    assert member.join()
    assert member.alone() is Alone.IN_VAIN
    member.rejoin()
    member.leave()
    member.close()


HOLDER = """
import sys, time
from pathlib import Path
from manyfit.run.crowd import Crowd
crowd = Crowd(Path(sys.argv[1]))
print(crowd.alone().name, flush=True)
time.sleep(600)
"""


def test_a_killed_holder_leaves_nothing_behind(tmp_path, crowd):
    """The kernel opens the room when the process is gone."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "host")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline().strip() == "YES"
        member = crowd()
        assert not member.join()
        holder.send_signal(signal.SIGKILL)
    assert member.join()


def test_joining_costs_nothing_measurable(crowd):
    """Per lease, not per task: well below the cost of one claim."""
    member = crowd()
    began = time.perf_counter()
    for _ in range(1000):
        member.join()
    assert time.perf_counter() - began < 0.1
