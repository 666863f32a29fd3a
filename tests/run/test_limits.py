"""Limits: how many workers and threads are started, and what ends a task and all that it started."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.run.hard_executors import SPIKE_BYTES
from tests.run.plans import by_number, make_store, plan, submit, work
from tests.run.processes_seen import marked, of_role, wait_until

from manyfit.model.sweep import Limits
from manyfit.run.cgroups import NoSubtree
from manyfit.run.forked import ForkedRunner
from manyfit.run.identity import process_started
from manyfit.run.limits import capped, thread_environment
from manyfit.run.lives import is_dead, own_life
from manyfit.run.watch import GRACE_SECONDS

HARD = "tests.run.hard_executors:hard"
ROOT = Path(__file__).parents[2]


@given(st.one_of(st.none(), st.integers(1, 500)), st.integers(1, 200), st.integers(1, 128))
def test_workers_times_threads_stay_within_the_cores(workers, threads, cores):
    """Never more threads in all than cores, never less than one worker, never more than asked for."""
    n_workers, n_threads, note = capped(workers, threads, cores)
    assert 1 <= n_workers * n_threads <= cores
    assert n_threads <= threads
    assert workers is None or n_workers <= workers
    assert (note is None) == ((n_workers, n_threads) == (workers or n_workers, threads))


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ((None, 1, 8), (8, 1)),
        ((None, 3, 8), (2, 3)),
        ((4, 1, 8), (4, 1)),
        ((4, 4, 8), (2, 4)),
        ((1, 16, 8), (1, 8)),
    ],
)
def test_what_fits_is_started(asked, got):
    """As many workers as fit beside each other with the threads that were asked for."""
    assert capped(*asked)[:2] == got


def test_oversubscription_is_possible_when_told():
    """Whoever says so gets more threads than cores, without a note."""
    assert capped(700, 2, 2, oversubscribe=True) == (700, 2, None)


def test_the_note_names_what_was_asked_and_what_is_started():
    """A person reads why there are fewer workers."""
    assert capped(4, 4, 8)[2] == "4 workers x 4 threads would exceed 8 cores: starting 2 workers x 4 threads"


def test_libraries_are_told_the_threads():
    """BLAS and OpenMP read their threads from the environment."""
    environment = thread_environment(3)
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "3"


# -- wall time -------------------------------------------------------------------------------------

LIMIT = 0.4
"""Seconds of wall time in these tests."""


@pytest.fixture
def mark(monkeypatch):
    """Mark every process that this test starts; none may be left at its end."""
    text = secrets.token_hex(6)
    monkeypatch.setenv("MANYFIT_TEST", text)
    yield text
    for pid in (left := marked(text)):
        os.kill(pid, signal.SIGKILL)
    assert not left


def run(tmp_path, tasks, *, runner=None, **more):
    """Run *tasks* with one worker; return the final results by number."""
    store = make_store(tmp_path)
    segment = plan(tasks, folder=tmp_path, executor=more.pop("executor", HARD), **more)
    submit(store, segment)
    work(store, runner=runner)
    found = by_number(store, segment)
    store.close()
    return found


@pytest.mark.parametrize(
    ("how", "ended_by"),
    [
        ("deaf_in_c", "SIGKILL"),
        ("masked", "SIGKILL"),
        ("stubborn_children", "alarm"),
        ("orphan", "alarm"),
        ("sleepers", "SIGKILL"),
    ],
)
def test_nothing_of_a_task_outlives_its_wall_time(tmp_path, mark, monkeypatch, how, ended_by):
    """Whatever a task does to signals and parents: the next task finds no process of it within 15 seconds."""
    if ended_by == "SIGKILL":
        monkeypatch.setattr("manyfit.run.watch.GRACE_SECONDS", 0.3)
    tasks = [{}, {"do": how}, {"do": "look"}]
    found = run(tmp_path, tasks, limits=Limits(time_seconds=LIMIT, attempts=1))
    failure = found[1]["failure"]
    assert failure["cls"] == "timeout"
    assert (failure["evidence"]["limit_seconds"], failure["evidence"]["how"]) == (LIMIT, ended_by)
    assert [found[0]["outcome"], found[2]["outcome"]] == ["succeeded", "succeeded"]
    seen = found[2]["scores"]["cv"]
    assert seen["n_others"] == 0
    assert seen["seconds"] < LIMIT + 15


@pytest.mark.slow
def test_the_real_grace_ends_a_deaf_task_within_15_seconds(tmp_path, mark):
    """With the grace that users have, SIGKILL comes four seconds after the limit."""
    tasks = [{"do": "sleepers"}, {"do": "look"}]
    found = run(tmp_path, tasks, limits=Limits(time_seconds=LIMIT, attempts=1))
    seen = found[1]["scores"]["cv"]
    assert seen["n_others"] == 0
    assert LIMIT + 2 * GRACE_SECONDS < seen["seconds"] < LIMIT + 15


def test_a_thread_of_an_interrupted_task_ends_with_its_runner(tmp_path):
    """A task that left a thread behind costs the runner, and nobody is charged for that."""
    tasks = [{}, {"do": "thread"}, {}, {"do": "own_pid"}]
    found = run(tmp_path, tasks, limits=Limits(time_seconds=LIMIT, attempts=1))
    assert [found[n]["outcome"] for n in range(4)] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert found[1]["failure"]["evidence"]["how"] == "alarm"
    assert found[3]["scores"]["cv"]["pid"] != int((tmp_path / "threaded").read_text())
    assert {found[n]["attempt"] for n in range(4)} == {1}


def test_a_task_that_left_nothing_keeps_its_runner(tmp_path):
    """After an alarm that ended everything the next task runs in the same process."""
    tasks = [{"do": "own_pid"}, {"do": "wait"}, {"do": "own_pid"}]
    found = run(tmp_path, tasks, limits=Limits(time_seconds=LIMIT, attempts=1))
    assert found[1]["failure"]["cls"] == "timeout"
    assert found[0]["scores"]["cv"]["pid"] == found[2]["scores"]["cv"]["pid"]


# -- tasks that end the process that forked their runner -------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_that_kills_its_template_again_and_again_is_charged(tmp_path, mark, number):
    """It ends as a crash with the signal as evidence, and its neighbours have their results."""
    tasks = [{}, {"do": "kill_template", "signal": int(number)}, {}]
    found = run(tmp_path, tasks, limits=Limits(time_seconds=30, attempts=1))
    assert [found[n]["outcome"] for n in range(3)] == ["succeeded", "failed", "succeeded"]
    failure = found[1]["failure"]
    assert (failure["cls"], failure["error"]) == ("crash", number.name)
    assert failure["evidence"]["signal"] == number.name


def test_one_death_of_a_template_is_charged_to_nobody(tmp_path, mark):
    """Whoever killed it: the task that ran then runs again, with its first attempt."""
    tasks = [{}, {"do": "kill_template", "signal": int(signal.SIGKILL), "once": True}]
    found = run(tmp_path, tasks, limits=Limits(time_seconds=30, attempts=1))
    assert [(found[n]["outcome"], found[n]["attempt"]) for n in range(2)] == [("succeeded", 1)] * 2


# -- what dead workers leave -----------------------------------------------------------------------


@contextlib.contextmanager
def started_worker(folder, task):
    """Start a worker process below a launcher on a new store in *folder*; give store, segment and launcher."""
    store = make_store(folder)
    segment = plan([task], folder=folder, executor=HARD)
    submit(store, segment)
    command = [sys.executable, "-m", "tests.run.pool_process", str(folder / "t.sweep"), "1"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    pool = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        yield store, segment, pool
    finally:
        pool.terminate()
        pool.wait(timeout=20)
        store.close()


def kill_at_once(mark, pool):
    """Kill launcher, worker and template in one instant: none of them can react to the end of another."""
    pids = [pid for role in ("pool", "worker", "template") for pid in of_role(mark, role)]
    assert len(pids) == 3
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
    pool.wait()


@pytest.fixture
def daemon(tmp_path):
    """Return what tells the pid of the daemon of the test's task once it runs."""
    trace = tmp_path / "daemon"
    return lambda: wait_until(lambda: trace.exists() and trace.read_text(), 30)


def test_the_next_worker_ends_what_dead_workers_left(tmp_path, mark, daemon):
    """A daemon whose launcher, worker and template were killed in one instant is gone when a worker starts."""
    with started_worker(tmp_path, {"do": "daemon_and_wait"}) as (store, segment, pool):
        pid = int(daemon())
        kill_at_once(mark, pool)
        assert os.path.exists(f"/proc/{pid}"), "the hole that this test is about is not there"
        work(store)
        assert pid not in marked(mark)
        assert by_number(store, segment)[0]["outcome"] == "succeeded"


def test_processes_of_living_workers_are_left_alone(tmp_path, mark, daemon):
    """A worker that starts touches nothing of another one that lives."""
    with started_worker(tmp_path, {"do": "daemon_and_wait"}):
        daemon()
        before = marked(mark)
        (tmp_path / "other").mkdir()
        assert run(tmp_path / "other", [{}])[0]["outcome"] == "succeeded"
        assert marked(mark) == before
        assert len(before) == 5, "launcher, worker, template, runner and daemon"
    wait_until(lambda: not marked(mark))


@pytest.mark.parametrize("name", ["x-1-2", "manyfit", "", "0-0-0", "../../x-1-2"])
def test_texts_that_are_no_life_of_this_machine_are_not_dead(name):
    """What may belong to another host, another boot or another program is left alone."""
    assert not is_dead(name)


def test_a_life_is_told_from_an_earlier_one_with_the_same_pid():
    """The same pid that started at another time is dead, this process is not."""
    boot, pid, started = own_life().split("-")
    assert not is_dead(f"{own_life()}-1")
    assert is_dead(f"{boot}-{pid}-{int(started) - 1}-1")


def test_a_killed_process_that_nobody_collected_is_dead():
    """A zombie still has its pid and its time of start, but nothing of it lives."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    life = f"{own_life().split('-')[0]}-{child.pid}-{process_started(child.pid)}"
    assert not is_dead(life)
    child.kill()
    wait_until(lambda: is_dead(life))
    child.wait()


# -- memory ----------------------------------------------------------------------------------------


def test_results_say_what_held_their_memory_limit(tmp_path):
    """Every result of a task with a limit has it in its details, those that failed too; others have none."""
    here = NoSubtree(why="for this test")
    limits = Limits(memory_bytes=1 << 30, attempts=1)
    found = run(tmp_path, [{}, {"do": "raise"}], limits=limits, runner=ForkedRunner(subtree=here))
    assert found[0]["details"] == {"cv": {"seen": 1}, "limits": {"memory_by": "address space"}}
    assert found[1]["details"] == {"limits": {"memory_by": "address space"}}
    (tmp_path / "free").mkdir()
    assert run(tmp_path / "free", [{}])[0]["details"] == {"cv": {"seen": 1}}


def test_memory_that_the_address_space_refused_says_so(tmp_path):
    """The evidence of a task without memory names what refused it."""
    here = NoSubtree(why="for this test")
    limits = Limits(memory_bytes=128 << 20, attempts=1)
    found = run(tmp_path, [{"do": "take_too_much"}, {}], limits=limits, runner=ForkedRunner(subtree=here))
    failure = found[0]["failure"]
    assert (failure["cls"], failure["evidence"]["how"]) == ("oom", "address space")
    assert found[1]["outcome"] == "succeeded"


def test_memory_of_daemons_counts(tmp_path, mark):
    """A daemon that left the tree of the runner is found by its size, and ended with the runner."""
    tasks = [{"do": "take_too_much_in_daemon"}, {}]
    found = run(tmp_path, tasks, limits=Limits(memory_bytes=150 << 20, attempts=1, time_seconds=60))
    assert found[0]["failure"]["cls"] == "oom"
    assert found[1]["outcome"] == "succeeded"


def test_memory_that_forked_children_share_counts_once(tmp_path):
    """Five processes with the same 100 MB do not need 500 MB: a limit of 300 MB lets them be."""
    limits = Limits(memory_bytes=300 << 20, attempts=1)
    here = NoSubtree(why="for this test")
    found = run(tmp_path, [{"do": "share_with_children"}], limits=limits, runner=ForkedRunner(subtree=here))
    assert found[0]["outcome"] == "succeeded"


def test_peak_memory_of_a_task_is_that_of_the_task(tmp_path):
    """200 MB that were taken for a moment are seen, within 20 %, and those after it do not inherit them."""
    found = run(tmp_path, [{}, {"do": "spike"}, {}, {"do": "wait_a_little"}])
    peaks = [found[n]["peak_bytes"] for n in range(4)]
    assert 0.8 * SPIKE_BYTES < peaks[1] - peaks[0] < 1.2 * SPIKE_BYTES
    assert max(peaks[2], peaks[3]) < peaks[0] + 0.1 * SPIKE_BYTES


def test_peak_memory_of_a_child_that_ended_counts(tmp_path):
    """The largest process of a task is measured, be it a child."""
    found = run(tmp_path, [{}, {"do": "spike_in_child"}, {"do": "wait_a_little"}])
    peaks = [found[n]["peak_bytes"] for n in range(3)]
    assert 0.8 * SPIKE_BYTES < peaks[1] < 1.2 * SPIKE_BYTES + peaks[0]
    assert peaks[2] < peaks[0] + 0.1 * SPIKE_BYTES


# -- threads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_thread_pools_have_the_threads_of_the_worker(tmp_path, threads):
    """BLAS and OpenMP start with the worker's threads, and have them again after a task has changed them."""
    tasks = [{}, {"set": 5}, {}, {}]
    runner = ForkedRunner(threads=threads)
    found = run(tmp_path, tasks, runner=runner, executor="tests.run.pools_executor:pools")
    assert [found[n]["scores"]["cv"]["threads"] for n in range(4)] == [threads] * 4
    assert found[0]["scores"]["cv"]["pools"] >= 2
