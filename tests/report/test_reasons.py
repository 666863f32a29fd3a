"""Why tasks wait: every reason, the most important first, and what to do about it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cell, cells, key_of, new_store, run, scored, segment, submit

from manyfit.contracts.store import Store
from manyfit.model.control import Action, Cancel, Pause, Resume, SetTerms
from manyfit.model.errors import UserError
from manyfit.model.keys import WorkerId
from manyfit.model.lease import End, EndKind, Lease
from manyfit.model.terms import Concurrency, Needs, Terms
from manyfit.model.worker import Beat, WorkerInfo, WorkerState
from manyfit.report.advice import for_sweep
from manyfit.report.reasons import Cause, Waiting, of_queued, pending, silent, situation
from manyfit.report.tasks import TaskState, describe
from manyfit.run.chain import ChainView
from manyfit.run.endings import idle_note
from manyfit.run.identity import worker_info
from manyfit.stores.directory import DirectoryStore

SVC, RF = candidate("svc", C=10), candidate("rf", n=3)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """Two pipelines of four tasks each, two to a unit."""
    return new_store(tmp_path, segment([SVC, RF], cells(4), unit_size=2))


def append(store: Store, action: Action, by: str | None = None, at: float | None = None) -> None:
    store.append(action, position=len(store.entries()) + 1, by=by, at=at)


def living(
    store: Store, name: str = "w-live", *, beat: Mapping[str, Any] | None = None, **offer: Any
) -> WorkerInfo:
    """Register a worker that lives as long as this process, with a heartbeat if its fields are given."""
    info = replace(worker_info(1, lambda: 1e9), id=WorkerId(name), **offer)
    store.register(info)
    if beat is not None:
        store.beat(info.id, Beat(**{"counter": 1, "at": 1e9, "state": WorkerState.IDLE, **beat}))
    return info


def dead(store: Store, name: str = "w-dead") -> WorkerId:
    info = replace(worker_info(1, lambda: 1e9), id=WorkerId(name), pid_started="another life")
    store.register(info)
    return info.id


def found(store: Store, n_tenant: int | None = None) -> list[Waiting]:
    return pending(situation(store, n_tenant=n_tenant))


def one(store: Store) -> Waiting:
    """Return the only reason."""
    [group] = found(store)
    return group


def why(store: Store, of: Any = SVC, fold: int = 0) -> str:
    return "; ".join(describe(store, key_of(of, cell(fold=fold)), sweep="vowels").why)


def test_nobody_is_there(store: DirectoryStore) -> None:
    """Without a worker, the next step is to start one; what it has to offer is said."""
    assert (one(store).reason.cause, one(store).n_tasks, one(store).pipelines) == (
        Cause.NO_WORKER,
        8,
        ("rf", "svc"),
    )
    assert "no worker is alive; next: manyfit run vowels" in why(store)
    append(store, SetTerms(terms=Terms(needs={"svc": Needs(gpus=2, gpu_memory_bytes=2**34)})))
    assert {group.reason.why for group in found(store)} == {
        "no worker is alive",
        "no worker is alive; they need one with 2 GPU of 16 GiB",
    }


def test_a_paused_sweep(store: DirectoryStore) -> None:
    """It is said who paused it, when and why; that comes before everything else."""
    append(store, Pause(reason="lunch"), by="ann", at=0.0)
    assert one(store).reason.why == "the sweep is paused since 1970-01-01 00:00:00Z by ann: lunch"
    assert for_sweep(one(store).reason.do, "vowels") == "manyfit resume vowels"
    assert "by ann: lunch; next: manyfit resume vowels" in why(store)
    append(store, Resume())
    assert one(store).reason.cause is Cause.NO_WORKER


def test_a_held_pipeline(store: DirectoryStore) -> None:
    """Only its tasks wait for that; the others for a worker."""
    append(store, Pause(pipeline="svc", reason="most tasks fail alike"), by="w-1", at=0.0)
    living(store)
    groups = {group.reason.cause: group for group in found(store)}
    assert groups[Cause.HELD].pipelines == ("svc",)
    assert groups[Cause.HELD].n_tasks == groups[Cause.QUEUED].n_tasks == 4
    assert "pipeline svc is paused since 1970-01-01 00:00:00Z by w-1: most tasks fail alike" in why(store)
    assert for_sweep(groups[Cause.HELD].reason.do, "v") == "manyfit resume v --pipeline svc"
    assert "paused" not in why(store, RF)


def test_needs_that_nobody_meets(store: DirectoryStore) -> None:
    """What is lacking is said for the nearest worker, and that none offers it."""
    append(store, SetTerms(terms=Terms(needs={"svc": Needs(gpus=1)})))
    living(store, "w-a")
    living(store, "w-b")
    groups = {group.reason.cause: group for group in found(store)}
    assert groups[Cause.UNMET].reason.why == "needs 1 GPU, the host has none: none of the 2 workers offers it"
    assert groups[Cause.QUEUED].pipelines == ("rf",)
    living(store, "w-c", gpu_bytes=(2**33,))
    assert one(store).reason.cause is Cause.QUEUED


def test_limits_of_concurrency(store: DirectoryStore) -> None:
    """How many run and may run, of the sweep, of the pipeline, of the tenant in all its sweeps."""
    limits = Concurrency(pipelines={"svc": 1})
    append(store, SetTerms(terms=Terms(concurrency=limits)))
    lease = store.claim(living(store).id)
    assert lease is not None
    groups = {group.reason.cause: group for group in found(store)}
    assert groups[Cause.LIMIT].reason.why == "limit: 1 of 1 svc are running"
    assert (groups[Cause.LIMIT].n_tasks, groups[Cause.LEASED].n_tasks, groups[Cause.QUEUED].n_tasks) == (2, 2, 4)
    append(store, SetTerms(terms=Terms(concurrency=Concurrency(sweep=1))))
    assert {group.reason.why for group in found(store)} >= {"limit: 1 of 1 of the sweep are running"}
    append(store, SetTerms(terms=Terms(tenant="lab", concurrency=Concurrency(tenant=3))))
    assert "limit" not in str(found(store))
    assert "limit: 3 of 3 of tenant lab in all its sweeps are running" in str(found(store, n_tenant=3))


def test_leased_by_a_living_worker(store: DirectoryStore) -> None:
    """A task knows the worker and how many of its lease come first."""
    lease = store.claim(living(store).id)
    assert lease is not None
    assert "which has 1 task to run before it" in why(store, fold=1)
    beat = {"unit": lease.unit, "epoch": 1, "index": 0, "state": WorkerState.RUNNING}
    store.beat(lease.worker, Beat(**{"counter": 2, "at": 1e9, **beat}))
    assert describe(store, key_of(SVC, cell(fold=0))).state is TaskState.RUNNING
    groups = {group.reason.cause: group.n_tasks for group in found(store)}
    assert groups == {Cause.LEASED: 1, Cause.QUEUED: 6}


def test_leased_by_a_dead_worker(store: DirectoryStore) -> None:
    """The next worker takes over; without one, that is the next step."""
    store.claim(dead(store))
    groups = {group.reason.cause: group for group in found(store)}
    assert groups[Cause.LOST].n_tasks == 2
    assert "manyfit run" in groups[Cause.LOST].reason.do
    assert "seems dead" in why(store)
    assert "no worker is alive; next: manyfit run vowels" in why(store)
    living(store)
    assert next(g for g in found(store) if g.reason.cause is Cause.LOST).reason.do == ""


def test_tasks_that_took_workers_with_them(store: DirectoryStore) -> None:
    """Losses are told of the task, and are a group of their own."""
    name = dead(store)
    lease = store.claim(name)
    assert lease is not None
    store.beat(name, Beat(counter=1, at=1e9, state=WorkerState.RUNNING, unit=lease.unit, epoch=1, index=0))
    living(store)
    store.expire([name])
    assert next(g for g in found(store) if g.reason.cause is Cause.LOST).n_tasks == 1
    assert "1 worker was lost while on it" in why(store)


def test_workers_that_take_nothing(store: DirectoryStore) -> None:
    """A worker that was drained is alive and of no use; its note says why."""
    living(store, beat={"state": WorkerState.DRAINED, "note": "five crashes of three pipelines"})
    group = one(store)
    assert group.reason.cause is Cause.DRAINED
    assert group.reason.why == "the only worker takes no more tasks: five crashes of three pipelines"


def test_what_idle_workers_say(store: DirectoryStore) -> None:
    """Tasks that are put off are told by the workers; that others hold what is left says nothing."""
    chain = ChainView()
    note = idle_note(chain, crowded_out=False, n_put_off=3, put_off_seconds=9.0)
    living(store, beat={"note": note})
    assert one(store).reason.cause is Cause.PUT_OFF
    assert note in one(store).reason.why
    unspecific = idle_note(chain, crowded_out=False, n_put_off=0, put_off_seconds=0.0)
    store.beat(WorkerId("w-live"), Beat(counter=2, at=1e9, state=WorkerState.IDLE, note=unspecific))
    assert one(store).reason.cause is Cause.QUEUED


def test_place_in_the_queue(store: DirectoryStore) -> None:
    """Units of higher priority come first, whenever they were submitted."""
    assert "queued at place 1 of 4" in why(store)
    urgent = segment([candidate("nb", s=1)], cells(6), unit_size=2)
    submit(store, replace(urgent, header=replace(urgent.header, priority=30)))
    assert "queued at place 4 of 7, 3 before it are of higher priority" in why(store)


def test_cancelled_by_whom(store: DirectoryStore) -> None:
    """The entry of the control chain says who and when."""
    append(store, Cancel(tasks=(key_of(SVC, cell(fold=0)),)), by="ann", at=0.0)
    assert why(store) == "it was cancelled by ann at 1970-01-01 00:00:00Z; a retry runs it again"
    assert sum(group.n_tasks for group in found(store)) == 7


def test_all_groups_add_up(store: DirectoryStore) -> None:
    """Whatever happens, the groups hold exactly the pending tasks."""
    name = living(store).id
    for step in range(4):
        lease = store.claim(name)
        assert lease is not None
        assert sum(group.n_tasks for group in found(store)) == store.snapshot().counts.pending
        kind = EndKind.YIELDED if step % 2 else EndKind.DONE
        store.complete(lease, ended(lease, kind))
        assert sum(group.n_tasks for group in found(store)) == store.snapshot().counts.pending


def ended(lease: Lease, kind: EndKind) -> End:
    indices = tuple(task.index for task in lease.tasks)
    mark = "." if kind is EndKind.YIELDED else "f"
    return End(kind=kind, indices=indices, marks=mark * len(indices), by=lease.worker)


def test_silence_is_explained_only_where_there_is_a_reason(store: DirectoryStore) -> None:
    """Idle workers beside a limit of none at all are worth a word; a normal queue is not."""
    living(store)
    assert silent(situation(store)) == ""
    append(store, Pause(pipeline="svc", reason="alike"), by="w", at=0.0)
    assert silent(situation(store)).startswith("4 tasks wait: pipeline svc is paused")
    assert store.claim(WorkerId("w-live")) is not None
    assert silent(situation(store)) == ""


def test_a_finished_sweep_has_nothing_that_waits(store: DirectoryStore) -> None:
    """No group is empty."""
    run(store, lambda *_: scored())
    assert found(store) == []


def test_one_of_the_two_has_to_be_given(store: DirectoryStore) -> None:
    """The reason of a pipeline needs no tasks of it."""
    assert of_queued(situation(store), "unknown").cause is Cause.NO_WORKER
    with pytest.raises(UserError):
        describe(store, "")


@pytest.mark.slow
def test_a_million_tasks_are_explained_at_once(tmp_path: Path) -> None:
    """Units are looked at, tasks are not: it takes less than two seconds."""
    many = [candidate("svc", n=n) for n in range(1000)]
    store = new_store(tmp_path, segment(many, cells(1000), unit_size=1000))
    living(store)
    store.claim(WorkerId("w-live"))
    began = time.perf_counter()
    groups = {group.reason.cause: group.n_tasks for group in found(DirectoryStore(store.url))}
    assert time.perf_counter() - began < 2.0
    assert groups == {Cause.LEASED: 1000, Cause.QUEUED: 999_000}
