"""One worker over many sweeps of a store: urgent ones first, and back to them when they have something again."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.run.plans import SCRIPTED, TRIVIAL, inline, plan

from manyfit.contracts.store import Store
from manyfit.model.control import Pause, SetTerms, Stop
from manyfit.model.terms import Terms
from manyfit.model.worker import WorkerState
from manyfit.run.control import pause, publish
from manyfit.run.endings import Reason
from manyfit.run.identity import worker_info
from manyfit.run.rotation import AWAY, LentRunner, Rotation, RotationOptions
from manyfit.run.worker import Worker, WorkerOptions, WorkerReport
from manyfit.stores.sql.store import SqlStore
from manyfit.stores.sqlite import create_sqlite

QUICK = WorkerOptions(beat_seconds=0.05, expire_seconds=0.1, idle_timeout=20)


class Lab:
    """A database with sweeps, and what a rotation said while it worked on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[SqlStore] = []
        self.said: list[str] = []
        self.stores: list[Store] = []

    def sweep(self, name: str, n_tasks: int = 4, *, priority: int = 10, **how: Any) -> SqlStore:
        """Add a sweep whose tasks are units of their own, and return another handle on it."""
        self.stores.append(self.open(name))
        store = self.open(name)
        self.add(store, n_tasks, priority=priority, **how)
        return store

    def open(self, name: str) -> SqlStore:
        self.opened.append(create_sqlite(self.folder / "lab.db", sweep=name))
        return self.opened[-1]

    def add(self, store: Store, n_tasks: int, *, priority: int = 10, first: int = 0, **how: Any) -> None:
        tasks = [{"of": store.sweep, "first": first}] * n_tasks
        part = plan(tasks, folder=self.folder, per_unit=1, **{"executor": TRIVIAL, **how})
        part = replace(part, header=replace(part.header, priority=priority))
        store.submit(part, position=len(store.entries()) + 1, n_new=n_tasks)

    @property
    def turns(self) -> list[str]:
        return [line.partition(" ")[0] for line in self.said if line.endswith("has its turn")]

    def work(
        self,
        *,
        on_log: Callable[[str], None] = lambda line: None,
        find: Callable[[], Sequence[Store]] | None = None,
        **options: Any,
    ) -> WorkerReport:
        """Work on all sweeps in this process; time runs a second with each look at it."""
        info = worker_info(1, time.time)
        runner = inline()
        ticks = itertools.count()

        def log(line: str) -> None:
            self.said.append(line)
            on_log(line)

        return Rotation(
            find or (lambda: self.stores),
            info,
            worker_of=lambda store: Worker(store, info, runner=LentRunner(runner), options=QUICK, log=log),
            options=RotationOptions(**{"idle_timeout": 60.0, **options}),
            log=log,
            monotonic=lambda: float(next(ticks)),
        ).run()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty database."""
    lab = Lab(tmp_path)
    yield lab
    for store in lab.opened:
        store.close()


def test_urgent_sweeps_come_first_then_the_oldest(lab: Lab) -> None:
    """Every task of every sweep is done, by priority and by age; then the worker ends."""
    sweeps = [lab.sweep("old"), lab.sweep("low", priority=0), lab.sweep("urgent", priority=30), lab.sweep("new")]
    report = lab.work()
    assert (report.reason, report.n_settled) == (Reason.FINISHED, 16)
    assert lab.turns == ["urgent", "old", "new", "low"]
    assert [store.snapshot().counts.done for store in sweeps] == [4, 4, 4, 4]


def test_the_priority_in_force_counts(lab: Lab) -> None:
    """What a person set by command is more than what was submitted."""
    lab.sweep("first", priority=30)
    publish(lab.sweep("second", priority=0), SetTerms(terms=Terms(priority=40)))
    lab.work()
    assert lab.turns == ["second", "first"]


def test_back_to_what_is_more_urgent_after_each_lease(lab: Lab) -> None:
    """New work of an urgent sweep waits for the end of the unit in progress, not for that of the sweep."""
    lab.sweep("low", 6, priority=0)
    urgent = lab.sweep("urgent", 2, priority=30)

    def submit_more(line: str) -> None:
        if line == "low has its turn" and lab.turns.count("low") == 1:
            lab.add(urgent, 2, priority=30, first=100)

    report = lab.work(on_log=submit_more)
    assert lab.turns == ["urgent", "low", "urgent", "low"]
    assert report.n_settled == 10


def test_sweeps_that_come_later_are_found(lab: Lab) -> None:
    """With `stay` the worker waits for them, until it is told to leave."""
    lab.sweep("first")
    looks = itertools.count()

    def find() -> Sequence[Store]:
        look = next(looks)
        if look == 3:
            lab.sweep("second")
        if look == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        return lab.stores

    report = lab.work(find=find, stay=True)
    assert (report.reason, lab.turns) == (Reason.LEFT, ["first", "second"])


def test_paused_sweeps_are_passed_over(lab: Lab) -> None:
    """The others are done; a worker that finds nothing for long enough ends and says so."""
    pause(lab.sweep("paused", priority=30))
    other = lab.sweep("other")
    report = lab.work()
    assert (report.reason, lab.turns) == (Reason.IDLE, ["other"])
    assert other.finished()


def test_a_pause_in_the_middle_of_a_turn_ends_it(lab: Lab) -> None:
    """What is held is given back, and the worker goes on with the next sweep."""
    first = lab.sweep("first", 50, priority=30, executor=SCRIPTED)
    lab.sweep("second")

    def pause_first(line: str) -> None:
        if line == "first has its turn":
            publish(first, Pause())

    report = lab.work(on_log=pause_first)
    assert (report.reason, lab.turns) == (Reason.IDLE, ["first", "second"])
    assert first.snapshot().open_units == {}


def test_a_stopped_sweep_gets_no_further_turn(lab: Lab) -> None:
    """Stop means the workers of that sweep, not those of the others."""
    first = lab.sweep("first", 50, priority=30)
    lab.sweep("second")
    stops = itertools.count()

    def wanted(line: str) -> None:
        if line == "first has its turn":
            next(stops)

    real = lab.stores[0].claim

    def claim(*arguments: Any, **named: Any) -> Any:
        if next(stops) == 5:
            publish(first, Stop())
        return real(*arguments, **named)

    lab.stores[0].claim = claim  # type: ignore[method-assign]
    report = lab.work(on_log=wanted)
    assert report.reason is Reason.FINISHED
    assert lab.turns == ["first", "second"]
    assert 0 < first.snapshot().counts.done < 50


def test_a_worker_is_one_worker_in_all_sweeps(lab: Lab) -> None:
    """It registers once in each, counts there what it did there, is away between turns, and ends everywhere."""
    low, urgent = lab.sweep("low", 6, priority=0), lab.sweep("urgent", 2, priority=30)
    seen: list[tuple[WorkerState, str]] = []

    def look(line: str) -> None:
        if line == "low has its turn":
            [view] = urgent.snapshot().workers
            assert view.beat is not None
            seen.append((view.beat.state, view.beat.note))
            if lab.turns.count("low") == 1:
                lab.add(urgent, 3, priority=30, first=100)

    lab.work(on_log=look)
    assert seen == [(WorkerState.IDLE, AWAY)] * 2
    views = [view for store in (low, urgent) for view in store.snapshot().workers]
    assert len({view.info.id for view in views}) == 1
    assert [view.beat.n_total for view in views if view.beat] == [6, 5]
    assert {view.beat.state for view in views if view.beat} == {WorkerState.STOPPED}


def test_what_a_dead_worker_held_is_taken_over(lab: Lab) -> None:
    """While nothing can be claimed, leases of the dead are looked for in every sweep."""
    store = lab.sweep("only", 1)
    gone = replace(worker_info(1, time.time), pid_started="another life")
    store.register(gone)
    assert store.claim(gone.id) is not None
    assert lab.work().reason is Reason.FINISHED
    assert store.snapshot().counts.done == 1
