"""A real sweep, killed again and again as a user's machine would, ends with the scores of a calm run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from manyfit import Sweep
from manyfit.testing.independent import audit, lost_results

SWEEP = """
name = "wine"
rank_by = "f1_macro"
metrics = ["f1_macro", "accuracy"]
seeds = [0, 1]

[data]
source = "sklearn:wine"

[pipelines.svc]
steps = ["StandardScaler", "SVC"]
grid = { C = [0.1, 1, 10], gamma = [0.01, 0.1] }

[pipelines.forest]
steps = ["RandomForestClassifier"]
grid = { n_estimators = [20, 60], max_leaf_nodes = [5, 20] }

[pipelines.net]
steps = ["StandardScaler", { use = "MLPClassifier", max_iter = 60 }]
grid = { hidden_layer_sizes = [[8], [16]] }
"""
SCORES = ["key", "cv_f1_macro", "cv_accuracy", "train_f1_macro"]


def start(sweep: Path, python_path: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "manyfit", "run", str(sweep), "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": python_path},
    )


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the process and all its descendants that live."""
    try:
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(victims: list[psutil.Process]) -> None:
    for victim in victims:
        try:
            victim.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return those that still run after *seconds*."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_sweep_ends_with_the_scores_of_a_calm_one(tmp_path, python_path, seed):
    """SIGKILL of the launcher, of one worker's family, or of everything; then run again until it is done."""
    stream = random.Random(seed)
    calm_file = tmp_path / "calm" / "sweep.toml"
    wild_file = tmp_path / "wild" / "sweep.toml"
    for file in (calm_file, wild_file):
        file.parent.mkdir()
        file.write_text(SWEEP)
    calm = Sweep.load(calm_file).run(workers=2, audit=False).tasks().select(SCORES).sort("key")

    earlier = None
    for _ in range(6):
        process = start(wild_file, python_path)
        time.sleep(stream.uniform(1.0, 7.0))
        everyone = family(process)
        kill(everyone if stream.random() < 0.5 else stream.sample(everyone, k=min(2, len(everyone))))
        if stream.random() < 0.5:
            kill(family(process)[:1])
        else:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        assert not gone(everyone, 15.0), "processes outlived their launcher"
        if (tmp_path / "wild" / "wine.sweep" / "control").is_dir():
            report = audit(tmp_path / "wild" / "wine.sweep")
            assert not report.violations
            if earlier is not None:
                assert not lost_results(earlier, report)
            earlier = report
    process = start(wild_file, python_path)
    assert process.wait(timeout=120) == 0

    wild = Sweep.load(wild_file)
    report = audit(wild.store_folder)
    assert not report.violations
    assert report.planned == report.done == calm.height
    assert wild.results().tasks().select(SCORES).sort("key").equals(calm)
