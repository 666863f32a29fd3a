"""Planning against the estimators, the data and the fusion rules that are there."""

import re
from pathlib import Path

import pytest

from manyfit import connect
from manyfit.connect.planning import fusion_rules
from manyfit.contracts.estimators import FitSize
from manyfit.families.catalog import FamilyCatalog
from manyfit.families.estimators import SklearnCatalog
from manyfit.families.fusion.catalog import MODULES, rules_in
from manyfit.model.candidate import Step
from manyfit.plan.costs import CostModel
from manyfit.plan.fused import FusionSummary
from manyfit.plan.sharing import seeded

SMOOTH = {"steps": ["GaussianNB"], "grid": {"var_smoothing": [1e-9, 1e-3, 0.1]}}
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
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_selections_of_columns_are_planned_together():
    """A default that is no plain value, as a function is none, does not reach rules: they do without."""
    chosen = {"steps": ["SelectKBest", "GaussianNB"], "grid": {"selectkbest__k": [1, 2, 3]}}

    assert {"k-best", "gaussian-bayes"} <= set(explained(pipelines={"chosen": chosen, "smooth": SMOOTH}))


@pytest.mark.parametrize("module", MODULES)
def test_rules_take_classes_as_plans_describe_them(module):
    """Every rule tells the group of every class that it covers from the parameters that a plan knows."""
    catalog = SklearnCatalog()
    costs = CostModel({}, lambda use: catalog.resolve(use).defaults, FamilyCatalog())
    size = FitSize(n_rows=100, n_columns=4, n_classes=2)
    for rule in rules_in(module):
        for path in sorted(rule.covers):
            params = seeded(costs.params(Step(name="last", use=path, params={})))
            rule.refuses(path, params, size)
            hash(rule.group(path, params))
            assert rule.cost_seconds(path, [params, params], [1.0, 1.0], size) > 0
