"""Executors for tests: what a task does stands in the parameters of its candidate's only step."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from manyfit.contracts.executor import Finished, Started, Work, WorkTask
from manyfit.model.errors import DataChanged, MissingExtra
from manyfit.model.segment import SegmentHeader


def trivial(header: SegmentHeader) -> "Trivial":
    """Return an executor whose tasks take no time."""
    return Trivial()


class Trivial:
    """Yields a score for each task at once."""

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=(task.index,))
            yield Finished(
                index=task.index,
                body={
                    "scores": {"cv": {"accuracy": 0.5, "f1_macro": 0.25}},
                    "timings": {"fit": 0.0},
                    "n_rows": {"train": 10, "cv": 5},
                },
            )


def scripted(header: SegmentHeader) -> "Scripted":
    """Return an executor that does what the parameters of each task say."""
    return Scripted(Path(header.folder))


class Scripted:
    """
    Does what `do` of a task's parameters names; `folder` is where tasks leave traces.

    `together` in the parameters of the first task of an order makes all of them one group.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        params = [task.candidate.steps[-1].params for task in work.tasks]
        if params[0].get("together"):
            yield Started(indices=[task.index for task in work.tasks])
        for task in work.tasks:
            if not params[0].get("together"):
                yield Started(indices=[task.index])
            yield Finished(index=task.index, body=self._run(task, work))

    def _run(self, task: WorkTask, work: Work) -> dict[str, Any]:
        params = dict(task.candidate.steps[-1].params)
        do = params.get("do", "score")
        if once := params.get("once"):
            trace = self._folder / f"once-{once}"
            if trace.exists():
                do = "score"
            else:
                trace.write_text(str(os.getpid()))
        getattr(self, f"do_{do}")(params)
        score = (int(str(task.key)[:6], 16) % 1000) / 1000
        return {"scores": {"cv": {"accuracy": score}}, "n_rows": {"cv": task.cell.seed}, "details": {}}

    def do_score(self, params: dict[str, Any]) -> None:
        time.sleep(params.get("seconds", 0))

    def do_raise(self, params: dict[str, Any]) -> None:
        raise ValueError(f"gamma {params.get('n')} is wrong")

    def do_exit(self, params: dict[str, Any]) -> None:
        os._exit(params.get("code", 3))

    def do_system_exit(self, params: dict[str, Any]) -> None:
        sys.exit("enough")

    def do_abort(self, params: dict[str, Any]) -> None:
        os.abort()

    def do_segfault(self, params: dict[str, Any]) -> None:
        ctypes.string_at(0)

    def do_kill(self, params: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def do_spin(self, params: dict[str, Any]) -> None:
        while True:
            pass

    def do_deaf(self, params: dict[str, Any]) -> None:
        """Neither the alarm nor SIGTERM reach this: only SIGKILL does."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
        ctypes.CDLL(None).sleep(600)

    def do_alarmless(self, params: dict[str, Any]) -> None:
        """The alarm does not reach this, SIGTERM does."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        ctypes.CDLL(None).sleep(600)

    def do_daemon(self, params: dict[str, Any]) -> None:
        """Leave a grandchild in a session of its own, and hang."""
        leave_daemon(self._folder / "daemon")
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
        ctypes.CDLL(None).sleep(600)

    def do_daemon_and_die(self, params: dict[str, Any]) -> None:
        leave_daemon(self._folder / "daemon")
        os._exit(1)

    def do_hog(self, params: dict[str, Any]) -> None:
        """Take memory piece by piece in this process."""
        held = []
        while True:
            held.append(bytearray(1 << 20))

    def do_hog_in_child(self, params: dict[str, Any]) -> None:
        """Take memory in a child, which the address space limit of this process does not bind."""
        code = "import resource, time; h = [bytearray(1 << 20) for _ in range(400)]; time.sleep(600)"
        subprocess.run([sys.executable, "-c", f"import resource\n{code}"], check=False, preexec_fn=_unlimited)

    def do_memory_error(self, params: dict[str, Any]) -> None:
        bytearray(1 << 46)

    def do_data_changed(self, params: dict[str, Any]) -> None:
        raise DataChanged("vowels.csv: column f0 is not what it was")

    def do_missing(self, params: dict[str, Any]) -> None:
        raise MissingExtra("needs xgboost: pip install manyfit[boost]")


def _unlimited() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def leave_daemon(trace: Path) -> None:
    """Fork twice; the grandchild writes its pid to *trace* and sleeps in a session of its own."""
    if (pid := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            trace.write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.waitpid(pid, 0)
    while not trace.exists() or not trace.read_text():
        time.sleep(0.005)
