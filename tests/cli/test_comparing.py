"""The command compare, on a sweep that ran."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from manyfit import Sweep


def test_the_best_of_each_pipeline_is_compared(finished: Any) -> None:
    """Two folds are too few to say anything, and the answer says so; every line fits the terminal."""
    said = finished("compare", "sweep.toml")
    assert "best: " in said.out
    assert "too few" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_single_candidates_keep_their_parameters(finished: Any) -> None:
    """What tells candidates apart is not cut where the terminal is narrow."""
    said = finished("compare", "sweep.toml", "--candidates", "--top", "3")
    found = finished("compare", "sweep.toml", "--candidates", "--top", "3", "--json").json["comparisons"][0]
    assert len(found["against"]) == 2
    assert all(f" {one['params']} " in said.out for one in found["against"])


def test_the_same_facts_as_json_and_in_python(finished: Any) -> None:
    """JSON and `Results.compare` agree."""
    found = finished("compare", "sweep.toml", "--json").json
    assert found["ranking"] is None
    comparison = found["comparisons"][0]
    assert (comparison["set"], comparison["n_folds"], comparison["n_cells"]) == ("cv", 2, 2)
    assert comparison["ratio"] == pytest.approx(1.0, abs=0.05)
    frame = Sweep.load("sweep.toml").results().compare()
    assert frame["difference"].to_list() == [one["difference"] for one in comparison["against"]]
    assert frame["says"].to_list() == ["too few folds"]


def test_one_standard_error(finished: Any) -> None:
    """The simplest candidate is shown beside the best, and Python gives the same one."""
    found = finished("compare", "sweep.toml", "--simplest", "C,asc", "--json").json["choices"][0]
    assert found["n_within"] >= 1
    assert found["chosen"]["score"] >= found["threshold"]
    best = Sweep.load("sweep.toml").results().best(rule="one_se", simplest=["C,asc"])
    assert best.candidate_key == found["chosen"]["candidate_key"]
    assert "simplest" in finished("compare", "sweep.toml", "--one-se").out


def test_several_sweeps_are_ranked(finished: Any, finished_folder: Path, tmp_path: Path) -> None:
    """Each sweep is a data set of a ranking, which can be drawn."""
    for name in ("other", "third"):
        shutil.copytree(finished_folder / "flowers.sweep", tmp_path / name / "flowers.sweep")
    sweeps = ["sweep.toml", str(tmp_path / "other/flowers.sweep"), str(tmp_path / "third/flowers.sweep")]
    said = finished("compare", *sweeps, "--ranks", "--plot", str(tmp_path / "ranks.svg"))
    assert said.out.startswith("ranks of 2 over 3 data sets")
    assert "Nemenyi" in said.out
    assert "3 data sets are too few" in said.out
    assert (tmp_path / "ranks.svg").read_text().startswith("<?xml")
    ranking = finished("compare", *sweeps, "--json").json["ranking"]
    assert len(ranking["data_sets"]) == 3
    assert sorted(one["rank"] for one in ranking["competitors"]) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "acuracy"], 'did you mean "accuracy"'),
        (["--split", "halfs"], 'did you mean "halves"'),
        (["--top", "3"], "--candidates --top N"),
        (["--simplest", "c"], 'no candidate has the parameter "c"; did you mean "C"'),
        (["--plot", "ranks.svg"], "two data sets"),
    ],
)
def test_mistakes_say_what_is_right(finished: Any, arguments: list[str], message: str) -> None:
    """Unknown names and options that do not go together are refused with exit code 2."""
    said = finished("compare", "sweep.toml", *arguments, check=2)
    assert message in " ".join(said.err.split())
