"""The time that is left: per pipeline, by what its tasks really took, never below the longest straggler."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.sweeps import candidate, cells, new_store, run, scored, segment, submit

from manyfit.api.driver import Rate
from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Counts, Snapshot, WorkerView
from manyfit.model.unit import Mode, Unit
from manyfit.model.worker import WorkerInfo
from manyfit.report.pace import Pace
from manyfit.report.progress import Progress

HEADER = segment([candidate()], cells(1)).header


def worker(number: int) -> WorkerView:
    info = WorkerInfo(
        id=WorkerId(f"w-{number}"),
        host="here",
        boot="b",
        pid=number,
        pid_started="1",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
    )
    return WorkerView(info=info, beat=None, alive=True)


def snapshot(
    total: float, done: float, *, n_workers: int = 2, n_pending: int = 99, open_units: Sequence[str] = ()
) -> Snapshot:
    """Return a snapshot of *total* predicted seconds of which *done* are done."""
    return Snapshot(
        sweep="s",
        position=1,
        counts=Counts(planned=1 + n_pending, done=1, pending=n_pending),
        per_pipeline={},
        paused=False,
        planning=False,
        n_units=1,
        n_units_closed=0,
        cost_seconds=total,
        cost_done_seconds=done,
        workers=[worker(n) for n in range(n_workers)],
        open_units={UnitId(unit): WorkerId("w-0") for unit in open_units},
    )


def unit(name: str, seconds: float, n_tasks: int = 1, pipeline: str = "svc") -> Unit:
    return Unit(
        id=UnitId(name),
        segment=plan().id,
        candidates=(0,) * n_tasks,
        cells=tuple(range(n_tasks)),
        cost_seconds=seconds,
        pipeline=pipeline,
        mode=Mode.FIT,
        generation=0,
    )


def plan(*units: Unit, id_: str = "segment") -> Segment:
    return Segment(id=id_, header=HEADER, candidates=(), cells=(), units=units)


def rate() -> Rate:
    return Rate(started=0.0, settled_at_start=0, cost_at_start=0.0)


def told(pace: Pace, *ended: tuple[Unit, float]) -> Pace:
    """Return *pace* after all tasks of these units ended, each in that many seconds."""
    for one, seconds in ended:
        for _ in range(len(one)):
            pace.ended(0, one, seconds)
    return pace


def test_a_pipeline_that_takes_longer_than_predicted_has_more_left():
    """Half is done by prediction; what is left is all of the pipeline that takes five times as long."""
    quick = [unit(f"q{n}", 10.0, 10, "quick") for n in range(20)]
    slow = [unit(f"s{n}", 10.0, 10, "slow") for n in range(20)]
    pace = Pace()
    pace.plan(plan(*quick, *slow))
    told(pace, *((one, 1.0) for one in quick[:19]), *((one, 5.0) for one in slow[:1]))

    # 190 s of quick and 50 s of slow were done by two workers in 120 s.
    _, left = rate().look(snapshot(400.0, 200.0), 120.0, pace)

    # Ten tasks of slow are not yet proof: its ratio is still drawn a little to that of all.
    expected = (10 * 1.0 + 190 * 5.0) / 2
    assert 0.75 * expected < left < expected
    _, blind = rate().look(snapshot(400.0, 200.0), 120.0)
    assert blind == pytest.approx(120.0)


def test_without_tasks_read_predictions_count_as_they_are():
    """Work over pace: a quarter done in ten seconds leaves thirty."""
    assert rate().look(snapshot(40.0, 10.0), 10.0) == (0.1, pytest.approx(30.0))


def test_nothing_is_said_before_there_is_something_to_go_by():
    """Not in the first two seconds, and not before a task was settled."""
    assert rate().look(snapshot(40.0, 10.0), 1.0)[1] is None
    assert rate().look(snapshot(40.0, 0.0), 60.0)[1] is None


def test_workers_alive_now_decide_not_those_of_before():
    """Eight workers did the first part; of the rest two are left."""
    looks = rate()
    for now in (10.0, 20.0, 30.0):
        looks.look(snapshot(480.0, 8 * now, n_workers=8), now)

    _, left = looks.look(snapshot(480.0, 240.0, n_workers=2), 30.0)

    assert left == pytest.approx(240.0 / 2)


def test_time_between_fits_is_part_of_the_pace():
    """Workers that fit for a third of their time need three times as long for the rest."""
    _, left = rate().look(snapshot(100.0, 20.0), 30.0)

    assert left == pytest.approx(80.0 / (2 * (20.0 / 60.0)))


def test_the_longest_task_bounds_the_time_from_below():
    """A hundred workers cannot share one fit."""
    long = unit("long", 500.0)
    rest = [unit(f"u{n}", 10.0, 10) for n in range(50)]
    pace = Pace()
    pace.plan(plan(long, *rest))
    told(pace, *((one, 1.0) for one in rest[:25]))

    _, left = rate().look(snapshot(1000.0, 250.0, n_workers=100), 2.6, pace)

    assert left == pytest.approx(500.0, rel=0.01)


def test_a_straggler_at_work_counts_down():
    """What it has run already is not left; another one that waits still is."""
    looks, pace = rate(), Pace()
    first, second = unit("first", 100.0), unit("second", 60.0)
    rest = [unit(f"u{n}", 10.0, 10) for n in range(200)]
    pace.plan(plan(first, second, *rest))
    told(pace, *((one, 1.0) for one in rest))
    now = snapshot(2160.0, 2000.0, n_workers=20, open_units=["first"])
    looks.look(now, 100.0, pace)

    assert looks.look(now, 130.0, pace)[1] == pytest.approx(70.0, rel=0.01)
    assert looks.look(now, 170.0, pace)[1] == pytest.approx(60.0, rel=0.01)


def test_a_fit_that_is_overdue_is_not_over():
    """A display that says 0 s for an hour says nothing: the longer it has taken, the longer it may take."""
    looks, pace = rate(), Pace()
    late, rest = unit("late", 10.0), unit("rest", 90.0, 90)
    pace.plan(plan(late, rest))
    told(pace, (rest, 1.0))
    now = snapshot(100.0, 90.0, n_pending=0, open_units=["late"])
    looks.look(now, 50.0, pace)

    assert looks.look(now, 90.0, pace)[1] == pytest.approx(10.0)
    assert looks.look(now, 250.0, pace)[1] == pytest.approx(50.0)


def test_workers_without_work_neither_slow_the_pace_nor_share_it():
    """At the end eighteen of twenty have nothing to claim; the two that work are as fast as before."""
    looks = rate()
    looks.look(snapshot(2040.0, 2000.0, n_workers=20), 100.0)
    last = snapshot(2040.0, 2020.0, n_workers=20, n_pending=0, open_units=["a", "b"])

    _, left = looks.look(last, 110.0)

    assert left == pytest.approx(20.0 / 2)


def test_a_cancelled_straggler_bounds_nothing():
    """Its results never come, and the store says that nothing is left."""
    pace = Pace()
    pace.plan(plan(unit("long", 500.0), unit("u", 10.0, 10)))

    _, left = told(pace, (unit("u", 10.0, 10), 1.0)) and rate().look(snapshot(510.0, 510.0), 10.0, pace)

    assert left == 0.0


def test_plans_that_learned_are_kept_apart_from_those_that_did_not():
    """Formulas were off by ten; the new plan knows it, and is not corrected for it again."""
    old = [unit(f"o{n}", 10.0, 10) for n in range(10)]
    pace = Pace()
    pace.plan(plan(*old, id_="old"))
    told(pace, *((one, 10.0) for one in old))
    known = {"experience": {"n_tasks": 100}}
    header = type(HEADER)(sweep="s", executor="none:none", spec={}, costs=known)
    new = [unit(f"n{n}", 10.0, 10) for n in range(10)]
    pace.plan(Segment(id="new", header=header, candidates=(), cells=(), units=new))

    assert pace.rest_ratio() == pytest.approx(1.0)
    assert pace.done_ratio() == pytest.approx(10.0)


def test_what_runs_again_does_not_blur_what_runs_first():
    """Retried tasks are planned with a second each, whatever they take."""
    first, again = unit("f", 100.0, 100), replace(unit("a", 10.0, 10), generation=1)
    pace = Pace()
    pace.plan(plan(first, again))
    for _ in range(50):
        pace.ended(0, first, 1.0)
    for _ in range(9):
        pace.ended(0, again, 0.001)

    assert pace.ratios()[0, 0, "svc"] == pytest.approx(1.0)
    assert pace.ratios()[0, 1, "svc"] < 0.05


def test_one_slow_task_does_not_condemn_its_pipeline():
    """The ratio is drawn to that of all pipelines while few tasks have ended."""
    quick, slow = unit("q", 100.0, 100, "quick"), unit("s", 100.0, 100, "slow")
    pace = Pace()
    pace.plan(plan(quick, slow))
    for _ in range(50):
        pace.ended(0, quick, 1.0)
    pace.ended(0, slow, 9.0)

    assert 1.5 < pace.ratios()[0, 0, "slow"] < 4
    for _ in range(40):
        pace.ended(0, slow, 9.0)
    assert pace.ratios()[0, 0, "slow"] > 7


def test_progress_tells_the_pace_what_it_reads(tmp_path: Path) -> None:
    """Every segment is planned and every finished task counted once, through a real store."""
    store = new_store(tmp_path, segment([candidate("svc", C=1), candidate("rf", n=1)], cells(4)))
    times = {"svc": 0.5, "rf": 0.25}
    run(
        store,
        lambda of, on: {**scored(cv={"accuracy": 0.5}), "timings": {"load": 0.0, "fit": times[of.pipeline]}},
    )
    submit(store, segment([candidate("nb")], cells(4), unit_size=1))
    progress = Progress(store=store, metric="accuracy")
    while progress.poll(limit_bytes=1):
        pass

    work = {pipeline: one for (*_, pipeline), one in progress.pace.work.items()}
    assert {name: one.planned_seconds for name, one in work.items()} == {"svc": 1.0, "rf": 1.0, "nb": 4.0}
    done = {name: (one.n_tasks, one.real_seconds, one.predicted_seconds) for name, one in work.items()}
    assert done == {"svc": (4, 2.0, 1.0), "rf": (4, 1.0, 1.0), "nb": (0, 0.0, 0.0)}
    [waiting] = progress.pace.long_tasks(())
    assert waiting.alone
    assert waiting.seconds == pytest.approx(1.5, rel=0.2)
