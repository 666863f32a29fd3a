"""Who a worker says it is."""

import os
import re
import subprocess
import sys

import pytest

from manyfit.model.errors import UserError
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
    from manyfit.stores.ledger.liveness import here

    assert boot_identity() == here()


def test_a_worker_says_what_it_offers(tmp_path, monkeypatch):
    """Threads as given; cores, memory and GPUs as the machine has them; labels of both kinds, each once."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 0, GPU-a, 16384\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("MANYFIT_LABELS", "licence, disk=fast,,gpu=a100")

    info = worker_info(3, lambda: 5.0, ["gpu=a100", "site:b.c_d-e"])

    assert info.threads == 3
    assert info.cores >= 1
    assert info.memory_bytes > 2**20
    assert info.gpu_bytes == (2**34,)
    assert info.labels == ("gpu=a100", "site:b.c_d-e", "licence", "disk=fast")


def test_labels_that_are_none_are_refused(monkeypatch):
    """The message names the label and where it came from."""
    with pytest.raises(UserError, match='the label "big disk" is none'):
        worker_info(1, lambda: 5.0, ["big disk"])
    monkeypatch.setenv("MANYFIT_LABELS", "ok,sp/am")
    with pytest.raises(UserError, match='MANYFIT_LABELS: the label "sp/am"'):
        worker_info(1, lambda: 5.0)
