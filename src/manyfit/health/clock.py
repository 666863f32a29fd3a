"""Checks of this machine's clocks."""

import time
from collections.abc import Callable, Sequence

from manyfit.health.finding import Area, Check, Seen, bad, doubtful, fine
from manyfit.health.texts import time_text

WATCHED_SECONDS = 0.2
OLDEST_PLAUSIBLE = 1_735_689_600.0
"""The beginning of 2025: no machine that runs this program has an earlier date."""


def checks() -> Sequence[Check]:
    """Return the checks of the clocks."""
    return [
        Check(area=Area.CLOCK, name="date", look=lambda: date(time.time())),
        Check(area=Area.CLOCK, name="pace", look=lambda: watched(time.monotonic, time.time, WATCHED_SECONDS)),
    ]


def date(now: float) -> Seen:
    """Return whether the date is possible at all."""
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < OLDEST_PLAUSIBLE:
        return doubtful(f"{text} cannot be", "set the clock (NTP); times in results and logs would be wrong")
    return fine(text, now=now)


def watched(monotonic: Callable[[], float], wall: Callable[[], float], seconds: float) -> Seen:
    """Look at both clocks for *seconds*: the one never goes back, the other keeps its pace."""
    begun = last = monotonic()
    first, doubt = _apart(monotonic, wall)
    n_back = 0
    while last - begun < seconds and n_back < 1000:
        now = monotonic()
        n_back += now < last
        last = max(last, now)
    end, more_doubt = _apart(monotonic, wall)
    return pace(n_back, end - first, doubt + more_doubt)


def _apart(monotonic: Callable[[], float], wall: Callable[[], float]) -> tuple[float, float]:
    """Return how far the clocks are apart, and how far that may be wrong: a busy machine looks up in between."""
    before, now, after = monotonic(), wall(), monotonic()
    return now - before, max(0.0, after - before)


def pace(n_back: int, gained: float, doubt: float) -> Seen:
    """Return what it means that one clock went back *n_back* times and the other *gained* seconds (± *doubt*)."""
    if n_back:
        text = "the monotonic clock goes back"
        return bad(text, "restart the machine: limits of time and leases cannot be kept on it", times_back=n_back)
    if abs(gained) > 0.05 + doubt:
        text = f"the wall clock was set by {time_text(abs(gained))} while it was watched"
        return doubtful(
            text, "see what sets it (two time services?); manyfit does not depend on it", gained=gained
        )
    return fine("the clocks keep pace", gained=gained)
