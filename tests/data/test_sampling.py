"""Samples of rows: how many of each class, and the same ones again."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyfit.data.sampling import draw, parse_sampling
from manyfit.model.errors import UserError

NAMES = ("a", "b", "c", "d")
codes_of = st.lists(st.integers(0, 3), min_size=1, max_size=60)
seeds = st.integers(0, 5)


def drawn(text, codes, seed=0, keys=None):
    keys = [str(i).encode() for i in range(len(codes))] if keys is None else keys
    return draw(parse_sampling(text), keys, seed=seed, codes=np.array(codes), names=NAMES)


def counts(codes, sample):
    return Counter(codes[row] for row in sample.rows)


@given(codes=codes_of, n=st.integers(1, 20), seed=seeds)
def test_balanced_takes_the_same_number_of_every_class_there_is(codes, n, seed):
    """As many as asked for, or as many as the smallest class has, and then it says so."""
    sample = drawn(f"balanced:{n}", codes, seed)
    there = Counter(codes)
    taken = min(n, *there.values())
    assert counts(codes, sample) == dict.fromkeys(there, taken)
    assert bool(sample.notes) == (taken < n)


@given(codes=codes_of, n=st.integers(1, 80), seed=seeds)
def test_stratified_gives_every_class_its_share(codes, n, seed):
    """The total is exact, and no class is off its share by a whole row."""
    sample = drawn(f"stratified:{n}", codes, seed)
    total = min(n, len(codes))
    assert len(sample.rows) == total
    for code, size in Counter(codes).items():
        assert abs(counts(codes, sample)[code] - total * size / len(codes)) < 1
    assert bool(sample.notes) == (n > len(codes))


@given(codes=codes_of, least=st.integers(1, 4), more=st.integers(0, 6), seed=seeds)
def test_caps_and_minima_hold_for_every_class(codes, least, more, seed):
    """Every class has at least the minimum there and at most the cap taken; else it is refused by name."""
    there = Counter(codes)
    few = [name for code, name in enumerate(NAMES) if there[code] < least]
    text = f"per-class:{least},cap={least + more}"
    if few:
        with pytest.raises(UserError, match=few[0]):
            drawn(text, codes, seed)
        return
    found = counts(codes, drawn(text, codes, seed))
    assert found == {code: min(size, least + more) for code, size in there.items()}
    assert counts(codes, drawn(f"per-class:{least}", codes, seed)) == there


@given(codes=codes_of, seed=seeds, data=st.data())
def test_the_order_of_rows_does_not_matter(codes, seed, data):
    """The same rows are drawn from a table in any order: by what they are, not by where they stand."""
    order = data.draw(st.permutations(range(len(codes))))
    keys = [f"row {i}".encode() for i in range(len(codes))]
    for text in ("balanced:2", "stratified:7", "all"):
        first = drawn(text, codes, seed, keys)
        again = drawn(text, [codes[i] for i in order], seed, [keys[i] for i in order])
        assert {keys[row] for row in first.rows} == {keys[order[row]] for row in again.rows}
        assert list(first.rows) == sorted(set(first.rows))


def test_other_seeds_draw_other_rows():
    """A seed draws the same rows each time, and two seeds hardly ever the same ones."""
    codes = [i % 4 for i in range(200)]
    samples = [tuple(drawn("balanced:10", codes, seed).rows) for seed in range(6)]
    assert len(set(samples)) == 6
    assert tuple(drawn("balanced:10", codes, 3).rows) == samples[3]


def test_a_sample_is_what_it_was_on_any_machine():
    """These numbers stand for ever: rows are drawn by a hash, not by a generator of some library."""
    codes = [i % 2 for i in range(12)]
    keys = [f"row {i}".encode() for i in range(12)]
    assert list(drawn("balanced:2", codes, 0, keys).rows) == FIRST
    assert list(drawn("balanced:2", codes, 1, keys).rows) == SECOND


FIRST, SECOND = [0, 2, 5, 9], [0, 4, 5, 9]


def test_a_regression_is_one_stratum():
    """It can be sampled by number, and not by class."""
    keys = [str(i).encode() for i in range(30)]
    assert len(draw(parse_sampling("stratified:7"), keys, seed=0).rows) == 7
    with pytest.raises(UserError, match="a regression has none"):
        draw(parse_sampling("balanced:7"), keys, seed=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("balance:3", 'did you mean "balanced"'),
        ("balanced", "is no sample; write balanced:N"),
        ("balanced:0", "whole numbers from 1"),
        ("balanced:3,cap=4", "is no sample"),
        ("per-class:5,cap=4", "the cap 4 is below the minimum 5"),
        ("stratified:x", "is no sample"),
        ("all:3", "all takes no number"),
    ],
)
def test_wrong_samples_are_told(text, message):
    """What is no sample is refused with the forms that there are."""
    with pytest.raises(UserError, match=message):
        parse_sampling(text)


@pytest.mark.parametrize("text", ["all", "balanced:3", "stratified:70", "per-class:2", "per-class:2,cap=9"])
def test_samples_are_written_as_they_are_read(text):
    """The text of a sample says the same again."""
    assert str(parse_sampling(text)) == text
