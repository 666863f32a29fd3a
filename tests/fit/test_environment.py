"""What results were made with."""

import json
import subprocess

import numpy as np

from manyfit.fit.environment import environment, version_differences


def git(folder, *arguments):
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_versions_are_named_and_nothing_is_of_the_moment():
    """The same twice, as JSON; no commit without a work tree."""
    found = environment()
    assert found["libraries"]["numpy"] == np.__version__
    assert json.loads(json.dumps(found)) == environment()
    assert "commit" not in found


def test_a_work_tree_gives_its_commit_and_whether_files_differ(tmp_path):
    """Tracked files that were edited count, others do not."""
    assert "commit" not in environment(tmp_path)
    git(tmp_path, "init")
    (tmp_path / "sweep.toml").write_text("a")
    git(tmp_path, "add", "sweep.toml")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    (tmp_path / "untracked").write_text("a")
    clean = environment(tmp_path)
    (tmp_path / "sweep.toml").write_text("b")
    assert (clean["commit"], clean["changed"]) == (commit, False)
    assert environment(tmp_path)["changed"] is True
    (tmp_path / "inside").mkdir()
    assert environment(tmp_path / "inside")["commit"] == commit


def test_differences_between_environments_are_lines():
    """Versions that differ, came or went."""
    then = {"python": "3.11.0", "libraries": {"numpy": "1", "lightgbm": "4"}}
    now = {"python": "3.11.0", "libraries": {"numpy": "2", "scipy": "1"}}
    assert version_differences(then, now) == [
        "numpy 1 then, 2 now",
        "lightgbm 4 then, absent now",
        "scipy absent then, 1 now",
    ]
    assert version_differences(now, now) == []
