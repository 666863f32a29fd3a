"""Any sequence of calls leaves the PostgreSQL store and its model in the same state."""

from contextlib import contextmanager

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from manyfit.testing.store_machine import BY, PATIENCE, machine_for

pytest.importorskip("psycopg")


@pytest.mark.slow
def test_against_the_model(postgres):
    """See `manyfit.testing.store_machine`."""
    from manyfit.stores.postgres import create_postgres, remove_sweep

    unused, n_opened = [], 0

    @contextmanager
    def opened(clock):
        nonlocal n_opened
        n_opened += 1
        times = {"clock": clock, "monotonic": clock, "patience": PATIENCE, "by": BY}
        dsn = unused.pop() if unused else postgres.new_database()
        yield lambda: create_postgres(dsn, sweep="tiny", **times)
        remove_sweep(dsn, "tiny")
        unused.append(dsn)

    few = settings(max_examples=20, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(machine_for(opened), settings=few)

    assert n_opened >= few.max_examples, "fewer sequences were tried than this test is about"
