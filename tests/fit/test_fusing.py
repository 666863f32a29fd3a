"""The engine that fits related candidates together, with rules that behave well and rules that do not."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.naive_bayes import GaussianNB

from manyfit.contracts.fusion import Block, CannotFuse, Fuse, Guarantee
from manyfit.families.catalog import FamilyCatalog
from manyfit.families.fusion.sources import FittedSource
from manyfit.fit.fusing import SHARED_STEPS, Begun, Broken, Fit, Fitted, Fitter, Together
from manyfit.testing.tables import make_table

BAYES = "sklearn.naive_bayes:GaussianNB"


@dataclass
class Sharing:
    """A rule for naive Bayes whose run does what a test says."""

    run_as: object
    name: str = "sharing"
    covers: frozenset = frozenset({BAYES})
    axes: tuple = ("var_smoothing",)
    shares: str = "nothing"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: dict = field(default_factory=dict)
    reason: str | None = None

    def refuses(self, path, params, size):
        return self.reason

    def group(self, path, params):
        return None

    def cost_seconds(self, path, members, alone, size):
        return max(alone)

    def run(self, batch):
        return self.run_as(batch)


class Rules:
    def __init__(self, *rules):
        self.rules = rules

    def of(self, path):
        return [rule for rule in self.rules if path in rule.covers]


class Counting(TransformerMixin, BaseEstimator):
    """Counts how often anything of it was fitted."""

    n_fits = 0

    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):
        type(self).n_fits += 1
        return self

    def transform(self, X):
        if self.by == "bad":
            raise ValueError("by is bad")
        return X * self.by


def bayes(n=4, valid=True):
    values = [10.0**-k for k in range(n)] if valid else [-1.0, *(10.0**-k for k in range(n - 1))]
    return [
        Fit(index=i, steps=[("nb", GaussianNB(var_smoothing=v))], paths=[BAYES], tokens=[v])
        for i, v in enumerate(values)
    ]


EXACT = Fuse()


def run(fits, rules=(), fuse=EXACT):
    """Return the events, with the answers asked at once; an error in place of what a fit raised."""
    table = make_table("plain", "classifier", seed=0, n=40)
    begun, ended = [], {}
    for event in Fitter(Rules(*rules), FamilyCatalog(), fuse).fit(fits, table):
        if isinstance(event, Begun):
            begun.append(event.indices)
        else:
            assert event.index not in ended
            assert any(event.index in indices for indices in begun)
            if isinstance(event, Fitted):
                [answers.predicted for answers in event.answers.values()]
            ended[event.index] = event
    assert set(ended) == {fit.index for fit in fits}
    return begun, ended


def fit_all(batch):
    for at, estimator in enumerate(batch.estimators):
        yield at, FittedSource(clone(estimator).fit(batch.X, batch.y), batch.sets)


def test_what_a_rule_yields_is_its_result():
    """All fits of a group begin together, and their results say by which rule and with how many."""
    begun, ended = run(bayes(), [Sharing(fit_all)])
    assert begun == [(0, 1, 2, 3)]
    assert all(one.fusion == {"rule": "sharing", "guarantee": "exact", "n_tasks": 4} for one in ended.values())


def test_what_a_rule_leaves_out_is_fitted_alone():
    """A guard that steps back for one candidate costs nobody else anything."""
    begun, ended = run(bayes(), [Sharing(lambda batch: (item for item in fit_all(batch) if item[0] != 2))])
    assert begun == [(0, 1, 2, 3), (2,)]
    assert [bool(ended[i].fusion) for i in range(4)] == [True, True, False, True]


def test_a_rule_that_cannot_says_nothing():
    """A declared refusal while running leaves no warning."""

    def refusing(batch):
        raise CannotFuse("the rows are too few")
        yield

    _, ended = run(bayes(), [Sharing(refusing)])
    assert all(not one.caught and not one.fusion for one in ended.values())


def test_a_rule_that_cannot_read_parameters_costs_no_result():
    """What a rule fails to judge is fitted alone."""

    class Failing(Sharing):
        def refuses(self, path, params, size):
            raise KeyError("var_smoothing")

    _, ended = run(bayes(), [Failing(fit_all)])
    assert all(isinstance(one, Fitted) and not one.fusion for one in ended.values())


def test_a_rule_that_fails_is_reported_and_costs_no_result():
    """An error of a rule is a warning of the results that were then fitted alone."""

    def failing(batch):
        yield next(fit_all(batch))
        raise IndexError("off by one")

    _, ended = run(bayes(), [Sharing(failing)])
    assert ended[0].fusion
    assert not ended[0].caught
    for index in (1, 2, 3):
        assert not ended[index].fusion
        assert "rule sharing failed, fitted alone: IndexError: off by one" in str(ended[index].caught[0].message)


def test_memory_that_runs_out_together_is_raised():
    """Whoever runs the group decides: alone the fits may have enough."""

    def greedy(batch):
        raise MemoryError("too much")
        yield

    with pytest.raises(MemoryError):
        run(bayes(), [Sharing(greedy)])


def test_invalid_parameters_fail_alone():
    """What scikit-learn does not accept never reaches a rule."""
    _, ended = run(bayes(valid=False), [Sharing(fit_all)])
    assert isinstance(ended[0], Broken)
    assert "var_smoothing" in str(ended[0].error)
    assert all(ended[i].fusion["n_tasks"] == 3 for i in (1, 2, 3))


@pytest.mark.parametrize(
    ("rule", "fuse"),
    [
        ({}, Fuse(exact=False)),
        ({}, Fuse(without=frozenset({"sharing"}))),
        ({}, Fuse(without=frozenset({"shared-steps+sharing"}))),
        ({"reason": "too large"}, Fuse()),
        ({"guarantee": Guarantee.TOLERANCE}, Fuse()),
        ({"proven_on": {"scikit-learn": ("0.1",)}}, Fuse()),
        ({"proven_on": {"no-such-library": ("1.0",)}}, Fuse()),
        ({"covers": frozenset({"sklearn.svm:SVC"})}, Fuse()),
    ],
)
def test_rules_that_must_not_be_used(rule, fuse):
    """Switched off, refusing, not asked for, not proven on what is installed, for another class."""
    _, ended = run(bayes(), [Sharing(fit_all, **rule)], fuse)
    assert not any(one.fusion for one in ended.values())


def test_a_rule_that_was_asked_for_comes_first():
    """A rule with another guarantee is used when it is named, before exact ones."""
    exact = Sharing(fit_all)
    asked = Sharing(fit_all, name="asked", guarantee=Guarantee.STATISTICAL)
    _, ended = run(bayes(), [exact, asked], Fuse(also=("asked",)))
    assert {one.fusion["rule"] for one in ended.values()} == {"asked"}


def test_a_rule_that_saves_nothing_is_not_used():
    """A group whose fused cost is that of its fits is left alone."""
    rule = Sharing(fit_all)
    rule.cost_seconds = lambda path, members, alone, size: sum(alone)
    _, ended = run(bayes(), [rule])
    assert not any(one.fusion for one in ended.values())


def with_steps(*values):
    fits = []
    for by, smoothing in values:
        steps = [("c", Counting(by)), ("nb", GaussianNB(var_smoothing=smoothing))]
        fits.append(
            Fit(
                index=len(fits),
                steps=steps,
                paths=["tests:Counting", BAYES],
                tokens=[("c", by), ("nb", smoothing)],
            )
        )
    return fits


def test_equal_transformers_are_fitted_once():
    """Three candidates behind one step and one behind another: two fits of the step in all."""
    Counting.n_fits = 0
    begun, ended = run(with_steps((1.0, 1e-9), (1.0, 1e-3), (2.0, 1e-9), (1.0, 1.0)))
    assert Counting.n_fits == 2
    assert begun[0] == (0, 1, 3)
    assert ended[0].fusion == {"rule": SHARED_STEPS, "guarantee": "exact", "n_tasks": 3}
    assert not ended[2].fusion


def test_without_shared_steps_each_is_fitted():
    """The sharing of steps can be switched off like a rule."""
    Counting.n_fits = 0
    run(with_steps((1.0, 1e-9), (1.0, 1e-3)), fuse=Fuse(without=frozenset({SHARED_STEPS})))
    assert Counting.n_fits == 2


def test_a_shared_transformer_that_fails_fails_all_behind_it():
    """The error is that of each of them, as it would be alone; others go on."""
    _, ended = run(with_steps(("bad", 1e-9), ("bad", 1e-3), (1.0, 1e-9)))
    assert [str(ended[i].error) for i in (0, 1)] == ["by is bad"] * 2
    assert isinstance(ended[2], Fitted)


def test_a_rule_behind_a_shared_step_names_both():
    """The result names everything that was shared on its way."""
    _, ended = run(with_steps((1.0, 1e-9), (1.0, 1e-3)), [Sharing(fit_all, guarantee=Guarantee.CLOSE)])
    assert ended[0].fusion == {"rule": "shared-steps+sharing", "guarantee": "close", "n_tasks": 2}


def test_answers_do_not_depend_on_sharing():
    """Fits behind a shared step predict what they predict alone, and their seconds add up to the whole."""
    fits = [(1.0, 1e-9), (1.0, 1e-3), (2.0, 1e-3)]
    alone = run(with_steps(*fits), fuse=Fuse(exact=False))[1]
    fused = run(with_steps(*fits), [Sharing(fit_all)])[1]
    for index, one in alone.items():
        for name, responses in one.answers.items():
            assert np.array_equal(responses.raw("predict_proba"), fused[index].answers[name].raw("predict_proba"))
        assert fused[index].seconds > 0


def in_blocks(batch, positions):
    """Yield the fits at *positions* as one block that is made with a warning."""
    fitted = [clone(batch.estimators[at]).fit(batch.X, batch.y) for at in positions]
    warnings.warn("made together", RuntimeWarning, stacklevel=1)
    yield Block(
        positions=positions,
        classes=fitted[0].classes_,
        answers={"predict": lambda name: np.stack([one.predict(batch.sets[name]) for one in fitted])},
        source=lambda place: FittedSource(fitted[place], batch.sets),
    )


def blocks(fits, rule):
    """Return the events, blocks as they are."""
    table = make_table("plain", "classifier", seed=0, n=40)
    fitter = Fitter(Rules(rule), FamilyCatalog(), EXACT)
    return [event for event in fitter.fit_in_blocks(fits, table) if not isinstance(event, Begun)]


def test_a_block_is_one_event():
    """What a rule yields at once is ready at once; each of its fits has its warnings and its part of the time."""
    (event,) = blocks(bayes(), Sharing(lambda batch: in_blocks(batch, [2, 0, 1, 3])))
    assert isinstance(event, Together)
    assert event.indices == (2, 0, 1, 3)
    assert [str(one.message) for one in event.caught] == ["made together"]
    assert event.fusion == {"rule": "sharing", "guarantee": "exact", "n_tasks": 4}
    assert 0 < event.seconds < 1


def test_the_fits_of_a_block_are_those_made_alone():
    """One by one, a block is what its fits are: answers, warnings and rule."""
    _, together = run(bayes(), [Sharing(lambda batch: in_blocks(batch, [2, 0, 1, 3]))])
    _, alone = run(bayes())
    for index, one in together.items():
        assert [str(each.message) for each in one.caught] == ["made together"]
        assert one.fusion["rule"] == "sharing"
        for name, answers in one.answers.items():
            assert np.array_equal(answers.predicted, alone[index].answers[name].predicted)


def test_blocks_single_fits_and_what_is_left_out():
    """A rule may answer for some at once, for some one by one, and leave the others alone."""

    def both(batch):
        yield from in_blocks(batch, [0, 3])
        yield 1, FittedSource(clone(batch.estimators[1]).fit(batch.X, batch.y), batch.sets)

    begun, ended = run(bayes(), [Sharing(both)])
    assert begun == [(0, 1, 2, 3), (2,)]
    assert [bool(ended[index].fusion) for index in range(4)] == [True, True, False, True]
    assert [len(ended[index].caught) for index in range(4)] == [1, 0, 0, 1]


def test_fits_that_are_made_again_are_never_fitted_themselves():
    """With `renew` the estimators of a fit stay as they are, shared or alone, on every table."""
    for rules in ((), [Sharing(fit_all)]):
        fits = [replace(fit, renew=clone) for fit in bayes()]
        first, second = run(fits, rules), run(fits, rules)
        assert all(not hasattr(fit.steps[0][1], "classes_") for fit in fits)
        assert all(
            np.array_equal(one.answers["train"].predicted, second[1][index].answers["train"].predicted)
            for index, one in first[1].items()
        )
