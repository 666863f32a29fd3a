"""What follows from failures, with real runners: who is charged, where it runs again, who stays away."""

import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from tests.run.plans import CELL, QUICK, TRIVIAL, by_number, inline, make_store, plan, records, submit, work

from manyfit.model.control import Pause, Resume
from manyfit.model.errors import StoreError
from manyfit.model.keys import WorkerId, task_key
from manyfit.model.lease import EndKind
from manyfit.model.snapshot import Snapshot
from manyfit.model.sweep import Limits
from manyfit.model.unit import Mode
from manyfit.model.worker import Beat, WorkerState
from manyfit.run.control import publish
from manyfit.run.crowd import Alone, Crowd
from manyfit.run.identity import worker_info
from manyfit.run.worker import Reason, WorkerOptions
from manyfit.stores.directory.store import DirectoryStore
from manyfit.stores.memory import MemoryState, MemoryStore

FUSED = "tests.run.grim_executors:fused"
GREEDY = "tests.run.grim_executors:greedy"
KEEPING = "tests.run.grim_executors:keeping"
MIB = 1 << 20
ONE_TRY = Limits(attempts=1)


def run(folder, tasks, *, store=None, options=QUICK, **more):
    """Run *tasks* with one worker and real runners; return the store, the segment and the report."""
    store = store or make_store(folder)
    segment = plan(tasks, folder=folder, **more)
    submit(store, segment)
    return store, segment, work(store, options=options)


def watched(store):
    """Have *store* note every heartbeat; return the list."""
    beats, real = [], store.beat
    store.beat = lambda worker, beat: (beats.append(beat), real(worker, beat))
    return beats


def tries(store, segment, number):
    """Return all records of the task with this number, in order of their attempts."""
    key = by_number(store, segment)[number]["key"]
    return sorted((r for r in records(store) if r["key"] == key), key=lambda r: r["attempt"])


def after(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def when(seen, action):
    """Do *action* in another thread once *seen* returns something; return the thread."""

    def wait():
        until = time.monotonic() + 60
        while not seen() and time.monotonic() < until:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


# -- evidence --------------------------------------------------------------------------------------


def test_a_death_leaves_evidence(tmp_path):
    """Signal, peak, host, process and seconds stand with every attempt; all have one fingerprint."""
    store, segment, _ = run(tmp_path, [{"seconds": 0.2}, {"do": "kill"}])
    attempts = tries(store, segment, 1)
    assert [r["final"] for r in attempts] == [False, False, True]
    for record in attempts:
        evidence = record["failure"]["evidence"]
        assert evidence["signal"] == "SIGKILL"
        assert evidence["host"] == os.uname().nodename
        assert evidence["peak_bytes"] > MIB
        assert 0 <= evidence["seconds"] < 5
    assert len({r["failure"]["evidence"]["pid"] for r in attempts}) == 3
    assert len({r["failure"]["fingerprint"] for r in attempts}) == 1


def test_an_error_leaves_evidence(tmp_path):
    """A failure that the runner survived says where and how long it ran, too."""
    store, segment, _ = run(tmp_path, [{"do": "raise"}])
    failure = by_number(store, segment)[0]["failure"]
    assert failure["evidence"].keys() == {"host", "pid", "seconds"}
    assert failure["evidence"]["pid"] != os.getpid()


# -- poison ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("killer", [0, 70, 99])
def test_one_killer_among_a_hundred_costs_seven_splits(tmp_path, killer):
    """Fused tasks: 99 succeed at their first attempt, the killer alone is charged."""
    tasks = [{"kills": n == killer} for n in range(100)]
    store, segment, report = run(tmp_path, tasks, executor=FUSED, limits=ONE_TRY)
    found = by_number(store, segment)
    assert [n for n in range(100) if found[n]["outcome"] != "succeeded"] == [killer]
    assert {record["attempt"] for record in records(store)} == {1}
    assert len(records(store)) == 100
    assert (found[killer]["failure"]["cls"], report.n_failed) == ("crash", 1)
    died = [int(line) for line in (tmp_path / "deaths").read_text().split()]
    assert died[:2] == [100, 100]
    assert died[-1] == 1
    # Every death after the first splits its group in halves, but the last, which has nothing left to split.
    assert len(died) - 2 <= 7


def test_a_group_that_dies_once_is_run_once_more(tmp_path):
    """Nobody is charged and nothing is split when the death does not repeat."""
    tasks = [{}, {"kills": True, "once": "k"}, {}]
    store, segment, _ = run(tmp_path, tasks, executor=FUSED)
    assert {r["attempt"] for r in by_number(store, segment).values()} == {1}
    assert (tmp_path / "orders").read_text().split() == ["3", "3"]


def lose(store, folder, n_workers):
    """Have workers claim and die before they say which task they are on."""
    for _ in range(n_workers):
        info = worker_info(1, time.time)
        handle = DirectoryStore(folder / "t.sweep", refresh_seconds=0)
        handle.register(info)
        lease = handle.claim(info.id)
        state = WorkerState.RUNNING
        handle.beat(info.id, Beat(counter=1, at=0.0, state=state, unit=lease.unit, epoch=lease.epoch))
        handle.close()
        assert store.expire([info.id]) == 1


def test_a_unit_that_took_two_workers_is_divided_before_it_runs(tmp_path):
    """Nobody knows which task it was: the third worker runs halves; all get their results."""
    store = make_store(tmp_path)
    segment = plan([{}] * 5, folder=tmp_path, executor=FUSED)
    submit(store, segment)
    lose(store, tmp_path, 2)
    work(store)
    assert (tmp_path / "orders").read_text().split() == ["3", "2"]
    assert sorted(by_number(store, segment)) == list(range(5))
    kinds = {state.unit: state.end.kind for state in store.units()}
    assert kinds[segment.units[0].id] is EndKind.SPLIT


def test_a_unit_that_took_one_worker_runs_as_it_is(tmp_path):
    """Most deaths do not repeat."""
    store = make_store(tmp_path)
    submit(store, plan([{}] * 5, folder=tmp_path, executor=FUSED))
    lose(store, tmp_path, 1)
    work(store)
    assert (tmp_path / "orders").read_text().split() == ["5"]


# -- memory ----------------------------------------------------------------------------------------


def test_out_of_memory_is_tried_alone_and_then_with_more(tmp_path):
    """Twice with the limit of the sweep, the second time alone on the host; then with twice the memory."""
    limits = Limits(memory_bytes=48 * MIB, attempts=4)
    store, segment, _ = run(tmp_path, [{"mib": 70}, {}], executor=GREEDY, limits=limits)
    *failed, last = tries(store, segment, 0)
    assert [r["failure"]["cls"] for r in failed] == ["oom", "oom"]
    assert [r["failure"]["evidence"].get("alone") for r in failed] == [None, True]
    assert [r["failure"]["evidence"]["limit_bytes"] for r in failed] == [48 * MIB] * 2
    assert (last["outcome"], last["attempt"]) == ("succeeded", 3)
    assert last["details"]["limits"]["memory_bytes"] == 96 * MIB
    assert by_number(store, segment)[1]["attempt"] == 1


def test_memory_is_not_raised_beyond_the_cap(tmp_path):
    """With the limit as its own cap, the try alone is the last."""
    limits = Limits(memory_bytes=32 * MIB, memory_cap_bytes=32 * MIB, attempts=9)
    store, segment, _ = run(tmp_path, [{"mib": 70}], executor=GREEDY, limits=limits)
    record = by_number(store, segment)[0]
    assert (record["outcome"], record["attempt"]) == ("failed", 2)


def test_without_a_limit_out_of_memory_is_tried_alone_once(tmp_path):
    """Then it is final, whatever attempts are left."""
    store, segment, _ = run(tmp_path, [{"do": "memory_error"}], limits=Limits(attempts=9))
    assert by_number(store, segment)[0]["attempt"] == 2
    assert tries(store, segment, 0)[1]["failure"]["evidence"]["alone"] is True


def test_a_task_that_needs_the_host_waits_until_others_are_done(tmp_path):
    """While another worker runs tasks, the second try does not begin; the worker goes on beating."""
    store = make_store(tmp_path)
    segment = plan([{"do": "memory_error", "once": "m"}], folder=tmp_path)
    submit(store, segment)
    other = Crowd(tmp_path / "host")
    assert other.join()
    left_at = []
    timer = after(1.0, lambda: (left_at.append(time.time()), other.leave()))
    beats = watched(store)
    work(store, crowd=Crowd(tmp_path / "host"))
    timer.join()
    record = by_number(store, segment)[0]
    assert (record["outcome"], record["attempt"]) == ("succeeded", 2)
    assert record["finished_at"] >= left_at[0]
    assert len(beats) > 10


def test_who_finds_the_host_taken_claims_nothing(tmp_path):
    """The note of its heartbeats says why, and the work begins when the host is free."""
    store = make_store(tmp_path)
    submit(store, plan([{}], folder=tmp_path, executor=TRIVIAL))
    beats = watched(store)
    other = Crowd(tmp_path / "host")
    assert other.alone() is Alone.YES
    timer = after(0.6, other.leave)
    began = time.monotonic()
    work(store, runner=inline(), crowd=Crowd(tmp_path / "host"))
    timer.join()
    assert time.monotonic() - began >= 0.5
    assert any("memory" in beat.note for beat in beats)


# -- crashes: elsewhere, after a wait --------------------------------------------------------------


def test_a_worker_stays_away_from_what_crashed_and_comes_back_in_time(tmp_path):
    """Alone with the task it waits 0.8 to 1.2 s, says why, and does not oversleep."""
    store = make_store(tmp_path)
    beats = watched(store)
    options = WorkerOptions(beat_seconds=0.05, backoff_seconds=1.0)
    tasks = [{"do": "abort", "once": "a"}, {}]
    store, segment, _ = run(tmp_path, tasks, store=store, options=options)
    first, second = tries(store, segment, 0)
    assert (first["outcome"], second["outcome"]) == ("failed", "succeeded")
    assert 0.75 < second["finished_at"] - first["finished_at"] < 2.0
    assert any("crashed here" in beat.note for beat in beats)
    assert by_number(store, segment)[1]["attempt"] == 1


def test_another_worker_may_take_it_at_once(tmp_path):
    """While the first stays away for long, the second has the result."""
    store = make_store(tmp_path)
    segment = plan([{"do": "abort", "once": "a"}], folder=tmp_path)
    submit(store, segment)
    reports = []

    def second():
        while not (tmp_path / "once-a").exists():
            time.sleep(0.01)
        handle = DirectoryStore(tmp_path / "t.sweep", refresh_seconds=0.02)
        reports.append(work(handle, runner=inline()))
        handle.close()

    thread = threading.Thread(target=second)
    thread.start()
    report = work(store, options=WorkerOptions(beat_seconds=0.05, expire_seconds=0.1, backoff_seconds=25))
    thread.join()
    assert (report.n_settled, reports[0].n_settled) == (0, 1)
    assert by_number(store, segment)[0]["attempt"] == 2


def test_a_filter_is_not_satisfied_while_a_task_is_put_off(tmp_path):
    """A worker with a filter waits for its own second try instead of ending."""
    store = make_store(tmp_path)
    segment = plan([{"do": "abort", "once": "a"}, {}], folder=tmp_path)
    submit(store, segment)
    report = work(store, wanted=lambda unit, index: index == 0)
    assert report.n_settled == 1
    assert by_number(store, segment)[0]["attempt"] == 2


# -- preemption ------------------------------------------------------------------------------------


def test_preemption_is_recorded_and_not_charged(tmp_path):
    """SIGTERM uses up an attempt and forgives it: with one attempt allowed the task still runs again."""
    store = make_store(tmp_path)
    segment = plan([{}, {"do": "spin", "once": "s"}, {}], folder=tmp_path, limits=ONE_TRY)
    submit(store, segment)
    spins = (tmp_path / "once-s").exists
    timer = when(spins, lambda: (time.sleep(0.2), os.kill(os.getpid(), signal.SIGTERM)))
    assert work(store).reason is Reason.LEFT
    timer.join()
    (record,) = [r for r in records(store) if not r["final"]]
    assert (record["outcome"], record["attempt"]) == ("preempted", 1)
    assert record["failure"]["cls"] == "preempted"
    assert record["failure"]["evidence"]["signal"] == "SIGTERM"
    assert record["failure"]["evidence"]["seconds"] > 0.1
    lease = store.claim(worker_info(1, time.time).id)
    assert [(t.index, t.attempts, t.charged) for t in lease.tasks] == [(1, 1, 0), (2, 0, 0)]


def test_a_person_who_interrupts_leaves_no_record(tmp_path):
    """SIGINT gives back as if nothing had been begun."""
    store = make_store(tmp_path)
    segment = plan([{}, {"do": "spin", "once": "s"}], folder=tmp_path)
    submit(store, segment)
    timer = when((tmp_path / "once-s").exists, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert work(store).reason is Reason.LEFT
    timer.join()
    assert [r["outcome"] for r in records(store)] == ["succeeded"]
    assert work(store).reason is Reason.FINISHED
    assert by_number(store, segment)[1]["attempt"] == 1


# -- a bad host ------------------------------------------------------------------------------------


def neighbour(store):
    """Have a worker of another host at work on the same sweep."""
    info = replace(worker_info(1, time.time), id=WorkerId("other-1"), host="other", boot="another kernel")
    store.register(info)
    store.beat(info.id, Beat(counter=1, at=0.0, state=WorkerState.RUNNING))


def test_a_host_that_kills_tasks_of_two_pipelines_drains_itself(tmp_path):
    """The attempts of its last lease are forgiven, and it says what to do; another host has the results."""
    store = make_store(tmp_path)
    neighbour(store)
    beats = watched(store)
    first = plan([{"do": "kill", "once": "a"}], folder=tmp_path, pipeline="knn")
    tasks = [{"do": "kill", "once": "b0"}, {"do": "kill", "once": "b1"}, {}, {}]
    second = plan(tasks, folder=tmp_path, pipeline="svc", limits=ONE_TRY)
    submit(store, first)
    submit(store, second)
    report = work(store)
    assert report.reason is Reason.DRAINED
    assert "knn and svc" in report.message
    assert "manyfit doctor" in report.message
    assert (beats[-1].state, beats[-1].note, beats[-1].unit) == (WorkerState.DRAINED, report.message, None)
    outcomes = Counter((r["outcome"], r["final"]) for r in records(store))
    assert outcomes == {("failed", False): 1, ("failed", True): 1, ("lost", False): 1}
    snapshot = store.snapshot()
    assert (snapshot.counts.failed, snapshot.counts.pending, snapshot.open_units) == (1, 4, {})
    assert work(store).reason is Reason.FINISHED
    assert store.snapshot().counts.done == 4


def test_attempts_that_a_bad_host_charged_are_forgiven(tmp_path):
    """Those of the lease that it still holds, also when they were charged before the verdict."""
    store = make_store(tmp_path)
    neighbour(store)
    submit(store, plan([{"do": "kill", "once": "a"}], folder=tmp_path, pipeline="knn"))
    tasks = [{"do": "kill", "once": f"b{n}"} for n in range(2)]
    submit(store, plan(tasks, folder=tmp_path, pipeline="svc"))
    assert work(store).reason is Reason.DRAINED
    found = {}
    for _ in range(2):
        info = worker_info(1, time.time)
        lease = store.claim(info.id)
        found[lease.unit] = [(task.attempts, task.charged) for task in lease.tasks]
    assert list(found.values()) == [[(1, 1)], [(1, 0), (1, 0)]]


def test_a_pipeline_that_crashes_everywhere_drains_nobody(tmp_path):
    """Its tasks fail for good, and the rest of the sweep is done."""
    store = make_store(tmp_path)
    submit(store, plan([{"do": "kill"}] * 8, folder=tmp_path, pipeline="knn", limits=ONE_TRY))
    submit(store, plan([{}] * 3, folder=tmp_path, pipeline="svc"))
    assert work(store).reason is Reason.FINISHED
    counts = store.snapshot().counts
    assert (counts.done, counts.failed) == (3, 8)


def test_the_only_host_at_work_is_not_given_up(tmp_path):
    """Two pipelines that crash fail as crashes, and what is sound is done."""
    store = make_store(tmp_path)
    for pipeline, tasks in (("knn", [{"do": "kill"}] * 3), ("svc", [{"do": "kill"}] * 3), ("nb", [{}] * 4)):
        submit(store, plan(tasks, folder=tmp_path, pipeline=pipeline, limits=ONE_TRY))
    assert work(store).reason is Reason.FINISHED
    counts = store.snapshot().counts
    assert (counts.done, counts.failed) == (4, 6)


def test_infrastructure_failures_count_as_deaths_of_the_host(tmp_path):
    """A disk that is gone is gone for all pipelines."""
    store = make_store(tmp_path)
    neighbour(store)
    for pipeline in ("knn", "svc", "forest"):
        tasks = [{"says": "infrastructure"}]
        submit(store, plan(tasks, folder=tmp_path, executor=GREEDY, pipeline=pipeline))
    report = work(store)
    assert report.reason is Reason.DRAINED
    assert sorted(r["outcome"] for r in records(store)) == ["failed", "failed", "lost"]


# -- most tasks fail alike -------------------------------------------------------------------------


def test_a_pipeline_that_fails_alike_is_held(tmp_path):
    """After twenty; the others are done; the worker ends and says how to go on."""
    store = make_store(tmp_path)
    bad = plan([{"do": "raise"}] * 60, folder=tmp_path, pipeline="knn", per_unit=15)
    submit(store, bad)
    submit(store, plan([{}] * 5, folder=tmp_path, pipeline="svc"))
    report = work(store, runner=inline())
    assert report.reason is Reason.HELD
    for words in ("knn", "ValueError: gamma", "manyfit failures", "manyfit resume"):
        assert words in report.message
    snapshot = store.snapshot()
    assert 20 <= snapshot.counts.failed < 30
    assert snapshot.counts.done == 5
    assert list(snapshot.held) == ["knn"]
    assert not snapshot.open_units


def test_who_resumes_has_decided(tmp_path):
    """The pipeline is not held again until the plan changes: the rest runs and fails."""
    store = make_store(tmp_path)
    submit(store, plan([{"do": "raise"}] * 60, folder=tmp_path, pipeline="knn", per_unit=15))
    assert work(store, runner=inline()).reason is Reason.HELD
    publish(store, Resume())
    assert work(store, runner=inline()).reason is Reason.FINISHED
    assert store.snapshot().counts.failed == 60


def test_several_workers_hold_a_pipeline_once(tmp_path):
    """Whoever sees it first; the others obey."""
    store = make_store(tmp_path)
    submit(store, plan([{"do": "raise"}] * 400, folder=tmp_path, pipeline="knn", per_unit=20))
    reports = []

    def one():
        handle = DirectoryStore(tmp_path / "t.sweep", refresh_seconds=0.0)
        reports.append(work(handle, runner=inline()))
        handle.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {report.reason for report in reports} == {Reason.HELD}
    assert sum(isinstance(entry.action, Pause) for entry in store.entries()) == 1
    assert store.snapshot().counts.failed < 400


def test_a_held_pipeline_is_interrupted(tmp_path):
    """A lease of it ends at the next heartbeat, uncharged."""
    store = make_store(tmp_path)
    segment = plan([{}, {"do": "spin", "once": "s"}], folder=tmp_path, pipeline="knn")
    submit(store, segment)

    def hold():
        other = DirectoryStore(tmp_path / "t.sweep")
        publish(other, Pause(pipeline="knn", reason="somebody said so"))
        other.close()

    timer = when((tmp_path / "once-s").exists, hold)
    report = work(store)
    timer.join()
    assert report.reason is Reason.HELD
    assert "somebody said so" in report.message
    assert store.snapshot().counts.pending == 1
    assert [r["outcome"] for r in records(store)] == ["succeeded"]


# -- leases ----------------------------------------------------------------------------------------


class Told:
    """A store that notes what it is asked, and can lose the reply to its first cycle."""

    def __init__(self, store, *, lose_reply=False):
        self._store = store
        self._lose_reply = lose_reply
        self.calls = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    def claim(self, worker, *, wanted=None, request=""):
        self.calls.append(("claim", request))
        return self._store.claim(worker, wanted=wanted, request=request)

    def complete(self, lease, end):
        self.calls.append(("complete", ""))
        self._store.complete(lease, end)

    def cycle(self, lease, end, *, wanted=None, request=""):
        self.calls.append(("cycle", request))
        answer = self._store.cycle(lease, end, wanted=wanted, request=request)
        if self._lose_reply:
            self._lose_reply = False
            raise StoreError("the connection was closed")
        return answer


def memory_store():
    return MemoryStore(MemoryState(sweep="t"))


def test_from_lease_to_lease_in_one_step(tmp_path):
    """One claim at the beginning, then one cycle for each unit, each with a request key of its own."""
    store = Told(memory_store())
    submit(store, plan([{}] * 9, folder=tmp_path, per_unit=3, executor=TRIVIAL))
    assert work(store, runner=inline()).reason is Reason.FINISHED
    assert [name for name, _ in store.calls] == ["claim", "cycle", "cycle", "cycle"]
    assert len({request for _, request in store.calls}) == 4


def test_a_lost_reply_to_a_cycle_costs_nothing(tmp_path):
    """The same request again returns the lease that the first had claimed."""
    store = Told(memory_store(), lose_reply=True)
    submit(store, plan([{}] * 9, folder=tmp_path, per_unit=3, executor=TRIVIAL))
    assert work(store, runner=inline()).n_settled == 9
    assert [name for name, _ in store.calls] == ["claim", "cycle", "cycle", "cycle", "cycle"]
    assert store.calls[1] == store.calls[2]


def test_who_has_to_leave_only_completes(tmp_path):
    """A worker that was told to leave claims nothing that it would have to give back."""
    store = Told(make_store(tmp_path))
    submit(store, plan([{"seconds": 0.1, "once": "s"}] * 40, folder=tmp_path, per_unit=10))
    timer = when((tmp_path / "once-s").exists, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert work(store).reason is Reason.LEFT
    timer.join()
    assert store.calls[-1][0] == "complete"
    assert not store.snapshot().open_units


def test_results_that_came_too_late_are_counted(tmp_path):
    """Results, not bytes: what was dropped, what was accepted and what was run agree."""
    store = make_store(tmp_path)
    segment = plan([{"seconds": 0.1}] * 12, folder=tmp_path)
    submit(store, segment)
    n_recorded, real = [], store.record
    store.record = lambda lease, lines: (n_recorded.append(lines.count(b"\n")), real(lease, lines))
    said = []

    def seal():
        other = DirectoryStore(tmp_path / "t.sweep", refresh_seconds=0)
        other.expire(list(other.snapshot().open_units.values()))
        other.close()

    timer = when(lambda: sum(n_recorded) >= 2, seal)
    report = work(store, log=said.append)
    timer.join()
    snapshot: Snapshot = store.snapshot()
    assert snapshot.n_dropped > 0
    assert sum(n_recorded) == 12 + snapshot.n_dropped
    assert report.n_settled == 12
    assert any("came too late" in line for line in said)


# -- kept files ------------------------------------------------------------------------------------


class Strict:
    """A store that takes no line whose kept files it does not have."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def record(self, lease, lines):
        for line in lines.splitlines():
            for kept in json.loads(line).get("artifacts", {}).values():
                self._store.artifacts.read(kept["file"])
        self._store.record(lease, lines)


def test_kept_files_are_stored_before_the_results_that_name_them(tmp_path):
    """Through the folder of the worker, which is empty in the end."""
    store = Strict(memory_store())
    spool = tmp_path / "spool"
    segment = plan([{}] * 5, folder=spool, executor=KEEPING, mode=Mode.KEEP)
    submit(store, segment)
    work(store, runner=inline(), spool=spool)
    files = {file.name: store.artifacts.read(file.name) for file in store.artifacts.files()}
    assert len(files) == 5
    assert all(name == f"artifacts/aa/{content.decode()}" for name, content in files.items())
    assert [file for file in spool.rglob("*") if file.is_file()] == []


def test_units_that_keep_nothing_never_look_into_the_folder(tmp_path):
    """A file in it stays where it is."""
    store = memory_store()
    stray = tmp_path / "spool" / "artifacts" / "stray"
    stray.parent.mkdir(parents=True)
    stray.touch()
    submit(store, plan([{}], folder=tmp_path, executor=TRIVIAL))
    work(store, runner=inline(), spool=tmp_path / "spool")
    assert stray.exists()
    assert not list(store.artifacts.files())


def test_files_of_earlier_results_are_fetched_for_scoring(tmp_path):
    """And are gone again afterwards."""
    store = memory_store()
    spool = tmp_path / "spool"
    segment = plan([{}], folder=spool, executor=KEEPING, mode=Mode.SCORE)
    submit(store, segment)
    key = task_key(segment.candidates[0].key, CELL.key)
    store.artifacts.put("artifacts/aa/model", key.encode())
    inputs = {0: {"model": {"file": "artifacts/aa/model"}}}
    work(store, runner=inline(), spool=spool, inputs_of=lambda lease, unit, segment: inputs)
    assert by_number(store, segment)[0]["scores"] == {"cv": {"same": 1.0}}
    assert [file for file in spool.rglob("*") if file.is_file()] == []
