"""Gradient boosting keeps one contract over two libraries."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import cross_val_score
from tests.families.libraries import needs

from manyfit.models.gbt import GbtClassifier, GbtRegressor

LIBRARIES = [pytest.param(name, marks=needs(name)) for name in ("lightgbm", "xgboost")]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("params", [{}, {"subsample": 0.5, "colsample": 0.5}], ids=["all", "drawn"])
def test_a_fit_repeats_bit_for_bit(library, params):
    """The same seed and threads give the same probabilities; another seed matters only where it draws."""
    X, y = load_wine(return_X_y=True)

    def answer(seed, n_jobs=1, n_estimators=15):
        made = GbtClassifier(library=library, n_jobs=n_jobs, random_state=seed, **params)
        return made.set_params(n_estimators=n_estimators).fit(X, y).predict_proba(X)

    assert np.array_equal(answer(1), answer(1))
    assert np.array_equal(answer(1), answer(2)) == (params == {})
    assert np.array_equal(answer(1, 2, 2), answer(1, 2, 2))


@pytest.mark.parametrize("library", LIBRARIES)
def test_texts_and_codes_are_the_same_classes(library):
    """Names of classes give the predictions of their codes, and the columns of probabilities follow them."""
    X, y = load_wine(return_X_y=True)
    names = np.array(["cherry", "apple", "banana"])[y]
    model = GbtClassifier(library=library, n_estimators=10).fit(X, names)
    assert model.classes_.tolist() == ["apple", "banana", "cherry"]
    assert (model.predict(X) == names).mean() > 0.98
    assert np.array_equal(model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X))
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_of_classes_shift_the_answer(library):
    """A heavy class is predicted more often, whether by name or by balance."""
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.1).astype(int)
    X = y[:, None] * 0.7 + rng.normal(size=(400, 2))
    shares = [
        GbtClassifier(library=library, n_estimators=10, max_leaves=4, class_weight=weight)
        .fit(X, y)
        .predict(X)
        .mean()
        for weight in (None, "balanced", {0: 1, 1: 100})
    ]
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_values_tell_something(library):
    """Where only a missing value tells the classes apart, the model learns it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (rng.random(300) < 0.5).astype(int)
    X[y == 1, 0] = np.nan
    assert GbtClassifier(library=library, n_estimators=5).fit(X, y).score(X, y) == 1
    assert GbtRegressor(library=library, n_estimators=30).fit(X, y.astype(float)).score(X, y) > 0.9


@pytest.mark.parametrize("library", LIBRARIES)
def test_leaves_and_depth_bound_a_tree(library):
    """With two leaves each tree is a stump, and so it is with a depth of one."""
    X, y = load_breast_cancer(return_X_y=True)
    by_leaves = GbtClassifier(library=library, n_estimators=3, max_leaves=2).fit(X, y)
    by_depth = GbtClassifier(library=library, n_estimators=3, max_depth=1).fit(X, y)
    assert np.allclose(by_leaves.predict_proba(X), by_depth.predict_proba(X))
    assert len(np.unique(by_leaves.predict_proba(X)[:, 1].round(9))) <= 8


@needs("lightgbm")
@needs("xgboost")
def test_both_libraries_are_about_as_good():
    """On real data the two agree in their scores, since their parameters mean the same."""
    X, y = load_breast_cancer(return_X_y=True)
    scores = [
        cross_val_score(GbtClassifier(library=name, n_estimators=40), X, y, cv=3).mean()
        for name in ("lightgbm", "xgboost")
    ]
    assert min(scores) > 0.95
    assert abs(scores[0] - scores[1]) < 0.02
    X, y = load_diabetes(return_X_y=True)
    errors = [
        cross_val_score(GbtRegressor(library=name, n_estimators=40, max_leaves=6), X, y, cv=3).mean()
        for name in ("lightgbm", "xgboost")
    ]
    assert min(errors) > 0.35
    assert abs(errors[0] - errors[1]) < 0.05


@needs("xgboost")
def test_a_library_that_is_not_there_is_named(tmp_path):
    """The error says what to install, and that the other library would do."""
    (tmp_path / "lightgbm.py").write_text('raise ModuleNotFoundError("no", name="lightgbm")\n')
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from manyfit.models.gbt import GbtClassifier\n"
        "GbtClassifier(library='xgboost', n_estimators=2).fit([[0.0], [1.0]] * 5, [0, 1] * 5)\n"
        "GbtClassifier().fit([[0.0], [1.0]], [0, 1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtra" in done.stderr
    assert "pip install 'manyfit[boost]', or write library = \"xgboost\"" in done.stderr


def test_one_class_is_refused():
    """There is nothing to tell apart in rows of one class."""
    with pytest.raises(ValueError, match="one class only"):
        GbtClassifier().fit([[0.0], [1.0]], [1, 1])


@needs("xgboost")
def test_other_models_keep_their_voice():
    """What xgboost warns of in a later fit of the same process is not silenced."""
    from xgboost import get_config

    before = get_config()
    GbtClassifier(library="xgboost", n_estimators=2).fit([[0.0], [1.0]] * 5, [0, 1] * 5)
    assert get_config() == before
