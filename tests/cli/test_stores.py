"""Stores chosen by URL in every command, and what there is to do with whole stores."""

import json
import os
import shutil
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import N_TASKS, SWEEP, Cli

from manyfit import connect
from manyfit.cli import worker
from manyfit.cli.documents import JSON_KEYS, OTHER_KEYS
from manyfit.cli.main import main
from manyfit.model.audit import Audited, Certificate
from manyfit.model.control import Audit
from manyfit.run.control import publish

LAB = "sqlite:///lab.db"
LIGHT = 'name = "light"\n[data]\nsource = "sklearn:iris"\n[pipelines.nb]\nsteps = ["GaussianNB"]\n'


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MANYFIT_STORE", "PGPASSWORD"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def write(name: str, text: str = LIGHT, **more: str) -> None:
    extra = "".join(f"{key} = {value!r}\n" for key, value in more.items())
    Path(f"{name}.toml").write_text(extra + text.replace('"light"', f'"{name}"'))


def test_a_store_by_option_by_file_and_by_environment(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three puts the sweep into the database; without any it goes beside the file."""
    write("one")
    assert here("submit", "one.toml", "--store", LAB, "--json").json["store"].endswith("/lab.db#one")
    write("two", store=LAB)
    here("submit", "two.toml")
    write("three")
    monkeypatch.setenv("MANYFIT_STORE", LAB)
    here("submit", "three.toml")
    assert here("status", LAB, "--json").json["sweeps"][2]["sweep"] == "three"
    monkeypatch.delenv("MANYFIT_STORE")
    here("submit", "three.toml")
    assert sorted(path.name for path in Path().glob("*.sweep")) == ["three.sweep"]


@pytest.mark.parametrize(
    "arguments",
    [["sqlite:///lab.db#light"], ["lab.db"], ["light", "--store", LAB], ["light.toml", "--store", LAB]],
)
def test_every_form_of_target_means_the_sweep(here: Any, arguments: list[str]) -> None:
    """A URL, a file, a name with a store: all commands understand all of them."""
    write("light")
    here("submit", "light.toml", "--store", LAB)
    for command in ("status", "results", "failures", "warnings", "pause", "resume", "logs"):
        here(command, *arguments)
    waiting = here("explain", *arguments, "--pending", "--json").json
    assert (waiting["pending"], list(waiting)) == (5, list(OTHER_KEYS["explain"][1]))
    assert here("retry", *arguments, "--all-failed", "--json").json["retried"] == 0


def test_what_to_do_next_names_the_store(here: Any) -> None:
    """Advice works as it stands, whichever way the store was given."""
    write("light")
    text = here("submit", "light.toml", "--store", LAB).out
    assert f"manyfit run light.toml --store {LAB}" in " ".join(text.split())
    assert f"manyfit run {LAB}#light" in here("status", "light", "--store", LAB).out


def test_sweeps_of_a_store_are_listed(here: Any) -> None:
    """One line for each, the most urgent first, as a table of 80 columns and as JSON."""
    write("calm")
    write("hasty", priority="urgent")
    for name in ("calm", "hasty"):
        here("submit", f"{name}.toml", "--store", LAB)
    facts = here("status", LAB, "--json").json
    assert [row["sweep"] for row in facts["sweeps"]] == ["hasty", "calm"]
    assert list(facts) == list(OTHER_KEYS["status"][1])
    text = here("status", LAB).out
    assert max(map(len, text.splitlines())) <= 80
    assert "urgent" in text
    here("copy", f"{LAB}#calm", "many")
    here("copy", f"{LAB}#hasty", "many")
    assert [row["sweep"] for row in here("status", "many", "--json").json["sweeps"]] == ["hasty", "calm"]


@pytest.mark.slow
def test_a_sweep_with_doubtful_results_is_marked(here: Any) -> None:
    """Whoever looks at a whole store sees where an audit found wrong scores, and what to do."""
    near = LIGHT.replace('nb]\nsteps = ["GaussianNB"]', 'knn]\nsteps = ["KNeighborsClassifier"]')
    for name in ("calm", "shaken"):
        write(name, text=near + "grid = { n_neighbors = [1, 3, 5] }\n")
        here("run", f"{name}.toml", "--store", LAB, "--no-audit")
    with closing(connect.open_store(f"{LAB}#shaken")) as store:
        publish(store, Audit(certificate=broken("neighbors")))
    facts = here("status", LAB, "--json").json
    assert {row["sweep"]: row["doubtful"] for row in facts["sweeps"]} == {"calm": False, "shaken": True}
    said = " ".join(here("status", LAB).out.split())
    assert "warning: shaken: rule neighbors is switched off" in said
    assert f"manyfit retry {LAB}#shaken --rule neighbors" in said
    assert "warning: calm" not in said


def broken(rule: str) -> Certificate:
    """Return the certificate of an audit that found *rule* wrong."""
    found = Audited(rule=rule, guarantee="exact", n_fused=6, n_tasks=6, n_cells=6, n_wrong=1, largest=0.5)
    return Certificate(rules=(found,), seed=0, drawn_from="x", off=(rule,), versions={})


def test_one_of_several_has_to_be_named(here: Any) -> None:
    """A command for one sweep lists what the database has."""
    for name in ("one", "two"):
        write(name)
        here("submit", f"{name}.toml", "--store", LAB)
    said = here("results", LAB, check=2)
    assert "holds 2 sweeps (one, two)" in " ".join(said.err.split())


def test_unknown_kinds_of_stores(here: Any) -> None:
    """Wrong use, with a list of what there is."""
    said = here("status", "mysql://lab/db", check=2)
    assert "postgresql://USER@HOST/DATABASE" in " ".join(said.err.split())
    write("light", store="mysql://lab/db")
    assert "mysql" in here("plan", "light.toml", check=2).err


@pytest.mark.parametrize("command", [["status"], ["work"], ["run"], ["plan"], ["gc"], ["copy"]])
def test_a_password_is_shown_nowhere(
    here: Any, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in what commands print nor in the command line of what they start; it is in the environment."""
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    url = "postgresql://ann:s3cret@127.0.0.1:1/none?connect_timeout=1#light"
    monkeypatch.setenv("MANYFIT_DEBUG", "1")
    main([*command, url, *(["dst"] if command == ["copy"] else [])])
    main([*command, "light", *(["dst"] if command == ["copy"] else []), "--json"])
    captured = capsys.readouterr()
    assert "s3cret" not in captured.out + captured.err + json.dumps(started)
    if command != ["copy"]:
        assert os.environ["PGPASSWORD"] == "s3cret"


def test_a_password_of_the_environment_is_not_shown_either(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves to where the client of the database looks for it."""
    monkeypatch.setenv("MANYFIT_STORE", "postgresql://ann:s3cret@127.0.0.1:1/none?connect_timeout=1")
    said = here("status", "light", check=None)
    assert "s3cret" not in said.out + said.err
    assert "s3cret" not in os.environ["MANYFIT_STORE"]


def test_a_password_in_a_sweep_file_is_refused(here: Any) -> None:
    """The file would be copied into the store."""
    write("light", store="postgresql://ann:s3cret@lab/db")
    said = here("submit", "light.toml", check=2)
    assert "password" in said.err
    assert "PGPASSWORD" in said.err


def test_copy_says_what_was_compared(here: Any) -> None:
    """As text and as the documented JSON; a source that somebody is at is refused."""
    write("light")
    here("submit", "light.toml")
    assert "everything was compared and is equal" in " ".join(here("copy", "light", LAB).out.split())
    facts = here("copy", "light", LAB, "--json").json
    assert list(facts) == list(JSON_KEYS["copy"])
    assert facts["target"] == f"{LAB}#light"
    assert here("status", "lab.db", "--json").json["counts"]["pending"] == 5


def test_gc_lists_and_removes(here: Any, finished_folder: Path) -> None:
    """Nothing goes without --yes; times are words; the JSON is documented."""
    here("copy", str(finished_folder / "flowers.sweep"), LAB)
    assert here("gc", LAB).out.startswith("nothing is to go")
    listed = here("gc", LAB, "--completed", "0s")
    assert "nothing was removed" in " ".join(listed.out.split())
    assert f"manyfit gc {LAB} --completed 0s --yes" in " ".join(listed.out.split())
    facts = here("gc", LAB, "--completed", "0s", "--yes", "--json").json
    assert list(facts) == list(JSON_KEYS["gc"])
    assert [one["kind"] for one in facts["removed"]] == ["sweep"]
    assert "holds no sweep yet" in " ".join(here("status", LAB, check=2).err.split())
    assert "write 90d, 24h" in " ".join(here("gc", LAB, "--logs", "soon", check=2).err.split())


def test_gc_tells_sweeps_of_one_name_apart(here: Any, finished_folder: Path) -> None:
    """They are listed by where they are: as a person would name them here."""
    for place in ("first", "second"):
        here("copy", str(finished_folder / "flowers.sweep"), place)
    here("copy", str(finished_folder / "flowers.sweep"), LAB)
    out = here("gc", "first", "second", LAB, "--completed", "0s").out
    names = [line.split()[1] for line in out.splitlines() if line.startswith("sweep ")]
    assert names == ["first/flowers.sweep", "second/flowers.sweep", f"{LAB}#flowers"]


def test_gc_names_the_sweep_of_a_log(here: Any, finished_folder: Path) -> None:
    """A log belongs to a sweep, which stands before its name."""
    shutil.copytree(finished_folder / "flowers.sweep", "copied.sweep")
    out = here("gc", "copied.sweep", "--logs", "0s").out
    assert {line.split()[1] for line in out.splitlines() if line.startswith("log ")} == {"copied.sweep:"}


@pytest.mark.parametrize("command", ["status", "submit", "copy", "gc"])
def test_a_text_file_is_no_store(here: Any, command: str) -> None:
    """The message says what is wrong with it, and nothing is left beside it: it would pass for a store then."""
    Path("notes.txt").write_text("remember the milk\n" * 100)
    write("light")
    store = "sqlite:///notes.txt"
    arguments = {"submit": ["light.toml", "--store", store], "copy": ["light", store]}.get(command, [store])
    here("submit", "light.toml")
    said = here(command, *arguments, check=2)
    assert "notes.txt is not a SQLite database; check the name" in " ".join(said.err.split())
    assert sorted(path.name for path in Path().iterdir()) == ["light.sweep", "light.toml", "notes.txt"]


def test_explain_wants_a_task_or_pending(finished: Any) -> None:
    """Neither of both is wrong use; a finished sweep has nothing that waits."""
    assert "--pending" in finished("explain", "flowers", check=2).err
    assert finished("explain", "flowers", "--pending").out == "no task waits\n"
    assert finished("explain", "flowers", "--pending", "--json").json == {"pending": 0, "reasons": []}


def test_what_cannot_run_here_is_told_at_once(here: Any) -> None:
    """No worker is started that would wait for ever; exit code 4, and how to go on."""
    write("needy", LIGHT + "[needs]\ngpus = 64\n")
    said = here("run", "needy.toml", check=4)
    assert "nb cannot run here: needs 64 GPU" in " ".join(said.out.split())
    assert "manyfit explain needy.toml --pending" in " ".join(said.out.split())
    facts = here("run", "needy.toml", "--json", check=4).json
    assert list(facts) == list(JSON_KEYS["run"])
    assert facts["obstacles"] == ["nb cannot run here: needs 64 GPU, the host has none"]
    reasons = here("explain", "needy.toml", "--pending", "--json").json["reasons"]
    assert [reason["cause"] for reason in reasons] == ["no-worker"]


@pytest.mark.slow
def test_what_is_left_and_cannot_run_here_ends_the_run(cli: Cli) -> None:
    """The rest is done first; then the workers do not wait for a machine that may never come."""
    cli.write(LIGHT + '[pipelines.big]\nsteps = ["GaussianNB"]\nneeds = { labels = ["big"] }\n')
    said = cli("run", "sweep.toml", "--json", check=4, timeout=60).json
    assert (said["counts"]["done"], said["counts"]["pending"]) == (5, 5)
    assert said["obstacles"] == ["big cannot run here: needs the label big, the worker has none"]
    assert cli("run", "light", "--json", check=4).json["counts"]["pending"] == 5
    cli.environment = {**cli.environment, "MANYFIT_LABELS": "big"}
    assert cli("run", "light", "--json").json["state"] == "complete"


@pytest.mark.slow
def test_a_sweep_in_a_database_from_run_to_results(cli: Cli) -> None:
    """Run, results, kept files, another metric from kept predictions, a copy: all as in a folder."""
    cli.write(SWEEP + '[keep]\nmodels = "best:1"\npredictions = true\n')
    facts = cli("run", "sweep.toml", "--store", LAB, "--json").json
    assert facts["counts"]["done"] == N_TASKS
    assert Path(cli.folder, facts["files"]["leaderboard"]).is_file()
    cli.write(SWEEP.replace('["accuracy", "f1_macro"]', '["accuracy", "f1_macro", "balanced_accuracy"]'))
    text = (cli.folder / "sweep.toml").read_text() + '[keep]\nmodels = "best:1"\npredictions = true\n'
    cli.write(text)
    plan = cli("plan", "sweep.toml", "--store", LAB, "--json").json
    assert plan["difference"]["computed_from_predictions"] > 0
    assert cli("run", "sweep.toml", "--store", LAB, "--json").json["state"] == "complete"
    cli("copy", f"{LAB}#flowers", "copied")
    ours, theirs = (cli("results", place, "--json").json["rows"] for place in (LAB, "copied/flowers.sweep"))
    assert ours == theirs
    assert "balanced_accuracy" in json.dumps(ours[0])


@pytest.mark.slow
def test_a_sweep_in_postgresql_with_a_password_in_its_url(cli: Cli, request: pytest.FixtureRequest) -> None:
    """It runs, keeps files, shows results; the password reaches the workers, but no command line and no file."""
    url = str(request.getfixturevalue("postgres").new_database()).replace("postgres@", "postgres:s3cret@", 1)
    cli.environment = {**cli.environment, "XDG_STATE_HOME": str(cli.folder / "state")}
    cli.write(SWEEP + '[keep]\nmodels = "best:1"\npredictions = true\n')
    process = cli.start("run", "sweep.toml", "--store", url, "--json")
    seen: list[str] = []
    while process.poll() is None:
        seen += [line for line in command_lines() if "manyfit" in line and f" {os.getpid()} " not in line]
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert json.loads(out)["counts"]["done"] == N_TASKS
    workers = {line for line in seen if "manyfit.cli.worker" in line}
    assert workers
    assert "s3cret" not in out + err + "".join(workers)
    cli.environment = {**cli.environment, "PGPASSWORD": "s3cret"}
    place = json.loads(out)["store"]
    assert "s3cret" not in place
    for path in cli.folder.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path
    cli("copy", place, "copied")
    assert cli("copy", place, "copied", "--json").json["n_artifacts"] > N_TASKS
    assert cli("results", place, "--json").json["n_rows"] == 6
    assert "status" in {log["name"] for log in cli("logs", place, "--json").json["logs"]}
    for path in (cli.folder / "copied").rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path


def command_lines() -> list[str]:
    """Return the command lines of all processes, as everybody on this machine sees them."""
    lines = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return lines


@pytest.mark.slow
def test_work_on_all_sweeps_of_a_store(cli: Cli) -> None:
    """One worker, urgent sweeps first; kept predictions reach each sweep's own store through the spool."""
    kept = SWEEP + "[keep]\npredictions = true\n"
    for name, priority in (("calm", "low"), ("hasty", "urgent")):
        text = f'priority = "{priority}"\n' + kept.replace('"flowers"', f'"{name}"')
        cli.write(text, f"{name}.toml")
        cli("submit", f"{name}.toml", "--store", LAB)
    process = cli.start("work", LAB)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, (out, err)
    sweeps = cli("status", LAB, "--json").json["sweeps"]
    assert [row["counts"]["done"] for row in sweeps] == [N_TASKS, N_TASKS]
    finished_at = {
        name: [row["finished_at"] for row in cli("results", f"{LAB}#{name}", "--raw", "--json").json["rows"]]
        for name in ("calm", "hasty")
    }
    assert max(finished_at["hasty"]) < min(finished_at["calm"])
    for row in sweeps:
        cli("copy", row["store"], f"copy-{row['sweep']}", "--json")
        copied = cli("copy", row["store"], f"copy-{row['sweep']}", "--json").json
        assert copied["n_artifacts"] > 0
    assert list((cli.folder / "lab.db.files/spool").iterdir()) == []


@pytest.mark.slow
def test_a_worker_that_stays_waits_for_sweeps(cli: Cli) -> None:
    """It takes up what is submitted after its start, and leaves when it is told."""
    cli.write(SWEEP.replace('"flowers"', '"first"'), "first.toml")
    cli("submit", "first.toml", "--store", LAB)
    process = cli.start("work", LAB, "--stay")
    try:
        cli.write(SWEEP.replace('"flowers"', '"second"'), "second.toml")
        cli("submit", "second.toml", "--store", LAB)
        for _ in range(200):
            if all(row["state"] == "complete" for row in cli("status", LAB, "--json").json["sweeps"]):
                break
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, (out, err)
    assert {row["state"] for row in cli("status", LAB, "--json").json["sweeps"]} == {"complete"}


def test_a_worker_whose_sweep_never_comes(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends as one without work does: after its idle timeout, with that exit code."""
    assert worker.main(["sqlite:///lba.db", "--idle-timeout", "0"]) == 4
    assert "holds no sweep yet" in capsys.readouterr().err
