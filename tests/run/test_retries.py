"""What follows from a failed attempt, and how long a worker stays away from a task."""

import random

import pytest

from manyfit.model.keys import UnitId
from manyfit.model.result import FailureClass
from manyfit.model.sweep import Limits
from manyfit.run.backoff import LONGEST_SECONDS, Backoff, backoff_seconds
from manyfit.run.retries import Decision, Step, carried_memory, decide, memory_cap

MIB = 1 << 20
LIMITS = Limits(attempts=5, memory_bytes=100 * MIB)


@pytest.mark.parametrize("cls", ["user", "data", "timeout", "environment"])
def test_what_would_fail_again_is_final_at_once(cls):
    """The first such failure is the last, however many attempts the sweep allows."""
    assert decide(FailureClass(cls), 1, LIMITS, {}) == Decision(step=Step.FINAL)


@pytest.mark.parametrize("cls", ["crash", "infrastructure"])
def test_crashes_go_elsewhere_until_the_attempts_are_used_up(cls):
    """Charged and given back each time; the last attempt is final."""
    steps = [decide(FailureClass(cls), n, Limits(attempts=3), {}).step for n in (1, 2, 3)]
    assert steps == [Step.AWAY, Step.AWAY, Step.FINAL]
    assert decide(FailureClass(cls), 1, LIMITS, {}).charged


@pytest.mark.parametrize("cls", ["preempted", "host-lost"])
def test_what_the_host_did_is_not_charged(cls):
    """Not even when the limit of attempts is reached."""
    assert decide(FailureClass(cls), 9, LIMITS, {}) == Decision(step=Step.AWAY, charged=False)


def test_every_class_has_a_decision():
    """No class is left out."""
    assert all(isinstance(decide(cls, 1, LIMITS, {}), Decision) for cls in FailureClass)


def test_memory_grows_only_after_a_try_alone():
    """First alone with the same limit, then twice as much each time up to the cap, then never again."""
    limits, evidence, given = LIMITS, {}, []
    for n_charged in range(1, 6):
        decision = decide(FailureClass.OOM, n_charged, limits, evidence)
        if decision.step is Step.FINAL:
            break
        assert decision.step is Step.ALONE
        given.append(decision.memory_bytes)
        evidence = {"alone": True, "limit_bytes": decision.memory_bytes}
    assert given == [100 * MIB, 200 * MIB, 400 * MIB]
    assert n_charged == 4


def test_a_cap_that_is_no_power_of_two_is_reached_exactly():
    """The last step is smaller than a doubling."""
    limits = Limits(attempts=9, memory_bytes=100, memory_cap_bytes=150)
    assert decide(FailureClass.OOM, 2, limits, {"alone": True, "limit_bytes": 100}).memory_bytes == 150
    assert decide(FailureClass.OOM, 3, limits, {"alone": True, "limit_bytes": 150}).step is Step.FINAL


def test_a_try_beside_others_that_did_not_leave_counts_as_alone():
    """Waiting for the host in vain is not repeated for ever."""
    decision = decide(FailureClass.OOM, 2, LIMITS, {"alone": False, "limit_bytes": 100 * MIB})
    assert decision.memory_bytes == 200 * MIB


def test_without_a_limit_there_is_one_try_alone():
    """There is nothing to give more of."""
    limits = Limits(attempts=9)
    assert decide(FailureClass.OOM, 1, limits, {}) == Decision(step=Step.ALONE)
    assert decide(FailureClass.OOM, 2, limits, {"alone": True}).step is Step.FINAL


def test_a_machine_that_is_too_small_for_one_task_is_not_asked_again():
    """The kernel ended it although it was alone: a larger limit would change nothing."""
    evidence = {"alone": True, "how": "kernel", "limit_bytes": 100 * MIB}
    assert decide(FailureClass.OOM, 2, LIMITS, evidence).step is Step.FINAL
    assert decide(FailureClass.OOM, 2, LIMITS, {**evidence, "how": "cgroup"}).step is Step.ALONE


def test_attempts_end_memory_retries_too():
    """The limit of attempts holds for every class."""
    assert decide(FailureClass.OOM, 3, Limits(attempts=3, memory_bytes=1), {}).step is Step.FINAL


@pytest.mark.parametrize(
    ("limits", "cap"),
    [
        (Limits(), None),
        (Limits(memory_bytes=10), 40),
        (Limits(memory_bytes=10, memory_cap_bytes=15), 15),
        (Limits(memory_bytes=10, memory_cap_bytes=5), 10),
    ],
)
def test_the_cap(limits, cap):
    """Four times the limit unless the sweep says; never less than the limit."""
    assert memory_cap(limits) == cap


def test_backoff_doubles_to_a_bound_and_varies():
    """1, 2, 4 ... seconds, 30 at most, a fifth more or less."""
    source = random.Random(0)
    for n, middle in [(1, 1), (2, 2), (3, 4), (6, LONGEST_SECONDS), (60, LONGEST_SECONDS)]:
        waits = [backoff_seconds(n, 1.0, source) for _ in range(200)]
        assert 0.8 * middle <= min(waits) < 0.9 * middle
        assert 1.1 * middle < max(waits) <= 1.2 * middle


class Planned:
    """The part of a unit that a filter looks at."""

    def __init__(self, id_):
        self.id = UnitId(id_)


def test_a_task_that_is_put_off_is_not_wanted_until_its_time():
    """Exactly that task; and it is wanted again at the instant that `due_in` named."""
    backoff = Backoff(1.0, random.Random(0))
    backoff.put_off(UnitId("u"), 3, 1, now=100.0)
    wanted = backoff.filtered(None, 100.0)
    assert wanted is not None
    assert [wanted(Planned("u"), index) for index in (2, 3)] == [True, False]
    assert wanted(Planned("v"), 3)
    due = backoff.due_in(100.0)
    assert 0.8 <= due <= 1.2
    assert backoff.filtered(None, 100.0 + due) is None


def test_the_filter_of_a_person_stays():
    """Put off or not, what a person does not want is not wanted."""
    backoff = Backoff(1.0, random.Random(0))

    def odd(unit, index):
        return index % 2 == 1

    assert backoff.filtered(odd, 0.0) is odd
    backoff.put_off(UnitId("u"), 3, 1, now=0.0)
    wanted = backoff.filtered(odd, 0.0)
    assert [wanted(Planned("u"), index) for index in (1, 2, 3)] == [True, False, False]


@pytest.mark.parametrize(("n_charged", "memory"), [(1, 100), (2, 200), (3, 300), (9, 300)])
def test_another_lease_goes_on_with_the_memory_that_was_reached(n_charged, memory):
    """Who takes over a task cannot see why it failed; it is given what it would have been given."""
    assert carried_memory(Limits(memory_bytes=100, memory_cap_bytes=300), n_charged) == memory
    assert carried_memory(Limits(), n_charged) is None
