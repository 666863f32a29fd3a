"""Audits of real sweeps: a rule that lies is found, switched off and repaired; nobody else is blamed."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.lying import EXECUTOR, ODD_ESTIMATORS
from tests.cli.calls import in_process
from tests.run.plans import inline, work

from manyfit.api import auditing
from manyfit.api.auditing import AuditLook, audit, small_audit
from manyfit.api.sweeps import Sweep
from manyfit.cli.audits import AuditLines, bar_line
from manyfit.connect import planning
from manyfit.contracts.store import Store
from manyfit.model.audit import Verdict
from manyfit.model.control import certificates, rules_off
from manyfit.model.errors import DataChanged, DoubtfulResults, Refused
from manyfit.report.frames import results_frame
from manyfit.report.fused import doubtful_counts, population
from manyfit.run.pool import Pool
from manyfit.run.processes import children_of

KNN = {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1, 3, 5, 7]}}
NB = {"steps": ["GaussianNB"], "grid": {"var_smoothing": [1e-9, 1e-3, 1e-1]}}
LR = {"steps": ["LogisticRegression"]}

Make = Callable[..., Sweep]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One warm runner for all tests that have no estimators of their own."""
    root = Path(__file__).resolve().parents[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYTHONPATH", os.pathsep.join([str(root / "src"), str(root), os.environ.get("PYTHONPATH", "")])
        )
        with Pool(1, executor=EXECUTOR) as made:
            while not made.ready():
                time.sleep(0.01)
            yield made


def n_fused(store: Store) -> int:
    return len(population(store).frame)


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with odd estimators: one for all tests, since a process imports a module only once."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd_estimators.py").write_text(ODD_ESTIMATORS)
    (folder / "machine").write_text("0")
    return folder


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_path: str) -> Make:
    """Return what submits a sweep of these pipelines, has it worked on in this process, and returns it."""
    monkeypatch.setattr(planning, "EXECUTOR", EXECUTOR)
    monkeypatch.setenv("PYTHONPATH", python_path)
    monkeypatch.chdir(tmp_path)

    def made(
        data: Any = "sklearn:iris", folder: Path = tmp_path, name: str = "flowers", **pipelines: Any
    ) -> Sweep:
        splits = {"halves": {"folds": 3}}
        sweep = Sweep(name=name, folder=folder, data=data, splits=splits, pipelines=pipelines)
        sweep.plan().submit()
        fit(sweep)
        return sweep

    return made


def fit(sweep: Sweep) -> None:
    """Run what is left in this process."""
    work(sweep.store(), runner=inline())


def fused_by(store: Store) -> Mapping[str, set[str | None]]:
    """Return which rules computed the results of each pipeline."""
    frame = results_frame(store)
    return {name: set(frame.filter(frame["pipeline"] == name)["fused_by"]) for name in set(frame["pipeline"])}


@pytest.mark.slow
def test_a_lying_rule_is_found_switched_off_and_repaired(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """The command fails and says what to do; that repairs it, the next audit passes, and the rule stays off."""
    sweep = make(knn=KNN, nb=NB, lr=LR)
    store = sweep.store()
    give = in_process(capsys)
    assert fused_by(store) == {"knn": {"lying"}, "nb": {"honest"}, "lr": {None}}
    n_fused = population(store).sizes

    said = give("audit", "flowers", "--sample", "8", "--workers", "1", check=1)

    (found,) = certificates(store.entries())
    lying, honest = {rule.rule: rule for rule in found.rules}["lying"], {r.rule: r for r in found.rules}["honest"]
    assert (lying.verdict, honest.verdict) == (Verdict.BROKEN, Verdict.KEPT)
    assert {"lying": lying.n_fused, "honest": honest.n_fused} == n_fused
    assert (lying.n_tasks, honest.n_tasks) == (4, 4)
    assert (lying.largest > 0.001, honest.largest) == (True, 0.0)
    assert found.versions["scikit-learn"]
    assert rules_off(store.entries()) == {"lying"}
    assert "next: manyfit retry flowers --rule lying" in " ".join(said.err.split())
    assert f"{lying.n_fused} results are doubtful" in " ".join(said.err.split())
    assert "doubtful" in give("results", "flowers").out
    assert give("status", "flowers", "--json").json["doubtful"] == {"lying": lying.n_fused}
    assert give("results", "flowers", "--raw", "--json").json["rows"][0]["fused_by"] in ("lying", "honest", None)

    assert give("retry", "flowers", "--rule", "lying", "--json").json == {"retried": lying.n_fused}
    fit(sweep)

    assert fused_by(store) == {"knn": {None}, "nb": {"honest"}, "lr": {None}}
    assert doubtful_counts(store) == {}
    before = children_of(os.getpid())
    repaired = give("audit", "flowers", "--json", "--workers", "1").json
    assert children_of(os.getpid()) == before
    assert repaired["passed"]
    assert [(rule["rule"], rule["n_tasks"]) for rule in repaired["rules"]] == [("honest", honest.n_fused)]
    assert rules_off(store.entries()) == {"lying"}
    assert "doubtful" not in give("results", "flowers").out


def test_tasks_that_come_later_are_fitted_without_the_rule(make: Make, pool: Pool) -> None:
    """A changed sweep after the audit: what is new of the pipeline is fitted alone, others as before."""
    sweep = make(knn=KNN, nb=NB)
    found = audit(sweep.store(), sample=100, pool=pool)
    lying = {rule.rule: rule for rule in found.rules}["lying"]
    assert lying.n_wrong > lying.n_cells / lying.n_tasks  # of one result: none of them was fused again

    wider = {**KNN, "grid": {"n_neighbors": [1, 3, 5, 7, 9, 11]}}
    more = {**NB, "grid": {"var_smoothing": [1e-9, 1e-3, 1e-1, 1e-5, 1e-6]}}
    sweep = make(knn=wider, nb=more)

    frame = results_frame(sweep.store())
    new = frame.filter(frame["segment"] != frame["segment"][0])
    assert new.height == 12
    assert set(new.filter(new["pipeline"] == "knn")["fused_by"]) == {None}
    assert "honest" in set(new.filter(new["pipeline"] == "nb")["fused_by"])


def test_the_small_audit_has_one_of_each_rule_and_is_not_repeated(
    make: Make, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short the run was; again only when results were fused since."""
    store = make(nb=NB).store()

    monkeypatch.setattr(auditing, "SMALL_LEAST_SECONDS", 0.0)
    found = small_audit(store, run_seconds=0.0, n_runners=1, threads=1, pool=pool)

    assert found is not None
    assert [rule.n_tasks for rule in found.rules] == [1]
    assert small_audit(store, run_seconds=0.0, n_runners=1, threads=1, pool=pool) is None
    assert len(certificates(store.entries())) == 1


def test_nothing_is_audited_where_nothing_was_fused(make: Make) -> None:
    """No runner is started, and no certificate is stored."""
    sweep = make(lr=LR)
    store = sweep.store()
    assert small_audit(store, run_seconds=100.0, n_runners=1, threads=1) is None
    assert audit(store).n_fused == 0
    assert certificates(store.entries()) == []


def test_an_audit_that_is_killed_can_be_repeated(make: Make, pool: Pool) -> None:
    """Nothing is stored before the end; the same seed draws the same tasks."""
    store = make(nb=NB).store()

    def interrupt(look: AuditLook) -> None:
        if look.n_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(store, progress=interrupt, pool=pool)
    assert certificates(store.entries()) == []
    looks: list[AuditLook] = []
    assert audit(store, progress=looks.append, pool=pool).passed
    n = n_fused(store)
    assert [look.n_done for look in looks] == list(range(n + 1))
    assert {look.n_total for look in looks} == {n}
    assert looks[-1].left_seconds == 0.0


def test_changed_data_is_told(make: Make, pool: Pool, tmp_path: Path) -> None:
    """A comparison would blame the rule for what somebody did to a file."""
    table = tmp_path / "table.csv"
    rows = [f"{n % 7},{n % 5},{'ab'[n % 2]}" for n in range(60)]
    table.write_text("\n".join(["x,z,kind", *rows]) + "\n")
    store = make(data={"source": "table.csv", "target": "kind"}, nb=NB).store()
    table.write_text("\n".join(["x,z,kind", *rows, "1,1,a"]) + "\n")

    with pytest.raises(DataChanged, match=r"^the audit compares nothing: the data .* or restore the file\.$"):
        audit(store, pool=pool)
    assert certificates(store.entries()) == []


def test_estimators_that_never_answer_the_same_are_not_held_against_a_rule(
    make: Make, pool: Pool, odd_folder: Path
) -> None:
    """They are counted apart, and nothing is switched off."""
    coin = {"steps": ["odd_estimators:Coin"], "grid": {"number": [1, 2, 3, 4]}}
    store = make(folder=odd_folder, name="coins", coin=coin).store()

    found = audit(store, sample=8, pool=pool)

    assert (found.passed, found.off) == (True, ())
    assert [(rule.n_unsteady, rule.n_tasks, rule.verdict) for rule in found.rules] == [(8, 0, Verdict.UNKNOWN)]


def test_a_machine_that_gives_other_scores_blames_nobody(make: Make, pool: Pool, odd_folder: Path) -> None:
    """What the sweep fitted alone comes out differently too: the audit refuses, and stores nothing."""
    machine = {"steps": ["odd_estimators:Machine"], "grid": {"number": [1, 2, 3]}}
    single = {"steps": ["odd_estimators:Machine"]}
    store = make(folder=odd_folder, name="machines", several=machine, single=single).store()
    assert audit(store, sample=3, pool=pool).passed
    (odd_folder / "machine").write_text("1")

    with pytest.raises(Refused, match="this machine cannot audit the sweep: 3 of 3"):
        audit(store, sample=3, pool=pool)
    assert len(certificates(store.entries())) == 1


def test_results_that_cannot_be_fitted_again_are_counted(
    make: Make, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time limit that only the stand-alone fit exceeds says nothing of the rule."""
    store = make(nb=NB).store()
    body = {"failure": {"cls": "timeout", "error": "TaskTimeout", "message": ""}}
    monkeypatch.setattr(auditing._Audit, "_fitted", lambda self, keys, stored: ((key, body) for key in keys))
    found = audit(store, sample=2, pool=pool)
    assert [(rule.n_unable, rule.n_tasks) for rule in found.rules] == [(2, 0)]
    assert found.passed


@pytest.mark.slow
def test_a_run_ends_with_a_small_audit(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its line stands under the counts, it fails the run, and --no-audit leaves it out."""
    text = json.dumps(
        {
            "name": "whole",
            "data": "sklearn:iris",
            "splits": {"s": {"folds": 2}},
            "pipelines": {"knn": KNN, "nb": NB},
        }
    )
    (tmp_path / "sweep.yaml").write_text(text)
    give = in_process(capsys)

    assert give("run", "sweep.yaml", "--no-audit", "--json", "--workers", "1").json["audit"] is None
    said = give("run", "sweep.yaml", "--workers", "1", check=1)

    assert "fused results fitted again alone" in said.out
    assert "manyfit retry sweep.yaml --rule lying" in " ".join(said.err.split())
    assert give("run", "sweep.yaml", "--json", "--workers", "1").json["audit"] is None


@pytest.mark.slow
def test_python_warns_of_doubtful_results(make: Make) -> None:
    """A run from Python ends with the warning and the results that have the certificate."""
    sweep = make(knn=KNN)
    with pytest.warns(DoubtfulResults, match="manyfit retry .*flowers.sweep --rule lying"):
        results = sweep.run(workers=1)

    n = results.doubtful()["lying"]
    assert n >= 4
    certificate = results.certificate()
    assert certificate is not None
    assert not certificate.passed
    assert f"doubtful: {n} by lying" in results._repr_html_()


@pytest.mark.slow
def test_the_rules_of_manyfit_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep with real fusion, prefixes of steps included: every fused result has the scores of its own fit."""
    monkeypatch.chdir(tmp_path)
    neighbors = {"steps": ["StandardScaler", "KNeighborsClassifier"], "grid": {"n_neighbors": [1, 3, 5]}}
    svc = {"steps": ["StandardScaler", "SVC"], "grid": {"C": [0.1, 1.0, 10.0]}}
    forest = {"steps": ["RandomForestClassifier"], "grid": {"n_estimators": [5, 10, 20]}}
    pipelines = {"knn": neighbors, "svc": svc, "forest": forest}
    sweep = Sweep(
        name="real", folder=tmp_path, data="sklearn:wine", splits={"s": {"folds": 2}}, pipelines=pipelines
    )
    sweep.plan().submit()
    fit(sweep)

    found = sweep.audit(workers=1)

    assert found.passed
    assert found.n_fused >= 12
    assert found.n_tasks == found.n_fused
    assert all(rule.verdict is Verdict.KEPT for rule in found.rules)


def test_progress_is_shown_with_rate_and_time_left() -> None:
    """On one line that is redrawn, or every ten seconds on one of its own."""
    look = AuditLook(n_done=50, n_total=200, elapsed_seconds=25.0, left_seconds=75.0)
    assert bar_line(look).endswith("   50/200, 2.0 tasks/s, 1 m 15 s left")
    assert bar_line(look).count("█") == 7
    begun = AuditLook(n_done=0, n_total=200, elapsed_seconds=0.5, left_seconds=None)
    assert bar_line(begun).endswith("0/200, the runners start")


def test_lines_come_every_ten_seconds(tmp_path: Path) -> None:
    """Where nobody watches; none at all where quiet was asked for."""
    now = [0.0]
    with (tmp_path / "said").open("w+") as stream:
        lines = AuditLines(stream, clock=lambda: now[0])
        for n_done in range(6):
            now[0] = 4.0 * n_done
            lines.show(AuditLook(n_done=n_done, n_total=9, elapsed_seconds=now[0], left_seconds=None))
        stream.seek(0)
        assert stream.read() == "audit: 3 of 9 tasks, 0.2 tasks/s\n"
    AuditLines(None).show(AuditLook(n_done=1, n_total=1, elapsed_seconds=1.0, left_seconds=0.0))
