"""Verdicts over measured facts."""

from dataclasses import replace

import pytest

from manyfit.model.gates import (
    CalibrationGate,
    ChampionGate,
    Gates,
    LatencyGate,
    MetricGate,
    PairedTest,
    Regression,
    SchemaGate,
)
from manyfit.report.gates import Facts, Latency, Part, judged, markdown, passed
from manyfit.report.paired import Discordant, Gain

FACTS = Facts(
    model="svc C=1 of vowels",
    data="unseen.csv",
    n_rows=100,
    overall={"accuracy": 0.9, "rmse": 2.0, "roc_auc": None},
    classes={"a": Part(n_rows=60, scores={"recall": 0.95}), "b": Part(n_rows=0, scores={"recall": None})},
    groups={"x": Part(n_rows=90, scores={"accuracy": 0.9}), "y": Part(n_rows=10, scores={"accuracy": 0.2})},
)


def verdicts(gates: Gates, facts: Facts = FACTS) -> list[bool]:
    return [verdict.passed for verdict in judged(gates, facts)]


def of_metric(**named) -> Gates:
    return Gates(file="", metrics=(MetricGate(key="metrics[0]", **named),))


@pytest.mark.parametrize(
    ("metric", "bounds", "good"),
    [
        ("accuracy", {"at_least": 0.9}, True),
        ("accuracy", {"at_least": 0.901}, False),
        ("rmse", {"at_most": 2.0}, True),
        ("rmse", {"at_most": 1.99}, False),
        ("rmse", {"at_least": 1.0, "at_most": 1.5}, False),
        ("roc_auc", {"at_least": 0.0}, False),
        ("f1_macro", {"at_least": 0.0}, False),
    ],
)
def test_bounds_of_all_rows(metric: str, bounds: dict, good: bool) -> None:
    """A value at its bound passes, one beyond it fails, and one that is not defined fails."""
    assert verdicts(of_metric(metric=metric, **bounds)) == [good]


def test_classes_and_groups() -> None:
    """`*` judges each; a class without rows fails; groups with too few rows are not judged."""
    assert verdicts(of_metric(metric="recall", at_least=0.9, of_class="*")) == [True, False]
    assert verdicts(of_metric(metric="recall", at_least=0.9, of_class="a")) == [True]
    assert verdicts(of_metric(metric="accuracy", at_least=0.5, group="*")) == [True, False]
    assert verdicts(of_metric(metric="accuracy", at_least=0.5, group="*", min_rows=11)) == [True]


def of_champion(found: object, **named) -> bool:
    gate = ChampionGate(key="champion[0]", metric="accuracy", **named)
    return verdicts(Gates(file="", champion=(gate,)), replace(FACTS, gains={"champion[0]": found}))[0]


def test_a_model_as_good_as_the_champion_shows_no_loss() -> None:
    """Differences of errors are negated, and so is zero."""
    found = Gain(model=1.5, champion=1.5, gain=-0.0, low=-1e-13, high=-0.0, n_units=100)
    gate = ChampionGate(key="champion[0]", metric="rmse")
    [verdict] = judged(Gates(file="", champion=(gate,)), replace(FACTS, gains={gate.key: found}))
    assert (verdict.measured, "-0" in verdict.says, verdict.passed) == ("+0.0000, >= +0.0000", False, True)


def test_the_margin_against_the_champion() -> None:
    """To exclude a regression the lower bound counts, to show none the upper one."""
    found = Gain(model=0.88, champion=0.9, gain=-0.02, low=-0.05, high=0.01, n_units=100)
    excluded, not_shown = Regression.EXCLUDED, Regression.NOT_SHOWN
    assert not of_champion(found, margin=0.03, regression=excluded)
    assert of_champion(found, margin=0.05, regression=excluded)
    assert of_champion(found, margin=0.0, regression=not_shown)
    much = replace(found, gain=-0.1, low=-0.15, high=-0.04)
    assert not of_champion(much, margin=0.03, regression=not_shown)
    assert of_champion(much, margin=0.05, regression=not_shown)
    better = replace(found, gain=0.1, low=0.05, high=0.15)
    assert of_champion(better, margin=0.0, regression=excluded)
    assert not of_champion(None, margin=0.9)


def test_mcnemar_fails_when_the_champion_is_shown_to_be_better() -> None:
    """p below 1 - confidence fails."""
    named = {"test": PairedTest.MCNEMAR, "regression": Regression.NOT_SHOWN}
    found = Discordant(model_only=2, champion_only=10, p=0.019)
    assert not of_champion(found, confidence=0.95, **named)
    assert of_champion(found, confidence=0.99, **named)


def test_latency_size_schema_and_calibration() -> None:
    """Each bound is judged alone; what was not measured fails."""
    gates = Gates(
        file="",
        latency=LatencyGate(median_seconds=0.01, p95_seconds=0.02),
        size_bytes=1000,
        schema=SchemaGate(champion=True),
        calibration=CalibrationGate(ece_at_most=0.1, brier_at_most=0.2),
    )
    good = replace(
        FACTS,
        latency=Latency(rows=1, median_seconds=0.01, p95_seconds=0.03, repeats=50, machine="m"),
        n_bytes=1001,
        schema_differences=("missing: x",),
        ece=0.1,
        brier=0.21,
    )
    assert verdicts(gates, good) == [True, False, False, False, True, False]
    better = replace(good, n_bytes=1000, schema_differences=(), brier=0.2)
    assert verdicts(gates, better) == [True, False, True, True, True, True]
    assert not any(verdicts(replace(gates, schema=None), FACTS))


def test_the_summary_has_failed_gates_first_and_no_markup_of_names() -> None:
    """A failed gate stands above a passed one, and names cannot break the table."""
    gates = Gates(
        file="",
        metrics=(
            MetricGate(key="metrics[0]", metric="accuracy", at_least=0.5),
            MetricGate(key="metrics[1]", metric="recall", of_class="a|b <i>", at_least=0.5),
        ),
    )
    facts = replace(FACTS, classes={"a|b <i>": Part(n_rows=1, scores={"recall": 0.1})})
    found = judged(gates, facts)
    assert not passed(found)
    rows = [line for line in markdown(found, facts).splitlines() if line.startswith("| ") and "---" not in line]
    assert rows[1].startswith("| ❌ | recall, class a\\|b &lt;i&gt; | &gt;= 0.5 | 0.1000 |")
    assert rows[2].startswith("| ✅ | accuracy |")
