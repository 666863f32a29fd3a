"""Executors for tests of limits: tasks that do what a limit must survive, and tasks that look around."""

import collections
import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.run.processes_seen import marked

from manyfit.contracts.executor import Finished, Started, Work
from manyfit.model.segment import SegmentHeader

SPIKE_BYTES = 200 << 20


def hard(header: SegmentHeader) -> "Hard":
    """Return an executor that does what `do` in the parameters of each task names."""
    return Hard(Path(header.folder))


class Hard:
    """
    Runs each task alone, and returns what it returned as its scores.

    `folder` is where tasks leave traces.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[bytearray] = []

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=[task.index])
            params = dict(task.candidate.steps[-1].params)
            found = getattr(self, f"do_{params.get('do', 'nothing')}")(params) or {}
            yield Finished(index=task.index, body={"scores": {"cv": found}, "details": {"cv": {"seen": 1}}})

    def do_nothing(self, params: dict[str, Any]) -> None:
        """Succeed at once."""

    def do_kill_template(self, params: dict[str, Any]) -> None:
        """End the process that forked this one by `signal`; with `once`, only at the first try."""
        once = self._folder / "once"
        if not (params.get("once") and once.exists()):
            once.touch()
            os.kill(os.getppid(), params["signal"])
            time.sleep(60)

    def do_own_pid(self, params: dict[str, Any]) -> dict[str, float]:
        return {"pid": os.getpid()}

    def do_own_cgroup(self, params: dict[str, Any]) -> dict[str, float]:
        """Return the number at the end of the name of this process's cgroup: that of the runner."""
        with open("/proc/self/cgroup") as file:
            path = next(line for line in file if line.startswith("0::"))
        return {"number": int(path.strip().rpartition("-")[2])}

    def do_wait(self, params: dict[str, Any]) -> None:
        """Wait for the alarm, and leave nothing."""
        time.sleep(600)

    def do_wait_a_little(self, params: dict[str, Any]) -> None:
        """Be long enough for the peak of memory to be measured."""
        time.sleep(0.01)

    # -- time --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        (self._folder / "began").write_text(str(time.monotonic()))

    def do_look(self, params: dict[str, Any]) -> dict[str, float]:
        """Return how many other processes than this and its template there are, and after how long."""
        others = set(marked(os.environ["MANYFIT_TEST"])) - {os.getppid()}
        return {"n_others": len(others), "seconds": time.monotonic() - float((self._folder / "began").read_text())}

    def do_deaf_in_c(self, params: dict[str, Any]) -> None:
        """Ignore signals, in a loop that never comes back to Python."""
        self._begin()
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        collections.deque(itertools.repeat(0), maxlen=0)

    def do_masked(self, params: dict[str, Any]) -> None:
        """Block every signal that can be blocked."""
        self._begin()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        ctypes.CDLL(None).sleep(600)

    def do_stubborn_children(self, params: dict[str, Any]) -> None:
        """Wait, as the alarm may find it, for children that ignore what would end them politely."""
        self._begin()
        for _ in range(3):
            if os.fork() == 0:
                _sleep_deaf()
        os.wait()

    def do_orphan(self, params: dict[str, Any]) -> None:
        """Leave a deaf daemon in a session of its own, and be interrupted."""
        self._begin()
        leave_deaf_daemon(self._folder / "daemon")
        time.sleep(600)

    def do_sleepers(self, params: dict[str, Any]) -> None:
        """Start 20 processes, each the child of the one before, half of them in sessions of their own."""
        self._begin()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        for number in range(20):
            if os.fork():
                break
            if number % 2:
                os.setsid()
        _sleep_deaf()

    def do_thread(self, params: dict[str, Any]) -> None:
        """Leave a thread that goes on after the alarm."""
        self._begin()
        (self._folder / "threaded").write_text(str(os.getpid()))
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        time.sleep(600)

    def do_daemon_and_wait(self, params: dict[str, Any]) -> None:
        """Leave a deaf daemon and stay, the first time; succeed the second time."""
        if not (self._folder / "daemon").exists():
            leave_deaf_daemon(self._folder / "daemon")
            time.sleep(600)

    def do_bare_daemon_and_wait(self, params: dict[str, Any]) -> None:
        """Like `daemon_and_wait`, but nothing in the environment of the daemon says where it came from."""
        trace = self._folder / "daemon"
        if not trace.exists():
            code = f"import os, time; open({str(trace)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
            subprocess.Popen([sys.executable, "-c", code], env={}, start_new_session=True)
            time.sleep(600)

    # -- memory ------------------------------------------------------------------------------------

    def do_spike(self, params: dict[str, Any]) -> None:
        """Take 200 MB for a moment."""
        _spike()

    def do_spike_in_child(self, params: dict[str, Any]) -> None:
        """Take 200 MB in a child, which ends."""
        code = f"b = bytearray({SPIKE_BYTES}); b[::4096] = b'x' * len(b[::4096])"
        subprocess.run([sys.executable, "-c", code], check=True)

    def do_take_too_much(self, params: dict[str, Any]) -> None:
        """Take memory piece by piece, 2 GB at most."""
        self._held = [_touched(1 << 20) for _ in range(2048)]

    def do_take_too_much_in_daemon(self, params: dict[str, Any]) -> None:
        """Have a daemon, which left the tree of this process, take memory that no address space limit binds."""
        code = (
            "import resource, time; hard = resource.getrlimit(resource.RLIMIT_AS)[1];"
            "resource.setrlimit(resource.RLIMIT_AS, (hard, hard));"
            "held = [bytearray(1 << 20) for _ in range(400)]; time.sleep(600)"
        )
        if os.fork() == 0:
            subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
            os._exit(0)
        time.sleep(600)

    def do_share_with_children(self, params: dict[str, Any]) -> None:
        """Hold 100 MB, and start four children that see the same pages, long enough to be looked at."""
        held = _touched(100 << 20)
        children = [os.fork() or _sleep_and_exit(0.8) for _ in range(4)]
        for pid in children:
            os.waitpid(pid, 0)
        del held

    def do_raise(self, params: dict[str, Any]) -> None:
        raise ValueError("wrong")

    # -- scratch -----------------------------------------------------------------------------------

    def do_litter(self, params: dict[str, Any]) -> dict[str, float]:
        """Leave files; return how many were there before, and how many folders of other runners are left."""
        folder = Path(os.environ["MANYFIT_SCRATCH_TASK"])
        assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(folder)
        before = len(list(folder.iterdir()))
        protected = Path(tempfile.mkdtemp()) / "inner"
        protected.mkdir()
        (protected / "file").write_text("x")
        protected.chmod(0o500)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"x")
        traces = json.loads((self._folder / "places").read_text()) if (self._folder / "places").exists() else []
        (self._folder / "places").write_text(json.dumps([*traces, str(folder)]))
        others = [place for place in traces if place != str(folder) and Path(place).exists()]
        return {"before": before, "files": len(list(folder.iterdir())), "others": len(others)}

    def do_litter_and_die(self, params: dict[str, Any]) -> None:
        self.do_litter(params)
        os.kill(os.getpid(), signal.SIGKILL)

    def do_litter_and_wait(self, params: dict[str, Any]) -> None:
        """Leave files and stay, the first time; succeed the second time."""
        if not (self._folder / "places").exists():
            self.do_litter(params)
            time.sleep(600)


def _touched(n_bytes: int) -> bytearray:
    held = bytearray(n_bytes)
    held[::4096] = b"x" * len(held[::4096])
    return held


def _spike() -> None:
    held = _touched(SPIKE_BYTES)
    time.sleep(0.02)
    del held


def _sleep_and_exit(seconds: float) -> int:
    time.sleep(seconds)
    os._exit(0)


def _sleep_deaf() -> None:
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
    os._exit(0)


def leave_deaf_daemon(trace: Path) -> None:
    """Fork twice; the grandchild writes its pid to *trace*, and sleeps deaf in a session of its own."""
    if (pid := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            trace.write_text(str(os.getpid()))
            _sleep_deaf()
        os._exit(0)
    os.waitpid(pid, 0)
    while not trace.exists() or not trace.read_text():
        time.sleep(0.005)
