"""Tables that a sweep never saw are read like its own, and what does not fit is told all at once."""

import numpy as np
import polars as pl
import pytest

from manyfit.data.identities import row_keys
from manyfit.data.unseen import read_table_like
from manyfit.data.verifiable import of_unseen_groups, seen_rows, set_of_rows, verifiable
from manyfit.model.errors import UserError
from manyfit.model.sweep import DataSpec, Problem

DATA = DataSpec(source="own.csv", index="id", group="who", target="kind")
TABLE = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "who": ["ann", "ann", "bob", None],
        "f1": [0.5, 1.5, None, -0.0],
        "f2": [1, 2, 3, 4],
        "kind": ["a", "b", "a", None],
    }
)


def fitted(frame=TABLE, data=DATA, problem=Problem.CLASSIFICATION, classes=("a", "b"), columns=("f1", "f2")):
    return verifiable(frame, data, problem=problem, classes=classes, columns=columns, file="new.csv")


def test_a_file_is_looked_for_where_the_person_is(tmp_path):
    """Paths start from the working folder, not from that of the sweep."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    TABLE.write_csv(here / "new.csv")
    assert read_table_like(DATA, "new.csv", there, here=here).equals(TABLE)
    assert read_table_like(DATA, str(here / "new.csv"), there).equals(TABLE)
    with pytest.raises(UserError, match=r'there is no file "ne\.csv".*did you mean "new\.csv"'):
        read_table_like(DATA, "ne.csv", there, here=here)


def test_the_metadata_of_the_sweep_is_joined(tmp_path):
    """Its file lies beside the sweep; a table that has its columns already is taken as it is."""
    data = DataSpec(source="own.csv", metadata="about.csv", index="id", group="who")
    pl.DataFrame({"id": [1, 2, 3, 4], "who": list("xyxy")}).write_csv(tmp_path / "about.csv")
    pl.DataFrame({"id": [4, 2], "f": [0.5, 1.0]}).write_csv(tmp_path / "new.csv")
    joined = read_table_like(data, "new.csv", tmp_path, here=tmp_path)
    assert joined["who"].to_list() == ["y", "y"]
    joined.write_parquet(tmp_path / "whole.parquet")
    assert read_table_like(data, "whole.parquet", tmp_path, here=tmp_path).equals(joined)
    pl.DataFrame({"id": [4, 9], "f": [0.5, 1.0]}).write_csv(tmp_path / "new.csv")
    with pytest.raises(UserError, match=r"new\.csv: data\.metadata: 1 of 2 rows have no line in about\.csv"):
        read_table_like(data, "new.csv", tmp_path, here=tmp_path)


def test_other_sources_are_read_too(tmp_path):
    """What a sweep may have as its source, a verification may have."""
    assert read_table_like(DATA, "sklearn:iris", tmp_path).height == 150


def test_windows_shape_an_unseen_table_too(tmp_path):
    """One row a sample comes in, one row a window comes out, as in the sweep."""
    from manyfit.declare import from_mapping

    data = {"source": "own.csv", "group": "who", "windows": {"size": 4, "channels": ["v"], "by": "who"}}
    spec, mistakes = from_mapping({"name": "s", "data": data, "pipelines": {"p": {"steps": ["SVC"]}}})
    assert not mistakes
    pl.DataFrame({"who": ["a"] * 8, "v": list(range(8)), "target": ["x"] * 4 + ["y"] * 4}).write_csv(
        tmp_path / "new.csv"
    )
    found = read_table_like(spec.data, "new.csv", tmp_path, here=tmp_path)
    assert (found.height, found["target"].to_list()) == (2, ["x", "y"])


def test_targets_have_the_codes_of_the_sweep():
    """A table that lacks a class has the same codes; a row without a target has none."""
    found = fitted(TABLE.filter(pl.col("id") > 1), classes=("a", "b", "c"))
    assert found.target.tolist() == [1, 0, -1]
    assert found.judged().tolist() == [True, True, False]
    assert fitted(
        TABLE.with_columns(kind=pl.Series([2.0, 1.0, 2.0, None])), classes=("1", "2")
    ).target.tolist() == [
        1,
        0,
        1,
        -1,
    ]


def test_every_mistake_is_told_at_once():
    """No such class, no such feature, a text where a number is wanted: all three, with what would be right."""
    strange = TABLE.drop("f2").with_columns(kind=pl.Series(["a", "z", "z", "y"]), f1=pl.Series(list("abcd")))
    with pytest.raises(UserError) as raised:
        fitted(strange, columns=("f1", "f2"))
    lines = str(raised.value).splitlines()
    assert lines[0] == "new.csv has 3 mistakes:"
    assert lines[1].startswith(
        '  data.target: 3 rows are of classes in "kind" that the sweep does not have: "y (1)", "z (2)"'
    )
    assert 'it has "a", "b"' in lines[1]
    assert lines[2] == '  features: 1 of 2 features are missing: "f2"'
    assert lines[3] == '  features: numbers are wanted in "f1 (String)"'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": None}, r'new\.csv: data\.target: there is no column "kind"'),
        ({"kind": pl.Series([None] * 4, dtype=pl.String)}, '"kind" is empty: no row says what is true'),
    ],
)
def test_a_target_is_needed(change, message):
    """Without one nothing can be verified."""
    frame = TABLE.drop("kind").with_columns(**{name: value for name, value in change.items() if value is not None})
    with pytest.raises(UserError, match=message):
        fitted(frame)


def test_a_regression_wants_numbers():
    """Texts are refused, and gaps are rows without a target."""
    with pytest.raises(UserError, match="a regression needs numbers"):
        fitted(problem=Problem.REGRESSION, classes=())
    numbers = fitted(
        TABLE.with_columns(kind=pl.Series([1.0, None, 3.0, 4.0])), problem=Problem.REGRESSION, classes=()
    )
    assert numbers.judged().tolist() == [True, False, True, True]


def test_roles_that_are_not_needed_may_lack():
    """Without index and group a note says what that costs."""
    found = fitted(TABLE.drop("id", "who"))
    assert (found.ids, found.groups) == (None, None)
    assert len(found.notes) == 2
    assert 'has no group column "who": there are no scores by group' in found.notes[1]


def test_rows_that_trained_are_known_by_index_and_by_content():
    """A row is seen by the text of its index, or by equal features and target under another index."""
    trained = fitted()
    table = fitted(
        TABLE[[1, 0, 2]].with_columns(id=pl.Series([2, 77, 78]), f1=pl.Series([9.0, 0.5, 0.25])),
        classes=("a", "b"),
    )
    seen = seen_rows(table, trained, np.array([0, 1, 2]))
    assert seen.by_index.tolist() == [True, False, False]
    assert seen.by_content.tolist() == [False, True, False]
    assert not seen_rows(table, trained, np.array([2])).any.any()


def test_row_keys_do_not_depend_on_the_file():
    """Widths of numbers, the order of columns, the sign of zero and the kind of gap change nothing; values do."""
    other = TABLE.select(pl.col("f2").cast(pl.Float32), pl.col("f1").fill_null(float("nan")), "kind")
    other = other.with_columns(f1=pl.when(pl.col("f1") == 0).then(0.0).otherwise("f1"))
    names = ["f1", "f2", "kind"]
    assert row_keys(TABLE, names) == row_keys(other, names[::-1])
    assert row_keys(TABLE, names)[0] != row_keys(TABLE.with_columns(f2=pl.col("f2") + 1), names)[0]
    assert len(set(row_keys(TABLE, names))) == 4


def test_unseen_groups_have_no_row_in_training():
    """One row of a group in training makes all of its rows seen; rows of no group are never of an unseen one."""
    found = fitted()
    assert of_unseen_groups(found, np.array([0])).tolist() == [False, False, True, False]
    assert of_unseen_groups(found, np.array([2])).tolist() == [True, True, False, False]


def test_rows_know_their_set():
    """Rows in no set have no name of one."""
    assert set_of_rows({"train": np.array([0, 2]), "test": np.array([1])}, 4) == ["train", "test", "train", ""]


def test_a_function_may_give_the_rows(tmp_path):
    """Found beside the sweep file, with the arguments of the data variant, like the sweep's own source."""
    (tmp_path / "made_rows.py").write_text(
        "def rows(n=1):\n    return {'f1': list(range(n)), 'kind': ['a'] * n}\n"
    )
    assert read_table_like(DATA, "made_rows:rows", tmp_path, params={"n": 3}).height == 3


def test_anomalies_without_labels_cannot_be_verified():
    """A sweep that knows no labels has nothing that a prediction could be held against."""
    data = DataSpec(source="own.csv", problem=Problem.ANOMALY)
    with pytest.raises(UserError, match="without labels nothing says what is true"):
        fitted(TABLE.drop("kind"), data=data, classes=("normal", "anomaly"))
