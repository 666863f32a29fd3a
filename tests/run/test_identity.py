"""Who a worker says it is."""

import os
import re
import subprocess
import sys

from manyfit.run.identity import boot_identity, process_started, sanitised, worker_info


def test_ids_are_new_every_time():
    """Two workers of one process have different ids of the agreed form."""
    first, second = worker_info(1, lambda: 5.0), worker_info(1, lambda: 5.0)
    assert first.id != second.id
    assert re.fullmatch(rf"[a-z0-9-]+-{os.getpid()}-[0-9a-f]{{6}}", first.id)
    assert (first.pid, first.started_at, first.boot) == (os.getpid(), 5.0, boot_identity())


def test_host_names_become_file_names():
    """Whatever a host is called, its name is safe in a path, and never empty."""
    assert sanitised("Node_7.Example.ORG") == "node-7-example-org"
    assert sanitised("ü/../") == "host"


def test_the_start_of_a_process_tells_it_from_others():
    """The start time is stable while a process lives and None afterwards."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_started(child.pid)
    assert started is not None
    assert process_started(child.pid) == started
    child.communicate(b"\n")
    assert process_started(child.pid) is None


def test_the_store_recognises_this_boot():
    """The directory store and the worker write the same text for this kernel and namespace."""
    from manyfit.stores.directory.liveness import here

    assert boot_identity() == here()
