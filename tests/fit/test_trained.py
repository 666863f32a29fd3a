"""A fitted model takes the features that it was fitted on, and no others."""

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from manyfit.fit.measuring import Answered, Sample
from manyfit.fit.trained import Trained
from manyfit.fit.verification import answers_of
from manyfit.model.errors import SchemaMismatch, UserError
from manyfit.model.schema import FeatureSchema
from manyfit.model.sweep import DataSpec, Problem

X, Y = load_iris(return_X_y=True)
NAMES = ("sl", "sw", "pl", "pw")
CLASSES = ("setosa", "versicolor", "virginica")


def frame(**more) -> pl.DataFrame:
    return pl.DataFrame({name: X[:, i] for i, name in enumerate(NAMES)} | more)


def trained(estimator=None, types=("float",) * 4, **changes) -> Trained:
    values = {
        "estimator": (estimator or KNeighborsClassifier()).fit(X, Y),
        "problem": Problem.CLASSIFICATION,
        "classes": CLASSES,
        "schema": FeatureSchema(names=NAMES, types=types, mode="all"),
        "manifest": {"table": {"include": ["*"], "exclude": ["x_*"], "others": ["kind"]}},
    }
    return Trained(**{**values, **changes})


def test_predictions_are_those_of_the_estimator():
    """Class texts, the probability of the predicted class, and that of each class."""
    model = trained()

    found = model.predict(frame(kind=Y, x_more=Y))

    chances = model.estimator.predict_proba(X)
    assert found.columns == ["predicted", "confidence", "p:setosa", "p:versicolor", "p:virginica"]
    assert found["predicted"].to_list() == [CLASSES[code] for code in model.estimator.predict(X)]
    assert np.array_equal(found.select("^p:.*$").to_numpy(), chances)
    assert np.array_equal(found["confidence"].to_numpy(), chances.max(axis=1))


def test_a_model_without_probabilities_has_no_confidence():
    """The column is there and empty."""
    found = trained(RidgeClassifier()).predict(frame())
    assert found.columns == ["predicted", "confidence"]
    assert found["confidence"].null_count() == 150


def test_a_regression_predicts_numbers():
    """The numbers of the estimator, bit by bit."""
    model = trained(LinearRegression(), problem=Problem.REGRESSION, classes=())
    assert np.array_equal(model.predict(frame())["predicted"].to_numpy(), model.estimator.predict(X))


def test_a_class_that_the_training_rows_lacked_has_no_probability():
    """Probabilities stand under their own classes."""
    some = Y != 1
    found = trained().predict(frame())
    model = trained(estimator=KNeighborsClassifier())
    model.estimator.fit(X[some], Y[some])
    found = model.predict(frame())
    assert set(found["predicted"]) == {"setosa", "virginica"}
    assert found["p:versicolor"].to_list() == [0.0] * 150
    assert found.row(149, named=True)["p:virginica"] == 1.0


REFUSED = {
    "missing: pw": frame().drop("pw"),
    "extra: height": frame(height=Y),
    "no numbers: sw (String)": frame().with_columns(pl.col("sw").cast(pl.String)),
    "in another order: feature 1 is pw, sl is wanted": frame().select("pw", "sl", "sw", "pl"),
    "of another type: sl (is bool, float is wanted)": frame().with_columns(pl.col("sl") > 5),
}


@pytest.mark.parametrize(("line", "table"), REFUSED.items(), ids=[line.partition(":")[0] for line in REFUSED])
def test_another_table_is_refused_with_the_difference(line, table):
    """The message shows what is otherwise, and how to take columns by name where that is a way out."""
    with pytest.raises(SchemaMismatch) as caught:
        trained().predict(table)
    assert caught.value.differences == (line,)
    assert line in str(caught.value)
    assert ("by_name" in str(caught.value)) == line.startswith(("extra", "in another order"))


def test_by_name_order_and_further_columns_do_not_matter():
    """The same answers, whatever else is in the table."""
    model = trained()
    table = frame(height=Y).select("height", "pw", "sl", "sw", "pl")
    assert model.predict(table, by_name=True).equals(model.predict(frame()))
    with pytest.raises(SchemaMismatch, match="missing: pw"):
        model.predict(frame().drop("pw"), by_name=True)


def test_another_mode_is_refused():
    """A schema under another name is another one, whatever its columns."""
    other = FeatureSchema(names=NAMES, types=("float",) * 4, mode="oracle")
    with pytest.raises(SchemaMismatch, match='another feature set: "oracle", "all" is wanted'):
        trained().check(other)


def test_whole_numbers_do_as_floats_and_gaps_as_missing():
    """A file of a few rows has neither always a fraction in each column nor a value."""
    model = trained()
    table = pl.DataFrame({"sl": [5, 6], "sw": [3.0, 3.5], "pl": [1, 2], "pw": [None, None]})
    assert np.array_equal(model.matrix(table)[:, :3], [[5, 3, 1], [6, 3.5, 2]])
    assert np.isnan(model.matrix(table)[:, 3]).all()


def test_fractions_do_not_do_as_whole_numbers():
    """A model of counts gets no fractions."""
    with pytest.raises(SchemaMismatch, match="sl \\(is float, int is wanted\\)"):
        trained(types=("int", "float", "float", "float")).matrix(frame())


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, table: model.predict(table),
        answers_of,
        lambda model, table: Answered(model, Sample(frame=table, y=Y, groups=None, data=DataSpec(source=""))),
    ],
    ids=["predict", "verify", "gate"],
)
@pytest.mark.parametrize(("value", "what"), [(None, "no value"), (float("inf"), "missing or infinite values")])
def test_gaps_that_a_model_does_not_take_are_named(ask, value, what):
    """Rows without a value are told by number and column, whoever asks the model."""
    gaps = pl.when(pl.col("sw") > 4).then(pl.lit(value, dtype=pl.Float64)).otherwise(pl.col("sw"))
    with pytest.raises(UserError, match=f'3 of 150 rows have {what} in "sw", and the model does not'):
        ask(trained(), frame().with_columns(gaps.alias("sw")))


def test_other_errors_of_a_model_stay_what_they_are():
    """An error that is not about gaps is not explained by them."""
    model = trained()
    model.estimator.n_features_in_ = 2
    with pytest.raises(ValueError, match="expecting 2 features"):
        model.predict(frame())
