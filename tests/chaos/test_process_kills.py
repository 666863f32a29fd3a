"""Kill any process of a running sweep at any moment: nothing is lost, nothing is left running."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.run.plans import by_number, make_store, plan, submit, work
from tests.run.processes_seen import marked, of_role, wait_until

ROOT = Path(__file__).parents[2]
N_TASKS = 40


class Sweep:
    """A plan in a store, and a launcher process with two workers on it."""

    def __init__(self, folder: Path, mark: str, tasks=None) -> None:
        self.folder = folder
        self.mark = f"{mark}-{os.getpid()}-"
        self.store = make_store(folder)
        self.segment = plan(tasks or [{"seconds": 0.02}] * N_TASKS, folder=folder, per_unit=5)
        submit(self.store, self.segment)
        self.launcher: subprocess.Popen[bytes] | None = None

    def start(self, n_workers: int = 2) -> None:
        command = [sys.executable, "-m", "tests.run.pool_process", str(self.folder / "t.sweep"), str(n_workers)]
        environment = {**os.environ, "MANYFIT_TEST": self.mark, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
        with (self.folder / "pool.log").open("ab") as output:
            self.launcher = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def kill(self, role: str, *, pick: random.Random) -> None:
        """SIGKILL one process of *role*, or all processes at once."""
        if role == "all":
            for pid in marked(self.mark):
                shoot(pid)
        elif found := of_role(self.mark, role):
            shoot(pick.choice(sorted(found)))

    def end(self) -> None:
        """Wait until no process is left, the launcher included."""
        assert self.launcher is not None
        self.launcher.wait(timeout=60)
        wait_until(lambda: not marked(self.mark), 5)

    def check(self, allowed_attempts: int = 3) -> None:
        """Finish what is left and compare with what an undisturbed run gives."""
        work(self.store)
        found = by_number(self.store, self.segment)
        assert sorted(found) == list(range(len(self.segment.candidates)))
        for record in found.values():
            assert record["outcome"] == "succeeded", record
            assert record["scores"]["cv"]["accuracy"] == (int(record["key"][:6], 16) % 1000) / 1000
            assert record["attempt"] <= allowed_attempts
        counts = self.store.snapshot().counts
        assert counts.planned == counts.done == len(found)


def shoot(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def clean():
    """Make sure that a failing test leaves no process behind."""
    marks: list[str] = []
    yield marks.append
    for mark in marks:
        for pid in marked(mark):
            shoot(pid)


def disturbed(folder: Path, clean, kills: list[str], seed: int) -> Sweep:
    """Run a sweep and kill as *kills* say, at seeded moments."""
    pick = random.Random(seed)
    sweep = Sweep(folder, f"seed{seed}")
    clean(sweep.mark)
    sweep.start()
    wait_until(lambda: of_role(sweep.mark, "runner"))
    for role in kills:
        time.sleep(pick.uniform(0.0, 0.25))
        sweep.kill(role, pick=pick)
    sweep.end()
    return sweep


@pytest.mark.parametrize("role", ["runner", "template", "worker", "pool", "all"])
def test_one_kill_loses_nothing(tmp_path, clean, role):
    """Whoever is killed, no process is left and every task gets the result of an undisturbed run."""
    disturbed(tmp_path, clean, [role], seed=1).check()


def test_killing_workers_again_and_again_loses_nothing(tmp_path, clean):
    """The launcher starts workers again; a lost worker charges no attempt."""
    sweep = disturbed(tmp_path, clean, ["worker", "worker", "worker"], seed=2)
    sweep.check(allowed_attempts=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_any_kills_lose_nothing(tmp_path, clean, seed):
    """Several kills of any kind at any moments."""
    pick = random.Random(1000 + seed)
    kills = pick.choices(["runner", "template", "worker", "pool", "all"], [3, 3, 3, 1, 1], k=pick.randint(1, 5))
    while kills.count("runner") > 2:
        kills.remove("runner")
    disturbed(tmp_path, clean, kills, seed).check()


def test_workers_leave_within_two_seconds_of_their_launcher(tmp_path, clean):
    """When the launcher is killed in the middle of long tasks, all is given back and gone quickly."""
    sweep = Sweep(tmp_path, "orphans", [{"do": "spin", "once": f"s{n}"} for n in range(6)])
    clean(sweep.mark)
    sweep.start()
    wait_until(lambda: of_role(sweep.mark, "runner") and list(tmp_path.glob("once-*")))
    sweep.kill("pool", pick=random.Random(0))
    sweep.launcher.wait()
    wait_until(lambda: not marked(sweep.mark), 2)
    assert not sweep.store.snapshot().open_units


def test_ctrl_c_at_the_launcher_leaves_nothing_running(tmp_path, clean):
    """SIGINT to the launcher: workers give back, everything ends, the rest can go on later."""
    sweep = Sweep(tmp_path, "interrupt")
    clean(sweep.mark)
    sweep.start()
    wait_until(lambda: of_role(sweep.mark, "runner"))
    assert sweep.launcher is not None
    sweep.launcher.send_signal(signal.SIGINT)
    sweep.end()
    assert not sweep.store.snapshot().open_units
    sweep.check(allowed_attempts=1)


def test_descendants_of_a_killed_worker_are_found(tmp_path, clean):
    """A daemon that user code left behind goes too, although worker and template are killed together."""
    sweep = Sweep(tmp_path, "daemon", [{"do": "daemon", "once": "d"}, {}])
    clean(sweep.mark)
    sweep.start(n_workers=1)
    daemon = int(wait_until(lambda: (tmp_path / "daemon").exists() and (tmp_path / "daemon").read_text()))
    for pid in of_role(sweep.mark, "worker") + of_role(sweep.mark, "template"):
        shoot(pid)
    wait_until(lambda: daemon not in marked(sweep.mark), 3)
    sweep.end()
    sweep.check()
