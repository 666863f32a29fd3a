"""Each quality rule finds what it is there for, and says nothing where all is well."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import (
    candidate,
    cell,
    cells,
    failed,
    key_of,
    new_store,
    run,
    scored,
    segment,
    submit,
)

from manyfit.contracts.store import Store
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.errors import UserError
from manyfit.report.quality import shapes
from manyfit.report.quality.remark import Remark, Severity
from manyfit.report.quality.rules import AFTER_RUN, RULES, after_run, chosen, remarks
from manyfit.report.quality.vigil import Vigil

PLAIN = [candidate("svc", C=c, gamma=g) for c in (1, 10) for g in (0.1, 0.2)]


def score_of(of: Candidate, on: Cell) -> float:
    """A score that every parameter and every fold has a part in."""
    return round(0.5 + 0.01 * float(of.shown["C"]) + float(of.shown["gamma"]) + 0.001 * (on.fold or 0), 6)


def good(of: Candidate, on: Cell) -> Mapping[str, Any]:
    score = score_of(of, on)
    return scored(cv={"accuracy": score, "f1_macro": score}, train={"accuracy": 0.9, "f1_macro": 0.9})


def with_series(body: Mapping[str, Any], **series: list[float | None]) -> Mapping[str, Any]:
    return {**body, "details": {"train": {"series": series}}}


def found(store: Store, rule: str) -> list[Remark]:
    return remarks(store, [RULES[rule]])


def only(store: Store, rule: str) -> Remark:
    (one,) = found(store, rule)
    return one


def store_of(folder: Path, outcome: Any, candidates: Any = None, on: Any = None, **changes: Any) -> Store:
    store = new_store(folder, segment(candidates or PLAIN, on or cells(3), **changes))
    run(store, outcome)
    return store


def test_nothing_is_said_where_all_is_well(tmp_path: Path) -> None:
    """No rule complains of a complete sweep with sound scores."""
    falling: list[float | None] = [3.0, 2.0, 1.5, 1.4, 1.3, 1.3]
    store = store_of(tmp_path, lambda of, on: with_series(good(of, on), loss_curve=falling))
    assert remarks(store) == []
    assert after_run(store) == []


def test_missing_tasks_are_counted_by_pipeline_and_split(tmp_path: Path) -> None:
    """With keys to look at; candidates with holes in their folds are told apart from those without any."""
    store = new_store(tmp_path, segment(PLAIN, cells(3), unit_size=5))
    run(store, good, units=1)

    missing, holes = only(store, "missing-tasks"), only(store, "missing-folds")
    assert missing.found.text == "7 of 12 tasks of svc on s have no result"
    assert (missing.severity, missing.found.n_found, missing.found.n_looked_at) == (Severity.ERROR, 7, 12)
    left = {key_of(of, on) for of in PLAIN for on in cells(3)}
    assert set(missing.found.examples) < left
    assert len(missing.found.examples) == 3
    assert holes.found.text.startswith(
        "1 of 4 candidates of svc on s have scores on some folds only, at least 2 of 3"
    )


def test_tasks_that_left_the_sweep_are_not_missing(tmp_path: Path) -> None:
    """Nor are those of a later generation counted twice."""
    first = segment(PLAIN, cells(3))
    store = new_store(tmp_path, first)
    gone = [key_of(PLAIN[0], on) for on in cells(3)]
    submit(store, segment(PLAIN[1:2], cells(3), removed=gone, generation=1), n_new=0)
    run(store, good)
    assert found(store, "missing-tasks") == []


def test_failed_tasks_are_errors(tmp_path: Path) -> None:
    """Counted by pipeline, with examples; a failed fold leaves a hole."""
    store = store_of(
        tmp_path, lambda of, on: failed() if on.fold == 0 and of.key == PLAIN[0].key else good(of, on)
    )
    one = only(store, "failed-tasks")
    assert (one.found.text, one.found.n_found) == ("1 of 12 fits of svc failed", 1)
    assert one.found.examples == [key_of(PLAIN[0], cells(3)[0])]
    assert only(store, "missing-folds").found.n_found == 1


def test_scores_that_are_no_number(tmp_path: Path) -> None:
    """An error where the sweep ranks by them, a note otherwise."""

    def outcome(of: Candidate, on: Cell) -> Any:
        first = of.key == PLAIN[0].key
        return scored(cv={"accuracy": None if first else 0.5, "f1_macro": None if on.fold == 1 else 0.5})

    store = store_of(tmp_path, outcome)
    error, note = only(store, "missing-scores"), only(store, "undefined-scores")
    assert (error.found.text, error.severity) == ("3 of 12 fits of svc have no accuracy on cv", Severity.ERROR)
    assert (note.found.text, note.severity) == ("4 of 12 fits of svc have no f1_macro on cv", Severity.NOTE)
    assert [remark.rule.name for remark in after_run(store)] == ["missing-scores"]


def test_an_undefined_score_on_training_rows_is_a_note(tmp_path: Path) -> None:
    """Detectors that learn from usual rows alone have no ranking score there, and training rows never rank."""
    store = store_of(tmp_path, lambda of, on: scored(cv={"accuracy": on.fold / 7}, train={"accuracy": None}))
    assert only(store, "undefined-scores").found.text == "12 of 12 fits of svc have no accuracy on train"
    assert "missing-scores" not in {remark.rule.name for remark in after_run(store)}


def test_a_parameter_without_effect_is_named(tmp_path: Path) -> None:
    """Only the one that changes nothing whatever the other is; one difference on one fold is an effect."""

    def outcome(of: Candidate, on: Cell) -> Any:
        return scored(cv={"accuracy": 0.5 + float(of.shown["gamma"]) + 0.01 * (on.fold or 0)})

    one = only(store_of(tmp_path / "a", outcome), "constant-parameter")
    assert one.found.text == "C of svc has no effect: all scores are the same for its 2 values"

    def once(of: Candidate, on: Cell) -> Any:
        moved = 0.001 if of.key == PLAIN[0].key and on.fold == 2 else 0.0
        return scored(cv={"accuracy": 0.5 + float(of.shown["gamma"]) + moved})

    assert found(store_of(tmp_path / "b", once), "constant-parameter") == []


def test_constant_scores_of_a_pipeline(tmp_path: Path) -> None:
    """Said once for the pipeline rather than for each of its parameters."""
    store = store_of(tmp_path, lambda of, on: scored(cv={"accuracy": 0.5}))
    assert only(store, "constant-scores").found.text == "all 4 candidates of svc have the same scores"
    assert found(store, "constant-parameter") == []


def test_perfect_scores_on_enough_rows(tmp_path: Path) -> None:
    """All folds perfect, on 100 rows or more; one good fold is luck."""

    def perfect(of: Candidate, on: Cell) -> Any:
        return scored(cv={"accuracy": 1.0 if of in PLAIN[:2] or on.fold == 0 else 0.9})

    store = store_of(tmp_path / "a", perfect)
    assert only(store, "perfect-scores").found.text == "2 of 4 candidates of svc have a perfect accuracy on cv"
    few = store_of(tmp_path / "b", lambda of, on: {**perfect(of, on), "n_rows": {"train": 9, "cv": 9}})
    assert found(few, "perfect-scores") == []


@pytest.mark.parametrize(("best", "n"), [(0.61, 1), (0.7, 0)])
def test_chance_is_the_share_of_the_largest_class(tmp_path: Path, best: float, n: int) -> None:
    """30 of 50 rows are of one class: an accuracy of 0.61 is no better than saying so of all."""

    def outcome(of: Candidate, on: Cell) -> Any:
        body = scored(cv={"accuracy": best if of.key == PLAIN[0].key else 0.4 + 0.001 * float(of.shown["C"])})
        return {**body, "details": {"cv": {"confusion_matrix": [[25, 5], [10, 10]]}}}

    assert len(found(store_of(tmp_path, outcome), "chance-scores")) == n


def test_a_pipeline_that_is_meant_to_guess_is_no_finding(tmp_path: Path) -> None:
    """A dummy is there to be compared with; another model that does no better than it is told."""
    dummy = replace(candidate("dummy"), steps=(Step(name="m", use="sklearn.dummy:DummyRegressor", params={}),))
    store = store_of(tmp_path, lambda of, on: scored(cv={"r2": 0.0}), [dummy, candidate("svc")], rank_by="r2")
    assert [remark.found.pipeline for remark in found(store, "chance-scores")] == ["svc"]


def test_chance_of_a_regression_is_the_mean(tmp_path: Path) -> None:
    """An R2 of 0 is what the mean of the target gives."""
    store = store_of(tmp_path, lambda of, on: scored(cv={"r2": 0.01 * (on.fold or 0)}), rank_by="r2")
    assert "guessing gives (0.000)" in only(store, "chance-scores").found.text


@pytest.mark.parametrize(
    ("series", "scores", "wrong"),
    [
        ({"loss_curve": [3.0, 2.0, None]}, {}, True),
        ({"loss_curve": [3.0, 4.0, 5.0]}, {}, True),
        ({"validation_0:rmse": [3.0, 2.0, 9.0]}, {}, True),
        ({"loss_curve": [3.0, 4.0, 2.9]}, {}, False),
        ({"validation_scores": [0.9, 0.8, 0.7]}, {}, False),
        ({"n_iter": [7.0]}, {}, False),
        ({}, {"r2": -1e20}, True),
        ({}, {"r2": -0.5}, False),
    ],
)
def test_what_diverges(tmp_path: Path, series: Any, scores: Any, wrong: bool) -> None:
    """No number, a loss that ends above its beginning, an absurd R2; the rule and the vigil agree."""

    def outcome(of: Candidate, on: Cell) -> Any:
        return with_series(scored(cv={"accuracy": 0.5, **scores}), **series)

    one = candidate("net", C=1)
    store = store_of(tmp_path, outcome, [one], [cell()])
    assert [remark.found.text for remark in found(store, "diverged-fits")] == [
        "1 of 1 fit of net diverged"
    ] * wrong
    assert shapes.ran_away(outcome(one, cell())) is wrong


def test_a_flat_loss(tmp_path: Path) -> None:
    """Five equal values are flat, four say nothing, other series may stand still."""
    series = {0: {"loss_curve": [2.0] * 5}, 1: {"loss_curve": [2.0] * 4}, 2: {"validation_scores": [0.5] * 9}}
    store = store_of(tmp_path, lambda of, on: with_series(good(of, on), **series[on.fold or 0]))
    assert only(store, "flat-series").found.n_found == 4


def test_a_truncated_series(tmp_path: Path) -> None:
    """Against the same candidate on other folds; what thinning left out counts as there."""

    def outcome(of: Candidate, on: Cell) -> Any:
        body = dict(with_series(good(of, on), loss_curve=[3.0, 2.0, 1.0]))
        if on.fold == 0:
            body["details"] = {"train": {"series": {"loss_curve": [3.0, 1.0]}, "n_values": {"loss_curve": 9}}}
        return body

    one = only(store_of(tmp_path, outcome), "truncated-series")
    assert (one.found.n_found, one.found.n_looked_at) == (8, 12)


def test_missing_series(tmp_path: Path) -> None:
    """Where others of the pipeline have some."""
    store = store_of(
        tmp_path, lambda of, on: with_series(good(of, on), loss_curve=[2.0, 1.0]) if on.fold else good(of, on)
    )
    assert only(store, "missing-series").found.n_found == 4


def test_uneven_folds_and_changed_rows(tmp_path: Path) -> None:
    """Folds may differ by twice; fits on one cell may not differ at all."""

    def sized(of: Candidate, on: Cell) -> Any:
        return {**good(of, on), "n_rows": {"train": 100, "cv": 10 if on.fold == 0 else 21}}

    uneven = store_of(tmp_path / "a", sized)
    assert only(uneven, "uneven-folds").found.text == "folds of s hold out between 10 and 21 rows"
    assert found(uneven, "changed-rows") == []

    def changed(of: Candidate, on: Cell) -> Any:
        return {**good(of, on), "n_rows": {"train": 99 if of.key == PLAIN[1].key else 100, "cv": 20}}

    one = only(store_of(tmp_path / "b", changed), "changed-rows")
    assert one.found.text == "fits on the same cell had 99 and 100 rows of train, on 3 cells: the data changed" + (
        " between them"
    )


@pytest.mark.parametrize(("n", "wrong"), [(1, 0), (2, 1)])
def test_a_tenth_may_fail_to_converge(tmp_path: Path, n: int, wrong: int) -> None:
    """1 of 12 is fine, 2 are not; other warnings are not counted there."""
    keys = [key_of(of, on) for of in PLAIN for on in cells(3)]

    def outcome(of: Candidate, on: Cell) -> Any:
        kind = "ConvergenceWarning" if key_of(of, on) in keys[:n] else "UserWarning"
        return {**good(of, on), "warnings": [[kind, 'said "[" and \\', 2]]}

    store = store_of(tmp_path, outcome)
    assert [remark.found.n_found for remark in found(store, "not-converged")] == [n] * wrong
    assert only(store, "warned-fits").found.n_found == 12 - n


def test_errors_come_first_and_rules_are_chosen_by_name(tmp_path: Path) -> None:
    """An unknown name is an error that names the nearest."""
    store = store_of(tmp_path, lambda of, on: failed() if on.fold else scored(cv={"accuracy": 0.5}))
    severities = [remark.severity for remark in remarks(store)]
    assert severities == sorted(severities, key=[*Severity].index)
    assert {Severity.ERROR, Severity.WARNING} <= set(severities)
    assert [rule.name for rule in chosen(["flat-series"])] == ["flat-series"]
    assert [rule.name for rule in chosen([])] == [*RULES]
    with pytest.raises(UserError, match='no rule "flat-serie"; did you mean "flat-series"'):
        chosen(["flat-serie"])


def test_every_rule_says_what_it_means_and_what_to_do() -> None:
    """Names are unique and plain; those that are asked after a run are a few."""
    assert all(rule.meaning and rule.do and name == rule.name for name, rule in RULES.items())
    assert {rule.name for rule in AFTER_RUN} == {"missing-scores", "diverged-fits", "flat-series"}


# -- while it runs -----------------------------------------------------------------------------------


def seen(n: int, *, wrong: int = 0, **changes: Any) -> Vigil:
    """A vigil that saw *n* fits of "net", the first of them diverged."""
    vigil = Vigil("accuracy")
    for at in range(n):
        curve = [1.0, 2.0, 3.0] if at < wrong else [3.0, 2.0, 1.0]
        body = with_series(scored(cv={"accuracy": 0.5}), loss_curve=curve)
        vigil.see("net", json.loads(json.dumps({"outcome": "succeeded", **body, **changes})))
    return vigil


def test_a_vigil_counts_what_diverges() -> None:
    """From the first on, in a line that a display shows."""
    assert seen(40).lines() == []
    assert seen(40, wrong=12).lines() == ["12 of 40 fits of pipeline net diverged"]


def test_a_vigil_judges_a_pipeline_after_ten_fits() -> None:
    """More than half of ten or more have to diverge before it is called bad."""
    assert seen(9, wrong=9).mostly_diverging() == {}
    assert seen(10, wrong=5).mostly_diverging() == {}
    assert seen(10, wrong=6).mostly_diverging() == {"net": "6 of its first 10 fits diverged"}


def test_a_vigil_sees_scores_and_warnings() -> None:
    """Failures are counted elsewhere."""
    assert seen(3, scores={"cv": {"accuracy": None}}).lines() == ["3 of 3 fits of pipeline net have no accuracy"]
    warned = [["ConvergenceWarning", "", 1]]
    assert seen(9, warnings=warned).lines() == []
    assert seen(10, warnings=warned).lines() == ["10 of 10 fits of pipeline net did not converge"]
    assert seen(10, wrong=10, outcome="failed").lines() == []


def test_mixed_versions_are_seen(tmp_path: Path) -> None:
    """Each library of which results were made with several versions; workers that did not tell do not count."""
    store = new_store(tmp_path, segment(PLAIN, cells(3), unit_size=4))
    run(store, good, worker="w-1", units=1, libraries={"numpy": "2.1", "scipy": "1.1"})
    run(store, good, worker="w-2", units=1)
    run(store, good, worker="w-3", libraries={"numpy": "2.2", "scipy": "1.1"})
    remark = only(store, "mixed-versions")
    assert remark.found.n_found == 4
    assert "4 results made with numpy 2." in remark.found.text
    assert not found(store_of(tmp_path / "one", good), "mixed-versions")
