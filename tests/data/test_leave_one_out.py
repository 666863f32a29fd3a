"""Folds that leave one group out: the data say how many there are, what they hold out, and whether they can be."""

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import LeaveOneGroupOut

LEAVE = "leave_one_group_out"
ROLES = {"source": "a.csv", "group": "speaker"}
SPLITS = {"x": {"kind": LEAVE}}


def test_every_group_is_held_out_once(bench, table):
    """The folds are those of scikit-learn, each with the name of its group, whatever the seed."""
    bench.write(table)
    found = bench.good(ROLES, splits=SPLITS)
    assert found.splits["x"].held_out == ("s0", "s1", "s2", "s3", "s4", "s5")
    assert found.splits["x"].n_folds == 6
    assert not found.splits["x"].folds_seeded
    rows = bench.rows(found.fingerprint, ROLES, splits=SPLITS)
    expected = list(LeaveOneGroupOut().split(table, groups=table["speaker"]))
    for fold, (inside, outside) in enumerate(expected):
        for seed in (0, 7):
            sets = rows.sets("x", fold, seed)
            assert np.array_equal(sets["train"], inside)
            assert np.array_equal(sets["cv"], outside)
            assert set(table["speaker"].gather(sets["cv"])) == {found.splits["x"].held_out[fold]}


def test_groups_that_are_numbers_stand_in_their_order(bench, table):
    """Group 10 comes after group 9."""
    bench.write(table.with_columns(speaker=pl.Series([i % 11 for i in range(60)])))
    found = bench.good(ROLES, splits=SPLITS)
    assert found.splits["x"].held_out == tuple(map(str, range(11)))


def test_only_groups_with_training_rows_are_left_out(bench, table):
    """Groups that are held out for a test are no folds."""
    bench.write(table)
    found = bench.good(ROLES, splits={"x": {"kind": "groups", "test": ["s1", "s4"], "folds": LEAVE}})
    assert found.splits["x"].held_out == ("s0", "s2", "s3", "s5")


def test_groups_are_needed(bench, table):
    """Without a group column, without two groups, and with rows of no group it is a mistake."""
    bench.write(table)
    assert 'group = "..."' in bench.wrong("a.csv", splits=SPLITS)["splits.x.folds"]
    bench.write(table.with_columns(speaker=pl.lit("s0")))
    assert "two groups at least" in bench.wrong(ROLES, splits=SPLITS)["splits.x.folds"]
    bench.write(table.with_columns(speaker=pl.when(pl.col("Run") > 2).then("speaker")), "b.parquet")
    wrong = bench.wrong({**ROLES, "source": "b.parquet"}, splits=SPLITS)
    assert "3 of the 60 training rows have no group" in wrong["splits.x.folds"]


def test_classes_of_one_group_are_foreseen(bench, table):
    """A class that one group alone has is warned of; one class in all other groups cannot be fitted."""
    bench.write(
        table.with_columns(target=pl.when(pl.col("speaker") == "s3").then(pl.lit("z")).otherwise("target"))
    )
    assert any("z (only in s3)" in warning for warning in bench.good(ROLES, splits=SPLITS).warnings)
    bench.write(
        table.with_columns(target=pl.when(pl.col("speaker") == "s3").then(pl.lit("z")).otherwise(pl.lit("a")))
    )
    wrong = bench.wrong(ROLES, splits=SPLITS)
    assert 'without the group "s3" all training rows are of the class "a"' in wrong["splits.x.folds"]


def test_the_rows_decide_the_recipe(bench, table):
    """Both ways to declare it have one recipe; folds of whole groups have another."""
    bench.write(table)
    found = bench.good(ROLES, splits={"x": {"kind": LEAVE}, "y": {"folds": {"kind": LEAVE}}, "z": {"folds": 3}})
    assert found.splits["x"].recipe == found.splits["y"].recipe
    assert found.splits["x"].recipe != found.splits["z"].recipe
    grouped = bench.good(ROLES, splits={"g": {"folds": {"kind": "group", "n": 6}}})
    assert grouped.splits["g"].recipe != found.splits["x"].recipe
    assert grouped.splits["g"].held_out == ()


def test_a_fold_beyond_the_groups_is_refused(bench, table):
    """There is no seventh fold of six groups."""
    bench.write(table)
    found = bench.good(ROLES, splits=SPLITS)
    with pytest.raises(LookupError, match="no fold 6"):
        bench.rows(found.fingerprint, ROLES, splits=SPLITS).sets("x", 6, 0)
