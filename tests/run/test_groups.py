"""Tasks in progress together: what goes wrong with the group is no task's failure until it is alone."""

import pytest
from tests.run.plans import by_number, make_store, plan, records, submit, work

from manyfit.model.sweep import Limits
from manyfit.run.holding import Holding

GROUPING = "tests.run.grim_executors:grouping"


def run(folder, tasks, limits):
    """Run *tasks* on a new store in *folder*; return the last result of each by number, and all results."""
    store = make_store(folder)
    segment = plan(tasks, folder=folder, executor=GROUPING, limits=limits)
    submit(store, segment)
    work(store)
    return by_number(store, segment), records(store)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "cls", "seconds"), [("hangs", "timeout", 1.0), ("clings", "timeout", 1.0), ("wants", "oom", 30.0)]
)
def test_beyond_a_limit_together_only_the_culprit_fails_alone(tmp_path, does, cls, seconds):
    """A group that hangs, clings or runs out of memory is charged to nobody; its tasks then run one by one."""
    limits = Limits(time_seconds=seconds, attempts=1)
    found, lines = run(tmp_path, [{"n": 0}, {"n": 1, "does": does}, {"n": 2}], limits)
    assert [found[n]["outcome"] for n in range(3)] == ["succeeded", "failed", "succeeded"]
    assert found[1]["failure"]["cls"] == cls
    assert [record["attempt"] for record in lines] == [1, 1, 1]
    orders = (tmp_path / "orders").read_text().split()
    assert orders[:2] == ["together", "alone"]
    assert len(orders) <= 4


def test_each_result_of_a_group_gives_the_next_its_own_time(tmp_path):
    """A group may take longer than the limit of one task, as long as results keep coming."""
    tasks = [{"do": "score", "seconds": 0.5, "together": True}, *({"n": n, "seconds": 0.5} for n in range(5))]
    store = make_store(tmp_path)
    segment = plan(
        tasks,
        folder=tmp_path,
        executor="tests.run.executors:scripted",
        limits=Limits(time_seconds=1.2, attempts=1),
    )
    submit(store, segment)
    work(store)
    assert {record["outcome"] for record in records(store)} == {"succeeded"}


def test_a_single_task_is_never_separated(tmp_path):
    """What went wrong with one task alone is its own failure."""
    store = make_store(tmp_path)
    segment = plan([{}, {}], folder=tmp_path, executor=GROUPING)
    submit(store, segment)
    store.register(worker := _worker())
    holding = Holding(store.claim(worker.id), segment.units[0], segment)
    assert not holding.separate([0])
    assert holding.separate([0, 1])
    assert not holding.separate([0, 1])


def _worker():
    import time

    from tests.run.plans import worker_info

    return worker_info(1, time.time)
