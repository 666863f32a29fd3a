"""Real runs: to the end, interrupted, in the background, filtered, edited, failed and tried again."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.cli.calls import FAILING, N_TASKS, SWEEP, Cli

from manyfit.cli.documents import JSON_KEYS

SLOW_SWEEP = """
name = "long"
data = "sklearn:digits"
fuse = false
[splits.fives]
folds = 3
[pipelines.forest]
steps = ["RandomForestClassifier"]
grid = { n_estimators = [200, 210, 220, 230, 240, 250, 260, 270] }
[workers]
count = 2
"""


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def n_done(cli: Cli, sweep: str) -> int:
    said = cli("status", sweep, "--json", check=None)
    return int(said.json["counts"]["done"]) if said.code == 0 else 0


def test_run_ends_with_a_leaderboard(finished_folder: Path) -> None:
    """A run shows progress, says that it is complete, ranks the candidates and says where the files are."""
    text = (finished_folder / "said.txt").read_text()
    assert f"planned {N_TASKS} = done {N_TASKS} + failed 0" in text
    assert "complete in " in text
    assert "cv accuracy" in text
    assert "leaderboard: flowers.sweep/results/leaderboard.csv" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_run_writes_result_files(finished_folder: Path) -> None:
    """The leaderboard and every task are files that other programs read."""
    board = pl.read_csv(finished_folder / "flowers.sweep/results/leaderboard.csv")
    tasks = pl.read_parquet(finished_folder / "flowers.sweep/results/tasks.parquet")
    assert board.height == 6
    assert board["score"].is_sorted(descending=True)
    assert tasks.height == N_TASKS


def test_results_in_every_form(finished: Any, tmp_path: Path) -> None:
    """Table, JSON and files hold the same rows; filters and --top apply to all."""
    rows = finished("results", "flowers", "--json").json["rows"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert len(finished("results", "flowers", "--pipeline", "knn", "--json").json["rows"]) == 2
    assert finished("results", "flowers", "--raw", "--json").json["n_rows"] == N_TASKS
    for ending, read in ((".csv", pl.read_csv), (".parquet", pl.read_parquet), (".ndjson", pl.read_ndjson)):
        path = tmp_path / f"out{ending}"
        finished("results", "flowers", "--to", str(path), "--top", "4")
        assert read(path)["score"].to_list() == pytest.approx([row["score"] for row in rows[:4]])
    assert "cannot be written" in finished("results", "flowers", "--to", "out.xlsx", check=2).err
    assert 'did you mean "knn"' in finished("results", "flowers", "--pipeline", "kn", check=2).err


def test_tables_fit_80_columns(finished: Any) -> None:
    """No table of a finished sweep is wider than the terminal."""
    for arguments in (
        ["results"],
        ["results", "--raw"],
        ["status"],
        ["failures"],
        ["results", "--metric", "f1_macro"],
    ):
        command, *rest = arguments
        text = finished(command, "flowers", *rest).out
        assert max(map(len, text.splitlines())) <= 80, text
    assert "cv f1_macro" in text


def test_explain_a_finished_task(finished: Any) -> None:
    """A task shows its scores on every set, its parameters and its times."""
    key = finished("results", "flowers", "--raw", "--json").json["rows"][0]["key"]
    facts = finished("explain", "flowers", key[:8], "--json").json
    assert facts["state"] == "done"
    assert set(facts["result"]["scores"]) >= {"train"}
    text = finished("explain", "flowers", key[:8]).out
    assert "accuracy" in text
    assert "sklearn." in text


def test_status_and_logs_of_a_finished_sweep(finished: Any) -> None:
    """Status says complete, watch returns at once, and the logs are there."""
    assert finished("status", "flowers", "--json").json["state"] == "complete"
    watched = finished("watch", "flowers", "--json").json
    assert list(watched) == list(JSON_KEYS["watch"])
    assert watched["state"] == "complete"
    logs = finished("logs", "flowers", "--json").json["logs"]
    assert "status" in [log["name"] for log in logs]
    assert "complete" in finished("logs", "flowers", "status", "-n", "1").out
    assert 'no log starts with "nobody"' in finished("logs", "flowers", "nobody", check=2).err


def test_run_again_changes_nothing(finished: Any) -> None:
    """A finished sweep is complete at once, with exactly the documented facts."""
    facts = finished("run", "sweep.toml", "--json").json
    assert list(facts) == list(JSON_KEYS["run"])
    assert facts["state"] == "complete"
    assert facts["counts"]["done"] == N_TASKS


@pytest.mark.slow
def test_a_filtered_run_does_just_its_tasks(cli: Cli) -> None:
    """Filters after --only and beside it select what is submitted and run."""
    cli.write(SWEEP)
    said = cli("run", "sweep.toml", "--only", "kernel=linear", "pipeline=svc", "--workers", "1", "--json")
    assert said.json["counts"]["done"] == 6
    assert said.err.startswith("0 of 6 tasks (0 %)")


@pytest.mark.slow
def test_parts_are_run_one_after_the_other_and_an_edit_only_what_is_new(cli: Cli) -> None:
    """Folds without validation, then the rest of a changed sweep: each task runs once."""
    cli.write(SWEEP)
    folds = cli("run", "sweep.toml", "--no-validation", "--only", "pipeline=svc", "--json").json
    assert folds["counts"]["done"] == 8
    cli.write(SWEEP.replace("n_neighbors = [1, 5]", "n_neighbors = [5]"))
    said = cli("run", "sweep.toml")
    change = [line.split() for line in said.out.splitlines()]
    assert ["new", "7", "will", "run"] in change
    assert ["kept", "8", "stay", "as", "they", "are"] in change
    assert n_done(cli, "flowers") == 15


@pytest.mark.slow
def test_failures_are_grouped_and_tried_again(cli: Cli) -> None:
    """A sweep with failures ends with exit code 3 and one cause; retry runs them again."""
    cli.write(FAILING)
    said = cli("run", "sweep.toml", check=3)
    assert "user: 2 tasks of bad" in said.out
    failures = cli("failures", "failing", "--json").json
    assert failures["n_tasks"] == 2
    assert set(failures["failures"][0]) == {
        "class",
        "fingerprint",
        "n_tasks",
        "pipelines",
        "example",
        "label",
        "error",
        "message",
        "do",
        "host",
        "n_forgiven",
        "evidence",
    }
    assert set(failures["failures"][0]["evidence"]) >= {"host", "pid", "seconds"}
    explained = cli("explain", "failing", failures["failures"][0]["example"][:8])
    assert "ValueError" in explained.out
    assert cli("retry", "failing", "--class", "user", "--json").json == {"retried": 2}
    assert "before this:" in cli("explain", "failing", failures["failures"][0]["example"]).out
    assert cli("status", "failing", "--json").json["counts"]["pending"] == 2
    assert cli("run", "failing", "--json", check=3).json["counts"]["failed"] == 2


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_run_goes_on(cli: Cli) -> None:
    """SIGINT keeps what is finished, says how to go on, and exits with 130; the same command finishes."""
    cli.write(SLOW_SWEEP)
    process = cli.start("run", "sweep.toml")
    until(lambda: n_done(cli, "long") >= 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    said, again = out.splitlines()[-2:]
    assert said.startswith("stopped cleanly after ")
    assert said.endswith("of 24 tasks; nothing is lost.")
    assert again == "Continue: manyfit run sweep.toml"
    before = n_done(cli, "long")
    assert before >= 3
    assert cli("status", "long", "--json").json["state"] == "waiting"
    facts = cli("run", "sweep.toml", "--json").json
    assert facts["counts"]["done"] == 24
    assert before < 24


@pytest.mark.slow
def test_background_watch_pause_and_stop(cli: Cli) -> None:
    """A run in the background returns at once, can be watched, paused and stopped, and leaves no process."""
    cli.write(SLOW_SWEEP.replace("folds = 3", "folds = 10"))  # longer than the test, on quick machines too
    facts = cli("run", "sweep.toml", "--background", "--json").json
    assert set(facts) == {"sweep", "store", "pid", "log", "submitted"}
    until(lambda: n_done(cli, "long") >= 1)
    until(lambda: len(cli("status", "long", "--json").json["workers"]) == 2)
    watching = cli.start("watch", "long")
    time.sleep(3)
    watching.send_signal(signal.SIGINT)
    out, _ = watching.communicate(timeout=30)
    assert "left the display; the sweep goes on" in out
    assert cli("status", "long", "--json").json["state"] == "running"
    cli("pause", "long")
    cli("resume", "long")
    assert cli("stop", "long", "--wait", "--json").json["workers"] == 2
    until(lambda: not Path(f"/proc/{facts['pid']}").exists() or "Z" in _state(facts["pid"]))
    assert "stopped cleanly" in Path(facts["log"]).read_text()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.slow
def test_work_waits_for_the_sweep_and_joins(cli: Cli) -> None:
    """A worker that is started before the sweep is submitted does its tasks once they are there."""
    cli.write(SWEEP)
    worker = cli.start("work", "sweep.toml", "--idle-timeout", "30")
    time.sleep(2)
    cli("submit", "sweep.toml")
    until(lambda: n_done(cli, "flowers") == N_TASKS)
    out, err = worker.communicate(timeout=30)
    assert worker.returncode == 0, (out, err)
    assert out.startswith("working on ")
