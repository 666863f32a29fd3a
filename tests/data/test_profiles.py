"""Profiles tell what planning needs, and every mistake that only the data shows."""

import polars as pl
import pytest

from manyfit.model.sweep import Problem

ROLES = {"source": "a.csv", "index": "Run", "group": "speaker", "time": "day"}


@pytest.mark.parametrize(
    ("name", "n_rows", "n_columns", "classes", "problem"),
    [
        ("digits", 1797, 64, tuple("0123456789"), Problem.CLASSIFICATION),
        ("breast_cancer", 569, 30, ("benign", "malignant"), Problem.CLASSIFICATION),
        ("iris", 150, 4, ("setosa", "versicolor", "virginica"), Problem.CLASSIFICATION),
        ("wine", 178, 13, ("class_0", "class_1", "class_2"), Problem.CLASSIFICATION),
        ("diabetes", 442, 10, (), Problem.REGRESSION),
    ],
)
def test_bundled_sets(bench, name, n_rows, n_columns, classes, problem):
    """scikit-learn's sets have their own feature names, and class names where there are any."""
    found = bench.good(f"sklearn:{name}")
    assert (found.n_rows, len(found.columns[""]), found.classes, found.problem) == (
        n_rows,
        n_columns,
        classes,
        problem,
    )
    assert found.splits["cv"].n_train == n_rows
    assert found.splits["cv"].folds_seeded
    assert found.spreads.keys() == set(found.columns[""])


def test_a_warm_profile_reads_nothing(bench, table, monkeypatch):
    """An unchanged file is not read again: its profile comes from time stamps."""
    path = bench.write(table)
    import os

    os.utime(path, ns=(10**18, 10**18))
    import time

    time.sleep(0.06)  # files that changed just now are not trusted
    first = bench.good()
    monkeypatch.setattr(pl, "read_csv", None)
    monkeypatch.setattr(pl, "read_parquet", None)
    assert bench.good() == first


def test_features_leave_out_columns_with_roles(bench, table):
    """Patterns choose numeric columns without a role; an exact name brings back any but the target."""
    bench.write(table)
    features = {
        "all": {"include": ["*"]},
        "realistic": {"exclude": ["oracle_*"]},
        "with_run": {"include": ["f*", "Run"]},
    }
    found = bench.good(ROLES, features=features)
    assert found.columns == {
        "all": ("f1", "f2", "oracle_x"),
        "realistic": ("f1", "f2"),
        "with_run": ("Run", "f1", "f2"),
    }
    assert any("color (text)" in warning for warning in found.warnings)


def test_metadata_is_joined_in_row_order(bench, table):
    """Metadata columns serve splits and roles, not features; the rows keep their order."""
    bench.write(table.drop("target", "speaker"))
    bench.write(table.select("Run", "target", "speaker", noise=pl.col("f1")).reverse(), "runs.csv")
    data = {"source": "a.csv", "metadata": "runs.csv", "index": "Run", "group": "speaker"}
    found = bench.good(data, splits={"s": {"kind": "groups", "test": ["s0"], "folds": 3}})
    assert found.columns[""] == ("f1", "f2", "oracle_x")
    rows = bench.rows(found.fingerprint, data, splits={"s": {"kind": "groups", "test": ["s0"], "folds": 3}})
    assert rows.columns("") == found.columns[""]
    selected = rows.select("s", None, 0, ["f1"], True)
    assert selected.rows["test"].tolist() == list(range(0, 60, 6))
    assert selected.ids["test"].tolist() == [str(run) for run in range(0, 60, 6)]


def test_metadata_with_missing_and_repeated_keys(bench, table):
    """Rows without a line and lines that repeat are mistakes with counts and examples."""
    bench.write(table.drop("speaker"))
    runs = table.select("Run", "speaker").head(58)
    bench.write(pl.concat([runs, runs.head(1)]), "runs.csv")
    _, mistakes = bench.profile({"source": "a.csv", "metadata": "runs.csv", "index": "Run"})
    texts = [mistake.message for mistake in mistakes]
    assert texts[0] == '1 values of "Run" stand in runs.csv more than once: "0"'
    assert texts[1] == '2 of 60 rows have no line in runs.csv: "Run" "58", "59"'


def test_text_and_number_keys_meet(bench, table):
    """An index that is a number in one table and a text in the other still joins."""
    bench.write(table.drop("speaker").with_columns(pl.col("Run").cast(pl.String)), "a.parquet")
    bench.write(table.select("Run", "speaker"), "runs.csv")
    assert bench.good({"source": "a.parquet", "metadata": "runs.csv", "index": "Run"}).n_rows == 60


def test_all_mistakes_at_once(bench, table):
    """Features, conditions, groups, folds and labels are all checked in one go."""
    bench.write(table)
    found = bench.wrong(
        {**ROLES, "labels": {"z": "Z"}},
        features={"a": {"include": ["g*"], "exclude": ["oracel_x"]}},
        splits={
            "bad_name": {"train": "Runs < 3", "test": "Run >= 3"},
            "bad_sql": {"train": "Run <", "test": "Run >= 3"},
            "bad_type": {"train": "Run < 30", "test": "color > 3"},
            "no_condition": {"train": "Run + 1", "test": "Run > 3"},
            "overlap": {"train": "Run < 30", "test": "Run >= 20"},
            "empty": {"train": "Run < 30", "test": "Run > 99"},
            "groups": {"kind": "groups", "test": ["s9", "s1"]},
            "few_groups": {"folds": {"n": 7, "kind": "group"}},
            "one_class": {"train": "target = 'a'", "test": "target = 'b'"},
        },
    )
    assert found.keys() == {
        "data.labels.z",
        "features.a.include[0]",
        "features.a.exclude[0]",
        "splits.bad_name.train",
        "splits.bad_sql.train",
        "splits.bad_type.test",
        "splits.no_condition.train",
        "splits.overlap.test",
        "splits.empty.test",
        "splits.groups.test",
        "splits.few_groups.folds",
        "splits.one_class",
    }
    assert 'did you mean "oracle_x"?' in found["features.a.exclude[0]"]
    assert 'did you mean "Run"?' in found["splits.bad_name.train"]
    assert found["splits.overlap.test"] == "10 of its 40 rows are also among the 30 training rows"
    assert 'no group "s9"; groups: "s0"' in found["splits.groups.test"]
    assert "7 folds of whole groups, and the training rows have 6" in found["splits.few_groups.folds"]


@pytest.mark.parametrize(
    ("data", "changes", "key", "part"),
    [
        ("b.csv", {}, "data.source", "no file"),
        ("a.xls", {}, "data.source", "suffix"),
        ("sklearn:irs", {}, "data.source", 'did you mean "iris"?'),
        ("nowhere:load", {}, "data.source", "nowhere"),
        ({"source": "a.csv", "target": "taget"}, {}, "data.target", 'did you mean "target"?'),
        ({"source": "a.csv", "group": "speakr"}, {}, "data.group", 'did you mean "speaker"?'),
        ({"source": "a.csv", "problem": "regression"}, {}, "data.problem", "needs numbers"),
        ({"source": "a.csv", "labels": {"A": "x"}}, {}, "data.labels.A", 'did you mean "a"?'),
        ({"source": "a.csv", "categories": {"x": ["a", "zz"]}}, {}, "data.categories.x[1]", 'no class "zz"'),
        ("a.csv", {"features": {"f": {"include": ["color"]}}}, "features.f.include[0]", "text column"),
        ("a.csv", {"features": {"f": {"include": ["target"]}}}, "features.f.include[0]", "is the target"),
        ("a.csv", {"features": {"f": {"include": ["colo*"]}}}, "features.f", "no numeric feature column"),
        ("a.csv", {"splits": {"s": {"kind": "groups", "test": 0.5}}}, "splits.s", 'group = "..."'),
        ("a.csv", {"splits": {"s": {"kind": "time", "test": 0.5}}}, "splits.s", 'time = "..."'),
        ("a.csv", {"splits": {"s": {"folds": {"n": 3, "kind": "time"}}}}, "splits.s.folds", 'time = "..."'),
        ("a.csv", {"splits": {"s": {"folds": {"n": 3, "kind": "group"}}}}, "splits.s.folds", 'group = "..."'),
        ("a.csv", {"splits": {"s": {"folds": 21}}}, "splits.s.folds", "21 folds of 60"),
        ("a.csv", {"splits": {"s": {"column": "sets"}}}, "splits.s.column", 'did you mean "set"?'),
        ("a.csv", {"splits": {"s": {"column": "set", "test": "tset"}}}, "splits.s.test", 'did you mean "test"?'),
    ],
)
def test_one_mistake(bench, table, data, changes, key, part):
    """One mistake about the data gives one message, at its key."""
    bench.write(table)
    (bench.folder / "a.xls").write_text("")
    found = bench.wrong(data, **changes)
    assert list(found) == [key]
    assert part in found[key]


def test_missing_targets_matter_only_where_they_are_used(bench, table):
    """Rows without a target are a mistake, unless the split filters them out."""
    bench.write(table.with_columns(target=pl.when(pl.col("Run") >= 6).then("target")))
    said = bench.wrong()["splits.cv"]
    assert said.startswith("6 of the 60 rows")
    assert said.endswith('train = "target IS NOT NULL"')
    bench.good(splits={"s": {"train": "target IS NOT NULL", "folds": 3}})


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_the_advised_condition_leaves_out_rows_without_a_target(bench, table, gap):
    """It keeps what was declared, names any column, and a NaN is as missing as a null."""
    bench.write(table.with_columns(pl.Series("the y", [gap, *range(59)], dtype=pl.Float64)), "a.parquet")
    data = {"source": "a.parquet", "target": "the y"}
    said = bench.wrong(data, splits={"s": {"train": "Run >= 0 OR day IS NULL", "folds": 2}})["splits.s.train"]
    advised = said.partition("train = ")[2]
    assert advised == """'(Run >= 0 OR day IS NULL) AND "the y" IS NOT NULL'"""
    bench.good(data, splits={"s": {"train": advised[1:-1], "folds": 2}})


def test_a_column_without_values_is_called_empty(bench, table):
    """Not a text, which nobody wrote; as a target it is refused as such."""
    bench.write(table.with_columns(nothing=pl.lit(None, dtype=pl.String)))
    assert any("nothing (empty)" in warning for warning in bench.good().warnings)
    assert "an empty column" in bench.wrong(features={"f": {"include": ["nothing"]}})["features.f.include[0]"]
    assert "is empty" in bench.wrong({"source": "a.csv", "target": "nothing"})["data.target"]


def test_a_missing_file_is_not_taken_for_a_sweep_file(bench, table):
    """Only files that could be data are suggested."""
    (bench.folder / "tables.toml").write_text("")
    assert "did you mean" not in bench.wrong("table.csv")["data.source"]
    bench.write(table, "tables.csv")
    assert 'did you mean "tables.csv"?' in bench.wrong("table.csv")["data.source"]


def test_a_file_that_is_not_utf_8_says_how_to_mend_it(bench):
    """Latin-1 is what spreadsheets write."""
    (bench.folder / "a.csv").write_bytes("wörd,target\nä,1\nö,2\n".encode("latin-1"))
    assert bench.wrong()["data.source"].endswith("save the file as UTF-8")


def test_small_and_missing_classes_are_warnings(bench, table):
    """Classes that are evaluated but not trained, and classes smaller than the folds, have counts."""
    bench.write(table)
    splits = {
        "s": {"train": "target <> 'c' AND Run < 40 OR Run = 59", "test": "Run BETWEEN 40 AND 58", "folds": 5}
    }
    warnings = bench.good(splits=splits).warnings
    assert any("c (1)" in warning for warning in warnings)
    splits = {"s": {"train": "target <> 'c'", "test": "target = 'c'", "folds": 5}}
    warnings = bench.good(splits=splits).warnings
    assert any('20 of 20 rows of "test"' in warning and "c (20)" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("values", "problem", "classes"),
    [
        ([0, 1] * 30, Problem.CLASSIFICATION, ("0", "1")),
        ([True, False] * 30, Problem.CLASSIFICATION, ("false", "true")),
        (list(range(60)), Problem.REGRESSION, ()),
        ([0.5 * i for i in range(60)], Problem.REGRESSION, ()),
        ([2, 10] * 30, Problem.CLASSIFICATION, ("2", "10")),
    ],
)
def test_problem_is_detected(bench, table, values, problem, classes):
    """Texts, truth values and few integers are classes, in order of number; floats are a regression."""
    bench.write(table.with_columns(target=pl.Series(values)))
    found = bench.good()
    assert (found.problem, found.classes) == (problem, classes)
    assert found.splits["cv"].recipe["folds"]["kind"] == (
        "plain" if problem is Problem.REGRESSION else "stratified"
    )


def test_declared_problem_wins(bench, table):
    """Whole floats can be declared to be classes; taking them as numbers brings a warning."""
    bench.write(table.with_columns(target=pl.Series([1.0, 2.0] * 30)))
    assert "problem = " in bench.good().warnings[-1]
    assert bench.good({"source": "a.csv", "problem": "classification"}).classes == ("1", "2")


def test_a_function_is_called_for_each_variant(bench):
    """A source function in the sweep's folder gets each combination of the grid."""
    (bench.folder / "made_here.py").write_text(
        "from sklearn.datasets import make_classification\n"
        "def load(n, spread=1.0):\n"
        "    return make_classification(n_samples=n, class_sep=spread, random_state=0)\n"
    )
    data = {"source": "made_here:load", "grid": {"n": [60, 80], "spread": [0.5]}}
    profiles, mistakes = bench.profile(data)
    assert mistakes == []
    assert {name: found.n_rows for name, found in profiles.items()} == {
        "n=60 spread=0.5": 60,
        "n=80 spread=0.5": 80,
    }
    assert profiles["n=60 spread=0.5"].columns[""] == tuple(f"x{i}" for i in range(20))
    _, (mistake,) = bench.profile({"source": "made_here:load", "grid": {"m": [1]}})
    assert "unexpected keyword" in mistake.message
    _, (mistake,) = bench.profile("made_here:laod")
    assert 'did you mean "load"?' in mistake.message


def test_gaps_are_counted(bench, table):
    """Missing feature values are counted and named in a warning; NA in a CSV is a gap."""
    text = table.with_columns(f1=pl.when(pl.col("Run") > 1).then("f1")).write_csv(null_value="NA")
    (bench.folder / "a.csv").write_text(text)
    found = bench.good()
    assert found.n_missing == 2
    assert any("f1 (2)" in warning for warning in found.warnings)


def test_recipes_say_what_decides_the_rows(bench, table):
    """White space and the names of splits change no recipe; conditions, folds and the target do."""
    bench.write(table)

    def recipe(**split):
        return bench.good(splits={split.pop("name", "s"): split}).splits.popitem()[1].recipe

    plain = recipe(test="Run > 40", folds=3)
    assert recipe(name="t", test=" Run   >\n40 ", folds=3) == plain
    assert recipe(test="Run > 41", folds=3) != plain
    assert recipe(test="Run > 40", folds=4) != plain
    other = bench.good({"source": "a.csv", "target": "color"}, splits={"s": {"test": "Run > 40", "folds": 3}})
    assert other.splits["s"].recipe != plain
    assert recipe(test="color = 'a  b' OR Run > 40") != recipe(test="color = 'a b' OR Run > 40")
