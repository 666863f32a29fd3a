"""A launcher process for tests: `python -m tests.run.pool_process STORE WORKERS`."""

import sys
import time
from pathlib import Path

from manyfit.launchers.local import LocalLauncher
from manyfit.stores.directory.store import DirectoryStore


def main(path: str, n_workers: int) -> int:
    store = DirectoryStore(path, refresh_seconds=0)

    def died(pid: int) -> None:
        store.expire([view.info.id for view in store.snapshot().workers if view.info.pid == pid])

    command = [sys.executable, "-m", "tests.run.worker_process", path, "{lifeline}"]
    launcher = LocalLauncher(
        command, log_folder=Path(path).parent / "logs", restarts=20, tell=lambda text: print(text, flush=True)
    )
    with launcher.start(n_workers, on_death=died) as pool:
        while pool.poll():
            time.sleep(0.02)
    print([process.exit_code for process in pool.processes], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
