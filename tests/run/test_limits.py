"""How many workers and threads are started."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyfit.run.limits import capped, thread_environment


@given(st.one_of(st.none(), st.integers(1, 500)), st.integers(1, 200), st.integers(1, 128))
def test_workers_times_threads_stay_within_the_cores(workers, threads, cores):
    """Never more threads in all than cores, never less than one worker, never more than asked for."""
    n_workers, n_threads, note = capped(workers, threads, cores)
    assert 1 <= n_workers * n_threads <= cores
    assert n_threads <= threads
    assert workers is None or n_workers <= workers
    assert (note is None) == ((n_workers, n_threads) == (workers or n_workers, threads))


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ((None, 1, 8), (8, 1)),
        ((None, 3, 8), (2, 3)),
        ((4, 1, 8), (4, 1)),
        ((4, 4, 8), (2, 4)),
        ((1, 16, 8), (1, 8)),
    ],
)
def test_what_fits_is_started(asked, got):
    """As many workers as fit beside each other with the threads that were asked for."""
    assert capped(*asked)[:2] == got


def test_oversubscription_is_possible_when_told():
    """Whoever says so gets more threads than cores, without a note."""
    assert capped(700, 2, 2, oversubscribe=True) == (700, 2, None)


def test_the_note_names_what_was_asked_and_what_is_started():
    """A person reads why there are fewer workers."""
    assert capped(4, 4, 8)[2] == "4 workers x 4 threads would exceed 8 cores: starting 2 workers x 4 threads"


def test_libraries_are_told_the_threads():
    """BLAS and OpenMP read their threads from the environment."""
    environment = thread_environment(3)
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "3"
