"""Feature schemas differ in names, types, order and mode, and say in what."""

import pytest

from manyfit.model.schema import FeatureSchema, schema_of_json


def schema(names="a b c", types="float int bool", mode="wide"):
    return FeatureSchema(names=tuple(names.split()), types=tuple(types.split()), mode=mode)


OTHERS = {
    "missing: c": schema("a b", "float int"),
    "extra: d": schema("a b c d", "float int bool float"),
    "of another type: b (is float, int is wanted)": schema(types="float float bool"),
    "in another order: feature 2 is c, b is wanted": schema("a c b", "float bool int"),
    'another feature set: "narrow", "wide" is wanted': schema(mode="narrow"),
}


@pytest.mark.parametrize(("line", "other"), OTHERS.items(), ids=[line.partition(":")[0] for line in OTHERS])
def test_each_difference_is_named_and_changes_the_key(line, other):
    """One line says what differs, and the key does too."""
    assert list(schema().difference(other)) == [line]
    assert other.key != schema().key


def test_equal_schemas_have_equal_keys_and_no_difference():
    """The same content is the same key."""
    assert schema().key == schema().key
    assert list(schema().difference(schema())) == []


def test_a_schema_goes_through_json():
    """What is written is read back as it was."""
    assert schema_of_json(schema().as_json()) == schema()


@pytest.mark.parametrize(
    "change",
    [{"names": ["a", "b", "d"]}, {"mode": "narrow"}, {"types": ["int"] * 3}, {"key": 3}, {"names": None}],
    ids=str,
)
def test_a_forged_schema_is_refused(change):
    """A schema whose key is not that of its content was changed by somebody."""
    with pytest.raises(ValueError):
        schema_of_json({**schema().as_json(), **change})


@pytest.mark.parametrize(("names", "types"), [("a a", "int int"), ("a", "text"), ("a b", "int")])
def test_what_is_no_schema_is_refused(names, types):
    """Names that repeat, unknown types, and more names than types."""
    with pytest.raises(ValueError):
        schema(names, types)
