"""Workers that are killed so suddenly that nothing of theirs can clear up."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.run.plans import make_store, plan, submit
from tests.run.processes_seen import of_role, wait_until

from manyfit.model.segment import Segment
from manyfit.stores.directory.store import DirectoryStore

HARD = "tests.run.hard_executors:hard"
_ROOT = Path(__file__).parents[2]


def killed_worker(folder: Path, task: dict[str, Any], until: Callable[[], Any]) -> tuple[DirectoryStore, Segment]:
    """
    Run a worker process on *task* until *until* is true; kill it and its template in one instant.

    They are stopped first: by itself a template sees the end of its worker, and clears up. The processes are
    found by $MANYFIT_TEST of this process.
    """
    store = make_store(folder)
    segment = plan([task], folder=folder, executor=HARD)
    submit(store, segment)
    command = [sys.executable, "-m", "tests.run.worker_process", str(folder / "t.sweep"), "0"]
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(until, 30)
        templates = of_role(os.environ["MANYFIT_TEST"], "template")
        assert len(templates) == 1
    except BaseException:
        process.terminate()
        process.wait(timeout=20)
        raise
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (*templates, process.pid):
            os.kill(pid, number)
    process.wait()
    return store, segment
