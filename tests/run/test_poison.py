"""The hunt for a task that kills its runner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyfit.run.poison import Hunt


def hunted(n_tasks, killers, *, size=None):
    """Run groups as a runner would, in which *killers* kill; return the hunt, who was blamed, and the deaths."""
    hunt, left, blamed, n_deaths = Hunt(), dict.fromkeys(range(n_tasks)), [], 0
    group = tuple(left)
    while group:
        if not killers & set(group):
            for index in group:
                del left[index]
        else:
            n_deaths += 1
            if len(group) > 1:
                hunt.died(group)
            else:
                blamed += group
                del left[group[0]]
        group = hunt.next(left)
    return hunt, blamed, n_deaths, left


@pytest.mark.parametrize("killer", [0, 49, 50, 63, 99])
def test_one_killer_among_a_hundred_costs_at_most_seven_splits(killer):
    """It alone is blamed, and nothing is left over."""
    hunt, blamed, _, left = hunted(100, {killer})
    assert hunt.n_splits <= 7
    assert blamed == [killer]
    assert not left


@given(n_tasks=st.integers(2, 130), data=st.data())
def test_all_killers_are_found_and_nobody_else_is_blamed(n_tasks, data):
    """Whatever their number, in at most that many searches."""
    killers = data.draw(st.sets(st.integers(0, n_tasks - 1), min_size=1, max_size=5))
    hunt, blamed, _, left = hunted(n_tasks, killers)
    assert sorted(blamed) == sorted(killers)
    assert not left
    assert hunt.n_splits <= len(killers) * (n_tasks - 1).bit_length()


def test_a_death_that_does_not_repeat_splits_nothing():
    """The group runs once more as it was."""
    hunt = Hunt()
    hunt.died((1, 2, 3))
    assert hunt.next({1, 2, 3}) == (1, 2, 3)
    assert hunt.n_splits == 0
    assert hunt.next(()) == ()


def test_what_has_its_result_leaves_the_group():
    """Tasks that ended before the death are not run again."""
    hunt = Hunt()
    hunt.died((1, 2, 3, 4))
    hunt.died((3, 4))
    assert hunt.next({3, 4}) == (3,)
    assert hunt.next({4}) == (4,)


def test_those_that_were_not_in_progress_keep_a_group_of_their_own():
    """A group may be run in parts: only the part that died is divided."""
    hunt = Hunt()
    hunt.died((1, 2, 3, 4))
    hunt.died((1, 2))
    assert [hunt.next(left) for left in ({1, 2, 3, 4}, {2, 3, 4}, {3, 4})] == [(1,), (2,), (3, 4)]
