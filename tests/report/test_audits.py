"""Fused scores beside stand-alone ones: what differs, who is blamed, what is said; and who is drawn."""

import math
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cells, key_of, new_store, run, scored, segment

from manyfit.contracts.store import Store
from manyfit.model.audit import Audited, Certificate, Verdict, blamed, pattern_of
from manyfit.model.control import Audit, rules_off
from manyfit.model.keys import TaskKey
from manyfit.report.audits import (
    Tally,
    certificate,
    compare,
    compare_failure,
    headline,
    remarks,
    verdict_text,
    why_off,
)
from manyfit.report.comparing import compared, notes_on
from manyfit.report.frames import results_frame
from manyfit.report.fused import doubtful_counts, fused_keys, population, rules_used, stored_results
from manyfit.report.leaderboard import leaderboard
from manyfit.report.tasks import describe
from manyfit.run.control import publish
from manyfit.stores.directory import DirectoryStore

KEY = TaskKey("k" * 16)
PLACE = ("cv", "accuracy")


def audited(rule: str = "a", guarantee: str = "exact", **fields: Any) -> Audited:
    return Audited(**{"rule": rule, "guarantee": guarantee, "n_fused": 9, "n_tasks": 3, "n_cells": 6, **fields})


def certified(*rules: Audited) -> Certificate:
    return Certificate(rules=rules, seed=0, drawn_from="d", off=blamed(rules), versions={"numpy": "2.0"})


@pytest.mark.parametrize(
    ("guarantee", "fused", "alone", "n_wrong"),
    [
        ("exact", 0.5, 0.5, 0),
        ("exact", 0.5, math.nextafter(0.5, 1), 1),
        ("close", 0.5, 0.5 + 9e-10, 0),
        ("close", 0.5, 0.5 + 2e-9, 1),
        ("close", 1e6, 1e6 + 9e-4, 0),
        ("close", 1e6, 1e6 + 2e-3, 1),
        ("exact", None, 0.5, 1),
        ("close", 0.5, None, 1),
        ("tolerance", 0.5, 0.9, 0),
        ("statistical", None, 0.9, 0),
    ],
)
def test_every_promise_is_held_to_its_own_measure(
    guarantee: str, fused: float | None, alone: float | None, n_wrong: int
) -> None:
    """Exact means equal, close means within 1e-9 of the score's size; what promises less never fails."""
    assert compare(KEY, {PLACE: fused}, {PLACE: alone}, guarantee).n_wrong == n_wrong


def test_scores_of_all_sets_are_compared() -> None:
    """One that only one side has differs infinitely; one that neither has is none at all."""
    fused = {("cv", "accuracy"): 0.5, ("train", "accuracy"): 1.0, ("test", "roc_auc"): None}
    found = compare(KEY, fused, {("cv", "accuracy"): 0.25, ("validate", "f1"): 0.1}, "exact")

    assert sorted(found.differences) == [0.25, math.inf, math.inf]
    assert found.n_wrong == 3


def test_an_estimator_that_raises_alone_breaks_the_promise() -> None:
    """A limit or a lost host says nothing of the rule."""
    assert compare_failure(KEY, {PLACE: 0.5, ("cv", "f1"): None}, {"cls": "timeout"}) is None
    assert compare_failure(KEY, {PLACE: 0.5}, {"cls": "oom"}) is None
    found = compare_failure(KEY, {PLACE: 0.5, ("cv", "f1"): None}, {"cls": "user"})
    assert found is not None
    assert (found.n_wrong, found.differences) == (1, (math.inf,))


def test_a_tally_becomes_what_the_certificate_says() -> None:
    """Counts, the largest and the median difference, and the task that differs most."""
    tally = Tally(rule="ridge", guarantee="tolerance", n_fused=40, n_unable=2, n_unsteady=1)
    for n, difference in enumerate((0.0, 0.5, 0.25)):
        key = TaskKey(f"{n}")
        tally.compared[key] = compare(key, {PLACE: 0.5}, {PLACE: 0.5 - difference}, "tolerance")

    assert tally.audited() == Audited(
        rule="ridge",
        guarantee="tolerance",
        n_fused=40,
        n_tasks=3,
        n_cells=3,
        largest=0.5,
        median=0.25,
        n_unable=2,
        n_unsteady=1,
        example="1",
    )


@pytest.mark.parametrize(
    ("steady", "n_unsteady", "n_wrong"), [("", 6, 0), ("0", 2, 4), ("012", 0, 6)], ids=["none", "one", "all"]
)
def test_results_that_never_come_out_the_same_are_excused(steady: str, n_unsteady: int, n_wrong: int) -> None:
    """Three of six were repeated: the others are wrong as soon as one of these is."""
    tally = Tally(rule="a", guarantee="exact", n_fused=9)
    for name in "012345":
        tally.compared[TaskKey(name)] = compare(TaskKey(name), {PLACE: 0.5}, {PLACE: 0.1}, "exact")

    tally.excuse({TaskKey(name) for name in steady}, {TaskKey(name) for name in "012"})

    assert (tally.n_unsteady, tally.audited().n_wrong) == (n_unsteady, n_wrong)


def test_infinite_differences_are_written_as_finite_ones() -> None:
    """Files have no infinities: what is missing on one side counts, and names its task."""
    tally = Tally(rule="a", guarantee="exact", n_fused=1)
    tally.compared[KEY] = compare(KEY, {PLACE: None}, {PLACE: 0.5}, "exact")
    found = tally.audited()
    assert (found.largest, found.median, found.n_wrong, found.example) == (0.0, 0.0, 1, KEY)
    assert found.verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    ("rules", "off"),
    [
        ([audited("a", n_wrong=1)], ("a",)),
        ([audited("a+b", n_wrong=1), audited("a")], ("b",)),
        ([audited("a+b", n_wrong=1), audited("a", n_tasks=0)], ("a", "b")),
        ([audited("a+b", n_wrong=1), audited("a", "tolerance")], ("a", "b")),
        ([audited("a+b", n_wrong=1), audited("a"), audited("b")], ("a", "b")),
        ([audited("a+b", n_wrong=1), audited("a+c", n_wrong=1), audited("b")], ("a", "c")),
        ([audited("a"), audited("b", "tolerance", largest=0.3)], ()),
    ],
)
def test_who_is_blamed(rules: list[Audited], off: tuple[str, ...]) -> None:
    """Of rules that computed a broken result together those that kept their promise elsewhere are not."""
    found = certificate((), seed=0, drawn_from="", versions={})
    assert (found.passed, found.off) == (True, ())
    assert blamed(rules) == off


def test_rules_are_matched_by_whole_names() -> None:
    """A name within another one, or with a sign that expressions have, is itself only."""
    import re

    pattern = re.compile(pattern_of(["ridge", "a.b"]))
    assert [bool(pattern.search(name)) for name in ("ridge", "x+ridge", "ridge+x", "a.b")] == [True] * 4
    assert not any(map(pattern.search, ("ridge-cv", "x+ridges", "aab", "")))


def test_what_is_said_of_a_certificate() -> None:
    """One line for each way in which an audit can end."""
    assert headline(certified()) == "audit: no result was computed together with others"
    assert headline(certified(audited(n_fused=4_535, n_tasks=20))) == (
        "audit: 20 of 4,535 fused results fitted again alone, all equal"
    )
    assert headline(certified(audited(guarantee="close", largest=1.25e-10))).endswith("all equal within 1.3e-10")
    assert headline(certified(audited(), audited("b", "tolerance", largest=0.01))).endswith(
        "all equal; rules that promise less differ by 1.1e-2 at most"
    )
    assert headline(certified(audited(n_wrong=1))).endswith(
        "3 of 9 fused results fitted again alone, 1 score differs"
    )
    assert "none of 9 fused results could be" in headline(certified(audited(n_tasks=0)))
    texts = [verdict_text(audited(**fields)) for fields in ({}, {"n_wrong": 2}, {"n_tasks": 0})]
    assert texts == ["equal", "2 differ", "not compared"]
    assert verdict_text(audited(guarantee="statistical")) == "measured"


def test_what_has_to_be_remarked() -> None:
    """What could not be compared, and where to look for a difference."""
    found = list(remarks(certified(audited(n_unable=1, n_unsteady=2, n_wrong=1, example="abcdef0123"))))
    assert len(found) == 3
    assert "a: 1 result could not" in found[0]
    assert "random_state" in found[1]
    assert "abcdef01" in found[2]


def test_what_to_do_about_rules_that_are_off() -> None:
    """The command that repairs names each rule that has results left."""
    assert why_off(["a"], {}, "s.toml").endswith("; no result of it is left")
    assert why_off(["a"], {"a": 1}, "s.toml").endswith("1 result is doubtful; next: manyfit retry s.toml --rule a")
    both = why_off(["a", "b"], {"a": 1, "b": 3}, "s.toml")
    assert both.endswith("at least 3 results are doubtful; next: manyfit retry s.toml --rule a --rule b")


# -- stores ------------------------------------------------------------------------------------------

KNN = [candidate("knn", k=k) for k in range(4)]
RIDGE = [candidate("ridge", alpha=alpha) for alpha in (1, 2)]
ALONE = [candidate("nb")]
RULES = {"knn": "neighbors", "ridge": "shared-steps+ridge"}


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """A sweep of three pipelines, of which two were fused."""
    made = new_store(tmp_path, segment([*KNN, *RIDGE, *ALONE], cells()))
    run(made, outcome)
    return made


def outcome(one: Any, place: Any) -> dict[str, Any]:
    accuracy = 0.5 + place.fold / 7
    body = dict(scored(cv={"accuracy": accuracy, "f1_macro": None}))
    if one.pipeline in RULES:
        body["fusion"] = {"rule": RULES[one.pipeline], "guarantee": "exact", "n_tasks": 4}
    return body


def doubt(store: Store, *rules: str) -> None:
    publish(store, Audit(certificate=certified(*(audited(rule, n_wrong=1) for rule in rules))))


def test_frames_say_which_rule_computed_a_result(store: Store) -> None:
    """And its promise; null for what was fitted alone."""
    frame = results_frame(store).group_by("pipeline", "fused_by", "guarantee", "doubtful").len().sort("pipeline")
    assert frame.rows() == [
        ("knn", "neighbors", "exact", False, 12),
        ("nb", None, None, False, 3),
        ("ridge", "shared-steps+ridge", "exact", False, 6),
    ]
    assert rules_used(store) == ["neighbors", "ridge", "shared-steps"]


def test_results_of_a_rule_that_is_off_are_doubtful(store: Store) -> None:
    """In frames, on the leaderboard, in counts, and where one task is explained."""
    doubt(store, "ridge")

    frame = results_frame(store)
    assert set(frame.filter(frame["doubtful"])["pipeline"]) == {"ridge"}
    rows = leaderboard(store).to_dicts()
    assert {(row["pipeline"], row["n_doubtful"]) for row in rows} == {("knn", 0), ("nb", 0), ("ridge", 3)}
    assert doubtful_counts(store) == {"ridge": 6}
    assert "3 scores are doubtful" in notes_on(compared(store)[0])[-1]
    told = describe(store, key_of(RIDGE[0], cells()[0]), sweep="s.toml").why
    assert told[1] == (
        "it was computed together with 3 other tasks by the rules shared-steps and ridge, whose promise is exact"
    )
    assert told[2] == "it is doubtful: an audit switched ridge off; next: manyfit retry s.toml --rule ridge"
    assert describe(store, key_of(ALONE[0], cells()[0])).why == ("its result is accepted",)


def test_nothing_is_doubtful_while_no_rule_is_off(store: Store) -> None:
    """Audits that pass, or only measure, change nothing."""
    publish(store, Audit(certificate=certified(audited("neighbors"), audited("x", "tolerance", largest=0.5))))
    assert rules_off(store.entries()) == frozenset()
    assert doubtful_counts(store) == {}
    assert not results_frame(store)["doubtful"].any()


def test_compacted_results_become_doubtful_too(store: Store, tmp_path: Path) -> None:
    """The rule went off after the compaction was written."""
    from manyfit.report.compact import compact

    compact(store, tmp=tmp_path)
    doubt(store, "neighbors")
    assert doubtful_counts(store) == {"neighbors": 12}
    assert len(population(store).frame) == 18


def test_every_rule_is_drawn(store: Store) -> None:
    """In turns, so that any beginning of the sample has them all; at least one of each, however small it is."""
    found = population(store)
    assert found.sizes == {"neighbors": 12, "shared-steps+ridge": 6}
    stored = stored_results(store, found.draw(6, 0))
    assert [stored[key].rule for key in found.draw(6, 0)] == ["neighbors", "shared-steps+ridge"] * 3
    assert len(found.draw(1, 0)) == 2
    assert len(set(found.draw(1000, 0))) == 18


def test_a_seed_draws_the_same_sample_again(store: Store) -> None:
    """And another one draws another."""
    found = population(store)
    assert found.draw(8, 3) == population(store).draw(8, 3)
    assert found.draw(8, 3) != found.draw(8, 4)


def test_the_digest_tells_populations_apart(store: DirectoryStore) -> None:
    """It changes with every fused result that is new, and with nothing else."""
    before = population(store).digest()
    publish(store, Audit(certificate=certified(audited("neighbors"))))
    assert population(store).digest() == before
    part = segment(KNN[:1], cells()[:1], generation=1)
    store.submit(part, position=len(store.entries()) + 1, n_new=0)
    run(store, outcome, worker="w-2")
    assert population(store).digest() != before


def test_scores_are_those_of_the_results(store: Store) -> None:
    """To the last bit, by set and metric, with the generation that counts."""
    key = fused_keys(store, "ridge")[0]
    found = stored_results(store, [key])[key]
    row = results_frame(store).filter(results_frame(store)["key"] == key).to_dicts()[0]
    assert found.scores == {place: row[f"{place[0]}_{place[1]}"] for place in found.scores}
    assert (found.rule, found.guarantee, found.generation) == ("shared-steps+ridge", "exact", 0)
    assert len(fused_keys(store, "ridge")) == 6
