"""Verification and held-out scores from the command line."""

import json

import polars as pl
import pytest
from tests.cli.calls import in_process
from tests.vowels import vowels

from manyfit.cli.main import main

SWEEP = """
name    = "vowels"
metrics = ["accuracy"]

[data]
source = "vowels.parquet"
target = "vowel"
group  = "speaker"
index  = "id"

[data.categories]
front = ["heed", "hid", "head", "had"]

[splits.speakers]
kind  = "groups"
test  = ["speaker 3", "speaker 4"]
folds = { kind = "stratified", n = 3 }

[splits.each]
kind = "leave_one_group_out"

[pipelines.knn]
steps = ["KNeighborsClassifier"]
grid  = { n_neighbors = [1, 5] }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a sweep that ran."""
    found = tmp_path_factory.mktemp("verify")
    (found / "sweep.toml").write_text(SWEEP)
    vowels().write_parquet(found / "vowels.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        patch.setenv("MANYFIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert main(["run", "sweep.toml", "--quiet", "--no-audit", "--workers", "1"]) == 0
    return found


@pytest.fixture
def cli(folder, monkeypatch, capsys):
    """Commands in that folder, on a terminal of 80 columns."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return in_process(capsys)


def test_a_verification_is_shown_stored_listed_and_shown_again(cli):
    """Scores here beside those of the sweep, by class, category and group; the same again by its id."""
    said = cli("verify", "sweep.toml", "--unseen-groups", "--split", "speakers", "--sample", "balanced:5").out
    assert "1 model on 55 rows of groups that took no part in training (sample balanced:5)" in said
    for text in ("knn n_neighbors=1", "heed", "front", "sensitivity", "speaker 3", "speaker 4"):
        assert text in said
    assert max(map(len, said.splitlines())) <= 80
    name = said.rpartition("--show ")[2].strip()
    assert cli("verify", "sweep.toml", "--show", name[:6]).out == said
    listed = cli("verify", "sweep.toml", "--list").out
    assert name in listed
    assert max(map(len, listed.splitlines())) <= 80


def test_json_has_everything(cli):
    """The document of a verification is the file that is stored; a list has all of them."""
    found = json.loads(cli("verify", "sweep.toml", "--unseen-groups", "--all", "--json").out)
    assert {model["split"] for model in found["models"]} == {"speakers", "each"}
    assert all(model["gap"] is not None for model in found["models"])
    listed = json.loads(cli("verify", "sweep.toml", "--list", "--json").out)
    assert found["id"] in [one["id"] for one in listed["verifications"]]
    assert json.loads(cli("verify", "sweep.toml", "--show", found["id"], "--json").out) == found


def test_rows_and_plot_are_written(cli, folder):
    """One row for each prediction, and the gaps as a picture; what cannot be written is refused before any fit."""
    pytest.importorskip("matplotlib")
    said = cli(
        "verify", "sweep.toml", "--unseen-groups", "--to", "rows.csv", "--plot", "gap.png", "--split", "each"
    )
    assert "wrote rows.csv" in said.out
    rows = pl.read_csv(folder / "rows.csv")
    assert rows.height == 990
    assert {"id", "group", "true", "predicted", "confidence", "correct", "p:heed"} <= set(rows.columns)
    assert (folder / "gap.png").read_bytes().startswith(b"\x89PNG")
    for option, ending in (("--plot", "gap.bmp"), ("--to", "rows.xls")):
        assert (
            f'"{ending}"; endings:' in cli("verify", "sweep.toml", "--unseen-groups", option, ending, check=2).err
        )


def test_a_table_that_does_not_fit_is_told_with_all_mistakes(cli, folder):
    """Exit code 2, nothing stored, one line for each mistake."""
    before = cli("verify", "sweep.toml", "--list").out
    vowels().head(9).drop("F3").with_columns(vowel=pl.lit("howl")).write_csv(folder / "bad.csv")
    said = cli("verify", "sweep.toml", "--data", "bad.csv", check=2).err
    assert "bad.csv has 2 mistakes:" in said
    assert '"howl (9)"' in said
    assert '1 of 10 features are missing: "F3"' in said
    assert json.loads(cli("verify", "sweep.toml", "--data", "bad.csv", "--json", check=2).out)["error"]
    assert cli("verify", "sweep.toml", "--list").out == before


def test_rows_that_trained_are_told(cli, folder):
    """The file is in the message, and what keeps them."""
    vowels().head(4).write_csv(folder / "own.csv")
    said = cli("verify", "sweep.toml", "--data", "own.csv", "--split", "each", check=2).err
    assert "own.csv: no row is left" in said
    assert "--keep-seen" in said
    said = cli("verify", "sweep.toml", "--data", "own.csv", "--split", "each", "--keep-seen").out
    assert "leakage: 4 rows of own.csv" in said


def test_gaps_of_all_candidates(cli):
    """Validation beside held-out, with the rank that each would have had; wide enough for 80 columns."""
    said = cli("results", "sweep.toml", "--gap", "--split", "speakers").out
    header = said.splitlines()[1].split()
    assert header == ["rank", "pipeline", "parameters", "cv", "accuracy", "test", "gap", "rank", "there"]
    assert max(map(len, said.splitlines())) <= 80
    rows = json.loads(cli("results", "sweep.toml", "--gap", "--json").out)["rows"]
    assert {row["split"]: row["held_out_set"] for row in rows} == {"speakers": "test", "each": "cv"}
    board = cli("results", "sweep.toml", "--split", "speakers").out
    assert "gap" in board.splitlines()[1]
    assert "give one of them" in cli("results", "sweep.toml", "--gap", "--raw", check=2).err


def test_folds_have_the_names_of_their_groups(cli):
    """In the table of tasks, in the plan, and where a task is explained."""
    said = cli("results", "sweep.toml", "--raw", "--split", "each", "--top", "3").out
    assert "held out" in said.splitlines()[0]
    assert "speaker 0" in said
    assert "15 folds" in cli("plan", "sweep.toml").out
    (row, *_) = json.loads(cli("results", "sweep.toml", "--raw", "--split", "each", "--json").out)["rows"]
    assert row["held_out"] == "speaker 0"
    assert "fold 0 (speaker 0 held out)" in cli("explain", "sweep.toml", row["key"]).out
    assert json.loads(cli("explain", "sweep.toml", row["key"], "--json").out)["held_out"] == "speaker 0"


def test_folds_alone_can_be_run_without_knowing_their_number(cli):
    """--no-validation asks the plan how many folds there are."""
    said = cli("run", "sweep.toml", "--no-validation", "--quiet", "--no-audit", "--workers", "1").out
    assert "done 38" in said
