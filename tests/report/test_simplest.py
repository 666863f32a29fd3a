"""The one-standard-error rule, with scores of the test's choosing."""

import math
import statistics
from pathlib import Path

import pytest
from tests.report.sweeps import candidate, cell, cells, new_store, run, scored, segment

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, UserError
from manyfit.report.simplest import Order, order_of, within_one_error

CS = (0.1, 1.0, 10.0, 100.0)
BEST = [0.90, 0.94, 0.91, 0.95]


def store_of(folder: Path, seeds: tuple = (0,)) -> Store:
    """Return a store of C = 100 (best), 10 (just within an error), 1 (just without) and 0.1, slower with C."""
    error = statistics.stdev(BEST * len(seeds)) / math.sqrt(len(BEST))
    below = {100.0: 0.0, 10.0: 0.95 * error, 1.0: 1.05 * error, 0.1: 0.3}
    seconds = {100.0: 1.0, 10.0: 4.0, 1.0: 0.1, 0.1: 0.1}

    def outcome(of, place):
        value = of.shown["C"]
        made = scored(cv={"accuracy": BEST[place.fold] - below[value]})
        return {**made, "timings": {**made["timings"], "fit": seconds[value]}}

    store = new_store(folder, segment([candidate("svc", C=value) for value in CS], cells(len(BEST), seeds=seeds)))
    run(store, outcome)
    return store


def test_the_least_value_within_one_error_is_chosen(tmp_path: Path) -> None:
    """C = 10 is within one standard error of C = 100 and C = 1 is not; the other way round the best is chosen."""
    store = store_of(tmp_path)
    found = within_one_error(store, orders=[order_of("C,asc")])[0]
    assert found.standard_error == pytest.approx(statistics.stdev(BEST) / 2)
    assert (found.best["params"], found.chosen["params"], found.n_within) == ("C=100", "C=10", 2)
    assert within_one_error(store, orders=[order_of("C,desc")])[0].chosen["params"] == "C=100"


def test_by_default_the_shortest_fit_is_chosen(tmp_path: Path) -> None:
    """Of the candidates within one error the one with the shortest mean fit is the simplest."""
    assert within_one_error(store_of(tmp_path))[0].chosen["params"] == "C=100"


def test_more_seeds_do_not_make_the_error_smaller(tmp_path: Path) -> None:
    """The deviation is divided by the root of the folds, however often they are repeated."""
    found = within_one_error(store_of(tmp_path, seeds=(0, 1, 2)), orders=[order_of("C")])[0]
    assert found.standard_error == pytest.approx(statistics.stdev(BEST * 3) / 2)


def test_losses_are_better_when_smaller(tmp_path: Path) -> None:
    """With a loss, candidates up to one error above the least are as good."""
    found = within_one_error(store_of(tmp_path), orders=[order_of("C")], greater_is_better=lambda _: False)[0]
    assert found.best["params"] == "C=0.1"
    assert found.threshold > found.best["score"]


def test_one_score_has_no_error(tmp_path: Path) -> None:
    """A split with one score for each candidate has no choice."""
    store = new_store(tmp_path, segment([candidate("svc", C=1)], [cell("s", None)]))
    run(store, lambda of, place: scored(validate={"accuracy": 0.9}))
    assert within_one_error(store) == []


def test_orders_that_cannot_be(tmp_path: Path) -> None:
    """Unknown parameters, values that are no numbers and unknown directions are refused."""
    store = new_store(tmp_path, segment([candidate("svc", kernel="rbf", gamma=1)], cells(3)))
    run(store, lambda of, place: scored(cv={"accuracy": place.fold / 10}))
    with pytest.raises(NotFound, match="gamma"):
        within_one_error(store, orders=[order_of("gama")])
    with pytest.raises(UserError, match="no numbers"):
        within_one_error(store, orders=[order_of("kernel")])
    with pytest.raises(UserError, match="C,asc"):
        order_of("C,up")
    assert order_of("time") == Order()
