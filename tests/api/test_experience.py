"""A real sweep teaches its own next plan."""

import json

import pytest

from manyfit import Sweep, connect
from manyfit.cli.boards import accuracy_facts, show_accuracy
from manyfit.cli.output import Output
from manyfit.report.accuracy import predicted_against_real
from manyfit.run.control import last_header

PIPELINES = {
    "svc": {"steps": ["StandardScaler", "SVC"], "grid": {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}},
    "knn": {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1, 5]}},
}


def iris(folder, **more_of_svc):
    svc = {**PIPELINES["svc"], "grid": {**PIPELINES["svc"]["grid"], **more_of_svc}}
    return Sweep(
        folder=folder,
        name="iris",
        data={"source": "sklearn:iris"},
        metrics=["accuracy"],
        pipelines={**PIPELINES, "svc": svc},
        fuse=False,  # only fits that were made alone teach what a fit alone takes
    )


@pytest.mark.slow
def test_an_edited_sweep_is_planned_from_what_its_first_run_took(tmp_path, monkeypatch, capsys):
    """Formulas before, experience after; predicted against real shows both, in 90 columns and as JSON."""
    monkeypatch.setenv("COLUMNS", "90")
    assert iris(tmp_path).plan().summary().n_measured == 0
    first = iris(tmp_path).run(workers=1)

    planned = iris(tmp_path, C=[0.1, 1, 10, 100]).plan()
    summary = planned.summary()
    assert summary.n_measured == 40
    assert {row.pipeline for row in summary.pipelines if row.accuracy is not None} == {"svc", "knn"}
    assert all(row.peak_bytes > 20 << 20 for row in summary.pipelines)
    assert summary.worker_bytes == max(row.peak_bytes for row in summary.pipelines)
    took = first.tasks().select("time_load", "time_fit", "time_predict", "time_score").sum().row(0)
    # 10 tasks more; each takes milliseconds, so only the size of the prediction can be held against the past.
    assert sum(took) / 4 < summary.cost_seconds < 4 * sum(took) * 50 / 40

    iris(tmp_path, C=[0.1, 1, 10, 100]).run(workers=1)
    store = iris(tmp_path).store()
    assert set(last_header(store).memory_bytes) == {"svc", "knn"}
    rows = predicted_against_real(store, connect.families())
    assert [(row.pipeline, row.n_learned, row.n_tasks) for row in sorted(rows, key=lambda row: row.n_tasks)] == [
        ("knn", 0, 10),
        ("svc", 40, 10),
        ("svc", 0, 30),
    ]
    show_accuracy(Output(), rows)
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == "predicted against real"
    assert max(map(len, shown)) <= 90
    assert [line.split()[0] for line in shown[3:]] == [row.pipeline for row in rows]
    assert json.loads(json.dumps(accuracy_facts(rows)))[0]["n_tasks"] == rows[0].n_tasks
