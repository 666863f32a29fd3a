"""The command that examines a machine, a file system and a store."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import Cli, Said
from tests.run.plans import TRIVIAL, make_store, plan, submit

from manyfit.cli.commands import doctor
from manyfit.cli.documents import JSON_KEYS
from manyfit.health.finding import Area, Finding, Seen, bad, doubtful, fine

PERHAPS_BUSY = 20
"""Seconds that the command may take while other tests run; alone it takes three."""


def statuses(said: Said) -> dict[str, str]:
    return {finding["name"]: finding["status"] for finding in said.json["findings"]}


def test_the_machine_and_this_folder_by_default(here: Any, tmp_path: Path) -> None:
    """All areas but the store are there, what they say adds up, and the folder is as it was."""
    begun = time.monotonic()
    said = here("doctor", "--json")
    assert time.monotonic() - begun < PERHAPS_BUSY
    assert list(said.json) == list(JSON_KEYS["doctor"])
    assert (said.json["folder"], said.json["store"]) == (str(tmp_path), None)
    assert {finding["area"] for finding in said.json["findings"]} == {area.value for area in Area} - {"store"}
    assert said.json["problems"] == 0
    assert said.json["warnings"] + said.json["ok"] == len(said.json["findings"])
    assert statuses(said)["directory store"] == "ok"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_table_fits_the_terminal(here: Any) -> None:
    """A heading for each area, a line for each check, the sum at the end; nothing is wider than the terminal."""
    lines = here("doctor").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if not line.startswith(" ")][:-1] == [
        "machine",
        "versions",
        "file system",
        "clock",
    ]
    assert any(line.startswith("  hard links       ok       exclusive") for line in lines)
    assert lines[-1].endswith(" ok")


def test_quiet_says_only_what_needs_attention(here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line for a check that is well; a warning has its next step and does not make the command fail."""
    monkeypatch.setenv("OMP_PROC_BIND", "close")
    (tmp_path / "other").mkdir()
    lines = here("doctor", "--quiet", "--fs", "other").out.splitlines()
    assert not [line for line in lines if line.startswith("  ") and "  ok  " in line]
    assert any(line.startswith("  thread settings  warning  OMP_PROC_BIND=close: ") for line in lines)
    assert any(line.endswith("next: unset OMP_PROC_BIND") for line in lines)
    assert lines[-1].endswith(" ok")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_store_is_read_when_it_is_named(finished: Any) -> None:
    """By its name, its file or its folder; every result is read."""
    said = finished("doctor", "--store", "flowers", "--json")
    assert said.json["store"] == "flowers"
    results = next(finding for finding in said.json["findings"] if finding["name"] == "results")
    assert (results["area"], results["status"], results["facts"]["accepted_twice"]) == ("store", "ok", 0)
    assert results["facts"]["results"] >= 18


def test_a_damaged_store_is_a_problem_and_exit_code_1(here: Any, tmp_path: Path) -> None:
    """The file is named, what to do is said, and the last line begins with the problem."""
    store = make_store(tmp_path)
    submit(store, plan([{}] * 2, folder=tmp_path, executor=TRIVIAL))
    store.close()
    (segment,) = (tmp_path / "t.sweep" / "plan").glob("*.jsonl")
    data = bytearray(segment.read_bytes())
    data[-10] ^= 1
    segment.write_bytes(data)
    said = here("doctor", "--store", "t", check=1)
    assert segment.name in said.out
    assert "next: restore" in said.out
    assert said.out.splitlines()[-1].startswith("1 problem (store: plan); ")
    assert said.err == ""


def test_folders_and_stores_that_do_not_exist_are_wrong_use(here: Any) -> None:
    """Exit code 2, a message, and no table."""
    said = here("doctor", "--fs", "missing", check=2)
    assert (said.out, "there is no folder missing" in said.err) == ("", True)
    said = here("doctor", "--store", "nothing", check=2)
    assert (said.out, "there is no sweep nothing" in said.err) == ("", True)


@pytest.mark.slow
def test_modules_beside_a_sweep_are_not_taken_for_pythons_own(here: Any) -> None:
    """A file `secrets.py` or `json.py` in this folder is the user's business."""
    for name in ("json", "secrets", "selectors", "numpy"):
        Path(f"{name}.py").write_text("raise SystemExit('the wrong module')")
    assert here("doctor", "--quiet", "--json").json["problems"] == 0


def test_ctrl_c_leaves_nothing_behind(cli: Cli) -> None:
    """Interrupted in the middle of its tests, the command says so, exits with 130 and has cleared away."""
    process = cli.start("doctor")
    end = time.monotonic() + 20
    while not list(cli.folder.glob(".manyfit-doctor-*/*")):
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in err
    assert list(cli.folder.iterdir()) == []


def finding(name: str, seen: Seen) -> Finding:
    return Finding(area=Area.FILES, name=name, seen=seen)


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([], "nothing to do; 0 ok"),
        ([finding("a", fine("x"))], "nothing to do; 1 ok"),
        (
            [finding("a", doubtful("x", "y")), finding("b", fine("x")), finding("c", bad("x", "y"))],
            "1 problem (file system: c); 1 warning (file system: a); 1 ok",
        ),
        (
            [finding("a", bad("x", "y")), finding("b", bad("x", "y"))],
            "2 problems (file system: a, file system: b); 0 ok",
        ),
    ],
)
def test_the_last_line_has_problems_first(findings: list[Finding], said: str) -> None:
    """Problems, then warnings, each with their names, then how many are well."""
    assert doctor.summary(findings) == said


def test_progress_is_one_line_that_vanishes(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """A bar with the share and the counts, written over and cleared at the end."""
    monkeypatch.setenv("COLUMNS", "80")
    with doctor._Bar() as bar:
        bar.show("results", 500, 2000)
    first, second, *rest = capsys.readouterr().out.split("\r")[1:]
    assert "results  ███" in first
    assert "25%" in first
    assert first.endswith("500 of 2,000 read")
    assert second.isspace()
    assert rest == [""]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:secret@host/db#t", "postgresql://me@host/db#t"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("sweeps/a:b@c.sweep", "sweeps/a:b@c.sweep"),
    ],
)
def test_a_password_is_not_repeated(given: str, shown: str) -> None:
    """What was given is in the document, without what must not be in a file."""
    assert doctor._without_password(given) == shown
