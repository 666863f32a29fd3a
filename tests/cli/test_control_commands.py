"""Commands on a submitted sweep that nobody works on: pause, resume, stop, cancel, retry, status, explain."""

import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import N_TASKS, SWEEP

from manyfit.cli.commands.status import age_elsewhere
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
    said = {"paused": True, "changed": True, "pipeline": None, "reason": "lunch"}
    assert queued("pause", "flowers", "--reason", "lunch", "--json").json == said
    assert queued("pause", "flowers", "--json").json == {**said, "changed": False, "reason": ""}
    assert queued("status", "flowers", "--json").json["state"] == "paused"
    assert "paused; next: manyfit resume flowers" in queued("status", "flowers").out
    resumed = {"paused": False, "changed": True, "workers": 0, "held": []}
    assert queued("resume", "flowers", "--json").json == resumed
    assert queued("status", "flowers", "--json").json["state"] == "waiting"
    assert "it was not paused" in queued("resume", "flowers").out


def test_one_pipeline_is_held_and_goes_on(queued: Any) -> None:
    """What is said names the pipeline and the command that undoes it."""
    held = queued("pause", "flowers", "--pipeline", "svc", "--reason", "too hot").out
    assert held == "pipeline svc is held; next: manyfit resume flowers --pipeline svc\n"
    assert "is held already" in queued("pause", "flowers", "--pipeline", "svc").out
    assert queued("pause", "flowers", "--pipeline", "knn", "--json").json["pipeline"] == "knn"
    assert queued("resume", "flowers", "--pipeline", "svc", "--json").json["held"] == ["knn"]
    assert "was not held" in queued("resume", "flowers", "--pipeline", "svc").out
    assert queued("resume", "flowers").out.startswith("resumed, with knn\n")
    err = queued("pause", "flowers", "--pipeline", "kn", check=2).err
    assert 'did you mean "knn"' in err


def test_a_pipeline_goes_on_only_when_the_sweep_does(queued: Any) -> None:
    """Resuming it in a paused sweep says what still stands in the way."""
    queued("pause", "flowers")
    queued("pause", "flowers", "--pipeline", "svc")
    said = queued("resume", "flowers", "--pipeline", "svc").out
    assert said == "pipeline svc goes on\nthe whole sweep is paused; next: manyfit resume flowers\n"


@pytest.mark.parametrize(
    ("given", "shown", "undo"),
    [
        ("urgent", "priority normal (10) -> urgent (30)", "undo: manyfit priority flowers normal"),
        ("15", "priority normal (10) -> 15", "undo: manyfit priority flowers normal"),
        ("LOW", "priority normal (10) -> low (0)", "undo: manyfit priority flowers normal"),
    ],
)
def test_priority_says_what_changed_and_how_to_undo_it(queued: Any, given: str, shown: str, undo: str) -> None:
    """By name or number; what it says to undo it undoes it."""
    assert queued("priority", "flowers", given).out == f"{shown}\n{undo}\n"
    facts = queued(*undo.removeprefix("undo: manyfit ").split(), "--json").json
    assert list(facts) == list(JSON_KEYS["priority"])
    assert (facts["priority"], facts["changed"]) == (10, True)


def test_a_negative_priority_can_be_set_and_undone(queued: Any) -> None:
    """Its sign is no option."""
    queued("priority", "flowers", "--", "-5")
    said = queued("priority", "flowers", "normal").out
    assert said == "priority -5 -> normal (10)\nundo: manyfit priority flowers -- -5\n"
    assert queued("priority", "flowers", "normal").out == "the priority is normal (10) already\n"


def test_a_priority_that_does_not_exist_is_refused(queued: Any) -> None:
    """With what was probably meant."""
    assert 'did you mean "high"' in queued("priority", "flowers", "hihg", check=2).err
    assert "out of range" in queued("priority", "flowers", "10000000", check=2).err


def test_limit_says_what_changed_and_how_to_undo_it(queued: Any) -> None:
    """Only what was named changes; what it says to undo it undoes it."""
    assert queued("limit", "flowers").out == "tasks of the sweep at once: any number\n"
    assert queued("limit", "flowers", "--running", "4", "--pipeline", "svc=2").out == (
        "tasks of the sweep at once: any number -> 4\n"
        "tasks of pipeline svc at once: any number -> 2\n"
        "undo: manyfit limit flowers --running none --pipeline svc=none\n"
    )
    assert queued("limit", "flowers", "--running", "1").out == (
        "tasks of the sweep at once: 4 -> 1\nundo: manyfit limit flowers --running 4\n"
    )
    facts = queued("limit", "flowers", "--pipeline", "svc=none", "--json").json
    assert facts == {"running": 1, "tenant": None, "pipelines": {}, "changed": True}
    assert list(facts) == list(JSON_KEYS["limit"])
    assert not queued("limit", "flowers", "--json").json["changed"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--running", "0"), "write 1 or more, or none"),
        (("--running", "-1"), "write 1 or more, or none"),
        (("--pipeline", "svc"), "write --pipeline svc=2"),
        (("--pipeline", "svc=x"), "write 1 or more, or none"),
        (("--pipeline", "scv=2"), 'did you mean "svc"'),
        (("--tenant", "2"), "no tenant"),
    ],
)
def test_limits_that_make_no_sense_are_refused(queued: Any, options: tuple[str, str], said: str) -> None:
    """The message says what would be right."""
    assert said in queued("limit", "flowers", *options, check=2).err


def test_changed_terms_reach_the_store_without_new_tasks(queued: Any) -> None:
    """Submitting the changed file says so, submitting it again changes nothing, results stay readable."""
    Path("sweep.toml").write_text('priority = "high"\ntenant = "lab-a"\nconcurrency.tenant = 3\n' + SWEEP)
    assert "its declaration is up to date now" in queued("submit", "sweep.toml").out
    assert "nothing changed" in queued("submit", "sweep.toml").out
    assert queued("limit", "flowers", "--json").json["tenant"] == 3
    assert queued("priority", "flowers", "high", "--json").json["changed"] is False
    assert queued("results", "flowers", "--raw", "--json").json["n_rows"] == 0
    assert counts(queued)["pending"] == N_TASKS


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
