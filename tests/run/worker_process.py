"""A worker process for tests: `python -m tests.run.worker_process STORE LIFELINE`; LIFELINE 0 means none."""

import sys
import time

from manyfit.run.forked import ForkedRunner
from manyfit.run.identity import worker_info
from manyfit.run.worker import Worker, WorkerOptions
from manyfit.stores.directory.store import DirectoryStore


def main(path: str, lifeline: int) -> int:
    options = WorkerOptions(
        beat_seconds=0.1, expire_seconds=0.2, idle_timeout=60, lifeline=lifeline if lifeline else None
    )
    store = DirectoryStore(path, refresh_seconds=0.05, patience=3)
    worker = Worker(
        store,
        worker_info(1, time.time),
        runner=ForkedRunner(),
        options=options,
        log=lambda line: print(line, flush=True),
    )
    report = worker.run()
    print(report, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
