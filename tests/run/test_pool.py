"""The pool: work in, result bodies out, whatever becomes of the runners."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from tests.run.plans import CELL, SCRIPTED, TRIVIAL, plan
from tests.run.processes_seen import marked, of_role, wait_until

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.errors import UserError
from manyfit.model.keys import task_key
from manyfit.model.sweep import Limits
from manyfit.run.pool import Pool


def works(tasks, folder, *, per_work=1000, limits=Limits(), executor=SCRIPTED):
    """Return the works of one header: one task for each of *tasks*, *per_work* of them together."""
    segment = plan(tasks, folder=folder, limits=limits, executor=executor)
    made = [
        WorkTask(index=index, key=task_key(candidate.key, CELL.key), candidate=candidate, cell=CELL)
        for index, candidate in enumerate(segment.candidates)
    ]
    parts = [made[at : at + per_work] for at in range(0, len(made), per_work)]
    return [Work(header=segment.header, mode=segment.units[0].mode, tasks=part, inputs={}) for part in parts]


@pytest.fixture(scope="module")
def pool():
    with Pool(2, executor=SCRIPTED) as pool:
        yield pool


def classes(bodies):
    """Return how each task ended: its failure class, or "ok"."""
    return {index: body["failure"]["cls"] if "failure" in body else "ok" for index, body in bodies}


def test_every_task_ends_once(pool, tmp_path):
    """Each task of each work has exactly one body, with its own index and key."""
    orders = works([{}] * 40, tmp_path, per_work=7)
    found = list(pool.run(orders))
    assert sorted(index for index, _ in found) == list(range(40))
    keys = {task.index: task.key for work in orders for task in work.tasks}
    assert all(body["key"] == keys[index] and body["outcome"] == "succeeded" for index, body in found)


def test_largest_first(tmp_path):
    """What is predicted to take longest begins first."""
    with Pool(1, executor=SCRIPTED) as one:
        orders = works([{}] * 5, tmp_path, per_work=1)
        found = [index for index, _ in one.run(orders, costs=[1, 5, 3, 9, 2])]
    assert found == [3, 1, 2, 4, 0]


def test_an_error_is_a_body(pool, tmp_path):
    """An exception of user code fails its task, and no other."""
    found = classes(pool.run(works([{}, {"do": "raise"}, {}], tmp_path)))
    assert found == {0: "ok", 1: "user", 2: "ok"}


def test_a_crash_alone_is_charged(pool, tmp_path):
    """A task that takes its runner down has failed; those behind it go on."""
    found = dict(pool.run(works([{}, {"do": "kill"}, {}, {}], tmp_path)))
    assert classes(found.items()) == {0: "ok", 1: "crash", 2: "ok", 3: "ok"}
    assert found[1]["failure"]["evidence"]["signal"] == "SIGKILL"


def test_a_crash_in_a_group_is_found(pool, tmp_path):
    """Tasks in progress together when the runner died run one by one: only the culprit fails."""
    found = classes(pool.run(works([{"kills": n == 2} for n in range(4)], tmp_path, executor=FUSED)))
    assert found == {0: "ok", 1: "ok", 2: "crash", 3: "ok"}
    assert (tmp_path / "deaths").read_text().split() == ["4", "1"]


FUSED = "tests.run.grim_executors:fused"


def test_a_runner_that_dies_once_costs_nothing(pool, tmp_path):
    """A group whose runner died for once succeeds when its tasks run again."""
    found = classes(pool.run(works([{"kills": True, "once": "x"}, {}, {}], tmp_path, executor=FUSED)))
    assert set(found.values()) == {"ok"}


def test_a_runner_that_cannot_load_ends_the_work(tmp_path):
    """Work whose executor kills its runner before any task fails instead of going on for ever."""
    with Pool(1, executor=TRIVIAL) as one:
        found = classes(one.run(works([{}, {}], tmp_path, executor="tests.run.test_pool:deadly")))
    assert found == {0: "crash", 1: "crash"}


def deadly(header):
    """Take the process down before any task starts."""
    os._exit(7)


@pytest.mark.parametrize("do", ["spin", "alarmless", pytest.param("deaf", marks=pytest.mark.slow)])
def test_the_time_limit_holds(pool, tmp_path, do):
    """A task beyond its wall time fails as a timeout, whether or not it hears its alarm or SIGTERM."""
    orders = works([{"do": do}, {}], tmp_path, limits=Limits(time_seconds=0.3))
    assert classes(pool.run(orders)) == {0: "timeout", 1: "ok"}


def test_the_memory_limit_holds(pool, tmp_path):
    """A task that takes more memory than it may fails as out of memory; the next one does not."""
    orders = works([{"do": "hog"}, {}], tmp_path, limits=Limits(memory_bytes=200 << 20))
    assert classes(pool.run(orders)) == {0: "oom", 1: "ok"}


def test_a_refused_unit_fails_all_its_tasks(pool, tmp_path):
    """Work that cannot run here is not tried again: each task says why."""
    found = dict(pool.run(works([{"do": "missing"}, {}], tmp_path)))
    assert classes(found.items()) == {0: "environment", 1: "environment"}
    assert "xgboost" in found[1]["failure"]["message"]


def test_leaving_early_ends_what_is_in_progress(tmp_path):
    """After the iteration is left the runners are free again at once, however long their tasks would take."""
    with Pool(1, executor=SCRIPTED) as one:
        for index, _ in one.run(works([{}, {"seconds": 600}], tmp_path)):
            assert index == 0
            break
        began = time.monotonic()
        assert len(list(one.run(works([{}] * 3, tmp_path)))) == 3
        assert time.monotonic() - began < 20


def test_two_threads_share_a_pool(pool, tmp_path):
    """Rounds of two threads at the same time each get their own bodies."""
    seen = {}

    def go(name, n):
        seen[name] = sorted(index for index, _ in pool.run(works([{}] * n, tmp_path, per_work=3)))

    threads = [threading.Thread(target=go, args=(n, n)) for n in (11, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {11: list(range(11)), 17: list(range(17))}


def test_work_can_be_taken_back(tmp_path):
    """The caller may do the smallest waiting work itself: the pool then gives no bodies for it."""
    with Pool(1, executor=SCRIPTED) as one:
        orders = works([{}] * 6, tmp_path, per_work=2)
        round_ = one.run([replace(orders[0], tasks=orders[0].tasks), *orders[1:]], costs=[3, 2, 1])
        taken = round_.take()
        assert [task.index for task in taken.tasks] == [4, 5]
        assert sorted(index for index, _ in round_) == [0, 1, 2, 3]


def test_an_executor_that_is_missing_is_an_error(tmp_path):
    """When no runner can be made the caller hears why, in this round and in the next."""
    with Pool(1, executor="tests.run.nowhere:executor") as one:
        for _ in range(2):
            with pytest.raises(UserError, match=r"nowhere"):
                list(one.run(works([{}], tmp_path)))


def test_a_closed_pool_refuses(tmp_path):
    """After close nothing can be run, and a waiting round is told."""
    one = Pool(1, executor=SCRIPTED)
    round_ = one.run(works([{"seconds": 600}], tmp_path))
    one.close()
    with pytest.raises(UserError, match="closed"):
        list(round_)
    with pytest.raises(UserError, match="closed"):
        one.run(works([{}], tmp_path))


def test_a_pool_starts_without_waiting():
    """The constructor returns before any library is imported; `ready` tells when a runner is warm."""
    began = time.monotonic()
    with Pool(2, executor="manyfit.fit.executor:fit_executor") as one:
        assert time.monotonic() - began < 0.3
        assert not one.ready()
        wait_until(one.ready, 60)


USER = """
import os, sys
from manyfit.run.pool import Pool
from tests.run.test_pool import works
from pathlib import Path
pool = Pool(2, executor="tests.run.executors:scripted")
begun = pool.run(works([{"seconds": 600}, {"seconds": 600}], Path(sys.argv[1]), per_work=1))
list(pool.run(works([], Path(sys.argv[1]))))
print("begun", flush=True)
{then}
"""


def program(tmp_path, mark, then):
    """Start a program with a pool whose runners are busy, which does *then*."""
    environment = {**os.environ, "MANYFIT_TEST": mark, "MANYFIT_SCRATCH": str(tmp_path / "scratch")}
    code = USER.replace("{then}", then)
    return subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment, stdout=subprocess.PIPE)


@pytest.mark.parametrize(
    ("name", "then"),
    [("exit", "sys.exit()"), ("error", "1 / 0"), ("interrupt", "os.kill(os.getpid(), 2); list(begun)")],
)
def test_nothing_is_left_at_exit(tmp_path, name, then):
    """However a program ends by itself, its runners and its scratch folder end with it."""
    mark = f"pool-{name}-{os.getpid()}"
    process = program(tmp_path, mark, f"while not pool.ready(): pass\n{then}")
    process.communicate(timeout=60)
    wait_until(lambda: not marked(mark))
    assert not list((tmp_path / "scratch").iterdir())


def test_nothing_is_left_of_a_killed_program(tmp_path):
    """When the program is killed, the kernel and the templates end all runners."""
    mark = f"pool-killed-{os.getpid()}"
    process = program(tmp_path, mark, "begun.poll(); import time; time.sleep(600)")
    wait_until(lambda: len(of_role(mark, "runner")) == 2, 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not marked(mark))
    assert not marked(mark)


def test_a_forked_child_has_no_part(pool, tmp_path):
    """A child that this process forks ends without touching the runners of its parent."""
    pid = os.fork()
    if pid == 0:
        pool.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(pool.run(works([{}] * 3, tmp_path)))) == 3
