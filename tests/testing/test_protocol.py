"""The protocol of the directory store holds within small bounds, and each seeded error is found."""

import time
from dataclasses import replace

import pytest

from manyfit.testing.protocol import Design, Scope, explore
from manyfit.testing.protocol.__main__ import FULL, MUTANTS, QUICK, main

LAW_OF = {
    "claim replaces a claim": "5",
    "end replaces an end": "5",
    "claim before the last epoch ended": "6",
    "newest visible record counts": "3",
    "only the end of the highest epoch counts": "2",
    "seal at what is visible": "3",
    "end without fsync": "3",
    "log of a dead process is used again": "5",
    "claim states a newer position than it read": "8",
    "tail of the chain is not read again": "8",
    "control entry replaces an entry": "2",
    "base has open epochs": "10",
    "parts of a split overlap": "1",
    "children forget the attempts before the split": "9",
    "retry uses the generation again": "1",
    "preempted attempt is charged": "9",
    "next holder forgets what was forgiven": "9",
    "task that is left alone is not charged": "9",
}


@pytest.mark.parametrize("name", QUICK)
def test_every_law_holds_in_every_state_within_small_bounds(name):
    """No reachable state or step breaks a law, and completion stays reachable."""
    verdict = explore(QUICK[name], Design(), clock=time.perf_counter)
    assert (verdict.problem, verdict.trace, verdict.cut_short) == (None, (), False)
    assert verdict.n_states > 1000


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", FULL)
def test_every_law_holds_in_every_state_within_large_bounds(name, figure):
    """As within small bounds, with more tasks, workers, epochs, crashes and entries."""
    verdict = explore(FULL[name], Design(), clock=time.perf_counter)
    assert (verdict.problem, verdict.trace, verdict.cut_short) == (None, (), False)
    figure(f"protocol of the folder, all states: {name}", verdict.n_states, "every law holds")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_design_with_one_error_breaks_the_law_that_forbids_it(name):
    """A counterexample is found, it is short, and it names the law that the decision serves."""
    design, scope = MUTANTS[name]
    verdict = explore(scope, design, clock=time.perf_counter)
    assert verdict.problem is not None
    assert verdict.problem.split(":")[0] == LAW_OF[name]
    assert 2 <= len(verdict.trace) <= 12


def test_every_decision_of_the_design_has_a_mutant():
    """Each field of Design is False in exactly one mutant."""
    wrong = [[name for name in Design.__slots__ if not getattr(d, name)] for d, _ in MUTANTS.values()]
    assert sorted(wrong) == sorted([name] for name in Design.__slots__)


def test_work_that_cannot_go_on_is_found():
    """Law 4 objects to a pause that nobody can lift."""
    scope = Scope(n_tasks=1, n_workers=1, n_entries=1, actions=("pause",))
    verdict = explore(scope, Design(), clock=time.perf_counter)
    assert verdict.problem == "4: completion cannot be reached any more"
    assert verdict.trace == (("append", 2, "pause"),)


def test_a_search_that_was_cut_short_says_so():
    """A limit of states makes no verdict of soundness."""
    verdict = explore(Scope(n_crashes=1), Design(), clock=time.perf_counter, limit=100)
    assert verdict.cut_short
    assert verdict.problem is None


def test_a_counterexample_starts_at_the_beginning_and_is_shortest():
    """The trace of an overlap is one claim and one split."""
    verdict = explore(Scope(splits=True), replace(Design(), parts_are_disjoint=False), clock=time.perf_counter)
    assert [step[0] for step in verdict.trace] == ["claim", "split"]


@pytest.mark.slow
def test_the_command_prints_a_table_and_returns_zero(capsys):
    """`python -m manyfit.testing.protocol` shows every configuration and every mutant."""
    assert main(["--quick"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*QUICK, *MUTANTS))
    assert "NOT FOUND" not in shown
