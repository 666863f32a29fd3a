"""Many workers on one directory."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from manyfit.stores.directory import DirectoryStore
from manyfit.stores.files.disk import Disk
from manyfit.testing.crowds import Crowd, Stint, drain, judged, most_at_once
from manyfit.testing.stores import add, limit, segment


class Unsynced(Disk):
    """A disk that does not wait for the medium: what is tested here is who gets what, not durability."""

    def fsync(self, fd):
        pass

    def fdatasync(self, fd):
        pass


@dataclass(frozen=True)
class Opener:
    """Opens the store with clocks that are up to an hour off, some before and some after."""

    path: Path
    patience: float = 120.0
    skew_seconds: float = 0.0

    def __call__(self, number):
        off = (number % 3 - 1) * self.skew_seconds
        return DirectoryStore(
            self.path,
            clock=partial(_shifted, time.time, off),
            monotonic=partial(_shifted, time.monotonic, 7 * off),
            patience=self.patience,
            disk=Unsynced(),
        )


def _shifted(clock, seconds):
    return clock() + seconds


def planned(path, n_units, n_tasks):
    """Return a handle on a new store with a plan in it."""
    store = DirectoryStore.create(path, sweep="tiny", refresh_seconds=0.0, disk=Unsynced())
    add(store, segment(*[[n * n_tasks + i for i in range(n_tasks)] for n in range(n_units)]))
    return store


def contend(path, n_workers, n_units, n_tasks):
    """Let workers drain a plan, each task once; return how that went, and the epochs that units have."""
    store = planned(path, n_units, n_tasks)
    outcome = drain(Opener(path, skew_seconds=3600.0), Crowd(n_workers=n_workers), path.with_suffix(".notes"))

    judged(store, outcome, n_units * n_tasks)
    return outcome, {state.epoch for state in store.units()}


def test_forty_workers(tmp_path):
    """Every task once, every worker to its end."""
    outcome, epochs = contend(tmp_path / "forty.sweep", 40, 100, 3)

    assert (outcome.n_failed, outcome.n_lost, epochs) == (0, 0, {1})


@pytest.mark.long
@pytest.mark.timeout(400)
def test_seven_hundred_workers(tmp_path, figure):
    """A whole cluster that starts at once on trivial tasks: all tasks once, no starvation, bounded time."""
    outcome, epochs = contend(tmp_path / "many.sweep", 700, 1400, 2)

    assert (outcome.n_failed, outcome.n_lost, epochs) == (0, 0, {1})
    figure("folder: workers that start at once on trivial tasks", 700, "2,800 tasks, each accepted once")


@pytest.mark.parametrize(("limits", "n_sweep", "n_even"), [((3,), 3, 3), ((None, 2), 12, 2), ((4, 1), 4, 1)])
def test_limits_hold_under_contention(tmp_path, limits, n_sweep, n_even):
    """At no moment are more leases open than the sweep and its pipelines may have; all work is done."""
    path = tmp_path / "limited.sweep"
    store = planned(path, 24, 1)
    sweep, *rest = limits
    limit(store, sweep, **dict(zip(["even"], rest, strict=False)))

    outcome = drain(Opener(path), Crowd(n_workers=12, task_seconds=0.02), tmp_path / "notes")

    judged(store, outcome, 24)
    assert most_at_once(outcome.stints) <= n_sweep
    assert most_at_once(stint for stint in outcome.stints if stint.pipeline == "even") <= n_even


@pytest.mark.slow
def test_workers_that_are_stopped_for_longer_than_their_lease(tmp_path):
    """Who sleeps past the patience of the others loses its lease and is told so; nothing runs twice."""
    path = tmp_path / "stopped.sweep"
    store = planned(path, 60, 6)
    crowd = Crowd(n_workers=6, task_seconds=0.05, n_pauses=3, pause_seconds=1.2)

    outcome = drain(Opener(path, patience=0.5, skew_seconds=3600.0), crowd, tmp_path / "notes")

    judged(store, outcome, 360)
    assert outcome.n_lost >= 1


def test_the_most_at_once_are_counted():
    """Leases that touch are not open together; those that overlap are."""

    def stint(began, ended):
        return Stint(
            worker="w", unit="u", epoch=1, pipeline="p", indices=(0,), began=began, ended=ended, kept=True
        )

    assert most_at_once([]) == 0
    assert most_at_once([stint(0, 1), stint(1, 2), stint(2, 3)]) == 1
    assert most_at_once([stint(0, 3), stint(1, 2), stint(2, 5), stint(2.5, 4)]) == 3
