"""Planning folds whose number the data say."""

from dataclasses import replace

from tests.plan.profiles import profile
from tests.plan.test_expand import expand, pipeline, sweep

from manyfit.model.profile import DataProfile
from manyfit.model.sweep import FoldKind, Folds, Split, SplitKind
from manyfit.model.wire import cell_from_json, cell_to_json
from manyfit.plan.summary import FirstTask, _first

LEAVE = Split(name="x", kind=SplitKind.ALL, folds=Folds(n=0, kind=FoldKind.LEAVE_ONE_GROUP_OUT, shuffle=False))
GROUPS = ("ann", "bob", "eve")


def grouped(*splits: str, **parts: object) -> DataProfile:
    found = profile(splits=splits)
    rows = {"n_folds": 3, "held_out": GROUPS, "folds_seeded": False, "recipe": {"kind": "all", "folds": "leave"}}
    sets = {name: replace(one, **{**rows, **parts}) for name, one in found.splits.items()}
    return replace(found, splits=sets)


def cells(split: Split, found: DataProfile, **parts: object):
    expansion = expand(sweep(pipeline("svc", "SVC"), splits=(split,), **parts), **{"": found})
    return [cell for group in expansion.groups[""] for cell in (group.cells or ())], expansion


def test_there_are_as_many_folds_as_the_profile_says():
    """Each fold has the name of its group, and the rows of the others to train on."""
    found, _ = cells(LEAVE, grouped("x"))
    assert [(cell.fold, cell.held_out, cell.n_train) for cell in found] == [
        (0, "ann", 100),
        (1, "bob", 100),
        (2, "eve", 100),
    ]


def test_equal_rows_have_equal_keys():
    """Neither the name of the split nor a seed, which changes no row, is in the key of a fold."""
    ours, first = cells(LEAVE, grouped("x"), seeds=(0, 1))
    theirs, _ = cells(replace(LEAVE, name="y"), grouped("y"))
    assert [cell.key for cell in ours if cell.seed == 0] == [cell.key for cell in theirs]
    unseeded = [group.unseeded for group in first.groups[""]]
    assert all(cell is not None for cell in unseeded)
    assert len({cell.key for cell in unseeded}) == 3
    assert [cell.held_out for cell in unseeded] == list(GROUPS)


def test_the_group_is_stored_and_plans_without_one_are_the_bytes_they_were():
    """A cell comes back as it was; one without a group says nothing of groups."""
    (cell, *_), _ = cells(LEAVE, grouped("x"))
    assert cell_from_json(cell_to_json(cell)) == cell
    assert "held_out" not in cell_to_json(replace(cell, held_out=""))


def test_first_tasks_name_the_group():
    """What a plan shows of a task has the group that its fold holds out."""
    (cell, *_), expansion = cells(LEAVE, grouped("x"))
    task: FirstTask = _first(expansion.made["svc"][0].candidate, cell)
    assert (task.fold, task.held_out) == (0, "ann")
