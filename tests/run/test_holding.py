"""What a lease runs first, and what by itself."""

from dataclasses import replace

import pytest

from manyfit.model.keys import WorkerId
from manyfit.model.lease import Assigned, Lease
from manyfit.model.sweep import Limits
from manyfit.run.holding import Holding, Portion
from manyfit.testing.stores import segment

PART = segment([1, 2, 3])


def holding(limits, *tasks):
    """Return a lease on *tasks* in a sweep with these limits."""
    part = replace(PART, header=replace(PART.header, limits=limits))
    unit = part.units[0]
    return Holding(Lease(unit=unit.id, epoch=2, worker=WorkerId("a"), position=1, tasks=tasks), unit, part)


@pytest.mark.parametrize(("attempts", "forgiven", "memory"), [(1, 0, 100), (2, 0, 200), (3, 1, 200)])
def test_what_failed_under_another_lease_runs_alone_with_more_memory(attempts, forgiven, memory):
    """Its neighbours come first; forgiven attempts do not count."""
    held = holding(
        Limits(memory_bytes=100), Assigned(index=0, attempts=attempts, forgiven=forgiven), Assigned(index=1)
    )
    assert held.next_portion() == Portion(indices=(1,))
    held.succeed(1)
    assert held.next_portion() == Portion(indices=(0,), alone=True, memory_bytes=memory)


def test_without_a_limit_of_memory_all_run_in_the_order_of_the_lease():
    """Nothing is known of why the earlier attempt failed, and there is nothing to raise."""
    held = holding(Limits(), Assigned(index=0, attempts=1), Assigned(index=1))
    assert held.next_portion() == Portion(indices=(0, 1))
