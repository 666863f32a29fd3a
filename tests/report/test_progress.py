"""The leaders of a running sweep, followed block by block."""

import subprocess
import sys
from pathlib import Path

from tests.report.sweeps import candidate, cell, cells, failed, new_store, run, scored, segment, submit

from manyfit.model.unit import Mode
from manyfit.report.best import best_per_pipeline
from manyfit.report.progress import Progress

SVCS = [candidate("svc", C=n) for n in range(4)]
RF = candidate("rf", n=3)


def value_of(of, on):
    return (int(of.key[:6], 16) % 997 + int(on.key[:6], 16) % 101) / 2000


def test_ends_like_the_leaderboard(tmp_path: Path) -> None:
    """After the last result the leaders are the first rows of the leaderboard, however it was polled."""
    store = new_store(tmp_path, segment([*SVCS, RF], [*cells(3), cell(fold=None)]))
    progress = Progress(store=store, metric="accuracy")
    for worker in ("w-1", "w-2", "w-3"):
        run(
            store,
            lambda of, on: scored(**{"cv" if on.fold is not None else "test": {"accuracy": value_of(of, on)}}),
            worker=worker,
            units=2,
        )
        while progress.poll(limit_bytes=1):
            pass
    best = best_per_pipeline(store)
    leaders = progress.leaders()
    assert [(one.pipeline, one.label) for one in leaders] == best.select("pipeline", "params").rows()
    assert all(abs(one.score - score) < 1e-12 for one, score in zip(leaders, best["score"], strict=True))
    assert progress.n_results == 20


def test_complete_candidates_lead(tmp_path: Path) -> None:
    """A candidate with all its folds leads before one that was lucky with the first fold."""
    store = new_store(tmp_path, segment(SVCS[:2], cells(3), unit_size=3))
    progress = Progress(store=store, metric="accuracy")
    run(store, lambda *_: scored(cv={"accuracy": 0.5}), units=1)
    run(store, lambda _, on: scored(cv={"accuracy": 0.9}) if on.fold == 0 else failed(), worker="w-2")
    assert progress.poll()
    assert not progress.poll()
    assert [(one.label, one.complete) for one in progress.leaders()] == [("C=0", True)]
    assert progress.n_failures == 2


def test_losses_rank_the_other_way_and_kept_models_count_once(tmp_path: Path) -> None:
    """With a metric that falls the smallest leads; the second fit of a kept model adds nothing."""
    store = new_store(tmp_path, segment(SVCS, [cell(fold=None)]))
    progress = Progress(store=store, metric="accuracy", greater_is_better=False)
    run(store, lambda of, _: scored(validate={"accuracy": of.shown["C"]}, a={"accuracy": 9}))
    submit(store, segment(SVCS[:1], [cell(fold=None)], generation=1, mode=Mode.KEEP), n_new=0)
    run(store, lambda *_: scored(validate={"accuracy": 50.0}), worker="w-2")
    progress.poll()
    assert [(one.label, one.score) for one in progress.leaders()] == [("C=0", 0.0)]


def test_needs_no_data_frames() -> None:
    """The display's reader imports neither Polars nor numpy."""
    code = (
        "import sys, manyfit.report.progress, manyfit.report.tasks; print({'polars', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
