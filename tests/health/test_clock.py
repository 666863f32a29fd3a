"""Clocks are watched for a moment."""

from collections.abc import Callable, Iterator

import pytest
from tests.health.examinations import examined

from manyfit.health import clock, guarantees
from manyfit.health.finding import Status
from manyfit.health.inquiry import Inquiry, Subject


def readings(*values: float) -> Callable[[], float]:
    """Return a clock that shows *values* one after the other, then the last one for ever."""
    shown: Iterator[float] = iter(values)
    last = values[-1]
    return lambda: next(shown, last)


def test_a_clock_that_goes_back_is_a_problem() -> None:
    """Leases and limits of time rest on it."""
    seen = clock.watched(readings(0, 0, 0, 0.1, 0.05, 0.3), readings(100, 100.3), 0.2)
    assert (seen.status, seen.facts["times_back"]) == (Status.PROBLEM, 1)


@pytest.mark.parametrize(
    ("wall", "status"), [((100, 200.3), "warning"), ((100, 99), "warning"), ((100, 100.31), "ok")]
)
def test_a_wall_clock_that_is_set_is_a_warning(wall: tuple[float, float], status: str) -> None:
    """Nothing rests on it, but it should not happen."""
    assert clock.watched(readings(0, 0, 0, 0.1, 0.3), readings(*wall), 0.2).status.value == status


def test_a_pause_between_two_looks_is_not_taken_for_a_set_clock() -> None:
    """A busy machine may take a second from reading one clock to reading the other."""
    seen = clock.watched(readings(0, 0, 0, 0.1, 0.3, 0.3, 1.3), readings(100, 101.3), 0.2)
    assert seen.status is Status.OK


def test_impossible_dates() -> None:
    """A machine without a battery begins in 1970."""
    assert clock.date(0).status is Status.WARNING
    assert clock.date(1.8e9).text == "2027-01-15 08:00:00 UTC"


@pytest.mark.parametrize(("seconds", "said"), [(0.5, "agree"), (90, "90.0 s ahead of"), (-7300, "2 h behind")])
def test_the_clock_of_a_file_server(seconds: float, said: str) -> None:
    """Both directions are told apart."""
    seen = guarantees.offset(seconds)
    assert said in seen.text
    assert (seen.status is Status.WARNING) is (abs(seconds) > 2)


def test_the_clocks_here_are_sound() -> None:
    """This machine's own clocks pass."""
    assert {finding.status for finding in examined(Inquiry(subject=Subject.CLOCK)).values()} == {Status.OK}
