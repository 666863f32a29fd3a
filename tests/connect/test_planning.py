"""Planning against the estimators, the data and the fusion rules that are there."""

from pathlib import Path

import pytest

from manyfit import connect
from manyfit.connect.planning import fusion_rules
from manyfit.plan.fused import FusionSummary

FORESTS = {
    "steps": ["StandardScaler", "RandomForestClassifier"],
    "grid": {"n_estimators": [20, 40, 80]},
}


def explained(**more: object) -> dict[str, FusionSummary]:
    """Return what the plan of a few forests says, by rule; those alone under ""."""
    rules_off = more.pop("rules_off", ())
    declaration = {"name": "s", "data": "sklearn:iris", "pipelines": {"forests": FORESTS}, **more}
    planned = connect.plan_sweep(connect.declare_sweep(declaration, Path.cwd()), n_workers=2, rules_off=rules_off)
    return {row.rule: row for row in planned.summary().fusion}


def test_forests_are_planned_together():
    """The plan of real estimators is that of the rules that there are, on the releases that are installed."""
    found = explained()

    assert set(found) == {"forests", "shared-steps"}
    assert found["forests"].n_tasks == 15


@pytest.mark.parametrize("name", ["forests", "shared-steps+forests"])
def test_a_rule_that_an_audit_switched_off_is_not_planned(name):
    """The reason names the audit; results of several rules name all of them."""
    found = explained(rules_off=[name])

    assert "forests" not in found
    assert "" not in found or found[""].reason == 'rule "forests" was switched off by an audit'


def test_a_rule_of_another_release_is_not_planned(monkeypatch):
    """Scores are promised for the releases that a rule was tested with, and for no others."""
    from manyfit.fit import releases

    monkeypatch.setattr(releases, "release", lambda library: "2.0")

    assert explained()[""].reason.startswith("proven on scikit-learn 1.9, not on 2.0")


def test_every_rule_has_a_name_that_can_be_asked_for():
    """Names are those of the sweep file: lower case, with dashes."""
    names = fusion_rules().names()
    spec = connect.declare_sweep(
        {"name": "s", "data": "sklearn:iris", "fuse": sorted(names), "pipelines": {"forests": FORESTS}}, Path.cwd()
    ).spec

    assert spec.fuse.also == tuple(sorted(names))
    assert all(name == name.lower() and " " not in name for name in names)
