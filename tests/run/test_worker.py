"""The worker with a real store and real runners."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.run.plans import (
    CELL,
    QUICK,
    TRIVIAL,
    by_number,
    inline,
    make_store,
    plan,
    records,
    submit,
    work,
)

from manyfit.model.control import Cancel, Pause, Resume, Stop
from manyfit.model.errors import StoreFull
from manyfit.model.keys import task_key
from manyfit.model.sweep import Limits
from manyfit.run.worker import Reason, WorkerOptions
from manyfit.stores.directory.store import DirectoryStore


def run(tmp_path, tasks, *, runner=None, store=None, **more):
    """Run *tasks* with one worker; return the store, the final records by number and the report."""
    store = store or make_store(tmp_path)
    segment = plan(tasks, folder=tmp_path, **more)
    submit(store, segment)
    report = work(store, runner=runner)
    return store, by_number(store, segment), report


def after(seconds, action):
    """Do *action* in another thread after *seconds*; return the thread."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def once(path, action):
    """Do *action* in another thread when *path* exists; return the thread."""

    def wait():
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def append(path, action):
    """Append *action* to the control chain through a handle of its own."""
    other = DirectoryStore(path)
    other.append(action, position=len(other.entries()) + 1)
    other.close()


def test_every_task_gets_one_result(tmp_path):
    """A plan of several units ends with one final result for each task."""
    store, found, report = run(tmp_path, [{}] * 50, per_unit=7)
    assert report.reason is Reason.FINISHED
    assert report.n_settled == 50
    assert sorted(found) == list(range(50))
    assert store.snapshot().counts.done == 50


def test_inline_runner_gives_the_same_results(tmp_path):
    """Without a child the same plan has the same scores, and the same failures."""
    tasks = [{}, {"do": "raise"}, {}, {"do": "system_exit"}]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, forked, _ = run(tmp_path / "a", tasks)
    _, in_process, _ = run(tmp_path / "b", tasks, runner=inline())
    for number, record in forked.items():
        assert record.get("scores") == in_process[number].get("scores")
        assert record["outcome"] == in_process[number]["outcome"]


def test_user_errors_are_final_at_once_and_share_a_fingerprint(tmp_path):
    """The same error in two tasks is tried once each and has one fingerprint, whatever numbers it names."""
    store, found, report = run(tmp_path, [{"do": "raise"}, {"do": "raise"}, {"do": "system_exit"}, {}])
    assert [found[n]["attempt"] for n in range(4)] == [1, 1, 1, 1]
    first, second, third = (found[n]["failure"] for n in range(3))
    assert first["cls"] == second["cls"] == "user"
    assert first["message"] != second["message"]
    assert first["fingerprint"] == second["fingerprint"] != third["fingerprint"]
    assert "do_raise" in first["traceback"]
    assert report.n_failed == store.snapshot().counts.failed == 3


@pytest.mark.parametrize("how", ["abort", "exit", "segfault", "kill"])
def test_a_crash_costs_only_its_task(tmp_path, how):
    """A runner that dies charges the task it was on, three times; everything else gets its result."""
    store, found, _ = run(tmp_path, [{}, {}, {"do": how}, {}, {}])
    assert [found[n]["outcome"] for n in (0, 1, 3, 4)] == ["succeeded"] * 4
    assert [found[n]["attempt"] for n in (0, 1, 3, 4)] == [1] * 4
    assert (found[2]["outcome"], found[2]["attempt"], found[2]["failure"]["cls"]) == ("failed", 3, "crash")
    evidence = found[2]["failure"]["evidence"]
    names = {"abort": "SIGABRT", "segfault": "SIGSEGV", "kill": "SIGKILL"}
    assert evidence.get("signal") == names.get(how)
    assert evidence.get("exit_code") == (3 if how == "exit" else None)
    tries = [r for r in records(store) if r["key"] == found[2]["key"]]
    assert [(r["attempt"], r["final"]) for r in tries] == [(1, False), (2, False), (3, True)]


def test_a_crash_that_does_not_repeat_is_forgiven(tmp_path):
    """A task whose runner dies once succeeds at its second attempt, after all others."""
    store, found, report = run(tmp_path, [{"do": "abort", "once": "a"}, {}, {}])
    assert found[0]["outcome"] == "succeeded"
    assert found[0]["attempt"] == 2
    assert [r["index"] for r in records(store)] == [0, 1, 2, 0]
    assert report.n_failed == 0


def test_a_crash_of_a_group_finds_the_culprit(tmp_path):
    """Of tasks that run together only the culprit is charged, once it stands alone."""
    tasks = [{"together": True}, {"do": "abort"}, {}]
    _, found, _ = run(tmp_path, tasks)
    assert [found[n]["outcome"] for n in range(3)] == ["succeeded", "failed", "succeeded"]
    assert [found[n]["attempt"] for n in range(3)] == [1, 3, 1]


def test_a_spinning_task_times_out_and_the_runner_stays_warm(tmp_path):
    """`while True: pass` ends at its limit by the alarm; the next task runs in the same process."""
    tasks = [{}, {"do": "spin"}, {}]
    _, found, _ = run(tmp_path, tasks, limits=Limits(time_seconds=0.3))
    assert found[1]["failure"]["cls"] == "timeout"
    evidence = found[1]["failure"]["evidence"]
    assert (evidence["limit_seconds"], evidence["how"]) == (0.3, "alarm")
    assert evidence["seconds"] >= 0.2
    assert found[1]["attempt"] == 1
    assert found[2]["outcome"] == "succeeded"


@pytest.mark.parametrize(("how", "signal_name"), [("alarmless", "SIGTERM"), ("deaf", "SIGKILL")])
def test_a_task_that_ignores_its_alarm_is_ended(tmp_path, how, signal_name, monkeypatch):
    """What the alarm does not reach is ended by SIGTERM, and what ignores that by SIGKILL."""
    monkeypatch.setattr("manyfit.run.watch.GRACE_SECONDS", 0.3)
    _, found, _ = run(tmp_path, [{}, {"do": how}, {}], limits=Limits(time_seconds=0.2))
    assert found[1]["failure"]["cls"] == "timeout"
    assert found[1]["failure"]["evidence"]["how"] == signal_name
    assert [found[0]["outcome"], found[2]["outcome"]] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("how", ["daemon", "daemon_and_die"])
def test_grandchildren_die_with_the_runner(tmp_path, how, monkeypatch):
    """A process that left the runner's session and group is ended with the runner all the same."""
    monkeypatch.setattr("manyfit.run.watch.GRACE_SECONDS", 0.2)
    run(tmp_path, [{"do": how}, {}], limits=Limits(time_seconds=0.5, attempts=1))
    pid = int((tmp_path / "daemon").read_text())
    assert not os.path.exists(f"/proc/{pid}")


def test_memory_above_the_limit_is_refused_by_the_address_space(tmp_path):
    """A task that takes more than its memory gets a MemoryError, recorded as oom with evidence."""
    _, found, _ = run(tmp_path, [{"do": "hog"}, {}], limits=Limits(memory_bytes=64 << 20, attempts=2))
    failure = found[0]["failure"]
    assert (failure["cls"], found[0]["attempt"]) == ("oom", 2)
    assert failure["evidence"]["limit_bytes"] == 64 << 20
    assert found[1]["outcome"] == "succeeded"


def test_memory_of_children_counts(tmp_path):
    """A child of the runner that takes too much is found by its size and killed with the runner."""
    limits = Limits(memory_bytes=150 << 20, attempts=1)
    _, found, _ = run(tmp_path, [{"do": "hog_in_child"}, {}], limits=limits)
    failure = found[0]["failure"]
    assert failure["cls"] == "oom"
    assert failure["evidence"]["peak_bytes"] > failure["evidence"]["limit_bytes"]
    assert failure["evidence"]["how"] == "killed by the worker"
    assert found[1]["outcome"] == "succeeded"


def test_peak_memory_is_measured_for_each_task(tmp_path):
    """The peak of a task does not include what an earlier task took."""
    _, found, _ = run(tmp_path, [{}, {"do": "memory_error"}, {}])
    assert 1 << 20 < found[0]["peak_bytes"] < 1 << 30


@pytest.mark.parametrize("how", ["data_changed", "missing"])
def test_a_refused_unit_charges_nobody(tmp_path, how):
    """Changed data or a missing library ends the worker with a message; the tasks are left as they were."""
    store, found, report = run(tmp_path, [{}, {"do": how}, {}])
    assert report.reason is Reason.REFUSED
    assert "what it was" in report.message or "xgboost" in report.message
    assert sorted(found) == [0]
    counts = store.snapshot().counts
    assert (counts.done, counts.failed, counts.pending) == (1, 0, 2)


def test_an_executor_that_cannot_be_imported_ends_the_worker(tmp_path):
    """The worker says why, charges nobody and gives the lease back."""
    store, _, report = run(tmp_path, [{}], executor="tests.run.no_such_module:make")
    assert report.reason is Reason.REFUSED
    assert "no_such_module" in report.message
    assert store.snapshot().counts.pending == 1
    assert not store.snapshot().open_units


def test_too_many_lost_workers_fail_a_task_without_running_it(tmp_path):
    """A task that five workers were lost on is recorded as host-lost by the next one."""
    store = make_store(tmp_path)
    segment = plan([{"do": "exit"}, {}], folder=tmp_path)
    submit(store, segment)
    lose_workers(store, tmp_path, 5)
    report = work(store)
    found = by_number(store, segment)
    assert found[0]["failure"]["cls"] == "host-lost"
    assert found[0]["failure"]["evidence"] == {"losses": 5}
    assert found[1]["outcome"] == "succeeded"
    assert report.reason is Reason.FINISHED


def lose_workers(store, folder, n_workers):
    """Claim with workers that beat on task 0 and are then declared dead."""
    from manyfit.model.worker import Beat, WorkerState
    from manyfit.run.identity import worker_info

    for _ in range(n_workers):
        info = worker_info(1, time.time)
        handle = DirectoryStore(folder / "t.sweep", refresh_seconds=0)
        handle.register(info)
        lease = handle.claim(info.id)
        assert lease is not None
        beat = Beat(counter=1, at=0.0, state=WorkerState.RUNNING, unit=lease.unit, epoch=lease.epoch, index=0)
        handle.beat(info.id, beat)
        handle.close()
        assert store.expire([info.id]) == 1


def test_a_long_unit_is_divided(tmp_path):
    """A worker whose time slice is over ends the epoch with two halves that others can claim."""
    store, found, _ = run(tmp_path, [{"seconds": 0.3}] * 16, cost_seconds=0.1)
    assert sorted(found) == list(range(16))
    children = [state.unit for state in store.units() if "." in state.unit]
    assert any(unit.endswith(".0") for unit in children)
    assert any(unit.endswith(".1") for unit in children)


def test_cancel_ends_a_running_task(tmp_path):
    """A cancelled task that runs is ended at the next heartbeat; the others go on and nobody is charged."""
    store = make_store(tmp_path)
    segment = plan([{}, {"do": "spin"}, {}], folder=tmp_path)
    submit(store, segment)
    key = task_key(segment.candidates[1].key, CELL.key)
    timer = after(0.6, lambda: append(tmp_path / "t.sweep", Cancel(tasks=(key,))))
    report = work(store)
    timer.join()
    counts = store.snapshot().counts
    assert (counts.done, counts.cancelled, counts.failed) == (2, 1, 0)
    assert report.reason is Reason.FINISHED


def test_cancel_of_waiting_tasks_leaves_the_running_one_alone(tmp_path):
    """Cancelled tasks that wait never run, and the task in progress keeps its first attempt."""
    store = make_store(tmp_path)
    segment = plan([{"seconds": 1.2}, {"do": "spin"}, {"seconds": 0.01}], folder=tmp_path)
    submit(store, segment)
    key = task_key(segment.candidates[1].key, CELL.key)
    timer = after(0.5, lambda: append(tmp_path / "t.sweep", Cancel(tasks=(key,))))
    work(store)
    timer.join()
    found = by_number(store, segment)
    assert sorted(found) == [0, 2]
    assert found[0]["attempt"] == 1


def test_pause_gives_back_and_resume_goes_on(tmp_path):
    """A paused worker holds nothing and waits; after Resume it finishes, with nothing charged."""
    store = make_store(tmp_path)
    segment = plan([{"seconds": 0.05}, {"seconds": 0.05, "once": "p"}, *[{"seconds": 0.05}] * 18], folder=tmp_path)
    submit(store, segment)
    path = tmp_path / "t.sweep"
    seen = []

    def pause_and_resume():
        append(path, Pause())
        time.sleep(1.0)
        other = DirectoryStore(path, refresh_seconds=0)
        seen.append(other.snapshot())
        append(path, Resume())

    timer = once(tmp_path / "once-p", pause_and_resume)
    work(store)
    timer.join()
    assert not seen[0].open_units
    assert 0 < seen[0].counts.done < 20
    found = by_number(store, segment)
    assert sorted(found) == list(range(20))
    assert {record["attempt"] for record in found.values()} == {1}


def test_stop_ends_workers_that_began_before(tmp_path):
    """A Stop entry ends a running worker; one that starts later ignores it and finishes."""
    store = make_store(tmp_path)
    segment = plan([{"seconds": 0.1}] * 15, folder=tmp_path)
    submit(store, segment)
    timer = after(0.6, lambda: append(tmp_path / "t.sweep", Stop()))
    assert work(store).reason is Reason.STOPPED
    timer.join()
    assert not store.snapshot().open_units
    assert work(store).reason is Reason.FINISHED
    assert sorted(by_number(store, segment)) == list(range(15))


def test_sigterm_gives_back_without_charging(tmp_path):
    """SIGTERM in the middle of a task ends the worker at once; its finished results are kept."""
    store = make_store(tmp_path)
    segment = plan([{}, {"do": "spin", "once": "s"}, {}], folder=tmp_path)
    submit(store, segment)
    sent = []

    def terminate():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    timer = once(tmp_path / "once-s", terminate)
    report = work(store, options=WorkerOptions())
    timer.join()
    assert time.monotonic() - sent[0] < 3
    assert report.reason is Reason.LEFT
    assert "SIGTERM" in report.message
    assert sorted(by_number(store, segment)) == [0]
    assert work(store).reason is Reason.FINISHED
    assert [record["attempt"] for record in by_number(store, segment).values()] == [1, 2, 1]


def test_the_end_of_the_lifeline_ends_the_worker(tmp_path):
    """When the other end of the lifeline closes, the worker gives back and leaves."""
    store = make_store(tmp_path)
    submit(store, plan([{"do": "spin"}], folder=tmp_path))
    ours, theirs = os.pipe()
    timer = after(0.5, lambda: os.close(theirs))
    report = work(store, options=WorkerOptions(lifeline=ours))
    timer.join()
    os.close(ours)
    assert report.reason is Reason.LEFT
    assert "started this worker is gone" in report.message
    assert not store.snapshot().open_units


def test_an_idle_worker_ends_with_a_message(tmp_path):
    """A plan that never completes keeps no worker for longer than the idle timeout."""
    store = make_store(tmp_path)
    segment = plan([{}], folder=tmp_path)
    store.submit(segment, position=1, more=True, n_new=1)
    report = work(store, options=WorkerOptions(idle_timeout=0.5))
    assert report.reason is Reason.IDLE
    assert "0.5 s" in report.message
    assert report.n_settled == 1


def test_a_worker_with_a_filter_ends_when_all_that_it_wants_is_settled(tmp_path):
    """It does not wait for tasks that nobody wants, whatever else the plan has."""
    store = make_store(tmp_path)
    segment = plan([{}] * 6, folder=tmp_path, per_unit=3)
    submit(store, segment)
    report = work(store, runner=inline(), wanted=lambda unit, index: index == 1)
    assert report.reason is Reason.FINISHED
    assert "filter" in report.message
    assert report.n_settled == 2
    counts = store.snapshot().counts
    assert (counts.done, counts.pending) == (2, 4)


class Troubled:
    """A store that fails at some calls, for the reasons that a real medium has."""

    def __init__(self, store, **trouble):
        self._store = store
        self._trouble = {name: list(errors) for name, errors in trouble.items()}

    def __getattr__(self, name):
        real = getattr(self._store, name)

        def call(*args, **kwargs):
            errors = self._trouble.get(name)
            if errors and (error := errors.pop(0)) is not None:
                raise error
            return real(*args, **kwargs)

        return call if callable(real) else real


def test_a_full_store_is_waited_for(tmp_path):
    """While there is no space the worker waits and says so; then it loses nothing."""
    full = StoreFull("no space left on the device")
    store = Troubled(make_store(tmp_path), record=[full, full], cycle=[full])
    said = []
    segment = plan([{}] * 5, folder=tmp_path)
    submit(store, segment)
    work(store, log=said.append)
    assert sorted(by_number(store, segment)) == list(range(5))
    assert sum("no space left" in line for line in said) == 3


def test_a_lost_lease_is_dropped(tmp_path):
    """When somebody else ended the epoch, the worker drops its work and goes on with what is left."""
    store = make_store(tmp_path)
    segment = plan([{"seconds": 0.1}] * 12, folder=tmp_path)
    submit(store, segment)
    said = []

    def seal():
        other = DirectoryStore(tmp_path / "t.sweep", refresh_seconds=0)
        other.expire(list(other.snapshot().open_units.values()))
        other.close()

    timer = after(0.7, seal)
    report = work(store, log=said.append)
    timer.join()
    assert any("was ended by another worker" in line for line in said)
    assert report.reason is Reason.FINISHED
    assert sorted(by_number(store, segment)) == list(range(12))


def test_beats_go_on_while_a_task_hangs(tmp_path):
    """Heartbeats come from the worker's own loop and name the task in progress."""
    store = make_store(tmp_path)
    segment = plan([{}, {"seconds": 1.0}], folder=tmp_path)
    submit(store, segment)
    beats = []
    real = store.beat
    store.beat = lambda worker, beat: (beats.append(beat), real(worker, beat))
    work(store, options=QUICK)
    during = [beat for beat in beats if beat.index == 1]
    assert len(during) > 5
    assert during[-1].n_settled == 1
    assert [beat.counter for beat in beats] == list(range(1, len(beats) + 1))


def test_many_light_workers_share_a_plan(tmp_path):
    """Workers in threads, with inline runners and a handle each, do every task once."""
    store = make_store(tmp_path)
    segment = plan([{}] * 200, folder=tmp_path, per_unit=10, executor=TRIVIAL)
    submit(store, segment)
    reports = []

    def one():
        handle = DirectoryStore(tmp_path / "t.sweep", refresh_seconds=0.02)
        reports.append(work(handle, runner=inline()))
        handle.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.n_settled for report in reports) == 200
    assert len(by_number(store, segment)) == 200


def test_the_results_log_is_plain_json(tmp_path):
    """A result line is JSON with attempt and final in front, and names no NaN."""
    store, _, _ = run(tmp_path, [{}])
    line = next(store.accepted()).lines.splitlines()[0]
    assert line.startswith(b'{"attempt":1,"final":true,"index":0,')
    assert json.loads(line)["outcome"] == "succeeded"
    assert Path(tmp_path / "t.sweep" / "log").is_dir()
