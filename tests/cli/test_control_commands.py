"""Commands on a submitted sweep that nobody works on: pause, resume, stop, cancel, retry, status, explain."""

import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import N_TASKS, SWEEP

from manyfit.cli.commands.inspection import age_elsewhere
from manyfit.cli.documents import JSON_KEYS
from manyfit.model.keys import WorkerId
from manyfit.model.snapshot import WorkerView
from manyfit.model.worker import Beat, WorkerInfo, WorkerState
from manyfit.run.identity import boot_identity
from manyfit.stores.directory import DirectoryStore

NOW = 1e9


@pytest.fixture
def queued(here: Any) -> Any:
    """Commands in a folder with a submitted sweep."""
    Path("sweep.toml").write_text(SWEEP)
    here("submit", "sweep.toml")
    return here


def counts(give: Any) -> dict[str, int]:
    found: dict[str, int] = give("status", "flowers", "--json").json["counts"]
    return found


def test_pause_and_resume_say_what_changed(queued: Any) -> None:
    """Pausing twice is harmless and said."""
    assert queued("pause", "flowers", "--json").json == {"paused": True, "changed": True}
    assert queued("pause", "flowers", "--json").json == {"paused": True, "changed": False}
    assert queued("status", "flowers", "--json").json["state"] == "paused"
    assert "paused; next: manyfit resume flowers" in queued("status", "flowers").out
    assert queued("resume", "flowers", "--json").json == {"paused": False, "changed": True, "workers": 0}
    assert queued("status", "flowers", "--json").json["state"] == "waiting"
    assert "it was not paused" in queued("resume", "flowers").out


def test_status_adds_up(queued: Any) -> None:
    """Status says all of its documented facts, and the first line is the sum."""
    facts = queued("status", "sweep.toml", "--json").json
    assert list(facts) == list(JSON_KEYS["status"])
    assert facts["pipelines"]["knn"]["planned"] == 6
    text = queued("status", "flowers.sweep").out
    assert text.startswith(
        f"planned {N_TASKS} = done 0 + failed 0 + running 0 + pending {N_TASKS} + cancelled 0\n"
    )
    assert "no worker is at work; next: manyfit run flowers.sweep" in text


def test_cancel_by_key_and_retry(queued: Any) -> None:
    """A task is cancelled by the beginning of its key, and comes back by retry."""
    key = queued("plan", "sweep.toml", "--json").json["first"][0]["key"]
    assert queued("cancel", "flowers", key[:10], "--json").json == {"cancelled": 1}
    assert counts(queued)["cancelled"] == 1
    assert queued("explain", "flowers", key[:10], "--json").json["state"] == "cancelled"
    assert queued("retry", "flowers", "--all-cancelled", "--json").json == {"retried": 1}
    assert counts(queued) == {
        "planned": N_TASKS,
        "done": 0,
        "failed": 0,
        "running": 0,
        "pending": N_TASKS,
        "cancelled": 0,
    }


def test_cancel_all(queued: Any) -> None:
    """Everything that is left is cancelled at once."""
    assert queued("cancel", "flowers", "--all").out == f"cancelled {N_TASKS} tasks\n"
    assert counts(queued)["pending"] == 0


def test_commands_want_to_know_which_tasks(queued: Any) -> None:
    """Neither cancel nor retry guesses."""
    for arguments in (
        ("cancel",),
        ("cancel", "--all", "abc"),
        ("retry",),
        ("retry", "--all-failed", "--class", "oom"),
    ):
        command, *rest = arguments
        assert "say which tasks to" in queued(command, "flowers", *rest, check=2).err


def test_wrong_keys_and_factors_are_refused(queued: Any) -> None:
    """A key that no task has, one that several have, a class and a factor that do not exist are all named."""
    assert 'starts with "zz"' in queued("cancel", "flowers", "zz", check=2).err
    assert "give more of it" in queued("cancel", "flowers", "", check=2).err
    assert 'did you mean "oom"' in queued("retry", "flowers", "--class", "ooms", check=2).err
    assert (
        '"twice" is not a factor' in queued("retry", "flowers", "--all-failed", "--memory", "twice", check=2).err
    )


def test_explain_says_why_a_task_waits(queued: Any) -> None:
    """A task that has not run says what it waits for; all documented facts are there."""
    key = queued("plan", "sweep.toml", "--json").json["first"][0]["key"]
    facts = queued("explain", "flowers", key[:8], "--json").json
    assert list(facts) == list(JSON_KEYS["explain"])
    assert facts["state"] == "pending"
    assert facts["why"]
    assert facts["result"] is None
    assert queued("explain", "flowers", key[:8]).out.startswith(f"{key[:8]}… ")
    assert "no task has a key" in queued("explain", "flowers", "zz", check=2).err


def test_stop_without_workers(queued: Any) -> None:
    """Stopping what does not run is harmless."""
    facts = queued("stop", "flowers", "--wait", "--json").json
    assert list(facts) == list(JSON_KEYS["stop"])
    assert facts["workers"] == 0


def test_results_before_there_are_any(queued: Any) -> None:
    """An empty leaderboard says what to do."""
    assert queued("results", "flowers").out == "no results yet; next: manyfit status flowers\n"
    assert queued("results", "flowers", "--json").json["rows"] == []
    assert queued("failures", "flowers").out == "no task failed\n"
    assert queued("warnings", "flowers").out == "no fit warned\n"
    assert queued("compact", "flowers", "--json").json == {"compacted": False, "position": None}


def test_filters_of_a_run_must_leave_something(queued: Any) -> None:
    """Switching off both halves, or a half that is everything, is refused before anything starts."""
    assert "leave nothing" in queued("run", "sweep.toml", "--no-cv", "--no-validation", check=2).err
    Path("other.toml").write_text(SWEEP.replace("validate = 0.3", "").replace("flowers", "other"))
    assert "no split has a validate" in queued("run", "other.toml", "--no-cv", check=2).err


def worker_of(boot: str, age: float) -> WorkerView:
    info = WorkerInfo(
        id=WorkerId("far-1"),
        host="far",
        boot=boot,
        pid=1,
        pid_started="1",
        version="0",
        threads=1,
        started_at=0.0,
        cores=1,
        memory_bytes=1,
    )
    return WorkerView(info=info, beat=Beat(counter=1, at=NOW - age, state=WorkerState.RUNNING), alive=True)


@pytest.mark.parametrize(("age", "said"), [(3 * 3600, "3 h 00 m"), (5, "")])
def test_the_last_beat_of_another_machine_has_an_age(age: float, said: str) -> None:
    """A store takes it for alive until it has watched it; an old heartbeat tells a person otherwise."""
    assert age_elsewhere(worker_of("another", age), NOW) == said


def test_workers_of_this_machine_need_no_age() -> None:
    """That they live is known."""
    assert age_elsewhere(worker_of(boot_identity(), 3 * 3600), NOW) == ""


def test_status_tells_the_age_of_a_beat_from_elsewhere(queued: Any) -> None:
    """One line below the table of workers, which says by whose clock."""
    store = DirectoryStore(Path("flowers.sweep"))
    view = worker_of("another", 0)
    store.register(view.info)
    store.beat(view.info.id, Beat(counter=1, at=time.time() - 7200, state=WorkerState.RUNNING))
    said = queued("status", "flowers")
    assert "far-1 on far: last beat 2 h 00 m ago by its own clock" in said.out.splitlines()
    (worker,) = queued("status", "flowers", "--json").json["workers"]
    assert worker["beat_at"] < time.time() - 7000
