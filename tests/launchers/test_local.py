"""Local workers: started, restarted, stopped."""

import os
import signal
import sys
import time

import pytest
from tests.run.processes_seen import marked, wait_until

from manyfit.launchers.local import LocalLauncher, ProcessState

SLEEPER = (
    "import signal, sys, time; signal.signal(signal.SIGINT, lambda *a: sys.exit(7)); "
    "print('up', flush=True); time.sleep(60)"
)
DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def launcher(tmp_path, code, *more, **options):
    return LocalLauncher([sys.executable, "-c", code, *more], log_folder=tmp_path / "logs", **options)


def up(pool):
    wait_until(lambda: all(b"up" in process.log.read_bytes() for process in pool.processes))


def test_a_worker_that_ends_is_not_started_again(tmp_path):
    """An exit by itself is an end, with its code; output is in the worker's file."""
    with launcher(tmp_path, "import sys; print('hello from', sys.argv[1]); sys.exit(3)", "{number}").start(
        2
    ) as pool:
        wait_until(lambda: not pool.poll())
        assert [(p.state, p.exit_code, p.n_restarts) for p in pool.processes] == [(ProcessState.ENDED, 3, 0)] * 2
    assert (tmp_path / "logs" / "local-2.log").read_text() == "hello from 2\n"


def test_a_worker_that_a_signal_ended_is_started_again(tmp_path):
    """Its pid is reported before, and a person is told; another process takes its place."""
    dead, told = [], []
    with launcher(tmp_path, SLEEPER, tell=told.append).start(1, on_death=dead.append) as pool:
        up(pool)
        first = pool.processes[0].pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: pool.poll()[0].n_restarts == 1)
        assert dead == [first]
        assert pool.processes[0].pid != first
        assert "SIGKILL" in told[0]
        assert "1 of 3" in told[0]


def test_restarts_have_an_end(tmp_path):
    """A worker that dies again and again is given up, with a message that names its log."""
    told = []
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with launcher(tmp_path, code, restarts=2, tell=told.append).start(1) as pool:
        wait_until(lambda: not pool.poll())
        (process,) = pool.processes
        assert (process.state, process.n_restarts, process.exit_code) == (ProcessState.DIED, 2, -9)
    assert len(told) == 3
    assert "local-1.log" in told[-1]


def test_stop_asks_first(tmp_path):
    """Workers get SIGINT and may end in their own way."""
    pool = launcher(tmp_path, SLEEPER).start(2)
    up(pool)
    assert [process.exit_code for process in pool.stop()] == [7, 7]


def test_stop_kills_what_does_not_listen(tmp_path):
    """A worker that ignores SIGINT is gone after the timeout, and its leases are reported."""
    dead = []
    pool = launcher(tmp_path, DEAF).start(1, on_death=dead.append)
    up(pool)
    began = time.monotonic()
    (process,) = pool.stop(timeout=0.3)
    assert time.monotonic() - began < 3
    assert (process.exit_code, dead) == (-9, [process.pid])


def test_stop_again_is_harmless(tmp_path):
    """Leaving the context after a stop does nothing more."""
    with launcher(tmp_path, SLEEPER).start(1) as pool:
        up(pool)
        first = pool.stop()
        assert pool.stop() == first


def test_descendants_of_a_dead_worker_are_killed(tmp_path):
    """What a worker left in a session of its own goes with it."""
    code = (
        "import os, signal, subprocess, sys; "
        "c = subprocess.Popen(['sleep', '60'], start_new_session=True); print('child', c.pid, flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with launcher(tmp_path, code, restarts=0).start(1) as pool:
        wait_until(lambda: not pool.poll())
        child = int((tmp_path / "logs" / "local-1.log").read_text().split()[1])
        wait_until(lambda: not alive(child), 2)
        (process,) = pool.processes
        assert (process.state, process.exit_code) == (ProcessState.DIED, -9)
        assert not alive(child)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_the_lifeline_ends_with_the_pool(tmp_path):
    """The descriptor named in the command reads as ended once the pool is stopped, and not before."""
    code = (
        "import os, select, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); fd = int(sys.argv[1]); "
        "print('up', flush=True); early = select.select([fd], [], [], 0.2)[0]; "
        "os.read(fd, 1); sys.exit(9 if early else 5)"
    )
    pool = launcher(tmp_path, code, "{lifeline}").start(1)
    up(pool)
    wait_until(lambda: pool.processes and time.sleep(0.3) is None)
    os.close(pool._held)
    pool._held = os.open(os.devnull, os.O_RDONLY)
    wait_until(lambda: not pool.poll())
    assert pool.stop()[0].exit_code == 5


def test_a_command_that_does_not_exist_leaves_nothing(tmp_path):
    """When a worker cannot be started, those before it are ended and the error is seen."""
    first = tmp_path / "worker-1"
    first.write_text("#!/bin/sh\nexec sleep 60\n")
    first.chmod(0o700)
    mark = f"launched-{os.getpid()}"
    environment = {**os.environ, "MANYFIT_TEST": mark}
    two = LocalLauncher([str(tmp_path / "worker-{number}")], log_folder=tmp_path, environment=environment)

    with pytest.raises(FileNotFoundError, match="worker-2"):
        two.start(2)

    left = marked(mark)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
