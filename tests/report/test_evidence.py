"""The evidence of failures: which attempt it belongs to, and how it is told."""

from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cell, failed, new_store, run, scored, segment, submit

from manyfit.report.compact import compact
from manyfit.report.evidence import evidence_of, evidence_text
from manyfit.report.failures import failures
from manyfit.stores.directory import DirectoryStore

SVC = candidate("svc", C=1)
RF = candidate("rf", n=3)
MIB = 1 << 20


def failed_with(**evidence: Any) -> dict[str, Any]:
    """Return the fields of a final failure with evidence."""
    body = failed("oom", "MemoryLimit", "killed", "m")
    return {**body, "failure": {**body["failure"], "evidence": evidence}}


def test_a_group_has_the_evidence_of_its_example(tmp_path: Path) -> None:
    """Of the last attempt at the task that the group shows, not of another task or an earlier attempt."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    run(store, lambda *_: {**failed_with(how="first"), "final": False}, units=1)
    run(store, lambda of, _: failed_with(how=of.pipeline, exit_code=3), worker="w-2")
    (group,) = failures(store)
    assert group.count == 2
    assert group.evidence == {"how": group.label.split()[0], "exit_code": 3}


def test_evidence_outlives_compaction(tmp_path: Path) -> None:
    """The compacted file has no column for it; the logs keep it."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    run(store, lambda *_: failed_with(signal="SIGKILL"))
    assert compact(store, tmp=tmp_path) is not None
    (group,) = failures(store)
    assert group.evidence == {"signal": "SIGKILL"}


def test_a_retry_replaces_the_evidence(tmp_path: Path) -> None:
    """What is shown belongs to the failure that counts."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    run(store, lambda *_: failed_with(how="before"))
    submit(store, segment([SVC], [cell()], generation=1), n_new=0)
    run(store, lambda *_: failed_with(how="after"), worker="w-2")
    (group,) = failures(store)
    assert group.evidence == {"how": "after"}


def test_a_failure_without_evidence_has_none(tmp_path: Path) -> None:
    """Lines need not have it, and nobody asks the store where nothing failed."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    run(store, lambda of, _: failed() if of.key == RF.key else scored())
    (group,) = failures(store)
    assert group.evidence == {}
    assert evidence_of(store, frozenset()) == {}


def test_only_the_units_of_examples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks failed, one unit is read for each cause."""
    store = new_store(tmp_path, segment([SVC], [cell(fold=n) for n in range(12)], unit_size=2))
    run(store, lambda *_: failed_with(how="alarm"))
    asked, real = [], DirectoryStore.accepted
    monkeypatch.setattr(DirectoryStore, "accepted", lambda self, skip: asked.append(skip) or real(self, skip))
    (group,) = failures(store)
    assert (group.count, group.evidence) == (12, {"how": "alarm"})
    assert len(asked[-1]) == 5


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({}, ""),
        ({"host": "n7", "pid": 12, "seconds": 3.21}, "on n7, process 12, after 3.2 s"),
        ({"limit_seconds": 90.0, "how": "alarm"}, "limit 1 m 30 s; how: alarm"),
        ({"peak_bytes": 300 * MIB, "limit_bytes": 200 * MIB}, "peak memory 300 MiB, limit 200 MiB"),
        ({"limit_bytes": MIB, "memory_by": "cgroup"}, "limit 1 MiB held by cgroup"),
        ({"peak_bytes": 0, "exit_code": 0}, "exit code 0"),
        ({"signal": "SIGSEGV", "alone": True}, "ended with SIGSEGV; it had the host to itself"),
        ({"alone": False, "losses": 5}, "it did not get the host to itself; workers lost: 5"),
    ],
)
def test_evidence_in_words(evidence: dict[str, Any], text: str) -> None:
    """Where and for how long, then memory, then how it ended; what is not known is left out."""
    assert evidence_text(evidence) == text
