"""The command gate, on a sweep that ran."""

from pathlib import Path
from typing import Any

import pytest

GOOD = '[[metrics]]\nmetric = "accuracy"\nat_least = 0.5\n[size]\nat_most = "5MiB"\n'
BAD = '[[metrics]]\nmetric = "accuracy"\nat_least = 1.01\n[[champion]]\nmetric = "accuracy"\nmargin = 0.0\n'


@pytest.fixture
def rules(tmp_path: Path) -> Any:
    """Return a function that writes a rules file and returns its name."""

    def write(text: str) -> str:
        path = tmp_path / "gates.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_model_that_passes(finished: Any, rules: Any, tmp_path: Path) -> None:
    """Exit code 0, a table within the terminal, JSON, and a summary at the end of the file that is there."""
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    said = finished("gate", "sweep.toml", "--rules", rules(GOOD), "--markdown", str(summary))
    assert said.out.splitlines()[-1] == "passed: 2 gates"
    assert max(map(len, said.out.splitlines())) <= 80
    assert summary.read_text().startswith("# before\n## Model gates passed")
    found = finished("gate", "sweep.toml", "--rules", rules(GOOD), "--best", "--json").json
    assert found["passed"] is True
    assert [gate["kind"] for gate in found["gates"]] == ["metric", "size"]
    assert found == finished("gate", "sweep.toml", "--rules", rules(GOOD), "--json").json


def test_a_model_that_fails(finished: Any, rules: Any) -> None:
    """Exit code 1, with the failed gate marked; the champion that is the model itself is no regression."""
    said = finished("gate", "sweep.toml", "--rules", rules(BAD), "--champion", "sweep.toml", check=1)
    lines = said.out.splitlines()
    assert lines[-1] == "failed: 1 of 2 gates"
    assert any(line.startswith("FAILED  accuracy ") for line in lines)
    assert any(line.startswith("passed  accuracy vs champion") for line in lines)


def test_the_model_of_a_task(finished: Any, rules: Any) -> None:
    """--task judges the model of that task; a fold is judged on the rows that it held out."""
    rows = finished("results", "sweep.toml", "--raw", "--json").json["rows"]
    row = next(row for row in rows if row["fold"] == 1)
    found = finished("gate", "sweep.toml", "--rules", rules(GOOD), "--task", row["key"][:12], "--json").json
    assert found["gates"][0]["value"] == row["cv_accuracy"]
    assert found["data"] == "set cv of split halves"


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (GOOD.replace("at_least", "at_leest"), ["sweep.toml"], "metrics[0].at_leest"),
        (GOOD.replace("accuracy", "acuracy"), ["sweep.toml"], 'did you mean "accuracy"'),
        (BAD, ["sweep.toml"], "--champion MODEL"),
        (GOOD, [], "which model?"),
        (GOOD, ["sweep.toml", "--set", "tset"], 'no set "tset"'),
        (GOOD, ["sweep.toml", "--best", "--task", "abc"], "leave one out"),
        (GOOD, ["sweep.toml", "--data", "absent.csv"], "absent.csv"),
        (GOOD, ["absent.toml"], "absent.toml"),
    ],
)
def test_mistakes_are_no_failed_gates(
    finished: Any, rules: Any, text: str, arguments: list[str], message: str
) -> None:
    """Whatever cannot be judged ends with exit code 2 and says why; nothing is queued or judged."""
    said = finished("gate", *arguments, "--rules", rules(text), check=2)
    assert message in " ".join(said.err.split())
    assert "queued" not in said.err


def test_an_example_of_rules_is_written(here: Any, tmp_path: Path) -> None:
    """--init writes a rules file once."""
    here("gate", "--init", "--rules", "mine.toml")
    assert "[[metrics]]" in (tmp_path / "mine.toml").read_text()
    assert "exists" in here("gate", "--init", "--rules", "mine.toml", check=2).err
