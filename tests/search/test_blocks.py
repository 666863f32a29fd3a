"""Fits that are answered for and scored at once: every score, warning and error is that of a fit alone."""

import warnings
from collections import Counter

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.metrics import get_scorer
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tests.search.likeness import assert_alike
from tests.search.test_parts import evaluation

from manyfit import GridSearchCV
from manyfit.contracts.fusion import Block, Fuse
from manyfit.families.fusion.bayes import RULES
from manyfit.families.fusion.sources import ComputedSource
from manyfit.fit.fusing import Fitter
from manyfit.fit.responses import BlockResponses
from manyfit.search.fitting import Fitting, ReadyTogether
from manyfit.search.metrics import Target
from manyfit.search.running import Running
from manyfit.search.scores import score_of

AVERAGED = [f"{of}_{how}" for of in ("precision", "recall", "f1") for how in ("macro", "micro", "weighted")]
LABELS = ("accuracy", "balanced_accuracy", *AVERAGED)
NAMES = (*LABELS, "neg_log_loss")
TWO = (*NAMES, "precision", "recall", "f1")
GAUSSIAN = RULES[0]
SMOOTHING = list(np.logspace(-12, 1, 12))


def block_of(predicted, proba, classes):
    """Return answers (fits, rows) and (fits, rows, classes) as those of a block."""
    arrays = {"predict": predicted, "predict_proba": proba}

    def source(place):
        functions = {method: (lambda name, method=method: arrays[method][place]) for method in arrays}
        return ComputedSource(functions, classes=classes)

    answers = {method: (lambda name, method=method: arrays[method]) for method in arrays}
    block = Block(positions=range(len(predicted)), classes=classes, answers=answers, source=source)
    return BlockResponses(block, "cv", [GaussianNB()] * len(predicted), len(classes))


def drawn(seed):
    """Return a target and a block of answers for it: sizes, kinds of labels and precision differ by seed."""
    random = np.random.default_rng(seed)
    n_rows, n_classes = int(random.integers(1, 90)), int(random.integers(2, 6))
    classes = np.array([["a", "b", "c", "d", "e"], [0, 1, 2, 3, 4], [-1, 1, 7, 8, 9]][seed % 3])[:n_classes]
    y = random.choice(classes, size=n_rows)
    predicted = np.where(random.random((9, n_rows)) < 0.6, y, random.choice(classes, size=(9, n_rows)))
    proba = random.dirichlet(np.ones(n_classes) * 0.2, size=(9, n_rows))
    kind = (np.float64, np.float32)[seed % 2]
    return y, block_of(predicted, proba.astype(kind), classes)


def asked(score, responses, place, target):
    """Return what scikit-learn's scorer says of one fit: its value or its error, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return score.asked(responses.one(place), None, target.y), caught
        except ValueError as error:
            return error, caught


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", TWO)
def test_metrics_of_a_block_are_scikit_learns(name, seed):
    """Where a value is sure, scikit-learn gives the same bits without a warning."""
    y, responses = drawn(seed)
    score, target = score_of(get_scorer(name), GaussianNB()), Target(y)
    many = score.many(responses, target)
    for place in range(len(responses)) if many is not None else ():
        if many.sure[place]:
            wanted, caught = asked(score, responses, place, target)
            assert wanted == many.values[""][place]
            assert wanted == score.one(responses.one(place), None, target)
            assert not caught


@pytest.mark.parametrize("name", TWO)
def test_ordinary_answers_are_sure(name):
    """With all classes in the target and predicted, nobody has to be asked."""
    y = np.arange(60) % (2 if name in ("precision", "recall", "f1") else 3)
    classes = np.unique(y)
    predicted = np.stack([np.roll(y, at) for at in range(5)])
    proba = np.random.default_rng(0).dirichlet(np.ones(len(classes)), size=(5, 60))
    many = score_of(get_scorer(name), GaussianNB()).many(block_of(predicted, proba, classes), Target(y))
    assert many is not None
    assert many.sure.all()


def test_what_scikit_learn_warns_of_is_not_sure():
    """A class that is never predicted, or predicted and never true, is for scikit-learn to speak of."""
    y = np.arange(30) % 3
    predicted = np.stack([y, np.minimum(y, 1), np.where(y == 2, 3, y)])
    proba = np.full((3, 30, 4), 0.25)
    responses = block_of(predicted, proba, np.arange(4))
    sure = {name: score_of(get_scorer(name), GaussianNB()).many(responses, Target(y)).sure for name in LABELS}
    assert sure["precision_macro"].tolist() == [True, False, False]
    assert sure["recall_macro"].tolist() == [True, True, False]
    assert sure["accuracy"].tolist() == [True, True, True]


@pytest.mark.parametrize("spoil", ["nan", "negative", "too large", "sum"])
def test_probabilities_that_are_none_are_not_sure(spoil):
    """scikit-learn refuses them, or warns."""
    y = np.arange(30) % 3
    proba = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 30))
    proba[1, 4, 0] = {"nan": np.nan, "negative": -0.1, "too large": 1.5, "sum": proba[1, 4, 0] / 2}[spoil]
    score = score_of(get_scorer("neg_log_loss"), GaussianNB())
    many = score.many(block_of(np.stack([y, y]), proba, np.arange(3)), Target(y))
    assert many.sure.tolist() == [True, False]


def test_known_and_unknown_metrics_together():
    """Those that are not known here come from their scorers, in the order that was asked for."""
    y, responses = drawn(4)
    scorers = {name: get_scorer(name) for name in ("f1_macro", "roc_auc_ovr_weighted", "accuracy")}
    score = score_of(_MultimetricScorer(scorers=scorers), GaussianNB())
    assert list(score.others) == ["roc_auc_ovr_weighted"]
    assert score.many(responses, Target(y)) is None
    for place in range(len(responses)):
        wanted, _ = asked(score, responses, place, Target(y))
        assert list(score.one(responses.one(place), None, Target(y)).items()) == list(wanted.items())


# -- searches --------------------------------------------------------------------------------------------

SEARCHES = {
    "gaussian": (GaussianNB(), {"var_smoothing": SMOOTHING}, load_iris),
    "priors": (GaussianNB(), {"var_smoothing": SMOOTHING, "priors": [None, [0.2, 0.3, 0.5]]}, load_wine),
    "counts": (MultinomialNB(), {"alpha": [0, 1e-12, 0.1, 1, 5.0], "fit_prior": [True, False]}, load_wine),
    "bits": (BernoulliNB(binarize=1.0), {"alpha": SMOOTHING, "fit_prior": [True, False]}, load_wine),
    "behind a step": (
        Pipeline([("scale", MinMaxScaler()), ("model", MultinomialNB())]),
        {"scale__clip": [True, False], "model__alpha": [0.1, np.float64(1.0), 2]},
        load_iris,
    ),
    "a wrong one": (GaussianNB(), {"var_smoothing": [1e-9, -1.0, 1e-3, 1e-2]}, load_iris),
    "a wrong kind": (MultinomialNB(), {"alpha": [1.0, "much", 2.0, True, np.float32(0.5)]}, load_iris),
}


@pytest.mark.parametrize("scoring", [None, "balanced_accuracy", ["accuracy", "f1_macro", "neg_log_loss"]])
@pytest.mark.parametrize("name", SEARCHES)
def test_searches_are_alike(name, scoring):
    """All cells, train scores too, warnings and errors are those of scikit-learn's search."""
    estimator, grid, load = SEARCHES[name]
    X, y = load(return_X_y=True)
    asked = {"cv": 3, "scoring": scoring, "refit": False, "return_train_score": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_alike(
            GridSearchCV(estimator, grid, n_jobs=1, **asked),
            model_selection.GridSearchCV(estimator, grid, **asked),
            X,
            y,
        )


@pytest.mark.parametrize("error_score", [0.25, "raise"])
def test_errors_in_the_middle_of_a_block(error_score):
    """A candidate that scikit-learn does not accept has the error score, or ends the search; no other one does."""
    estimator, grid, load = SEARCHES["a wrong one"]
    asked = {"cv": 3, "refit": False, "error_score": error_score}
    assert_alike(
        GridSearchCV(estimator, grid, n_jobs=1, **asked),
        model_selection.GridSearchCV(estimator, grid, **asked),
        *load(return_X_y=True),
    )


def given(search, X, y):
    """Return how often a search gives each warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    return Counter((one.category, str(one.message)) for one in caught)


def both(estimator, grid, X, y, **asked):
    """Return the warnings of a search whose fits are shared, and of one whose fits are not."""
    found = []
    for fuse in (True, False):
        search = GridSearchCV(estimator, grid, n_jobs=1, cv=3, refit=False, fuse=fuse, **asked)
        found.append((given(search, X, y), search.cv_results_["mean_test_score"]))
    (warned, scores), (alone, wanted) = found
    np.testing.assert_array_equal(scores, wanted)
    assert alone
    return warned, alone


def test_warnings_of_metrics_are_given_for_the_fits_that_they_are_of():
    """Fits that never predict a class warn, as often as fits alone."""
    X, y = load_iris(return_X_y=True)
    warned, alone = both(
        GaussianNB(), {"var_smoothing": list(np.logspace(-9, 4, 30))}, X, y, scoring="precision_macro"
    )
    assert warned == alone
    assert 0 < sum(alone.values()) < 90


def test_warnings_of_single_fits_are_those_of_fits_alone():
    """Fits with too little smoothing are in no block, and warn."""
    X, y = load_iris(return_X_y=True)
    warned, alone = both(MultinomialNB(force_alpha=False), {"alpha": [0.0, 1e-12, 1.0, 2.0]}, X, y)
    assert warned == alone


class Loud:
    """The rule of Gaussian models, with a warning while a block is made."""

    def __init__(self, rule):
        self.rule = rule

    def __getattr__(self, name):
        return getattr(self.rule, name)

    def of(self, path):
        return (self,) if path in self.rule.covers else ()

    def run(self, batch):
        warnings.warn("made together", RuntimeWarning, stacklevel=1)
        yield from self.rule.run(batch)


def test_warnings_of_a_shared_fit_are_given_for_each_of_its_fits():
    """What is warned of while a block is made is told of every task, and given as often."""
    asked = evaluation(GaussianNB(), [{"var_smoothing": value} for value in (1e-9, 1e-3, 1e-2)], filters=[])
    running = Running(asked, n_runners=1, note=None)
    fitting = Fitting(asked, separate=False)
    fitting.fitter = Fitter(Loud(GAUSSIAN), fitting.families, Fuse())
    ready = [event for event in fitting.run(range(9)) if isinstance(event, ReadyTogether)]
    assert [[one.text for one in event.scored.warned] for event in ready] == [["made together"]] * 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        running.accept_together(ready[0].indices, ready[0].scored)
    assert [str(one.message) for one in caught] == ["made together"] * 3


def test_warnings_of_answers_are_given_for_each_fit():
    """When rows overflow, the fits are made alone: nobody else knows which of them would warn."""
    X, y = load_iris(return_X_y=True)
    X[0] = 1e200
    warned, alone = both(GaussianNB(), {"var_smoothing": SMOOTHING}, X, y)
    assert warned == alone


# -- where it pays ---------------------------------------------------------------------------------------


def happenings(estimator, grid, **changes):
    """Return what happens while candidates are evaluated on three folds of wine."""
    X, y = load_wine(return_X_y=True)
    folds = list(model_selection.StratifiedKFold(3).split(X, y))
    asked = evaluation(estimator, grid, X=X, y=y, splits=folds, **changes)
    fitting = Fitting(asked, separate=False)
    return list(fitting.run(range(asked.n_tasks)))


def test_a_grid_of_smoothing_is_a_block_in_each_fold():
    """Thousands of tiny fits are as many events as there are folds."""
    grid = [{"var_smoothing": value} for value in np.logspace(-9, 0, 100).tolist()]
    ready = [event for event in happenings(GaussianNB(), grid) if isinstance(event, ReadyTogether)]
    assert [len(event.indices) for event in ready] == [100, 100, 100]
    assert sorted(index for event in ready for index in event.indices) == list(range(300))
    for event in ready:
        assert [one.index for one in event.each()] == list(event.indices)
        assert [one.scored.row() for one in event.each()] == event.scored.rows()


def test_without_fusion_there_are_no_blocks():
    """What is not asked for is not done."""
    grid = [{"var_smoothing": 1e-9}, {"var_smoothing": 1e-3}]
    assert not any(isinstance(event, ReadyTogether) for event in happenings(GaussianNB(), grid, fuse=None))
    assert not any(
        isinstance(event, ReadyTogether) for event in happenings(GaussianNB(), grid, fuse=Fuse(exact=False))
    )


SCALED = Pipeline([("scale", StandardScaler()), ("model", KNeighborsClassifier())])
GRIDS = [
    (GaussianNB(), [{"var_smoothing": value} for value in (1e-9, 1, np.float64(0.5), 1e-3)]),
    (SCALED, [{"model__n_neighbors": k, "model__weights": w} for k in (1, 2, 3) for w in ("uniform", "distance")]),
    (SCALED, [{"model": GaussianNB(), "model__var_smoothing": 0.5}, {"model": GaussianNB(priors=[1.0])}]),
    (SCALED, [{"scale__with_mean": m, "model__n_neighbors": k} for m in (True, False) for k in (1, 2)]),
    (DecisionTreeClassifier(random_state=0), [{"max_depth": d, "ccp_alpha": 0.5 / d} for d in (2, 3, 4)]),
]


@pytest.mark.parametrize(("estimator", "grid"), GRIDS)
def test_candidates_drawn_after_others_are_what_they_would_be(estimator, grid):
    """A blueprint that was made after another one has the parameters of its own candidate."""
    asked = evaluation(estimator, grid)
    blueprints = Fitting(asked, separate=False).blueprints
    for number in range(len(grid)):
        apart = Fitting(evaluation(estimator, [grid[number]]), separate=False).blueprints.of(0)
        found = blueprints.of(number)
        assert found.fit.paths == apart.fit.paths
        for (name, part), (wanted_name, wanted) in zip(found.fit.steps, apart.fit.steps, strict=True):
            assert name == wanted_name
            assert repr(part.get_params()) == repr(wanted.get_params())


def test_numbers_that_decide_about_sharing_are_looked_at():
    """Fitting in place, and seeds that are not set, are found in every candidate."""
    in_place = [{"copy_X": True, "fit_intercept": True}, {"copy_X": False, "fit_intercept": True}]
    asked = evaluation(LinearRegression(), in_place, scorer=get_scorer("r2"))
    blueprints = Fitting(asked, separate=False).blueprints
    assert [blueprints.of(number) is not None for number in range(2)] == [True, False]
    seeds = [{"random_state": 1, "ccp_alpha": 0.0}, {"random_state": None, "ccp_alpha": 0.0}]
    blueprints = Fitting(evaluation(DecisionTreeClassifier(), seeds), separate=False).blueprints
    assert [blueprints.of(number) is not None for number in range(2)] == [True, False]
