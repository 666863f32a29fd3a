"""Perceptrons trained together, beside stand-alone fits with the same draws."""

import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import shuffle
from tests.families.fusion.side_by_side import assert_all_fused_as_alone, batch_of, grid

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import CannotFuse, Fuse, Guarantee
from manyfit.families.fusion.nets import (
    CLASSIFIER,
    FEWEST_NETS,
    MOST_NETS,
    REGRESSOR,
    NetsRule,
    Stream,
    crews,
    hidden,
)
from manyfit.families.fusion.nets_training import Shape
from manyfit.testing.fusion import FusionSuite, Sample

RULE = NetsRule()
SIZE = FitSize(n_rows=150, n_columns=8, n_classes=3)
AXES = {"learning_rate_init": [0.002, 0.02], "alpha": [1e-4, 0.5], "random_state": [0, 3]}


def _classes(k=3):
    X, y = make_classification(180, 8, n_informative=6, n_redundant=0, n_classes=k, random_state=0)
    return X[:150], y[:150], X[150:]


def _numbers(**options):
    X, y = make_regression(180, 8, noise=1, random_state=0, **options)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    return X[:150], y[:150], X[150:]


def _fitted(rule, batch):
    """Return the fused estimators by position; no warning is expected but that training ended early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {position: source.estimator for position, source in rule.run(batch)}


def _alone(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def _assert_trained_alike(estimators, X, y, test, within=1e-8):
    """Hold weights, losses and numbers of epochs to those of stand-alone fits."""
    found = _fitted(RULE, batch_of(estimators, X, y, test=test))
    assert len(found) == len(estimators)
    for position, net in found.items():
        expected = _alone(estimators[position], X, y)
        assert net.n_iter_ == expected.n_iter_
        assert net.loss_ == pytest.approx(expected.loss_, rel=within)
        pairs = zip([*net.coefs_, *net.intercepts_], [*expected.coefs_, *expected.intercepts_], strict=True)
        for mine, wanted in pairs:
            assert mine.dtype == wanted.dtype
            np.testing.assert_allclose(mine, wanted, rtol=0, atol=within)
    return found


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("k", [2, 3])
def test_classifiers_train_alike(activation, k):
    """Adam takes the same steps for every net, with two classes and more."""
    X, y, test = _classes(k)
    net = MLPClassifier(hidden_layer_sizes=(7, 5), activation=activation, max_iter=12, batch_size=32)
    estimators = grid(net, **AXES)
    _assert_trained_alike(estimators, X, y, test)
    assert_all_fused_as_alone(RULE, batch_of(estimators, X, y, test=test), within=1e-8)


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("nesterovs_momentum", [True, False])
def test_gradient_descent_trains_alike(learning_rate, nesterovs_momentum):
    """Every schedule of the learning rate, with momentum of both kinds."""
    X, y, test = _classes()
    net = MLPClassifier(
        hidden_layer_sizes=6,
        solver="sgd",
        learning_rate=learning_rate,
        nesterovs_momentum=nesterovs_momentum,
        max_iter=60,
        tol=0.02,
        n_iter_no_change=2,
    )
    estimators = grid(net, learning_rate_init=[0.01, 0.2], momentum=[0.0, 0.9], random_state=[1])
    found = _assert_trained_alike(estimators, X, y, test)
    if learning_rate == "constant":
        assert len({net.n_iter_ for net in found.values()}) > 1


@pytest.mark.parametrize("n_targets", [1, 3])
def test_regressors_train_alike(n_targets):
    """One target and several."""
    X, y, test = _numbers(n_targets=n_targets)
    net = MLPRegressor(hidden_layer_sizes=(9,), max_iter=15, activation="tanh")
    estimators = grid(net, **AXES)
    _assert_trained_alike(estimators, X, y, test)
    assert_all_fused_as_alone(RULE, batch_of(estimators, X, y, test=test), within=1e-8)


def test_moments_of_adam_may_differ():
    """Betas are values of each net."""
    X, y, test = _classes()
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=8)
    estimators = grid(net, beta_1=[0.5, 0.9], beta_2=[0.9, 0.999], random_state=[0])
    _assert_trained_alike(estimators, X, y, test)


def test_nets_leave_when_they_stop():
    """Nets that stop at different epochs are as if they had been alone, and so are those that go on."""
    X, y, test = _classes()
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=150, n_iter_no_change=3, tol=1e-3)
    estimators = grid(net, learning_rate_init=[0.01, 0.1, 0.5], random_state=[0, 1])
    found = _assert_trained_alike(estimators, X, y, test, within=1e-5)
    assert len({net.n_iter_ for net in found.values()}) > 3


def test_rows_in_order_and_uneven_batches():
    """Without shuffling, and with a last batch of fewer rows."""
    X, y, test = _classes()
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=8, shuffle=False, batch_size=47)
    _assert_trained_alike(grid(net, **AXES), X, y, test)


def test_words_frames_and_missing_classes():
    """Labels that are words, rows in a data frame, and a class that the fold lacks."""
    X, y, test = _classes(4)
    words = np.array(["low", "mid", "high", "top"])[y]
    keep = words != "mid"
    names = [f"c{j}" for j in range(X.shape[1])]
    frames = pd.DataFrame(X[keep], columns=names), pd.DataFrame(test, columns=names)
    estimators = grid(MLPClassifier(hidden_layer_sizes=(6,), max_iter=5), **AXES)
    assert_all_fused_as_alone(RULE, batch_of(estimators, frames[0], words[keep], test=frames[1]), within=1e-8)


def test_several_labels_for_each_row():
    """Labels in columns are predicted as scikit-learn predicts them."""
    X, y, test = _classes(4)
    Y = np.column_stack([y > 1, y % 2 == 0]).astype(int)
    estimators = grid(MLPClassifier(hidden_layer_sizes=(6,), max_iter=5), **AXES)
    _assert_trained_alike(estimators, X, Y, test)
    assert_all_fused_as_alone(RULE, batch_of(estimators, X, Y, test=test), within=1e-8)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_float32_trains_with_32_bits(solver):
    """Rows of 32 bits are trained with 32 bits, as far as they carry."""
    X, y, test = _classes()
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=4, solver=solver)
    rows = X.astype(np.float32), y, test.astype(np.float32)
    _assert_trained_alike(grid(net, **AXES), *rows, within=1e-4)


def test_unfinished_nets_warn():
    """Each net that reaches max_iter warns in the step that yields it; a net that has converged does not."""
    X, y, test = _classes()
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=6, tol=0.01, n_iter_no_change=2)
    estimators = [
        *grid(net, learning_rate_init=[1e-4], random_state=[0]),
        *grid(net, learning_rate_init=[0.03], random_state=[0]),
    ]
    expected = [_alone(one, X, y).n_iter_ == 6 for one in estimators]
    assert sorted(expected) == [False, True]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for position, _ in RULE.run(batch_of(estimators, X, y, test=test)):
            texts = [str(one.message) for one in seen if one.category is ConvergenceWarning]
            assert len(texts) == int(expected[position])
            seen.clear()


def test_a_net_that_stops_in_the_last_epoch_does_not_warn():
    """To converge in the very last epoch is to converge."""
    X, y, test = _classes()
    net = MLPClassifier(hidden_layer_sizes=(6,), max_iter=99, tol=0.05, n_iter_no_change=2, random_state=0)
    net.set_params(max_iter=_alone(net, X, y).n_iter_)
    assert net.max_iter < 99
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(X, y)
        assert len(list(RULE.run(batch_of([net], X, y, test=test)))) == 1


def test_a_net_that_diverges_is_left_alone():
    """scikit-learn raises for weights that are not finite: such a net is not yielded, the others are."""
    X, y, test = _numbers()
    net = MLPRegressor(hidden_layer_sizes=(6,), solver="sgd", activation="identity", max_iter=200, momentum=0.0)
    estimators = grid(net, learning_rate_init=[1e-3, 1e3], random_state=[0])
    assert list(_fitted(RULE, batch_of(estimators, X, y, test=test))) == [0]
    with pytest.raises(ValueError, match="non-finite"), np.errstate(all="ignore"):
        _alone(estimators[1], X, y)


def test_estimators_are_not_changed():
    """The given estimators stay unfitted."""
    X, y, test = _classes()
    estimators = grid(MLPClassifier(hidden_layer_sizes=(6,), max_iter=2), **AXES)
    _fitted(RULE, batch_of(estimators, X, y, test=test))
    assert not any(hasattr(one, "coefs_") for one in estimators)


def test_nets_of_one_crew_fit_a_cache():
    """Small nets are trained in large crews, wide ones in small crews, and those of one seed by themselves."""
    estimators = grid(MLPClassifier(), random_state=[1, 0], learning_rate_init=[0.1, 0.01], alpha=list(range(40)))
    small = Shape(widths=(4, 4, 2), activation="relu", output="softmax", dtype=np.float64)
    wide = Shape(widths=(500, 500, 2), activation="relu", output="softmax", dtype=np.float64)
    assert [len(crew) for crew in crews(estimators, small, 32)] == [MOST_NETS, 80 - MOST_NETS] * 2
    assert len(next(crews(estimators, wide, 200))) == FEWEST_NETS
    for shape in (small, wide):
        found = list(crews(estimators, shape, 200))
        assert all(len({estimators[at].random_state for at in crew}) == 1 for crew in found)
        assert sorted(at for crew in found for at in crew) == list(range(160))


def test_seeds_of_few_nets_are_trained_together():
    """Where hardly two nets have one seed, a crew has several, and each net its own order of rows."""
    estimators = grid(MLPClassifier(hidden_layer_sizes=(6,), max_iter=7), random_state=[0, 1, 2, 3], alpha=[0, 1])
    shape = Shape(widths=(8, 6, 3), activation="relu", output="softmax", dtype=np.float64)
    assert [len(crew) for crew in crews(estimators, shape, 150)] == [8]
    _assert_trained_alike(estimators, *_classes())


def test_orders_are_those_of_scikit_learns_shuffle():
    """Epoch after epoch the rows come in the order in which a fit alone takes them."""
    stream = Stream(state=np.random.RandomState(3), order=np.arange(50))
    state, order = np.random.RandomState(3), np.arange(50)
    for _ in range(3):
        order = shuffle(order, random_state=state)
        np.testing.assert_array_equal(stream.next_order(True), order)


def test_frames_are_answered_without_warnings():
    """Names of columns are known to the nets, whatever is asked."""
    X, y, test = _classes()
    names = [f"c{j}" for j in range(X.shape[1])]
    frames = pd.DataFrame(X, columns=names), pd.DataFrame(test, columns=names)
    batch = batch_of(
        grid(MLPClassifier(hidden_layer_sizes=(6,), max_iter=2), **AXES), frames[0], y, test=frames[1]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _, source in RULE.run(batch):
            expected = source.estimator.predict(frames[1])
            np.testing.assert_array_equal(source.answer("test", "predict"), expected)
            assert source.answer("test", "predict_proba").shape == (30, 3)


def test_hidden_widths_are_one_or_many():
    """A single number is one hidden layer."""
    assert hidden(5) == (5,)
    assert hidden([5, 4]) == (5, 4)


def test_sparse_rows_and_large_batches_are_left_alone():
    """What is found only while running is told as a reason."""
    X, y, test = _classes()
    estimators = grid(MLPClassifier(max_iter=2), **AXES)
    with pytest.raises(CannotFuse, match="sparse"):
        next(RULE.run(batch_of(estimators, scipy.sparse.csr_array(X), y, test=test)))
    estimators = grid(MLPClassifier(max_iter=2, batch_size=500), **AXES)
    with pytest.raises(CannotFuse, match="batch_size"):
        next(RULE.run(batch_of(estimators, X, y, test=test)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"solver": "lbfgs"}, "solver=lbfgs"),
        ({"early_stopping": True}, "early_stopping=True"),
        ({"loss": "poisson"}, "loss=poisson"),
        ({"verbose": True}, "prints"),
        ({"random_state": None}, "random_state"),
        ({"batch_size": 151}, "batch_size"),
    ],
)
def test_refusals(changes, reason):
    """What cannot be batched is refused with a reason."""
    params = MLPRegressor(random_state=0).get_params()
    assert RULE.refuses(REGRESSOR, params, SIZE) is None
    assert reason in (RULE.refuses(REGRESSOR, params | changes, SIZE) or "")


def test_groups_have_one_shape():
    """Rates and seeds may differ in a group; shapes, activations and batches may not."""
    one = MLPClassifier(random_state=0).get_params()
    same = {"learning_rate_init": 0.5, "alpha": 1.0, "random_state": 9, "momentum": 0.1}
    assert RULE.group(CLASSIFIER, one) == RULE.group(CLASSIFIER, one | same)
    for other in ({"hidden_layer_sizes": (50,)}, {"activation": "tanh"}, {"batch_size": 10}, {"max_iter": 7}):
        assert RULE.group(CLASSIFIER, one) != RULE.group(CLASSIFIER, one | other)


def test_the_rule_is_used_only_when_asked_for():
    """Histories of rounding differ, so the rule is no default."""
    assert RULE.guarantee is Guarantee.STATISTICAL
    assert not Fuse().admits(RULE)
    assert Fuse(also=("nets-batched",)).admits(RULE)


def test_costs_favour_small_nets():
    """Many small nets cost a small part of what they cost alone, wide ones about half."""
    small = RULE.cost_seconds(CLASSIFIER, [{"hidden_layer_sizes": (8,)}] * 32, [1.0] * 32, SIZE)
    wide = RULE.cost_seconds(CLASSIFIER, [{"hidden_layer_sizes": (500, 500)}] * 32, [1.0] * 32, SIZE)
    assert small < 8 < wide < 20


@pytest.mark.slow
def test_scores_on_a_real_table():
    """Trained until they stop, nearly all nets of a small table score as alone to many digits."""
    X, y = load_diabetes(return_X_y=True)
    X, y = 20 * X, (y - y.mean()) / y.std()
    net = MLPRegressor(hidden_layer_sizes=(12,), max_iter=80)
    estimators = grid(net, learning_rate_init=[1e-3, 1e-2, 5e-2], random_state=[0, 1, 2, 3])
    found = _fitted(RULE, batch_of(estimators, X[:350], y[:350], test=X[350:]))
    gaps = [
        abs(net.score(X[350:], y[350:]) - _alone(estimators[at], X[:350], y[:350]).score(X[350:], y[350:]))
        for at, net in found.items()
    ]
    assert np.median(gaps) < 1e-6
    assert max(gaps) < 0.05


class TestNetsBatched(FusionSuite):
    """The suite for fusion rules."""

    rule = RULE
    samples = (
        Sample(path=CLASSIFIER, grid=AXES, params={"hidden_layer_sizes": (4,), "max_iter": 3}),
        Sample(path=REGRESSOR, grid=AXES, params={"hidden_layer_sizes": (4,), "max_iter": 3, "solver": "sgd"}),
    )
    refused = ((CLASSIFIER, {"solver": "lbfgs"}), (REGRESSOR, {"early_stopping": True}))
    invalid: ClassVar[dict[str, float]] = {"alpha": -1.0}
    tolerance = 1e-3
    agreement = 0.95
