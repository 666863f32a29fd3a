"""Splits that leave one group out are declared in one word, and nothing that makes no sense beside it passes."""

import pytest

from manyfit.declare import from_json, from_mapping, to_json
from manyfit.model.sweep import FoldKind, Folds, SplitKind

LEAVE = "leave_one_group_out"


def declared(split):
    spec, mistakes = from_mapping({"name": "s", "data": "a.csv", "splits": {"x": split}, "pipelines": PIPELINES})
    return (spec.splits[0] if spec else None), {mistake.key: mistake.message for mistake in mistakes}


PIPELINES = {"p": {"steps": ["SVC"]}}


def test_the_short_form_is_all_rows_with_those_folds():
    """A split of that kind, folds by that word and folds by that table are one and the same."""
    forms = [
        {"kind": LEAVE},
        {"kind": LEAVE, "folds": LEAVE},
        {"kind": "all", "folds": LEAVE},
        {"folds": LEAVE},
        {"folds": {"kind": LEAVE}},
    ]
    found = [declared(form)[0] for form in forms]
    assert all(split == found[0] for split in found)
    assert found[0].kind is SplitKind.ALL
    assert found[0].folds == Folds(n=0, kind=FoldKind.LEAVE_ONE_GROUP_OUT, shuffle=False)


def test_sets_may_stand_beside_the_folds():
    """Groups can be held out for a test while every other group is left out in turn."""
    split, mistakes = declared({"kind": "groups", "test": 0.2, "folds": LEAVE})
    assert not mistakes
    assert split.sets == {"test": 0.2}
    assert split.folds.n == 0


def test_it_survives_a_plan_segment():
    """The number of folds, which the data say, is stored as not said."""
    mapping = {"name": "s", "data": "a.csv", "splits": {"x": {"kind": LEAVE}}, "pipelines": PIPELINES}
    spec, _ = from_mapping(mapping)
    assert from_json(to_json(spec)) == spec


@pytest.mark.parametrize(
    ("split", "key", "message"),
    [
        ({"folds": {"kind": LEAVE, "n": 5}}, "splits.x.folds.n", "as many folds as groups"),
        ({"folds": {"kind": LEAVE, "shuffle": True}}, "splits.x.folds.shuffle", "nothing is shuffled"),
        ({"folds": {"kind": LEAVE, "m": 5}}, "splits.x.folds.m", "no key"),
        ({"kind": LEAVE, "folds": 5}, "splits.x.folds", "one fold for each group"),
        ({"kind": LEAVE, "test": 0.2}, "splits.x.test", "holds out every group in turn"),
        ({"folds": "group"}, "splits.x.folds", 'kind = "group", n = 5'),
        ({"folds": "leave_one_out"}, "splits.x.folds", 'did you mean "leave_one_group_out"'),
        ({"kind": "leave_one_group"}, "splits.x.kind", 'did you mean "leave_one_group_out"'),
    ],
)
def test_mistakes_are_told(split, key, message):
    """Numbers, shuffling and sets that contradict the kind are refused with what would be right."""
    found, mistakes = declared(split)
    assert found is None
    assert message in mistakes[key], mistakes
