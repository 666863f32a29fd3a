"""Runners get the same rows everywhere, and notice data that is not what was planned."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manyfit.model.errors import DataChanged, NotFound

ROLES = {"source": "a.csv", "index": "Run", "group": "speaker", "time": "day"}


def test_folds_are_those_of_scikit_learn(bench):
    """A cell holds out what StratifiedKFold holds out with the seed of the cell."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    found = bench.good("sklearn:digits")
    rows = bench.rows(found.fingerprint, "sklearn:digits")
    X, y = load_digits(return_X_y=True)
    for fold, (inside, outside) in enumerate(StratifiedKFold(5, shuffle=True, random_state=3).split(X, y)):
        selected = rows.select("cv", fold, 3, found.columns[""], True)
        assert np.array_equal(selected.X["train"], X[inside])
        assert np.array_equal(selected.y["cv"], y[outside])
        assert selected.scored == ("cv", "train")


def test_arrays_are_shared_and_read_only(bench, table):
    """The same cell is cut once, in C order, and nobody can write into what others will use."""
    bench.write(table)
    rows = bench.rows(bench.good().fingerprint)
    selected = rows.select("cv", 0, 0, ["f2", "f1"], False)
    assert rows.select("cv", 0, 0, ["f2", "f1"], False) is selected
    assert selected.scored == ("cv",)
    assert selected.X["train"].flags.c_contiguous
    expected = table.select("f2", "f1").to_numpy()[selected.rows["train"]]
    assert np.array_equal(selected.X["train"], expected)
    for array in (selected.X["train"], selected.y["cv"], selected.rows["cv"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_unknown_places_are_named(bench, table):
    """Splits, folds, columns and variants that are not there are refused with their name."""
    bench.write(table)
    rows = bench.rows(bench.good().fingerprint)
    for arguments in (("vc", 0, 0, ["f1"]), ("cv", 5, 0, ["f1"]), ("cv", 0, 0, ["color"])):
        with pytest.raises(NotFound):
            rows.select(*arguments, True)


def test_changed_data_is_named(bench, table):
    """Another value in the file stops the runner, with the file and the column."""
    bench.write(table)
    found = bench.good()
    bench.write(table.with_columns(f2=pl.col("f2") + (pl.col("Run") == 7)))
    with pytest.raises(DataChanged, match=r'"a\.csv" changed .* columns that differ: "f2".*manyfit run'):
        bench.rows(found.fingerprint)


def test_touched_data_is_the_same_data(bench, table):
    """New time stamps alone change nothing."""
    path = bench.write(table)
    found = bench.good()
    os.utime(path, ns=(time.time_ns() + 10**9, time.time_ns() + 10**9))
    assert bench.rows(found.fingerprint).classes == ("a", "b", "c")


def test_another_host_converts_for_itself(bench, table):
    """Without a copy the source is read; with a copy the source may be away; with neither it is refused."""
    path = bench.write(table)
    fingerprint = bench.good().fingerprint
    shutil.rmtree(bench.cache)
    assert bench.rows(fingerprint).classes == ("a", "b", "c")
    path.unlink()
    assert bench.rows(fingerprint).classes == ("a", "b", "c")
    shutil.rmtree(bench.cache)
    with pytest.raises(DataChanged, match=r"no file \"a\.csv\""):
        bench.rows(fingerprint)
    bench.write(table.head(50))
    with pytest.raises(DataChanged, match="not what the plan was made from"):
        bench.rows(fingerprint)


LIGHT = """
import sys
from pathlib import Path
from manyfit.data.rows import open_rows
from manyfit.declare import from_mapping
spec, _ = from_mapping({"name": "s", "data": "a.csv", "pipelines": {"p": {"steps": "SVC"}}})
folder = Path(sys.argv[1])
rows = open_rows(spec, folder / "sweep", "", sys.argv[2], cache=folder / "cache")
rows.select("cv", 0, 0, ["f1"], True)
print("polars" in sys.modules)
"""


def test_runners_need_no_data_frames(bench, table):
    """A runner on a host with a copy does not import Polars."""
    path = bench.write(table)
    os.utime(path, ns=(10**18, 10**18))
    time.sleep(0.06)  # files that changed just now are not trusted
    found = bench.good()
    command = [sys.executable, "-c", LIGHT, str(bench.folder.parent), found.fingerprint]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def sets_of(bench, data=ROLES, **split):
    """Return the rows of every set of one split, by name."""
    found = bench.good(data, splits={"s": split})
    return bench.rows(found.fingerprint, data, splits={"s": split}).select("s", None, 0, ["f1"], True)


def test_filters_and_the_rest(bench, table):
    """A filter without train trains on the rows in no set; unknown (NULL) is not in a set."""
    bench.write(table.with_columns(f2=pl.when(pl.col("Run") != 55).then("f2")))
    sets = sets_of(bench, validate="Run BETWEEN 40 AND 49", test="Run >= 50 AND f2 > -1000", noisy="Run = 59").rows
    assert sets["validate"].tolist() == list(range(40, 50))
    assert sets["test"].tolist() == [50, 51, 52, 53, 54, 56, 57, 58, 59]
    assert sets["noisy"].tolist() == [59]
    assert sets["train"].tolist() == [*range(40), 55]


def test_time_holds_out_the_latest(bench, table):
    """The last declared set is the latest; training rows come before all of them."""
    bench.write(table.sample(fraction=1.0, shuffle=True, seed=1))
    sets = sets_of(bench, kind="time", validate=0.2, test=0.1)
    runs = {name: sorted(int(run) for run in ids) for name, ids in sets.ids.items()}
    assert runs == {"train": list(range(42)), "validate": list(range(42, 54)), "test": list(range(54, 60))}


def test_time_folds_train_on_the_past(bench, table):
    """Every fold in the order of time is later than its training rows, in whatever order the table is."""
    bench.write(table.sample(fraction=1.0, shuffle=True, seed=1))
    splits = {"s": {"kind": "time", "test": 0.1, "folds": 3}}
    found = bench.good(ROLES, splits=splits)
    assert not found.splits["s"].folds_seeded
    rows = bench.rows(found.fingerprint, ROLES, splits=splits)
    for fold in range(3):
        cell = rows.select("s", fold, 0, ["f1"], True)
        runs = {name: [int(run) for run in ids] for name, ids in cell.ids.items()}
        # two runs share each day
        assert max(runs["train"]) // 2 <= min(runs["cv"]) // 2
        assert max(runs["cv"]) < 54


def test_a_gap_is_in_no_set(bench, table):
    """Rows right before those that are evaluated neither train nor count, in the split and in its folds."""
    bench.write(table.sample(fraction=1.0, shuffle=True, seed=1))
    plain, wide = ({"s": {"kind": "time", "test": 0.1, "folds": 3, **more}} for more in ({}, {"gap": 6}))
    before, after = bench.good(ROLES, splits=plain), bench.good(ROLES, splits=wide)
    assert (before.splits["s"].n_train, after.splits["s"].n_train) == (54, 48)
    assert after.splits["s"].recipe == {**before.splits["s"].recipe, "gap": 6}
    whole = bench.rows(after.fingerprint, ROLES, splits=wide).select("s", None, 0, ["f1"], True)
    assert max(int(run) for run in whole.ids["train"]) == 47
    for fold in range(3):
        cell = bench.rows(after.fingerprint, ROLES, splits=wide).select("s", fold, 0, ["f1"], True)
        runs = {name: [int(run) for run in ids] for name, ids in cell.ids.items()}
        assert min(runs["cv"]) - max(runs["train"]) >= 6


def test_column_names_the_sets(bench, table):
    """The column of a predefined split decides; a default set that nobody has is left out."""
    bench.write(table)
    found = bench.good("a.csv", splits={"s": {"column": "set"}})
    assert found.splits["s"].n_sets == {"test": 20}
    assert found.splits["s"].n_train == 40


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["random", "groups", "time"]),
    validate=st.floats(0.1, 0.35),
    test=st.floats(0.1, 0.35),
    n=st.integers(2, 3),
    fold_kind=st.sampled_from(["stratified", "plain", "group", "stratified_group", "time"]),
    seed=st.integers(0, 99),
)
def test_splits_and_folds_partition_the_rows(bench, table, kind, validate, test, n, fold_kind, seed):
    """
    Sets and training rows are every row once; so are the folds inside the training rows.

    Groups stay whole where that is asked for, time folds never look ahead, and opening the data again
    gives the same rows.
    """
    if not (bench.folder / "a.csv").exists():
        bench.write(table)
    split = {"kind": kind, "validate": validate, "test": test, "seed": seed, "folds": {"n": n, "kind": fold_kind}}
    if kind == "time":
        del split["seed"]
    splits = {"s": split}
    profiles, mistakes = bench.profile(ROLES, splits=splits)
    if mistakes:  # too few groups are left for the folds, or groups of one class only
        assert "groups" in str(mistakes[0]) or "are of the class" in str(mistakes[0])
        return
    rows = bench.rows(profiles[""].fingerprint, ROLES, splits=splits)
    whole = rows.select("s", None, seed, ["f1"], True)
    assert sorted(np.concatenate(list(whole.rows.values()))) == list(range(60))
    sizes = profiles[""].splits["s"]
    assert {"train": sizes.n_train, **sizes.n_sets} == {name: len(part) for name, part in whole.rows.items()}
    if kind == "groups":
        speakers = [set(table["speaker"].gather(part)) for part in whole.rows.values()]
        assert sum(map(len, speakers)) == 6
    held_out = []
    for fold in range(n):
        cell = rows.select("s", fold, seed, ["f1"], True)
        train, cv = cell.rows["train"], cell.rows["cv"]
        held_out.append(cv)
        assert not set(train) & set(cv)
        if "group" in fold_kind:
            assert not set(table["speaker"].gather(train)) & set(table["speaker"].gather(cv))
        if fold_kind == "time":
            assert train.max() < cv.min()
        else:
            assert sorted([*train, *cv]) == whole.rows["train"].tolist()
    if fold_kind != "time":
        assert sorted(np.concatenate(held_out)) == whole.rows["train"].tolist()
    again = bench.rows(profiles[""].fingerprint, ROLES, splits=splits).select("s", 0, seed, ["f1"], True)
    assert np.array_equal(again.rows["cv"], held_out[0])
