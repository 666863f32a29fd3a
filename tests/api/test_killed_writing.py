"""Exports and archives that are killed at any moment: nothing half has their name, and the next call succeeds."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.api.running import run_here

from manyfit import Sweep
from manyfit.api.archiving import archive_sweep, check_archive
from manyfit.api.exporting import export_sweep
from manyfit.cli.main import main
from manyfit.model.errors import ManyfitError
from manyfit.report.export.folders import held_aside

N_KILLS, N_MANY = 3, 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a finished sweep that keeps models, predictions and series."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(folder / "cache"))
        made = Sweep(
            folder=folder,
            name="iris",
            data="sklearn:iris",
            splits={"cv": {"folds": 3}},
            pipelines={"gb": {"steps": ["GradientBoostingClassifier"], "grid": {"n_estimators": [2, 3, 4]}}},
            keep={"models": "best:1", "predictions": "all", "series": True},
        )
        run_here(made, patch)
    return folder


def asides(place: Path) -> set[str]:
    return {path.name for path in place.iterdir() if ".new-" in path.name}


def write(folder: Path, command: list[str], place: Path, python_path: str, kill_after: float | None) -> float:
    """
    Give a command in a process of its own; kill it after these seconds of writing, or let it end. Return how long.

    It writes from the moment on at which something new stands aside in *place*.
    """
    before = asides(place)
    process = subprocess.Popen(
        [sys.executable, "-m", "manyfit", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": python_path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        while process.poll() is None and asides(place) <= before:
            time.sleep(0.001)
        began = time.monotonic()
        if kill_after is None:
            _, said = process.communicate(timeout=100)
            assert process.returncode == 0, said
        else:
            time.sleep(kill_after)
            process.kill()
            process.wait(timeout=100)
        return time.monotonic() - began


def is_whole_export(target: Path) -> bool:
    """Whether a folder has its metadata, and every file that these name with the bytes that they name."""
    files = json.loads((target / "metadata.json").read_bytes())["files"]
    sums = {file["name"]: hashlib.sha256((target / file["name"]).read_bytes()).hexdigest() for file in files}
    return {path.name for path in target.iterdir()} == {*sums, "metadata.json"} and all(
        file["sha256"] == sums[file["name"]] for file in files
    )


def judge(kind: str, target: Path) -> None:
    """What has the name is whole, and `check` says the same of an archive."""
    if not target.exists():
        return
    if kind == "export":
        assert is_whole_export(target)
        return
    check_archive(target)
    assert main(["check", str(target), "--json"]) == 0


def kill_again_and_again(kind: str, folder: Path, place: Path, python_path: str, n: int) -> None:
    """Kill *n* calls at random moments, with and without an earlier target; now and then one may end."""
    target = place / ("out" if kind == "export" else "iris.zip")
    command = [kind, "iris", "--to", str(target)]
    longest = write(folder, command, place, python_path, None)
    draw = random.Random(n)
    for number in range(n):
        if number % 2 and target.exists():
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        write(folder, command, place, python_path, draw.uniform(0.0, 1.1 * longest))
        judge(kind, target)
    write(folder, command, place, python_path, None)
    judge(kind, target)
    assert [path.name for path in place.iterdir()] == [target.name], "what the killed ones left is gone"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["export", "archive"])
def test_a_kill_at_any_moment_leaves_nothing_half(folder, tmp_path, python_path, kind):
    """After each SIGKILL there is no target or a whole one; the next call makes one and tidies up."""
    kill_again_and_again(kind, folder, tmp_path, python_path, N_KILLS)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["export", "archive"])
def test_many_kills_leave_nothing_half(folder, tmp_path, python_path, kind):
    """The same, often enough to meet the short moments between two names."""
    kill_again_and_again(kind, folder, tmp_path, python_path, N_MANY)


@pytest.mark.parametrize("kind", ["export", "archive"])
def test_half_a_target_would_be_seen(folder, tmp_path, kind):
    """What judges the others finds a byte that is missing."""
    store = Sweep.stored(folder / "iris.sweep").store()
    target = tmp_path / ("out" if kind == "export" else "iris.zip")
    file = target / "runs.csv" if kind == "export" else target
    export_sweep(store, target) if kind == "export" else archive_sweep(store, target)
    judge(kind, target)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises((AssertionError, ManyfitError)):
        judge(kind, target)


def test_an_archive_that_is_being_made_is_left_alone(folder, tmp_path):
    """Another call does not take for dead what a living one writes."""
    store = Sweep.stored(folder / "iris.sweep").store()
    with held_aside(tmp_path / "iris.zip") as aside:
        (aside / "half").write_text("half")
        archive_sweep(store, tmp_path / "iris.zip")
        assert (aside / "half").read_text() == "half"
    assert [path.name for path in tmp_path.iterdir()] == ["iris.zip"]
