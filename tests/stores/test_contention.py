"""Many workers on one directory."""

import collections
import json
import os
import time

import pytest

from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import Counts
from manyfit.stores.directory import DirectoryStore
from manyfit.stores.directory.disk import Disk
from manyfit.testing.stores import accepted_lines, add, counts, run, segment


class Unsynced(Disk):
    """A disk that does not wait for the medium: what is tested here is who gets what, not durability."""

    def fsync(self, fd):
        pass

    def fdatasync(self, fd):
        pass


def drain(path, worker):
    """Run whatever can be claimed until the sweep is finished."""
    store = DirectoryStore(path, disk=Unsynced())
    deadline, idle = time.monotonic() + 200, 0.05
    while time.monotonic() < deadline:
        lease = store.claim(worker)
        if lease is not None:
            run(store, lease)
            idle = 0.05
        elif store.finished():
            return
        else:
            time.sleep(idle)
            idle = min(2.0, 2 * idle)
    raise TimeoutError(worker)


def contend(path, n_workers, n_units, n_tasks):
    """Let workers drain a plan; check that every task ran once and every worker came to its end."""
    store = DirectoryStore.create(path, sweep="tiny", refresh_seconds=0.0, disk=Unsynced())
    add(store, segment(*[[n * n_tasks + i for i in range(n_tasks)] for n in range(n_units)]))
    pids = []
    for number in range(n_workers):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                drain(path, WorkerId(f"w{number}"))
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    codes = collections.Counter(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)

    assert {0: n_workers} == codes
    assert Counts(planned=n_units * n_tasks, done=n_units * n_tasks) == counts(store)
    ran = collections.Counter(
        (unit, json.loads(text)["index"])
        for unit, _, lines in accepted_lines(store)
        for text in lines.splitlines()
    )
    assert n_units * n_tasks == len(ran) == sum(ran.values())
    assert {1} == {state.epoch for state in store.units()}


def test_forty_workers(tmp_path):
    """Every task once, every worker to its end."""
    contend(tmp_path / "forty.sweep", 40, 100, 3)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_seven_hundred_workers(tmp_path):
    """A whole cluster that starts at once on trivial tasks: all tasks once, no starvation, bounded time."""
    contend(tmp_path / "many.sweep", 700, 1400, 2)
