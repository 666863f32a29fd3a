"""Failures and warnings, grouped by what caused them."""

from pathlib import Path

from tests.report.sweeps import candidate, cell, cells, failed, key_of, new_store, run, scored, segment, submit

from manyfit.model.result import FailureClass
from manyfit.report.advice import ADVICE
from manyfit.report.failures import failures
from manyfit.report.warnings import fit_warnings

SVC = candidate("svc", C=1)
RF = candidate("rf", n=3)


def test_failures_are_grouped_by_class_and_fingerprint(tmp_path: Path) -> None:
    """Same cause is one group with its count and an example; the largest comes first."""
    store = new_store(tmp_path, segment([SVC, RF], cells(3)))

    def outcome(of, on):
        if of.key == RF.key and on.fold == 0:
            return failed("oom", "", "killed at 2.0 GiB", "m")
        return failed("user", "ValueError", f"Input X contains NaN\nrow {on.fold}", "n") if on.fold else scored()

    run(store, outcome)
    groups = failures(store)
    assert [(group.cls, group.count, group.pipelines) for group in groups] == [
        (FailureClass.USER, 4, ("rf", "svc")),
        (FailureClass.OOM, 1, ("rf",)),
    ]
    assert groups[1].key == key_of(RF, cell(fold=0))
    assert groups[1].what == "rf n=3, s fold 0 seed 0: killed at 2.0 GiB"
    assert "--memory" in groups[1].do
    assert groups[0].key == min(key_of(of, cell(fold=fold)) for of in (SVC, RF) for fold in (1, 2))


def test_failures_that_were_retried_are_gone(tmp_path: Path) -> None:
    """A failure that a later generation healed, or whose attempt was tried again, is not listed."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    run(store, lambda *_: {**failed("crash"), "final": False}, units=1)
    run(store, lambda *_: failed(), worker="w-2")
    assert sum(group.count for group in failures(store)) == 2
    submit(store, segment([SVC, RF], [cell()], generation=1), n_new=0)
    run(store, lambda *_: scored(), worker="w-3")
    assert failures(store) == []


def test_what_speaks_of_the_host_is_told(tmp_path: Path) -> None:
    """One host for all, and attempts that were not charged; nothing of it when there are several hosts."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    lost = {**failed("crash"), "final": False, "outcome": "lost"}
    run(store, lambda *_: lost, units=2, host="there")
    run(store, lambda *_: failed("crash"), worker="w-2")
    (group,) = failures(store)
    assert (group.host, group.count, group.n_forgiven) == ("here", 2, 2)
    assert group.where.startswith("all on host here; 2 attempts of these tasks were forgiven")


def test_the_only_host_is_not_worth_a_word(tmp_path: Path) -> None:
    """That all failures of a laptop's sweep happened on the laptop says nothing."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    run(store, lambda *_: failed("crash"))
    (group,) = failures(store)
    assert (group.count, group.where) == (2, "")


def test_failures_on_several_hosts_name_none(tmp_path: Path) -> None:
    """The next person would look at the wrong machine."""
    store = new_store(tmp_path, segment([SVC, RF], [cell()]))
    run(store, lambda *_: failed("crash"), units=1, worker="w-1", host="there")
    run(store, lambda *_: failed("crash"), worker="w-2")
    (group,) = failures(store)
    assert (group.count, group.host, group.where) == (2, "", "")


def test_every_class_has_advice() -> None:
    """No failure class leaves a person without a next step."""
    assert set(ADVICE) == set(FailureClass)
    assert all(ADVICE.values())


def test_warnings_that_differ_in_numbers_are_one(tmp_path: Path) -> None:
    """Warnings are grouped by pipeline, category and text without numbers; brackets and quotes do no harm."""
    store = new_store(tmp_path, segment([SVC, RF], cells(3)))

    def outcome(of, on):
        text = f'gap: {10.0**-on.fold:.3e}, "tol" [{on.fold}, 7] after {on.fold} it'
        extra = [["UserWarning", "x1", 1]] if of.key == RF.key else []
        return {**scored(), "warnings": [["ConvergenceWarning", text, 2], *extra]}

    run(store, outcome)
    found = {(one.pipeline, one.category, one.text): (one.n_tasks, one.count) for one in fit_warnings(store)}
    text = 'gap: #, "tol" [#, #] after # it'
    assert found == {
        ("svc", "ConvergenceWarning", text): (3, 6),
        ("rf", "ConvergenceWarning", text): (3, 6),
        ("rf", "UserWarning", "x1"): (3, 3),
    }


def test_no_warnings(tmp_path: Path) -> None:
    """A sweep whose fits are silent has no groups."""
    store = new_store(tmp_path, segment([SVC], [cell()]))
    run(store, lambda *_: scored())
    assert fit_warnings(store) == []
