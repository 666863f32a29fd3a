"""Filters on start."""

import pytest

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import UserError
from manyfit.model.keys import CandidateKey, CellKey
from manyfit.plan.only import check, parse


def candidate(pipeline="svc", **shown):
    return Candidate(key=CandidateKey("k"), pipeline=pipeline, steps=(), shown=shown)


CELL = Cell(key=CellKey("c"), split="A1", fold=2, seed=1)


def test_all_names_must_match_and_values_of_one_name_are_alternatives():
    """kernel=linear kernel=rbf C=1 keeps both kernels, with C = 1 alone."""
    only = parse(["kernel=linear", "kernel=rbf", "C=1"])

    assert only.candidate(candidate(kernel="rbf", C=1))
    assert not only.candidate(candidate(kernel="poly", C=1))
    assert not only.candidate(candidate(kernel="rbf", C=10))


def test_a_number_matches_however_it_is_written():
    """1, 1.0 and 1e0 are one number for a person."""
    assert parse(["C=1.0"]).candidate(candidate(C=1))
    assert parse(["C=0.010"]).candidate(candidate(C=0.01))


def test_a_candidate_without_the_parameter_does_not_match():
    """A forest has no kernel."""
    assert not parse(["kernel=linear"]).candidate(candidate("rf", n_estimators=10))


def test_a_parameter_is_found_with_or_without_its_step():
    """svc__C and C mean the same."""
    assert parse(["C=3"]).candidate(candidate(svc__C=3))
    assert parse(["svc__C=3"]).candidate(candidate(svc__C=3))


def test_cells_are_filtered_by_split_fold_and_seed():
    """The data side of a task has filters of its own."""
    assert parse(["split=A1", "fold=2"]).cell(CELL)
    assert not parse(["seed=0"]).cell(CELL)


@pytest.mark.parametrize("text", ["kernel", "=linear", ""])
def test_what_is_not_a_filter_is_refused(text):
    """With the form that is wanted."""
    with pytest.raises(UserError, match="name=value"):
        parse([text])


def test_an_unknown_name_or_value_is_refused_with_what_there_is():
    """A filter that silently matches nothing would look like a finished sweep."""
    candidates = [candidate(kernel="linear"), candidate(kernel="rbf")]

    with pytest.raises(UserError, match=r'no "kernl".*did you mean "kernel"'):
        check(parse(["kernl=linear"]), candidates, [CELL])
    with pytest.raises(UserError, match="linear, rbf"):
        check(parse(["kernel=poly"]), candidates, [CELL])
